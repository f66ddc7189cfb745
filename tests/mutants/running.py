"""Runs of tests on mutants, each in a fork of a process that has loaded what no mutant changes."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import attrs
import pytest

from tests.mutants.tables import ROOT, Change

_COPIED: Final = ("voucher_async", "tests", "openapi", "pyproject.toml")
_LIMIT: Final = 120  # seconds of CPU time, ten times the longest run
_PRELOADED: Final = ("aiohttp.web", "aiohttp", "cattrs", "hypothesis", "msgspec", "yaml", "yarl")
_OPTIONS: Final = (
    *("-x", "-q", "--timeout=30", "--hypothesis-seed=0", "-p", "no:cacheprovider"),
    *("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin"),
)


@attrs.frozen
class Mutant:
    """One mutant.

    Attributes:
        change: the changed text, or the changed line.
        text: the whole mutated file.
        tests: those that have to notice.
        name: the rule it breaks; empty for one of cosmic-ray's.
    """

    change: Change
    text: str
    tests: tuple[str, ...]
    name: str = ""


def _copy(source: Path, target: Path) -> None:
    for name in _COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        else:
            shutil.copy2(source / name, target / name)


def _prepare(whole: Path) -> None:
    """Make a copy of the source for this process, and load what no mutant changes."""
    copy = whole.with_name(str(os.getpid()))
    copy.mkdir()
    _copy(whole, copy)
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode = True  # two mutants' bytecode may share size and second
    for module in _PRELOADED:
        importlib.import_module(module)


def _is_noticed(tests: tuple[str, ...]) -> bool:
    """Run tests in a fork of this process: whether one fails, hangs, or cannot be imported."""
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (_LIMIT, _LIMIT))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os._exit(pytest.main([*_OPTIONS, *tests]))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise RuntimeError(f"pytest ended with {status}: {tests}")
    return status != pytest.ExitCode.OK


def survives(mutant: Mutant) -> bool:
    """Test one mutant in the copy of this process."""
    path = Path(mutant.change.file)
    whole = path.read_bytes()
    try:
        path.write_text(mutant.text, encoding="utf-8")
        return not _is_noticed(mutant.tests)
    finally:
        path.write_bytes(whole)


def run(mutants: list[Mutant], jobs: int) -> Iterator[Mutant]:
    """The mutants that survive, as they are found."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        whole.mkdir()
        _copy(ROOT, whole)
        # compiles every module, for all copies
        every = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
        environment = {**os.environ, "PYTHONPATH": str(whole)}
        command = [sys.executable, "-m", "pytest", *_OPTIONS, *every]
        subprocess.run(command, cwd=whole, env=environment, check=True)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context, initializer=_prepare, initargs=(whole,)) as pool:
            for mutant, survived in zip(mutants, pool.map(survives, mutants), strict=True):
                if survived:
                    yield mutant
