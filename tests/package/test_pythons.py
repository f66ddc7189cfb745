"""The versions that `pyproject.toml` claims are found, planned and pinned."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import pythons
from tests.pythons import LOWEST, OWN, Claims, Environment, candidates, find, plan

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
    wanted = ("aiohttp==3.13.5", "attrs==24.3", "pytest==8.2", "httpx==0.28.1")
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
    assert [each.name for each in plan(claims, {"3.9": own, OWN: own, "3.10": own})] == [
        "lowest",
        "3.9",
        "3.10",
    ]


def recorded(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[tuple[str, ...]]:
    """Commands are noted, and a folder is made in place of an environment."""
    commands: list[tuple[str, ...]] = []

    def call(*command: str) -> str:
        commands.append(command)
        (path / "made").mkdir(exist_ok=True)
        return ""

    monkeypatch.setattr(pythons, "call", call)
    monkeypatch.setattr(pythons, "FOLDER", path)
    return commands


def test_an_environment_is_made_once_and_gets_every_new_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = recorded(monkeypatch, tmp_path)
    made = Environment("made", Path("python"), ("pytest==9",))
    made.prepare(Path("dist/first.whl"))
    assert commands[0] == ("python", "-m", "venv", "--without-pip", str(tmp_path / "made"))
    (installed,) = commands[1:]
    assert installed[1:5] == ("-m", "uv", "pip", "install")
    assert installed[-4:] == ("--python", made.executable, "pytest==9", "dist/first.whl")
    del commands[:]
    made.prepare(Path("dist/second.whl"))
    assert [command[-3:] for command in commands] == [("--no-deps", "--force-reinstall", "dist/second.whl")]


def test_pip_installs_what_uv_could_not(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[str, ...]] = []

    def call(*command: str) -> str:
        commands.append(command)
        if "uv" in command:
            raise subprocess.CalledProcessError(2, "uv", output="no such index")
        return ""

    monkeypatch.setattr(pythons, "call", call)
    made = Environment("made", Path("python"), ())
    made.add("pytest==9")
    assert [command[-2:] for command in commands] == [
        (made.executable, "pytest==9"),
        ("install", "pytest==9"),
    ]


def test_an_environment_of_other_versions_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = recorded(monkeypatch, tmp_path)
    for version in ("8", "9"):
        Environment("made", Path("python"), (f"pytest=={version}",)).prepare(Path("a.whl"))
    assert [command[-2:-1] for command in commands if "venv" in command] == [("--without-pip",)] * 2


def test_a_failing_installation_tells_its_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pythons, "FOLDER", tmp_path)
    broken = interpreter(tmp_path / "python", "'no such module: venv'", 1)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        Environment("broken", broken, ()).prepare(Path("a.whl"))
    assert "no such module: venv" in failed.value.output


def test_the_floors_are_pinned_as_declared(root: Path) -> None:
    claims = Claims.of(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")))
    lines = (root / LOWEST).read_text(encoding="utf-8").lower().splitlines()
    pinned = dict(line.split("==") for line in lines)
    floors = {name: padded(version) for name, version in claims.floors.items()}
    assert {name: padded(pinned[name]) for name in floors} == floors
    assert floors["aiohttp"] >= padded("3.13.5"), "below, endless headers of an answer fill the memory"


def padded(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


def test_every_claimed_python_is_at_least_the_required_one(root: Path) -> None:
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert declared["project"]["requires-python"] == f">={Claims.of(declared).pythons[0]}"
