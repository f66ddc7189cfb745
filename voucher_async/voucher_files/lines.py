"""The lines of a file or of another source as text, with an end at the first that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self, TypeAlias

from voucher_async.voucher_files.problems import LineError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

__all__ = ["Lines", "Source", "chopped", "opened"]

Source: TypeAlias = "str | os.PathLike[str] | Iterable[str] | Iterable[bytes]"
"""A path, or lines: a file that is open, `sys.stdin.buffer`, a list."""

_LONGEST: Final = 1 << 20  # bytes
_BOM: Final = "\ufeff"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


class Lines:
    """An iterator over lines of text.

    It raises nothing for what is wrong with a line: that line may hold codes, and a crash reporter writes
    down what each frame of an exception holds.

    Attributes:
        number: the number of the line that was given last.
        problem: the reason for which it ended before the source did; None when there is none.
    """

    def __init__(self, source: Iterable[str] | Iterable[bytes]) -> None:
        self._source: Iterator[str | bytes] = iter(source)
        self._ahead: str | None = None
        self._given = 0
        self.number: int = 0
        self.problem: LineError | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if self._ahead is not None:
            text, self._ahead = self._ahead, None
        elif self.problem is not None:
            raise StopIteration
        else:
            text = self._read()
        self.number += 1
        return text

    def stop(self, line: int, rule: str) -> None:
        """End here, for that reason; an earlier reason stays."""
        if self.problem is None:
            self.problem = LineError(line, "", rule)

    def first(self) -> str | None:
        """The next line that is not blank, which is not taken; None at the end."""
        for text in self:
            if text.strip():
                self._ahead = text
                self.number -= 1
                return text
        return None

    def _read(self) -> str:
        line = next(self._source)
        self._given += 1
        if len(line) >= _LONGEST:
            self.stop(self._given, f"is longer than {_LONGEST - 1} bytes")
            raise StopIteration
        text = line if isinstance(line, str) else self._decoded(line)
        if text is not None and self._given == 1:
            text = text.removeprefix(_BOM)
        if text is not None and "\0" in text:
            self.stop(self._given, "holds a NUL character, so the file is damaged or no text")
        if text is None or self.problem is not None:
            raise StopIteration
        return text

    def _decoded(self, line: bytes) -> str | None:
        if self._given == 1 and line.startswith(_UTF16):
            self.stop(1, "the file is in UTF-16; save it as UTF-8")
            return None
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.stop(self._given, "is not UTF-8, perhaps Windows-1252; save the file as UTF-8 (CSV UTF-8)")
            return None


def opened(path: str | os.PathLike[str]) -> BinaryIO:
    """The file, to be read in bytes.

    Raises:
        OSError: it cannot be opened.
    """
    return Path(path).open("rb")


def chopped(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; one without an end is cut, so that it does not fill memory."""
    while line := file.readline(_LONGEST):
        yield line
