"""A worker whose token is shared: it pays when it is told to.

    python -m tests.integrations.token_worker SETTINGS STORE

SETTINGS is how to reach the server, as JSON, and STORE the URL of the token store. It prints `ready`, then
does what it reads, line by line, and answers each with a line: `pay CODE ORDER` by `paid` or the error's
class, `shift SECONDS` (on its clock) by `shifted`, `which` by a digest of the token in use. At the end of its
input it closes the client.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import sys

from voucher_async import SqlTokenStore, SystemClock, VoucherClient, VoucherError
from voucher_async.integrations.redis import RedisTokenStore


class ShiftedClock(SystemClock):
    """The system's clock, some seconds ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    def now(self) -> dt.datetime:
        return super().now() + dt.timedelta(seconds=self.ahead)


async def main() -> None:
    settings, url = json.loads(sys.argv[1]), sys.argv[2]
    clock = ShiftedClock()
    is_sql = not url.startswith("redis://")
    store = SqlTokenStore(url, clock=clock) if is_sql else RedisTokenStore.from_url(url, clock=clock)
    async with VoucherClient(**settings, token_store=store, clock=clock) as client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while line := await asyncio.to_thread(sys.stdin.readline):
            what, *words = line.split()
            sys.stdout.write(f"{await done(client, clock, what, *words)}\n")
            sys.stdout.flush()
    await store.aclose()


async def done(client: VoucherClient, clock: ShiftedClock, what: str, *words: str) -> str:
    if what == "shift":
        clock.ahead += float(words[0])
        return "shifted"
    if what == "which":
        token = client._tokens.current()
        return hashlib.sha256(token.value.encode()).hexdigest() if token else "none"
    code, order = words
    try:
        await client.redeem(code=code, amount="1.00", currency="EUR", order_number=order)
    except VoucherError as error:
        return type(error).__name__
    return "paid"


if __name__ == "__main__":
    asyncio.run(main())
