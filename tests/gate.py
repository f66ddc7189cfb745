"""Run parts of the gate side by side, two more than there are cores, as each waits a part of its time.

python -m tests.gate [--first=PART...] PART... [-- ARGUMENTS]

A part is a target of the Makefile, or `pythons`: pytest with these arguments against the built wheel, away
from the source, in every environment of `tests/pythons.py`, each with its share of the tests (`pythons/3`: a
third of the tests of its share of the files). They begin in the order given: put the longest first. Those
that wait more than they work get a core before the others. Each part writes into a log of its own below
.build/gate; one that fails is shown whole. The last lines name each claimed Python that this machine lacks;
that fails nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import attrs

from tests.pythons import ROOT, Claims, Environment, build_wheel, find, plan

__all__ = ["Part", "copy_what_tests_need", "cores", "main", "run_all", "split", "target", "tests_in"]

_FIRST: Final = "--first="
_SPARE: Final = 2  # parts more than there are cores
_AFTER_OTHERS: Final = ("nice", "-n", "10")
LOGS: Final = ROOT / ".build" / "gate"
NEEDED: Final = ("docs", "openapi", "codegen", "examples", "tests", "pyproject.toml", "Makefile")
# lines of a passed part's output that are shown: figures, and what was left out
_FIGURES: Final = re.compile(
    r"^(?:.*\d+ passed.*|(?:SKIPPED|XFAIL|XPASS|TOTAL|Success).*|\d+ errors.*|.*completeness score.*)$",
    re.MULTILINE,
)


@attrs.frozen
class Part:
    """A part of the gate.

    Attributes:
        name: its name, and that of its log.
        run: writes into the log; whether it passed.
    """

    name: str
    run: Callable[[Path], bool]


def target(name: str, *, goes_first: bool = False) -> Part:
    """A target of the Makefile.

    Args:
        name: its name.
        goes_first: it gets a core before those that do not; a storm counts the seconds it is late.
    """

    def run(log: Path) -> bool:
        # without this make's own options, such as its job server
        environ = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS"}}
        priority = () if goes_first else _AFTER_OTHERS
        return _logged(log, ROOT, environ, *priority, "make", "--no-print-directory", name)

    return Part(name, run)


def tests_in(environment: Environment, wheel: Path, arguments: Sequence[str]) -> Part:
    """The tests in an environment, against the wheel.

    Args:
        environment: made or renewed at first.
        wheel: the package.
        arguments: those of pytest.
    """

    def run(log: Path) -> bool:
        environment.prepare(wheel)
        known = {
            "PYTHONDEVMODE": "1",
            "PYTHONMALLOC": "pymalloc",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(environment.folder / "hypothesis"),
        }
        # rewriting every assertion of a new copy takes ten seconds
        options = ("-q", "-p", "no:cacheprovider", "--assert=plain")
        pytest = (environment.executable, "-m", "pytest", *options, *arguments)
        with tempfile.TemporaryDirectory() as folder:
            copy_what_tests_need(ROOT, Path(folder))
            return _logged(log, Path(folder), os.environ | known, *_AFTER_OTHERS, *pytest)

    return Part(environment.name, run)


def copy_what_tests_need(source: Path, folder: Path) -> None:
    """Copy everything but the package, so that there is none to import but the installed one."""
    for path in [*(source / name for name in NEEDED), *source.glob("*.md")]:
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder)


def _logged(log: Path, folder: Path, environ: Mapping[str, str], *command: str) -> bool:
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command, cwd=folder, env=environ, check=False, stdout=output, stderr=subprocess.STDOUT
        )
    return done.returncode == 0


def cores() -> int:
    """The number of processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def run_all(parts: Sequence[Part], at_once: int) -> list[str]:
    """Run the parts; the names of those that failed.

    Args:
        parts: in the order in which they begin.
        at_once: how many run side by side.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(at_once) as lanes:
        running = [(part.name, lanes.submit(_report, part)) for part in parts]
        return [name for name, passed in running if not passed.result()]


def _report(part: Part) -> bool:
    log, begun = LOGS / f"{part.name}.log", time.monotonic()
    _say(f"{part.name}: begun")
    try:
        passed = part.run(log)
    except subprocess.CalledProcessError as error:
        log.write_text(f"{error}\n{error.stdout}", encoding="utf-8")
        passed = False
    output = log.read_text(encoding="utf-8", errors="replace")
    took = f"{time.monotonic() - begun:.0f} s"
    if passed:
        _say("\n    ".join([f"{part.name}: passed in {took}", *_FIGURES.findall(output)]))
    else:
        _say(f"{output}\n{part.name}: FAILED after {took}, the lines above")
    return passed


_SAYING: Final = threading.Lock()


def _say(text: str) -> None:
    with _SAYING:  # one part's lines stay together
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of the parts, and the arguments of pytest."""
    names = [*words]
    at = names.index("--") if "--" in names else len(names)
    return names[:at], names[at + 1 :]


def main(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run everything; 1 when something failed.

    Args:
        words: the names of the parts, then `--` and the arguments of pytest.
        environ: the environment.
    """
    names, arguments = split(words)
    claims = Claims.here()
    found = {version: path for version in claims.pythons if (path := find(version, environ))}
    try:
        parts = _parts(names, arguments, plan(claims, found))
    except subprocess.CalledProcessError as error:
        _say(f"{error}\n{error.stdout}")
        return 1
    failed = run_all(parts, cores() + _SPARE)
    if any(map(_is_pythons, names)):
        for version in claims.pythons:
            if version not in found:
                _say(f"NOT RUN: Python {version}, which pyproject.toml claims, is not on this machine")
    if failed:
        _say(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


def _is_pythons(name: str) -> bool:
    return name.partition("/")[0] == "pythons"


def _parts(names: Sequence[str], arguments: Sequence[str], environments: Sequence[Environment]) -> list[Part]:
    parts: list[Part] = []
    for name in names:
        if name.startswith(_FIRST):
            parts.append(target(name.removeprefix(_FIRST), goes_first=True))
        elif _is_pythons(name):
            wheel = build_wheel()
            parts += _shared(environments, int(name.partition("/")[2] or 1), wheel, arguments)
        else:
            parts.append(target(name))
    return parts


def _shared(
    environments: Sequence[Environment], part: int, wheel: Path, arguments: Sequence[str]
) -> Iterator[Part]:
    # the Python that runs this script runs all tests; the others share them
    for number, each in enumerate(environments, 1):
        of_all = f"{number}/{len(environments)}"
        # where only a part is run, two thirds of what it costs would be reading files
        share = [f"--share={of_all}"] if part == 1 else [f"--files={of_all}", f"--share={number}/{part}"]
        yield tests_in(each, wheel, [*share, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
