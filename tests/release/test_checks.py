"""The report: ok, what to mend, or not run, and the status for a pipeline."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.release.checks import Check, Result, run_all


def fails() -> Result:
    raise subprocess.CalledProcessError(3, ["build", "."], output="one", stderr="no version")


def is_damaged() -> Result:
    raise ValueError("not a zip file")


def told(*checks: Check) -> tuple[int, list[str]]:
    lines: list[str] = []
    status = run_all(checks, lines.append)
    return status, "\n".join(lines).splitlines()


def test_what_is_ok_is_said_with_its_figures() -> None:
    status, lines = told(("a", Result), ("b", lambda: Result(seen="7 files")))
    assert (status, lines) == (0, ["a: ok", "b: ok (7 files)", "== can be published: 2 ok"])


def test_one_problem_makes_the_status_1_and_the_others_run() -> None:
    status, lines = told(("a", lambda: Result(["x is missing", "y is wrong"], "seen")), ("b", Result))
    assert status == 1
    assert lines == [
        "a: 2 to mend",
        "    - x is missing",
        "    - y is wrong",
        "b: ok",
        "== not ready to be published: 1 ok, 1 to mend (a)",
    ]


def test_what_could_not_be_found_out_is_never_called_ok() -> None:
    status, lines = told(("a", lambda: Result(not_run="no network")))
    assert status == 0
    assert lines == ["a: NOT RUN: no network", "== can be published: 0 ok, 1 not run (a)"]


@pytest.mark.parametrize(
    ("check", "words"),
    [(fails, ["`build .` ended with status 3", "one", "no version"]), (is_damaged, ["not a zip file"])],
)
def test_a_check_that_fails_itself_is_a_problem(check: Check, words: list[str]) -> None:
    status, lines = told(("a", check))  # type: ignore[arg-type]
    assert status == 1
    assert all(any(word in line for line in lines) for word in words)


def test_the_module_names_its_checks() -> None:
    command = [sys.executable, "-m", "tests.release", "--only", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    names = (
        "version",
        "changelog",
        "pythons",
        "wheel",
        "sdist",
        "twine",
        "installs",
        "sbom",
        "vulnerabilities",
    )
    assert [name for name in names if name not in done.stderr] == []
