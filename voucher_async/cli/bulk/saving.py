"""The file of a batch: lines are on the disk soon after their vouchers are issued, and hold up no request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from voucher_async.errors import ConfigurationError
from voucher_async.voucher_files import VoucherWriter

if TYPE_CHECKING:
    from pathlib import Path

    from voucher_async.models import CompleteVoucher

__all__ = ["Saver"]

_MOST: Final = 1000  # vouchers that wait for the disk; then issuing waits, too


class Saver:
    """Writes vouchers in a thread: while the disk works, the next ones gather.

    Args:
        path: the file.
        writer: writes it.
    """

    def __init__(self, path: Path, writer: VoucherWriter) -> None:
        self.path = path
        self._writer = writer
        self._waiting: list[CompleteVoucher] = []
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the file, or make it, which proves that it can be written.

        Raises:
            ConfigurationError: it cannot be.
            InvalidVoucherFile: it holds something else.
        """
        try:
            return cls(path, await asyncio.to_thread(VoucherWriter, path))
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be written ({error.strerror}); nothing was sent"
            ) from None

    def __len__(self) -> int:
        return len(self._writer)

    def __contains__(self, voucher_id: object) -> bool:
        return voucher_id in self._writer

    async def put(self, voucher: CompleteVoucher) -> None:
        """Let a voucher be written.

        Raises:
            OSError: earlier ones could not be.
        """
        self._waiting.append(voucher)
        if len(self._waiting) >= _MOST and self._writing is not None:
            await asyncio.wait({self._writing})
        if self._writing is not None and self._writing.done():
            self._writing.result()
            self._writing = None
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            chunk = tuple(self._waiting)
            await asyncio.to_thread(self._writer.write, *chunk)
            # not before: a cancelled thread may have written nothing, and what is written twice is there once
            del self._waiting[: len(chunk)]

    async def close(self) -> None:
        """Write what waits, and close the file.

        Raises:
            OSError: not all of it could be written.
        """
        if self._writing is not None:
            await asyncio.wait({self._writing})
            _ = self._writing.cancelled() or self._writing.exception()  # tried once more
        try:
            await self._write()
        finally:
            await asyncio.to_thread(self._writer.close)
