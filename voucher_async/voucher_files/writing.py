"""A file that takes vouchers as they are issued, and that a killed run leaves in order."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from voucher_async.errors import ConfigurationError
from voucher_async.models import CompleteVoucher
from voucher_async.voucher_files.continuing import Found, found_in, key_of, mark_of, records_of
from voucher_async.voucher_files.formatting import CSV_HEADER, csv_line, json_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from voucher_async.models import Voucher
    from voucher_async.voucher_files.continuing import Layout

if sys.platform != "win32":
    import fcntl

__all__ = ["VoucherWriter", "layout_of"]

T = TypeVar("T")

_PRIVATE: Final = 0o600
_JSON: Final = frozenset({".jsonl", ".ndjson", ".json"})


def layout_of(path: Path) -> Layout:
    """The form of a file by its name: those of `.jsonl`, `.ndjson` and `.json` are JSON lines."""
    return "jsonl" if path.suffix.lower() in _JSON else "csv"


class VoucherWriter:
    """A file of vouchers, each of them in it once.

    Lines are appended to the file itself, and are on the disk when `write` returns. The other way, a
    temporary file that takes the name at the end, would leave nothing of a run that was killed. So:

    * After `kill -9` or a power failure, the file holds whole lines, and perhaps the beginning of one. The
      next writer of the same file cuts that off and goes on; what is in the file is not written again.
    * When the disk is full, or Ctrl-C comes within a line, the line is taken back; what was written stays.
    * A `CompleteVoucher` that has changed since, such as by its activation, takes the place of its old line
      when the writer is closed: then, and only then, a temporary file beside it is renamed. A voucher without
      its code replaces nothing, as the line may have the code.

    One writer at a time: the file is locked, and a killed process locks nothing (no lock on Windows). The
    file has mode 0600, as it holds codes. A file of something else is refused, and left as it is.

    The methods block while the disk works, and may be called from any thread: from a coroutine with
    `await asyncio.to_thread(writer.write, voucher)`. Vouchers of one call share one wait for the disk.

    Args:
        path: the file, which need not exist.
        layout: `"csv"` for the Admin UI's import or `"jsonl"` for JSON lines; None goes by the name: those
            of `.jsonl`, `.ndjson` and `.json` are JSON lines.

    Raises:
        InvalidVoucherFile: the file holds something else.
        ConfigurationError: another writer has it open, or it is no regular file.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str], *, layout: Layout | None = None) -> None:
        self._path = Path(os.path.realpath(path))  # a link stays a link
        self._layout: Layout = layout or layout_of(self._path)
        self._guard = threading.Lock()
        self._changed: dict[str, bytes] = {}
        self._is_torn = False
        if self._path.exists() and not self._path.is_file():
            raise ConfigurationError(f"{self._path.name} is no regular file")
        self._file = FileIO(os.fspath(self._path), "a+", opener=_private)
        try:
            found = self._begin()
        except BaseException:
            self._file.close()
            raise
        self._marks = found.marks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._marks)

    def __contains__(self, voucher_id: object) -> bool:
        return voucher_id in self._marks

    def write(self, *vouchers: Voucher) -> int:
        """Write vouchers, unless they are in the file.

        Args:
            vouchers: the vouchers; a `CompleteVoucher` is written with its code and pin.

        Returns:
            How many of them were not in the file, or replace a line of it.

        Raises:
            OSError: none of these is in the file, except those that were; they may be written again.
        """
        with self._guard:
            done = _without_frames(lambda: self._write(vouchers))
        if isinstance(done, OSError):
            raise done
        return done

    def _write(self, vouchers: Sequence[Voucher]) -> int:
        new: dict[str, bytes] = {}
        changed: dict[str, bytes] = {}
        for voucher in vouchers:
            record = self._record(voucher)
            known = self._marks.get(voucher.id)
            if known is None:
                new[voucher.id] = record
            elif _has_code(voucher) and (known != mark_of(record) or voucher.id in self._changed):
                changed[voucher.id] = record
        if new:
            self._append(b"".join(new.values()))
        self._marks.update({key: mark_of(record) for key, record in new.items()})
        self._changed.update(changed)
        return len(new) + len(changed)

    def close(self) -> None:
        """Put changed vouchers in their places, and close the file; closing again does nothing.

        Raises:
            OSError: the changed vouchers could not be written; the file is as it was before.
        """
        with self._guard:
            if self._file.closed:
                return
            try:
                failure = _without_frames(self._replace) if self._changed else None
            finally:
                self._file.close()
        if failure is not None:
            raise failure

    def _begin(self) -> Found:
        self._lock()
        with self._path.open("rb") as file:
            found = found_in(file, self._layout)
        if sys.platform != "win32":
            os.fchmod(self._file.fileno(), _PRIVATE)
        self._length = found.length
        self._file.truncate(self._length)
        if not found.is_ended:
            self._append(b"\n")
        if not self._length and self._layout == "csv":
            self._append(f"{CSV_HEADER}\n".encode())
        _sync_folder(self._path.parent)
        return found

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"{self._path.name} is being written by another process") from None
        if not self._is_there():
            raise ConfigurationError(f"{self._path.name} was replaced by another process; try again")

    def _is_there(self) -> bool:
        """False when the writer before has just put another file in the place of the one that was opened."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def _record(self, voucher: Voucher) -> bytes:
        line = csv_line(voucher) if self._layout == "csv" else json_line(voucher)
        return f"{line}\n".encode()

    def _append(self, content: bytes) -> None:
        """Append, all or nothing."""
        if self._is_torn:
            self._file.truncate(self._length)
        self._is_torn = True
        try:
            _write_all(self._file, content)
        except BaseException:
            with contextlib.suppress(OSError):
                self._file.truncate(self._length)
                self._is_torn = False
            raise
        self._is_torn = False
        self._length += len(content)

    def _replace(self) -> None:
        beside = self._path.with_name(f".{self._path.name}.new")
        beside.unlink(missing_ok=True)  # a killed run's, or somebody's who wants to read along
        try:
            with FileIO(os.fspath(beside), "x", opener=_private) as file, self._path.open("rb") as old:
                _write_all(file, b"".join(self._renewed(record) for record in records_of(old, self._layout)))
            os.replace(beside, self._path)  # noqa: PTH105 - Path.replace reads as if it changed text
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        self._changed.clear()
        _sync_folder(self._path.parent)

    def _renewed(self, record: bytes) -> bytes:
        key = key_of(record, self._layout)
        return self._changed.get(key, record) if key else record


def _has_code(voucher: Voucher) -> bool:
    return isinstance(voucher, CompleteVoucher)


def _without_frames(act: Callable[[], T]) -> T | OSError:
    """The result, or the error without the frames that hold lines with codes, for crash reporters."""
    try:
        return act()
    except OSError as error:
        return error.with_traceback(None)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _PRIVATE)


def _write_all(file: FileIO, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) or 0 :]
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make sure that the file's name is on the disk, too, where the file system can do that."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
