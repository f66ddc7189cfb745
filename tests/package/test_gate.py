"""The parts of the gate run side by side, each tells what it has to, and one that fails fails the whole."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import pytest

from tests import gate
from tests.gate import Part, copy_what_tests_need, cores, run_all, split
from tests.pythons import Claims, Environment


@pytest.fixture(autouse=True)
def _logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gate, "LOGS", tmp_path / "logs")


def saying(name: str, text: str, *, passes: bool = True) -> Part:
    def run(log: Path) -> bool:
        log.write_text(text, encoding="utf-8")
        return passes

    return Part(name, run)


def test_a_part_that_passed_tells_its_figures_and_what_was_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = "....\nSKIPPED [1] because\n4 passed, 1 skipped in 3.00s\nName  Stmts\nTOTAL  100  99%\n\n"
    assert run_all([saying("unit", output)], 1) == []
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == "unit: begun"
    assert re.fullmatch(r"unit: passed in \d+ s", second)
    assert rest == ["    SKIPPED [1] because", "    4 passed, 1 skipped in 3.00s", "    TOTAL  100  99%"]


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_a_part_that_failed_is_shown_whole_and_the_others_run(
    capsys: pytest.CaptureFixture[str], at_once: int
) -> None:
    parts = [saying("bad", "one\ntwo\n1 failed, 3 passed", passes=False), saying("good", "4 passed")]
    assert run_all(parts, at_once) == ["bad"]
    output = capsys.readouterr().out
    assert re.search(r"^one\ntwo\n1 failed, 3 passed\nbad: FAILED after \d+ s", output, re.MULTILINE)
    assert re.search(r"^good: passed in \d+ s\n    4 passed$", output, re.MULTILINE)


def test_an_installation_that_failed_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def run(log: Path) -> bool:
        raise subprocess.CalledProcessError(1, "pip", output="no such version")

    assert run_all([Part("3.9", run)], 1) == ["3.9"]
    assert "no such version\n3.9: FAILED" in capsys.readouterr().out


def test_parts_run_side_by_side_and_begin_in_their_order() -> None:
    both = threading.Barrier(2, timeout=30)
    begun: list[str] = []

    def part(name: str, wait: Callable[[], object]) -> Part:
        def run(log: Path) -> bool:
            begun.append(name)
            wait()
            log.touch()
            return True

        return Part(name, run)

    parts = [part("a", both.wait), part("b", both.wait), part("c", lambda: None)]
    assert run_all(parts, 2) == []
    assert begun[2] == "c"


def test_two_parts_more_than_there_are_cores_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[list[str], int]] = []

    def run(parts: Sequence[Part], at_once: int) -> list[str]:
        taken.append(([part.name for part in parts], at_once))
        return []

    monkeypatch.setattr(gate, "run_all", run)
    assert gate.main(["--first=slow", "unit"], {}) == 0
    assert taken == [(["slow", "unit"], cores() + 2)]


@pytest.mark.parametrize(
    ("words", "names", "arguments"),
    [
        (["unit", "pythons", "--", "-x", "--ignore=a"], ["unit", "pythons"], ["-x", "--ignore=a"]),
        (["types"], ["types"], []),
        (["pythons", "--", "--", "-k"], ["pythons"], ["--", "-k"]),
    ],
)
def test_the_arguments_of_pytest_come_after_two_dashes(
    words: list[str], names: list[str], arguments: list[str]
) -> None:
    assert split(words) == (names, arguments)


def test_no_package_lies_beside_the_tests_of_the_wheel(root: Path, tmp_path: Path) -> None:
    copy_what_tests_need(root, tmp_path)
    assert not (tmp_path / "voucher_async").exists()
    assert {"README.md", "pyproject.toml", "tests", "openapi"} <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "tests" / "conftest.py").exists()
    assert list(tmp_path.rglob("__pycache__")) == []


def environment(path: Path, script: str) -> Environment:
    """An environment whose interpreter is a script."""
    program = path / "made" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return Environment("made", Path("python"), ())


@pytest.mark.parametrize("code", [0, 1])
def test_tests_run_in_development_mode_away_from_the_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    monkeypatch.setattr("tests.pythons.FOLDER", tmp_path)
    monkeypatch.setattr(Environment, "prepare", lambda environment, wheel: None)
    made = environment(tmp_path, f'ls; echo "mode $PYTHONDEVMODE" "$@"; echo 4 passed; exit {code}')
    part = gate.tests_in(made, Path("a.whl"), ["--ignore=tests/chaos"])
    assert run_all([part], 1) == ["made"] * code
    output = (gate.LOGS / "made.log").read_text(encoding="utf-8")
    assert "mode 1 -m pytest -q -p no:cacheprovider --assert=plain --ignore=tests/chaos" in output
    assert "tests\n" in output
    assert "voucher_async\n" not in output
    assert ("made: FAILED" in capsys.readouterr().out) is (code == 1)


def test_a_target_is_made_by_make_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Makefile").write_text("good:\n\t@echo 7 passed\nbad:\n\t@exit 3\n", encoding="utf-8")
    monkeypatch.setattr(gate, "ROOT", tmp_path)
    monkeypatch.setenv("MAKEFLAGS", "n")  # or make would run nothing
    assert run_all([gate.target("good"), gate.target("bad")], 1) == ["bad"]
    assert "    7 passed" in capsys.readouterr().out


def test_what_is_told_to_go_first_has_a_higher_priority(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "Makefile").write_text("one two:\n\t@nice\n", encoding="utf-8")
    monkeypatch.setattr(gate, "ROOT", tmp_path)
    assert gate.main(["--first=one", "two"], {}) == 0
    first, second = (int((gate.LOGS / f"{name}.log").read_text(encoding="utf-8")) for name in ("one", "two"))
    assert first < second or first == 19  # 19 is the lowest priority


def test_a_claimed_python_that_the_machine_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = attrs.evolve(Claims.here(), pythons=("3.9", "3.10"))
    monkeypatch.setattr(Claims, "here", lambda: claims)
    monkeypatch.setattr(gate, "find", lambda version, environ: None)
    monkeypatch.setattr(gate, "build_wheel", lambda: Path("a.whl"))
    assert gate.main(["pythons"], {}) == 0
    assert re.findall(r"NOT RUN: Python (\S+),", capsys.readouterr().out) == ["3.9", "3.10"]


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("pythons", [["--share=1/3"], ["--share=2/3"], ["--share=3/3"]]),
        ("pythons/5", [[f"--files={number}/3", f"--share={number}/5"] for number in (1, 2, 3)]),
    ],
)
def test_the_other_pythons_have_the_tests_or_a_part_of_them_between_them(
    monkeypatch: pytest.MonkeyPatch, name: str, shares: list[list[str]]
) -> None:
    taken: list[list[str]] = []

    def tests_in(environment: Environment, wheel: Path, arguments: Sequence[str]) -> Part:
        taken.append([*arguments])
        return saying(environment.name, "")

    claims = attrs.evolve(Claims.here(), pythons=("3.9", "3.10"))
    monkeypatch.setattr(Claims, "here", lambda: claims)
    monkeypatch.setattr(gate, "find", lambda version, environ: Path(version))
    monkeypatch.setattr(gate, "build_wheel", lambda: Path("a.whl"))
    monkeypatch.setattr(gate, "tests_in", tests_in)
    assert gate.main([name], {}) == 0
    assert taken == shares


def test_the_whole_fails_when_a_part_did_and_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "target", lambda name: saying(name, "", passes=name == "types"))
    assert gate.main(["unit", "types"], {}) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "FAILED: unit"


def test_a_wheel_that_cannot_be_built_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> Path:
        raise subprocess.CalledProcessError(1, "build", output="no version")

    monkeypatch.setattr(gate, "build_wheel", fails)
    assert gate.main(["pythons"], {}) == 1
    assert "no version" in capsys.readouterr().out


def test_there_is_a_core() -> None:
    assert 1 <= cores() <= 4096


def test_the_module_says_what_it_is_called_with(root: Path) -> None:
    # the Makefile's command, without a part to run
    command = [sys.executable, "-m", "tests.gate"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
