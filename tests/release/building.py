"""The sdist and the wheel, built twice and compared byte for byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from email import message_from_string
from email.message import Message
from pathlib import Path

import attrs

from tests.release.checks import Result
from tests.release.repository import Tree

__all__ = ["Built", "build", "check", "compared"]


@attrs.frozen
class Built:
    """What was built.

    Attributes:
        wheel: the wheel.
        sdist: the source distribution.
    """

    wheel: Path
    sdist: Path

    def in_wheel(self) -> dict[str, bytes]:
        """The wheel's files."""
        with zipfile.ZipFile(self.wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}

    def in_sdist(self) -> dict[str, bytes]:
        """The sdist's files, without the folder that all of them are in."""
        with tarfile.open(self.sdist) as archive:
            members = [member for member in archive.getmembers() if not member.isdir()]
            return {m.name.partition("/")[2]: _content(archive, m) for m in members}

    @property
    def metadata(self) -> Message:
        """The wheel's metadata; its payload is the long description."""
        (text,) = (data for name, data in self.in_wheel().items() if name.endswith(".dist-info/METADATA"))
        return message_from_string(text.decode("utf-8"))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else f"a link to {member.linkname}".encode()


def build(
    source: Path, folder: Path, *arguments: str, epoch: int, environ: Mapping[str, str] | None = None
) -> None:
    """Build what the arguments name, without them the sdist and of it the wheel.

    Args:
        source: the folder with `pyproject.toml`.
        folder: where the files go.
        arguments: of `python -m build`.
        epoch: the time that files in the archives get, in seconds since 1970.
        environ: more variables.

    Raises:
        subprocess.CalledProcessError: it failed; its output is in the error.
    """
    # as the gate does, with the pinned build system of this environment
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        *arguments,
        "--outdir",
        str(folder),
        str(source),
    ]
    variables = {**os.environ, **(environ or {}), "SOURCE_DATE_EPOCH": str(epoch)}
    subprocess.run(command, check=True, capture_output=True, text=True, env=variables, cwd=folder.parent)


def found(folder: Path) -> Built:
    """The one wheel and the one sdist of a folder."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


def check(tree: Tree, folder: Path) -> tuple[Built, Result]:
    """Build here, and again from a copy of the tracked files, with another umask, time zone and locale.

    Args:
        tree: the tree.
        folder: where the first sdist and wheel go, and stay.

    Returns:
        These, and what differs from them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    epoch = tree.committed_at
    build(tree.root, folder, epoch=epoch)
    built = found(folder)
    with tempfile.TemporaryDirectory() as temporary:
        copy, again, straight = (Path(temporary, name) for name in ("copy", "again", "straight"))
        tree.copy_tracked(copy)
        build(
            copy,
            again,
            epoch=epoch,
            environ={"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7"},
        )
        build(copy, straight, "--wheel", epoch=epoch)
        second = found(again)
        (direct,) = straight.glob("*.whl")
        problems = [
            *compared("the sdist of a fresh checkout", built.sdist, second.sdist),
            *compared("the wheel of a fresh checkout", built.wheel, second.wheel),
            *compared("the wheel that is not made of the sdist", built.wheel, direct),
        ]
    sizes = ", ".join(
        f"{path.name} {path.stat().st_size / 1024:.0f} KiB" for path in (built.wheel, built.sdist)
    )
    return built, Result(problems, f"{sizes}; built three times, the same bytes")


def compared(what: str, first: Path, second: Path) -> list[str]:
    """The difference of two archives in words; none where all their bytes are the same."""
    if first.read_bytes() == second.read_bytes():
        return []
    names = _names(first) ^ _names(second)
    more = (
        f": {', '.join(sorted(names)[:5])} is in one of them" if names else f" ({first.name}, {second.name})"
    )
    return [f"{what} is another one{more}"]


def _names(path: Path) -> set[str]:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    with tarfile.open(path) as tar:
        return set(tar.getnames())
