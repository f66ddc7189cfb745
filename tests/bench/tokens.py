"""What callers notice of token requests and of a server that does not answer."""

from __future__ import annotations

import asyncio
import contextvars
import statistics
import time
from collections.abc import Mapping
from typing import Any

from tests.bench.control import Control, server
from tests.bench.places import fresh
from tests.bench.report import Figure, Part, Table
from voucher_async import AttemptStarted, Hook, SystemClock, VoucherClient, VoucherError

CALLERS = 200
DELAY = 0.2
LIFE = 3600
IN_FIRST_WINDOW = (
    3100.0  # seconds into its life: refreshed behind calls from 3,000 on, before them from 3,570
)
WAITERS = 20
PATIENCE = 2.0
NOTE = """\
{callers} callers, spread over the time that a slow token server ({delay:.0f} ms) takes to give a new
token in the old one's first window; the same callers with a fresh token, and with one that is over, to
show that a wait is seen; medians of {rounds} rounds. The wait is the time from the call to the moment
its request is handed to aiohttp, told by a hook; the call is all of it. Token requests are counted by
the server and asserted."""

started: contextvars.ContextVar[float] = contextvars.ContextVar("started")


class Ahead(SystemClock):
    """The system's clock, which can be put forward between calls."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Waits(Hook):
    """Notes how long each call waited before its request was made."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_attempt_started(self, event: AttemptStarted) -> None:
        if event.operation == "createReservation":
            self.seconds.append(time.perf_counter() - started.get())


async def caller(client: VoucherClient, delay: float) -> float:
    await asyncio.sleep(delay)
    start = time.perf_counter()
    started.set(start)
    await client.reservations.create(code="CODE", amount="10.00", currency="EUR")
    return time.perf_counter() - start


async def crowd(client: VoucherClient, waits: Waits) -> dict[str, float]:
    waits.seconds.clear()
    spread = DELAY * 0.9 / CALLERS
    made = await asyncio.gather(
        *(caller(client, number * spread) for number in range(CALLERS)), return_exceptions=True
    )
    calls = [one for one in made if isinstance(one, float)]
    for one in made:
        if not isinstance(one, (float, VoucherError)):
            raise one
    return {
        "failed": CALLERS - len(calls),
        "wait_ms": percentile(waits.seconds) * 1e3,
        "call_ms": percentile(calls) * 1e3,
    }


def percentile(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


async def refresh(port: int, *, fails: bool) -> dict[str, dict[str, float]]:
    """The same callers with a fresh token, and while a new one is asked for."""
    control, waits, clock = Control(port), Waits(), Ahead()
    async with VoucherClient(
        "bench", "bench-secret", base_url=control.base_url, hooks=[waits], clock=clock
    ) as client:
        control.set(expires_in=LIFE)
        await crowd(client, waits)  # open the connections
        control.set(reset=True, token_delay=DELAY, token_fails=fails)
        fresh_token = await crowd(client, waits)
        assert "token" not in control.counts().requests, "a fresh token was refreshed"
        clock.ahead = IN_FIRST_WINDOW
        in_window = await crowd(client, waits)
        await asyncio.sleep(DELAY * 2)
        seen = control.counts().requests.get("token", 0)
        assert seen == 1 or (fails and seen > 1), f"{seen} token requests"
        control.set(token_fails=False)
        clock.ahead += LIFE
        over = await crowd(client, waits)
    return {"fresh": fresh_token, "refreshing": in_window, "over": over}


async def cancelled(port: int) -> int:
    """How many of those that wait for a token fail when the caller that asked for it is cancelled."""
    control = Control(port)
    async with VoucherClient("bench", "bench-secret", base_url=control.base_url) as client:
        control.set(token_delay=DELAY)
        first = asyncio.ensure_future(caller(client, 0))
        await asyncio.sleep(DELAY / 4)
        waiters = [asyncio.ensure_future(caller(client, 0)) for _ in range(WAITERS)]
        await asyncio.sleep(DELAY / 4)
        first.cancel()
        made = await asyncio.gather(first, *waiters, return_exceptions=True)
    assert isinstance(made[0], asyncio.CancelledError), "the first caller was not cancelled"
    seen = control.counts().requests
    assert seen == {"token": 1, "reserve": WAITERS}, f"the server saw {seen}"
    return sum(isinstance(one, BaseException) for one in made[1:])


async def hung(port: int, operation: str) -> float:
    """Seconds until a call gives up on a server that does not answer that operation."""
    control = Control(port)
    async with VoucherClient("bench", "bench-secret", base_url=control.base_url, timeout=PATIENCE) as client:
        await caller(client, 0)
        control.set(held=[operation])
        start = time.perf_counter()
        try:
            await client.redeem(code="CODE", amount="10.00", currency="EUR", order_number="A-1")
        except VoucherError:
            taken = time.perf_counter() - start
        else:
            raise AssertionError("the server answered")
        finally:
            control.set(held=[])
    return taken


def measure(rounds: int, _missing: Mapping[str, str]) -> Part:
    """Every round in fresh processes."""
    window = [isolated("refresh", fails=False) for _ in range(rounds)]
    failing = [isolated("refresh", fails=True) for _ in range(rounds)]
    lost = max(isolated("cancelled") for _ in range(rounds))
    waits = {
        operation: [isolated("hung", operation=operation) for _ in range(3)]
        for operation in ("reserve", "charge")
    }
    table = Table(
        "A token's first window",
        ("while", "wait p99, ms", "call p99, ms", f"failed of {CALLERS}"),
        notes=[NOTE.format(callers=CALLERS, delay=DELAY * 1e3, rounds=rounds)],
    )
    for name, results, key in (
        ("the token is fresh", window, "fresh"),
        ("a new one is asked for", window, "refreshing"),
        ("the token server fails", failing, "refreshing"),
        ("the token is over: they have to wait", window, "over"),
    ):
        wait, call = (statistics.median(one[key][what] for one in results) for what in ("wait_ms", "call_ms"))
        failed = max(one[key]["failed"] for one in results)
        table.rows.append((name, f"{wait:.3f}", f"{call:.2f}", f"{failed:.0f}"))
    added = statistics.median(one["refreshing"]["wait_ms"] - one["fresh"]["wait_ms"] for one in window)
    failed = max(one["refreshing"]["failed"] for one in (*window, *failing))
    return Part([table, hung_table(waits)], figures(added, failed, lost, waits))


def hung_table(waits: Mapping[str, list[float]]) -> Table:
    table = Table(
        f"Giving up on a hung server, timeout={PATIENCE:g}", ("`redeem()` with no answer to", "s", "longest")
    )
    for operation, seconds in waits.items():
        table.rows.append((operation, f"{statistics.median(seconds):.3f}", f"{max(seconds):.3f}"))
    return table


def figures(added: float, failed: float, lost: int, waits: Mapping[str, list[float]]) -> list[Figure]:
    shortest, longest = (pick(map(pick, waits.values())) for pick in (min, max))
    return [
        Figure(
            "wait added by a refresh in the first window, p99", "below 1 ms", f"{added:.3f} ms", added < 1
        ),
        Figure("calls that fail when that refresh fails", "0", f"{failed:.0f} of {CALLERS}", failed == 0),
        Figure(
            "waiters that fail when the starter is cancelled", "0 of 20", f"{lost} of {WAITERS}", lost == 0
        ),
        Figure(
            f"giving up on a hung server, timeout={PATIENCE:g}",
            "2.0 - 2.2 s",
            f"{shortest:.2f} - {longest:.2f} s",
            shortest >= PATIENCE and longest <= PATIENCE * 1.1,
        ),
    ]


def isolated(function: str, **arguments: object) -> Any:
    with server() as control:
        return fresh("aiohttp", __name__, function, port=control.port, **arguments)
