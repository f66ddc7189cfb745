"""Copies of the source, with and without a rule, and the tests that are run on them."""

from __future__ import annotations

import enum
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import attrs

from tests.mutants.table import Rule

WIDE: Final = (
    "tests/unit/test_balance.py",
    "tests/unit/test_money_call.py",
    "tests/unit/test_decide.py",
    "tests/unit/test_evidence.py",
    "tests/unit/test_lessons.py",
    "tests/unit/test_likeness.py",
    "tests/unit/test_looking.py",
    "tests/unit/test_not_done.py",
    "tests/unit/test_replies.py",
    "tests/unit/test_retry.py",
    "tests/unit/test_registry.py",
    "tests/settlement",
    "tests/checkout",
    "tests/resources",
    "tests/transport/test_doubt.py",
    "tests/transport/test_fate.py",
)
MODEL: Final = ("tests/settlement/test_model.py",)
EXAMPLES: Final = 60

_COPIED: Final = ("voucher_async", "tests", "openapi", "pyproject.toml")
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", ".hypothesis")
_FAILED: Final = 1
_LONGER: Final = 5.0
_LEAST: Final = 60.0  # seconds
_OPTIONS: Final = (
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "tests.mutants.imported", "--hypothesis-seed=0"),
    *("-p", "no:schemathesis"),  # not needed, and slow to load
    *("--timeout", "30"),  # seconds for one test, of which none takes five
)


class End(enum.StrEnum):
    """How a run of tests ended."""

    PASSED = "passed"
    FAILED = "failed"
    HUNG = "hung"
    BROKEN = "broken"
    """The tests could not be run at all, which says nothing about a rule."""


@attrs.frozen(kw_only=True)
class Run:
    """One run of tests.

    Attributes:
        end: how it ended.
        test: the id of the test that failed; empty when none did.
        seconds: how long it took.
        output: what was printed.
    """

    end: End
    test: str = ""
    seconds: float = 0.0
    output: str = ""


def run_tests(folder: Path, tests: Sequence[str], limit: float | None = None) -> Run:
    """Run tests on the copy in a folder, until the first one fails.

    Args:
        folder: where the copy is.
        tests: paths below it.
        limit: seconds after which they count as hung; None waits for them.
    """
    left_out = [f"--ignore={path}" for path in MODEL if path not in tests]
    command = [sys.executable, "-m", "pytest", *_OPTIONS, *left_out, *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "MODEL_EXAMPLES": str(EXAMPLES)}
    begun = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return Run(end=End.HUNG, seconds=time.monotonic() - begun)
    return _read(done.returncode, done.stdout + done.stderr, time.monotonic() - begun)


def _read(status: int, output: str, seconds: float) -> Run:
    if status == 0:
        return Run(end=End.PASSED, seconds=seconds, output=output)
    failed = re.search(r"^(?:FAILED|ERROR) (tests/\S.*?)(?: - .*)?$", output, re.MULTILINE)
    if status != _FAILED or failed is None:
        return Run(end=End.BROKEN, seconds=seconds, output=output)
    hung = "from pytest-timeout" in failed[0]
    return Run(end=End.HUNG if hung else End.FAILED, test=failed[1], seconds=seconds, output=output)


@attrs.frozen(kw_only=True)
class Workshop:
    """Where copies are made.

    Attributes:
        folder: holds them.
        limit: seconds after which the tests of a copy count as hung.
    """

    folder: Path
    limit: float = _LEAST

    @property
    def whole(self) -> Path:
        """The copy that has all rules."""
        return self.folder / "whole"

    @classmethod
    def make(cls, root: Path, folder: Path) -> Self:
        """Copy what the tests need.

        Args:
            root: the folder with the source.
            folder: where to; an empty one.
        """
        workshop = cls(folder=folder)
        workshop.whole.mkdir()
        for name in _COPIED:
            source, target = root / name, workshop.whole / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=_LEFT_OUT)
            else:
                shutil.copy2(source, target)
        return workshop

    def after(self, seconds: float) -> Self:
        """The workshop for copies whose tests take so many seconds when no rule is missing."""
        return attrs.evolve(self, limit=max(_LEAST, seconds * _LONGER))

    def test_without(self, rule: Rule, number: int) -> Run:
        """Run the tests without a rule: those that most likely fail, all others, and the model last.

        Args:
            rule: what to remove.
            number: tells the copies apart.
        """
        copy = self.folder / str(number)
        shutil.copytree(self.whole, copy)  # with its compiled files, which save most of the start
        try:
            _change(copy / rule.file, rule)
            for tests in (rule.tests, WIDE, MODEL):
                run = run_tests(copy, tests, self.limit)
                if run.end is not End.PASSED:
                    return run
            return run
        finally:
            shutil.rmtree(copy)


def _change(path: Path, rule: Rule) -> None:
    path.write_text(rule.remove_from(path.read_text(encoding="utf-8")), encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()  # it is told from the new one by size and second alone
