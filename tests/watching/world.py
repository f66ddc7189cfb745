"""A watch and an emulator in one process, without a socket: money moves between two requests."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, Final, Literal, TypeVar, cast
from urllib.parse import parse_qsl

import attrs

from voucher_async import ChargeCursor, ChargeWatch, ManualClock, ServerError
from voucher_async.checkout import LocalVoucherLock
from voucher_async.clock import Deadline, ServerClock
from voucher_async.config import Settings, Timeout, deadline_of
from voucher_async.facts import Answer
from voucher_async.hooks import Hooks
from voucher_async.sansio import Request, Response, decode
from voucher_async.testing import VoucherEmulator
from voucher_async.testing._charges import new_charge
from voucher_async.testing._engine import Call
from voucher_async.watching import WatchOptions
from voucher_async.watching.dates import Dates
from voucher_async.watching.options import cursor_of
from voucher_async.watching.rounds import Stock
from voucher_async.wiring import Core

__all__ = ["START", "Kind", "World", "run"]

T = TypeVar("T")
Kind = Literal["charge", "recharge", "refund"]

START: Final = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
_FORM: Final = "application/x-www-form-urlencoded"


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run without the debug mode of asyncio, which costs more than all the rest."""
    with asyncio.Runner(debug=False) as runner:
        return runner.run(work)


class World:
    """An emulator, and a client that watches it.

    Args:
        options: those of the emulator.

    Attributes:
        made: the ids of the entries, in the order in which they were made.
        asked: the operations of the requests, in order.
        before: called before each request.
        fails: how many of the next requests fail.
        touches: a movement of money changes the `updated_at` of its voucher.
    """

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock(START, skip_sleeps=True)
        self.emulator = VoucherEmulator(clock=self.clock, token_lifetime=None, **options)
        self.made: list[str] = []
        self.asked: list[str] = []
        self.before: Callable[[], None] = lambda: None
        self.fails = 0
        self.touches = True
        self._token = self._log_in()
        server_clock = ServerClock(self.clock)
        settings = Settings.make(client_id="me", client_secret="s", environment="sandbox")
        self.core = Core(
            self,
            settings,
            clock=self.clock,
            server_clock=server_clock,
            hooks=Hooks([]),
            lock=LocalVoucherLock(),
            lock_secret="s",
        )
        self._server_clock = server_clock

    def _log_in(self) -> str:
        client = self.emulator.add_client()
        body = f"grant_type=client_credentials&client_id={client.id}&client_secret={client.secret}"
        call = Call(method="POST", raw_path="/oauth/token", content_type=_FORM, body=body.encode())
        answer: Any = self.emulator._engine.answer(call).body
        return str(answer["access_token"])

    def watch(
        self, since: ChargeCursor | dt.datetime | None = None, *, list_lag: float = 10.0, **options: Any
    ) -> ChargeWatch:
        """A new watch, as `VoucherClient.watch_charges` makes it."""
        dates = Dates(self.clock, self._server_clock)
        stock = Stock(self.core.vouchers, WatchOptions(**options), dates, list_lag)
        return ChargeWatch(stock, cursor_of(since), self.core.settler.pauses)

    def move(self, voucher_id: str, kind: Kind = "charge", amount: str = "1.00", order: str = "A-1") -> str:
        """Move money now, as the server's habits stamp it; the id of the entry."""
        engine = self.emulator._engine
        voucher, value = self.emulator.voucher(voucher_id), Decimal(amount)
        charge = new_charge(engine.command(), voucher, kind, value, order)
        total = f"{kind}d" if kind != "refund" else "refunded"
        updated_at = charge.made_at if self.touches else voucher.updated_at
        changes = {total: getattr(voucher, total) + value, "updated_at": updated_at}
        self.emulator._commit(attrs.evolve(voucher, **changes), charge)
        self.made.append(charge.id)
        return charge.id

    def deadline(self, timeout: float | Timeout | None = None) -> Deadline:
        return deadline_of(self.clock, timeout)

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        self.before()
        self.asked.append(request.operation.id)
        if self.fails:
            self.fails -= 1
            raise ServerError("HTTP 503", status=503)
        call = Call(
            method=request.operation.method,
            raw_path=f"/v1{request.path}",
            query=dict(parse_qsl(request.query)),
            authorization=f"Bearer {self._token}",
        )
        outcome = self.emulator._way.answer(call).outcome
        date = format_datetime(outcome.at or self.emulator.habits.date(self.emulator.now()), usegmt=True)
        sent = self.clock.monotonic()
        said = self._server_clock.observe(date, sent)
        headers = {"Date": date, "Content-Type": "application/json"}
        response = Response(status=outcome.status, headers=headers, body=outcome.content or b"")
        return cast("Answer[T]", Answer(value=decode(request, response), date=said, sent=sent))
