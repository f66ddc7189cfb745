"""Find every Python that `pyproject.toml` claims, and make an environment of each for the built wheel.

python -m tests.pythons --lock       renew tests/constraints-lowest.txt

`tests/gate.py` runs the tests in them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

__all__ = [
    "LOWEST",
    "OWN",
    "ROOT",
    "Claims",
    "Environment",
    "build_wheel",
    "candidates",
    "find",
    "plan",
]

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / ".build" / "pythons"
PINNED: Final = "tests/constraints.txt"
LOWEST: Final = "tests/constraints-lowest.txt"
OWN: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
_CLASSIFIER: Final = re.compile(r"Programming Language :: Python :: (3\.\d+)")

_APART: Final = {"dbos"}  # needs a newer SQLAlchemy than the other extras, and none of the other tests


@attrs.frozen
class Claims:
    """The promises of a `pyproject.toml` about versions.

    Attributes:
        pythons: minor versions, such as `3.11`, the lowest first.
        floors: the lowest version of each dependency, those of the extras included, by name.
        tools: the requirements of the group `test`, by name.
    """

    pythons: tuple[str, ...]
    floors: Mapping[str, str]
    tools: Mapping[str, str]

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> Claims:
        """Read the promises.

        Args:
            declared: the parsed `pyproject.toml`.
        """
        project = declared["project"]
        extras: dict[str, list[str]] = project["optional-dependencies"]
        lines = [extras[name] for name in extras if name not in _APART]
        required = [*project["dependencies"], *(line for each in lines for line in each)]
        pythons = [found[1] for line in project["classifiers"] if (found := _CLASSIFIER.fullmatch(line))]
        return cls(
            pythons=tuple(sorted(pythons, key=_by_number)),
            floors=dict(line.split(">=") for line in required),
            tools={line.partition("==")[0]: line for line in declared["dependency-groups"]["test"]},
        )

    @classmethod
    def here(cls) -> Claims:
        """The promises of this project."""
        return cls.of(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))

    @property
    def lowest_install(self) -> tuple[str, ...]:
        """Requirements of the lowest versions, the project's own aside; those of the other tools are free."""
        others = [line for name, line in self.tools.items() if name not in self.floors]
        return (*(f"{name}=={version}" for name, version in self.floors.items()), *others)


@attrs.frozen
class Environment:
    """A virtual environment that holds the wheel and what its tests need.

    Attributes:
        name: its name, and that of its folder.
        python: the interpreter that it is made from.
        install: arguments of pip, the wheel aside.
    """

    name: str
    python: Path
    install: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where it is."""
        return FOLDER / self.name

    @property
    def executable(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def prepare(self, wheel: Path) -> None:
        """Make it, unless it is there and nothing it depends on has changed, and put the wheel into it.

        Raises:
            subprocess.CalledProcessError: something failed; its output is in the error.
        """
        stamp, wanted = self.folder / "stamp", self._digest()
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            shutil.rmtree(self.folder, ignore_errors=True)
            call(str(self.python), "-m", "venv", "--without-pip", str(self.folder))
            self.add(*self.install, str(wheel))
            stamp.write_text(wanted, encoding="utf-8")
        else:
            self.add("--no-deps", "--force-reinstall", str(wheel))

    def add(self, *arguments: str) -> None:
        """Install packages by uv, which is fast, or where that fails by pip, which has settings of its own.

        Raises:
            subprocess.CalledProcessError: both failed; the output of pip is in the error.
        """
        uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--system-certs")
        try:
            call(*uv, "--python", self.executable, *arguments)
        except subprocess.CalledProcessError:
            self.pip("install", *arguments)

    def pip(self, *arguments: str) -> str:
        """Run this environment's pip for that one, which saves one each.

        Raises:
            subprocess.CalledProcessError: it failed; its output is in the error.
        """
        pip = (sys.executable, "-m", "pip", "--python", self.executable, "--disable-pip-version-check", "-qq")
        return call(*pip, *arguments)

    def _digest(self) -> str:
        parts = [str(self.python.resolve()), *self.install]
        parts += [(ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", PINNED, LOWEST)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


CAPTURED: Final[dict[str, Any]] = {
    "stdout": subprocess.PIPE,
    "stderr": subprocess.STDOUT,
    "text": True,
}


def _by_number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def call(*command: str) -> str:
    """Run a command; its output.

    Raises:
        subprocess.CalledProcessError: it failed; its output is in the error.
    """
    return str(subprocess.run(command, cwd=ROOT, check=True, **CAPTURED).stdout)


def build_wheel() -> Path:
    """Build the sdist, and from it the wheel.

    Raises:
        subprocess.CalledProcessError: it failed; its output is in the error.
    """
    folder = FOLDER / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


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
    question = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        told = subprocess.run([path, "-c", question], check=False, timeout=60, **CAPTURED)
    except OSError:
        return False
    return told.returncode == 0 and told.stdout.strip() == version


def plan(claims: Claims, found: Mapping[str, Path]) -> list[Environment]:
    """The environments that are possible: the lowest Python with the lowest versions, and each other Python.

    The one that runs this is left out: `make unit` is its run.

    Args:
        claims: the promises.
        found: the interpreters there are, by version.
    """
    pinned = ("--constraint", PINNED, "--group", "test")
    made = [Environment(version, path, pinned) for version, path in found.items() if version != OWN]
    lowest = next((found[version] for version in claims.pythons if version in found), None)
    if lowest is not None:
        made.insert(0, Environment("lowest", lowest, ("--constraint", LOWEST, *claims.lowest_install)))
    return made


def _lock(claims: Claims, environ: Mapping[str, str]) -> None:
    python = find(claims.pythons[0], environ)
    if python is None:
        raise SystemExit(f"Python {claims.pythons[0]} is needed to lock the lowest versions")
    made = Environment("lock", python, ())
    shutil.rmtree(made.folder, ignore_errors=True)
    call(str(python), "-m", "venv", str(made.folder))
    made.pip("install", "--upgrade", "pip")
    made.pip("install", *claims.lowest_install, ".")
    frozen = made.pip("freeze", "--all", "--exclude", "voucher-async", "--exclude", "setuptools")
    (ROOT / LOWEST).write_text(frozen, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--lock"]:
        raise SystemExit(__doc__)
    _lock(Claims.here(), os.environ)
