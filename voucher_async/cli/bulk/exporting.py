"""Vouchers of the API as lines: in the order of the list's pages, secrets read for several at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from collections import Counter, deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

from voucher_async.api_errors import NotFound
from voucher_async.errors import ConfigurationError
from voucher_async.voucher_files import CSV_HEADER, csv_line

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from voucher_async.client import VoucherClient
    from voucher_async.models import CompleteVoucher, VoucherDetails
    from voucher_async.voucher_files.continuing import Layout

__all__ = ["Lines", "WholeFile", "with_secrets"]

AT_ONCE: Final = 20  # vouchers whose secrets are read


async def with_secrets(
    client: VoucherClient, vouchers: AsyncIterable[VoucherDetails]
) -> AsyncGenerator[tuple[VoucherDetails, CompleteVoucher | None]]:
    """Vouchers with their codes and pins, in their order; None for one that was deleted meanwhile.

    Args:
        client: reads them.
        vouchers: the vouchers of a list.
    """
    waiting: deque[tuple[VoucherDetails, asyncio.Task[CompleteVoucher | None]]] = deque()
    try:
        async for voucher in vouchers:
            waiting.append((voucher, asyncio.create_task(_complete(client, voucher.id))))
            if len(waiting) >= AT_ONCE:
                yield await _first(waiting)
        while waiting:
            yield await _first(waiting)
    finally:
        tasks = [task for _, task in waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first(
    waiting: deque[tuple[VoucherDetails, asyncio.Task[CompleteVoucher | None]]],
) -> tuple[VoucherDetails, CompleteVoucher | None]:
    voucher, task = waiting[0]
    complete = await task
    waiting.popleft()
    return voucher, complete


async def _complete(client: VoucherClient, id: str) -> CompleteVoucher | None:
    try:
        return await client.vouchers.get_complete(id)
    except NotFound:
        return None


class Lines:
    """Vouchers as lines of a form, and a count of what the form cannot hold.

    Args:
        format: `csv` or `jsonl`.
    """

    def __init__(self, format: Layout) -> None:
        self._format = format
        self._lost = Counter[str]()

    @property
    def header(self) -> str | None:
        """The line before those of the vouchers; None for none."""
        return CSV_HEADER if self._format == "csv" else None

    def line(self, voucher: VoucherDetails, complete: CompleteVoucher | None) -> str:
        """The line of a voucher, without its end.

        Args:
            voucher: the voucher.
            complete: the same with its secrets; None for a line without them.
        """
        if self._format == "jsonl":
            secrets: dict[str, Any] = {}
            if complete is not None:
                secrets = {"code": complete.code, "pin": complete.pin}
            return json.dumps({**voucher.to_dict(), **secrets})
        self._lost["order_number"] += voucher.order_number is not None
        self._lost["data"] += voucher.data is not None
        self._lost["remaining_amount"] += voucher.remaining_amount != voucher.amount
        return csv_line(voucher if complete is None else complete)

    @property
    def lost(self) -> str | None:
        """The words on what the lines do not hold; None where they hold everything."""
        names = [f"{name} (of {count})" for name, count in self._lost.items() if count]
        if not names:
            return None
        return f"The CSV has no column for {', '.join(names)}: --format jsonl has all fields."


class WholeFile:
    """A file that gets its name once it is whole, and is for its owner alone (mode 0600).

    Args:
        path: its path.
        replace: whether a file that is there is replaced.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        self._path = Path(os.path.realpath(path))  # a link stays a link
        self._replace = replace
        self._temporary: Path | None = None
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._check()
        try:
            handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        except OSError as error:
            words = f"{self._path} cannot be written ({error.strerror}); nothing was sent"
            raise ConfigurationError(words) from None
        self._temporary = Path(name)
        self._file = os.fdopen(handle, "w", encoding="utf-8", newline="\n")
        return self

    def _check(self) -> None:
        if self._path.exists() and not self._path.is_file():
            raise ConfigurationError(f"{self._path} is no regular file")
        if self._path.exists() and not self._replace:
            raise ConfigurationError(f"{self._path} is there already: --replace puts a new file in its place")

    def write(self, line: str) -> None:
        """Write a line.

        Raises:
            OSError: it cannot be written.
        """
        assert self._file is not None  # noqa: S101 - entered before
        self._file.write(f"{line}\n")

    def keep(self) -> None:
        """Give the file its name.

        Raises:
            ConfigurationError: another file has got the name meanwhile.
            OSError: it cannot be written.
        """
        assert self._file is not None  # noqa: S101 - entered before
        assert self._temporary is not None  # noqa: S101 - entered before
        self._file.flush()
        os.fsync(self._file.fileno())
        self._check()
        self._temporary.replace(self._path)
        self._temporary = None

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written is not kept
                self._file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
