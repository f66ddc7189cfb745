"""The versions that `pyproject.toml` claims are found, planned and pinned."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests import pythons
from tests.pythons import LOWEST, OWN, Claims, Run, candidates, find, plan

FIXED = """\
[project]
dependencies = ["aiohttp>=3.13.5", "attrs>=24.3"]
classifiers = [
    "Programming Language :: Python :: 3 :: Only",
    "Programming Language :: Python :: 3.9",
    "Programming Language :: Python :: 3.10",
]
[project.optional-dependencies]
pytest = ["pytest>=8.2"]
[dependency-groups]
test = ["httpx==0.28.1", "pytest==9.2.0"]
"""


@pytest.fixture
def claims() -> Claims:
    return Claims.of(tomllib.loads(FIXED))


def interpreter(path: Path, version: str, code: int = 0) -> Path:
    """A program that says it is of a version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\nexit {code}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_the_claims_are_read_in_the_order_of_numbers(claims: Claims) -> None:
    assert claims.pythons == ("3.9", "3.10")
    assert claims.floors == {"aiohttp": "3.13.5", "attrs": "24.3", "pytest": "8.2"}


def test_the_floors_are_installed_in_place_of_the_pinned_tools(claims: Claims) -> None:
    wanted = ("--editable", ".[pytest]", "aiohttp==3.13.5", "attrs==24.3", "pytest==8.2", "httpx==0.28.1")
    assert claims.lowest_install == wanted


def test_a_shim_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    interpreter(tmp_path / "shims" / "python3.77", "3.77", code=127)
    interpreter(tmp_path / "other" / "python3.77", "3.7")
    for patch in ("9", "10", "11-dev"):
        interpreter(tmp_path / "versions" / f"3.77.{patch}" / "bin" / "python3.77", "3.77")
    path = os.pathsep.join(str(tmp_path / name) for name in ("none", "shims", "other"))
    environ = {"PATH": path, "PYENV_ROOT": str(tmp_path)}
    assert find("3.77", environ) == tmp_path / "versions" / "3.77.10" / "bin" / "python3.77"


def test_pyenv_is_looked_for_below_the_home_folder(tmp_path: Path) -> None:
    made = interpreter(tmp_path / ".pyenv" / "versions" / "3.77.0" / "bin" / "python3.77", "3.77")
    assert list(candidates("3.77", {"PATH": "", "HOME": str(tmp_path)}))[-1] == made


def test_the_running_python_is_found_and_not_run_again(claims: Claims) -> None:
    own = find(OWN, {"PATH": ""})
    assert own == Path(sys.executable)
    assert [run.name for run in plan(claims, {"3.9": own, OWN: own, "3.10": own})] == [
        "lowest",
        "3.9",
        "3.10",
    ]


def test_a_claimed_python_that_the_machine_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(FIXED, encoding="utf-8")
    monkeypatch.setattr(pythons, "ROOT", tmp_path)
    assert pythons.main([], {"PATH": "", "HOME": str(tmp_path)}) == 0
    assert re.findall(r"NOT RUN: Python (\S+),", capsys.readouterr().out) == ["3.9", "3.10"]


@pytest.mark.parametrize(("code", "word"), [(0, "4 passed"), (1, "FAILED")])
def test_a_failing_run_fails_the_whole_and_shows_its_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int, word: str
) -> None:
    monkeypatch.setattr(pythons, "FOLDER", tmp_path)
    monkeypatch.setattr(Run, "prepare", lambda run: None)
    interpreter(tmp_path / "good" / "bin" / "python", "'4 passed'")
    interpreter(tmp_path / "bad" / "bin" / "python", "'4 passed'", code)
    runs = [Run(name, Path("python"), ()) for name in ("bad", "good")]
    assert pythons.run_all(runs, []) is (code == 0)
    assert f"bad: {word}" in capsys.readouterr().out


def test_a_failing_installation_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pythons, "FOLDER", tmp_path)
    broken = interpreter(tmp_path / "python", "'no such module: venv'", 1)
    passed, output = Run("broken", broken, ()).test([])
    assert not passed
    assert "no such module: venv" in output


def test_the_floors_are_pinned_as_declared(root: Path) -> None:
    claims = Claims.of(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")))
    pinned = dict(line.split("==") for line in (root / LOWEST).read_text(encoding="utf-8").splitlines())
    floors = {name: padded(version) for name, version in claims.floors.items()}
    assert {name: padded(pinned[name]) for name in floors} == floors
    assert floors["aiohttp"] >= padded("3.13.5"), "below, endless headers of an answer fill the memory"


def padded(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


def test_every_claimed_python_is_at_least_the_required_one(root: Path) -> None:
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert declared["project"]["requires-python"] == f">={Claims.of(declared).pythons[0]}"
