"""Fresh environments: the wheel alone, with each extra alone, and with all of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from tests.gate import cores
from tests.release.checks import Result

__all__ = ["ALL", "CORE", "PROGRAMS", "Fresh", "check", "judge", "normal", "unknown", "wanted"]

PROGRAMS: Final = Path(__file__).parent / "programs"
CORE: Final = "core"
ALL: Final = "all"
# no file of the package is imported without them, so none can say what is missing
ONLY_WITH: Final = {"pytest": "pytest alone loads the plugin"}
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


@attrs.frozen
class Fresh:
    """A virtual environment that holds the wheel and extras, with the versions that the index gives today.

    Attributes:
        folder: where it is.
        wheel: the wheel.
        extras: their names.
    """

    folder: Path
    wheel: Path
    extras: tuple[str, ...]

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def make(self) -> None:
        """Make it, and install into it.

        Raises:
            subprocess.CalledProcessError: it failed; its output is in the error.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        _call(sys.executable, "-m", "venv", "--without-pip", str(self.folder))
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        self.pip("install", "--quiet", f"{self.wheel}{extras}")
        self.pip("check")

    def pip(self, *arguments: str) -> str:
        """Run this environment's pip for that one; its output."""
        pip = (sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check")
        return _call(*pip, *arguments)

    def installed(self) -> dict[str, str]:
        """Versions by normal name."""
        listed: list[dict[str, str]] = json.loads(self.pip("list", "--format", "json"))
        return {normal(each["name"]): each["version"] for each in listed}

    @property
    def packages(self) -> Path:
        """Its folder of packages."""
        (folder,) = self.folder.glob("lib/python*/site-packages")
        return folder

    def run(self, program: Path) -> subprocess.CompletedProcess[str]:
        """Run a program in it, away from the source, with warnings as errors."""
        command = [self.python, "-I", "-W", "error", "-X", "dev", str(program)]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("VOUCHER_")}
        return subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder, env=environ, timeout=120
        )


def _call(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(requirements: Iterable[str]) -> frozenset[str]:
    """The normal names of packages that requirements name."""
    found = (_NAME.match(each) for each in requirements)
    return frozenset(normal(each[0]) for each in found if each)


def unknown(extras: Iterable[str], programs: Path = PROGRAMS) -> list[str]:
    """The extras that no program tries, and the programs that try no extra."""
    made = {path.stem for path in programs.glob("*.py")} - {"__init__"}
    known = {CORE, *extras}
    return [
        *(
            f"the extra {each!r} has no check: write {programs.name}/{each}.py"
            for each in sorted(known - made)
        ),
        *(f"{programs.name}/{each}.py tries an extra that there is not" for each in sorted(made - known)),
    ]


def judge(name: str, extra: str, done: subprocess.CompletedProcess[str], *, works: bool) -> str | None:
    """The reason why a program should not have ended as it did.

    Args:
        name: the environment's name.
        extra: the extra that the program needs.
        done: how it ended.
        works: whether the environment has all that the extra names.
    """
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["nothing"]
    if works:
        failed = done.returncode != 0
        return f"with {name}: what {extra!r} is for does not work: {said[0]}" if failed else None
    if done.returncode == 0:
        return f"with {name}: what {extra!r} is for works without it: is the extra needed?"
    if f'pip install "voucher-async[{extra}]"' not in said[0]:
        return f"with {name}: the error does not name the extra {extra!r}: {said[0]}"
    return None


def check(wheel: Path, extras: Mapping[str, list[str]], folder: Path) -> tuple[Fresh, Result]:
    """Make the environments, and run in each the program of every extra, and that of the core.

    What an extra is for has to work where all its packages are, and to say `pip install
    "voucher-async[EXTRA]"` elsewhere.

    Args:
        wheel: the wheel.
        extras: requirements of each extra.
        folder: where the environments go.

    Returns:
        The environment with all extras, and the problems.
    """
    missing = unknown(extras)
    tried = [extra for extra in extras if (PROGRAMS / f"{extra}.py").exists()]
    names = {CORE: (), **{extra: (extra,) for extra in extras}, ALL: tuple(extras)}
    made = {name: Fresh(folder / name, wheel, given) for name, given in names.items()}
    with ThreadPoolExecutor(cores()) as pool:
        told = list(pool.map(partial(_tried, extras, tried), made, made.values()))
    problems = [*missing, *(problem for each in told for problem in each)]
    runs = len(made) * (len(tried) + 1)
    return made[ALL], Result(problems, f"{len(made)} environments, {runs} programs")


def _tried(extras: Mapping[str, list[str]], tried: list[str], name: str, fresh: Fresh) -> list[str]:
    try:
        fresh.make()
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or error.stdout.strip()).splitlines()[-1:] or ["it said nothing"]
        return [f"with {name}: it cannot be installed: {last[0]}"]
    there = fresh.installed().keys()
    problems = [judge(name, CORE, fresh.run(PROGRAMS / f"{CORE}.py"), works=True)]
    for extra in tried:
        works = wanted(extras[extra]) <= there
        if works or extra not in ONLY_WITH:
            problems.append(judge(name, extra, fresh.run(PROGRAMS / f"{extra}.py"), works=works))
    return [problem for problem in problems if problem]
