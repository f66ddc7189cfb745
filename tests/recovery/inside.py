"""A worker that is stopped within a transaction of its journal, while it holds locks.

    python -m tests.recovery.inside ACCESS JOURNAL PAYMENT WHEN

ACCESS is how to reach the server, PAYMENT what it redeems, both as JSON. It stops once, `before` or `after`
the statements of the first transaction of several steps. When it goes on, it prints what its caller is told,
as JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from voucher_async import VoucherClient, VoucherError
from voucher_async.journals.connections import Connection, Connections
from voucher_async.journals.sql import SqlJournal
from voucher_async.journals.sqlite_file import SqliteFile, Work

__all__: list[str] = []

TIMES = itertools.count()


def stop() -> None:
    """Stop this process, the first time."""
    if not next(TIMES):
        # to this thread, which so cannot commit before the signal reaches it
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def stop_in_sqlite() -> None:
    do = SqliteFile.do

    def stopping(self: SqliteFile, works: Sequence[Work]) -> list[Any]:
        return do(self, [*works, Work(lambda _: stop(), writes=True)])[:-1]

    SqliteFile.do = stopping  # type: ignore[method-assign]


def stop_in_postgresql(when: str) -> None:
    transact = Connections.transact

    async def stopping(self: Connections, work: Callable[[Connection], Awaitable[Any]]) -> Any:
        async def whole(connection: Connection) -> Any:
            if when == "before":
                await connection.execute("LOCK TABLE voucher_turns IN EXCLUSIVE MODE")
                stop()
            result = await work(connection)
            if when == "after":
                stop()
            return result

        return await transact(self, whole)

    Connections.transact = stopping  # type: ignore[method-assign]


async def told(access: Any, url: str, payment: Any) -> str:
    journal = SqlJournal(url)
    try:
        async with VoucherClient(**access, journal=journal) as client:
            return (await client.redeem(**payment)).id
    except VoucherError as error:
        return repr(error)
    finally:
        await journal.aclose()


def main(access: str, url: str, payment: str, when: str) -> None:
    if url.startswith("sqlite"):
        stop_in_sqlite()
    else:
        stop_in_postgresql(when)
    print(json.dumps(asyncio.run(told(json.loads(access), url, json.loads(payment)))))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
