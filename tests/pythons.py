"""Run the tests on every Python, and with the lowest dependencies, that `pyproject.toml` claims.

python -m tests.pythons ARGUMENTS    run pytest with these arguments in an environment each, below .build
python -m tests.pythons --lock       renew tests/constraints-lowest.txt

The Python that runs this is left out: `make unit` runs it. The last lines name each claimed Python that this
machine lacks; that fails nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import attrs

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / ".build" / "pythons"
PINNED: Final = "tests/constraints.txt"
LOWEST: Final = "tests/constraints-lowest.txt"
OWN: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
_CLASSIFIER: Final = re.compile(r"Programming Language :: Python :: (3\.\d+)")
_PIP: Final = ("-m", "pip", "--disable-pip-version-check", "-qq")


@attrs.frozen
class Claims:
    """The promises of a `pyproject.toml` about versions.

    Attributes:
        pythons: minor versions, such as `3.11`, the lowest first.
        floors: the lowest version of each dependency, those of the extras included, by name.
        extras: the names of the extras.
        tools: the requirements of the group `test`, by name.
    """

    pythons: tuple[str, ...]
    floors: Mapping[str, str]
    extras: tuple[str, ...]
    tools: Mapping[str, str]

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> Claims:
        """Read the promises.

        Args:
            declared: the parsed `pyproject.toml`.
        """
        project = declared["project"]
        extras: dict[str, list[str]] = project["optional-dependencies"]
        required = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
        pythons = [found[1] for line in project["classifiers"] if (found := _CLASSIFIER.fullmatch(line))]
        return cls(
            pythons=tuple(sorted(pythons, key=_by_number)),
            floors=dict(line.split(">=") for line in required),
            extras=tuple(extras),
            tools={line.partition("==")[0]: line for line in declared["dependency-groups"]["test"]},
        )

    @property
    def lowest_install(self) -> tuple[str, ...]:
        """Arguments of pip for an environment of the lowest versions; those of the others are free."""
        others = [line for name, line in self.tools.items() if name not in self.floors]
        pinned = [f"{name}=={version}" for name, version in self.floors.items()]
        return ("--editable", f".[{','.join(self.extras)}]", *pinned, *others)


@attrs.frozen
class Run:
    """One run of the tests.

    Attributes:
        name: its name, and that of its folder.
        python: the interpreter that the environment is made from.
        install: arguments of pip.
    """

    name: str
    python: Path
    install: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The environment, and beside it the log."""
        return FOLDER / self.name

    @property
    def executable(self) -> str:
        """The interpreter of the environment."""
        return str(self.folder / "bin" / "python")

    def prepare(self) -> None:
        """Make the environment, unless it is there and nothing it depends on has changed.

        Raises:
            subprocess.CalledProcessError: pip failed; its output is in the error.
        """
        stamp, wanted = self.folder / "stamp", self._digest()
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        _call(str(self.python), "-m", "venv", str(self.folder))
        _call(self.executable, *_PIP, "install", "--upgrade", "pip")
        _call(self.executable, *_PIP, "install", *self.install)
        stamp.write_text(wanted, encoding="utf-8")

    def test(self, arguments: Sequence[str]) -> tuple[bool, str]:
        """Run pytest; whether it passed, and its output."""
        try:
            self.prepare()
        except subprocess.CalledProcessError as error:
            return False, f"{error}\n{error.stdout}"
        known = {"PYTHONDEVMODE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(self.folder / "hypothesis")}
        command = [self.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | known, check=False, **_CAPTURED)
        return done.returncode == 0, done.stdout

    def _digest(self) -> str:
        parts = [str(self.python.resolve()), *self.install]
        parts += [(ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", PINNED, LOWEST)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


_CAPTURED: Final[dict[str, Any]] = {
    "stdout": subprocess.PIPE,
    "stderr": subprocess.STDOUT,
    "text": True,
}


def _by_number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _call(*command: str) -> str:
    return str(subprocess.run(command, cwd=ROOT, check=True, **_CAPTURED).stdout)


def candidates(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where an interpreter may be: this one, those on the PATH, those of pyenv; some do not exist or run.

    Args:
        version: a minor version, such as `3.12`.
        environ: the environment, for `PATH`, `PYENV_ROOT` and `HOME`.
    """
    if version == OWN:
        yield Path(sys.executable)
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        yield Path(folder) / f"python{version}"
    root = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/")) / ".pyenv")
    made = (root / "versions").glob(f"{version}.*/bin/python{version}")
    yield from sorted(made, key=lambda path: _patch(path.parts[-3]), reverse=True)


def _patch(version: str) -> int:
    found = re.match(r"\d+\.\d+\.(\d+)$", version)
    return int(found[1]) if found else -1


def find(version: str, environ: Mapping[str, str]) -> Path | None:
    """The first interpreter of a version that runs: a shim of pyenv is there and does not always run."""
    return next((path for path in candidates(version, environ) if _is(path, version)), None)


def _is(path: Path, version: str) -> bool:
    question = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        told = subprocess.run([path, "-c", question], check=False, timeout=60, **_CAPTURED)
    except OSError:
        return False
    return told.returncode == 0 and told.stdout.strip() == version


def plan(claims: Claims, found: Mapping[str, Path]) -> list[Run]:
    """The runs that are possible.

    Args:
        claims: the promises.
        found: the interpreters there are, by version.
    """
    pinned = ("--constraint", PINNED, "--group", "test", "--editable", ".")
    runs = [Run(version, path, pinned) for version, path in found.items() if version != OWN]
    lowest = next((found[version] for version in claims.pythons if version in found), None)
    if lowest is not None:
        runs.insert(0, Run("lowest", lowest, ("--constraint", LOWEST, *claims.lowest_install)))
    return runs


def run_all(runs: Sequence[Run], arguments: Sequence[str]) -> bool:
    """Run them, as many at once as there are processors; whether all passed."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return all(list(pool.map(lambda run: _report(run, arguments), runs)))


def _report(run: Run, arguments: Sequence[str]) -> bool:
    begun = time.monotonic()
    passed, output = run.test(arguments)
    last = output.strip().rpartition("\n")[2]
    _say(
        f"{run.name}: {last} ({time.monotonic() - begun:.0f} s in all)"
        if passed
        else f"{output}\n{run.name}: FAILED"
    )
    return passed


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _lock(claims: Claims, found: Mapping[str, Path]) -> None:
    (ROOT / LOWEST).touch()
    run = Run("lock", found[claims.pythons[0]], claims.lowest_install)
    shutil.rmtree(run.folder, ignore_errors=True)
    run.prepare()
    frozen = _call(
        run.executable, *_PIP, "freeze", "--all", "--exclude", "voucher-async", "--exclude", "setuptools"
    )
    (ROOT / LOWEST).write_text(frozen, encoding="utf-8")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run everything; 1 when something failed.

    Args:
        arguments: those of pytest, or `--lock` alone.
        environ: the environment.
    """
    claims = Claims.of(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    found = {version: path for version in claims.pythons if (path := find(version, environ))}
    if list(arguments) == ["--lock"]:
        _lock(claims, found)
        return 0
    passed = run_all(plan(claims, found), arguments)
    for version in claims.pythons:
        if version not in found:
            _say(f"NOT RUN: Python {version}, which pyproject.toml claims, is not on this machine")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
