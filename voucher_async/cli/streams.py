"""The standard streams of a command, whose failures never decide what it is said to have done.

Money moves before its result is written: an error there, since a disk is full or a reader has left, would end
the command with the status of one that did nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Output", "is_lost", "streams"]

_ENCODING: Final = "utf-8"


class Output:
    """A text stream that takes everything: what cannot be written is left out, and the first error kept.

    Args:
        stream: the real one; None where the process has none.

    Attributes:
        error: the reason why something could not be written.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or _ENCODING

    def isatty(self) -> bool:
        """True where a person reads it."""
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a text, with other characters in the place of those that the stream has none for."""
        if self._stream is None:
            self.error = self.error or OSError(errno.EBADF, os.strerror(errno.EBADF))
        elif self.error is None:
            with self._kept():
                try:
                    self._stream.write(text)
                except UnicodeEncodeError:
                    spelt = text.encode(self.encoding, "backslashreplace")
                    self._stream.write(spelt.decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if self._stream is not None and self.error is None:
            with self._kept():
                self._stream.flush()

    @contextlib.contextmanager
    def _kept(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            self.error = error


def is_lost(stream: TextIO) -> bool:
    """True when something could not be written to a stream."""
    return getattr(stream, "error", None) is not None


@contextlib.contextmanager
def streams() -> Generator[tuple[Output, Output]]:
    """The standard output and the standard error, as `Output`, in the place of those of the process."""
    before = sys.stdout, sys.stderr
    out, err = map(Output, before)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield out, err
    finally:
        out.flush()
        err.flush()
        # what is left in a buffer would fail again when the process ends, with a status of its own
        sys.stdout = cast("TextIO", None) if out.error else before[0]
        sys.stderr = cast("TextIO", None) if err.error else before[1]
