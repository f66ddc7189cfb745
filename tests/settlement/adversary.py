"""An adversary between the SDK and the emulator's state machine: it decides what becomes of every request.

There are no sockets and no real time: `VirtualLoop` moves its clock on whenever nobody has anything to do, so
every time limit of the SDK runs on the same clock as the server's stamps, and each run is the same.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict, deque
from collections.abc import Iterable
from email.utils import format_datetime
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import attrs

from tests.virtual import VirtualClock
from voucher_async.api_errors import ApiError
from voucher_async.clock import Deadline, ServerClock
from voucher_async.config import Timeout, deadline_of
from voucher_async.errors import (
    CallTimeout,
    ConfigurationError,
    ConnectFailed,
    ConnectionBroken,
    Fate,
    VoucherError,
)
from voucher_async.facts import Answer
from voucher_async.operations import CREATE_RESERVATION, LIST_CHARGES, Retry
from voucher_async.sansio import Request, Response, decode
from voucher_async.testing import ALL_SCOPES, ChargeRecord, VoucherEmulator
from voucher_async.testing._engine import Call
from voucher_async.testing._state import Mint

__all__ = ["Adversary", "Lot", "Wire"]

T = TypeVar("T")


@attrs.frozen
class Lot:
    """What becomes of one request.

    Attributes:
        how: a key of `HOW`.
        wait: seconds on the way there, and again on the way back.
        late: seconds after the connection broke at which the server acts all the same.
        lag: seconds that a list of charges lags behind.
    """

    how: str = "answered"
    wait: float = 0.0
    late: float = 0.1
    lag: float = 0.0

    def __repr__(self) -> str:
        default = Lot()
        said = [f"{name}={value}" for name, value in attrs.asdict(self).items() if name != "how"]
        kept = [text for text in said if text not in {f"{n}={v}" for n, v in attrs.asdict(default).items()}]
        return f"Lot({', '.join([repr(self.how), *kept])})"


@attrs.frozen
class _Way:
    """What a word of `HOW` means: whether the server acts, and what the client sees."""

    acts: bool = False
    status: int | None = None
    body: bytes = b""
    hangs: bool = False
    sent: bool = True


HOW: dict[str, _Way] = {
    "answered": _Way(acts=True),
    "twice": _Way(acts=True),  # answered, and a copy of the reservation arrives later
    "not sent": _Way(sent=False),
    "never connected": _Way(sent=False, hangs=True),
    "lost": _Way(),
    "lost answer": _Way(acts=True),
    "late": _Way(),
    "hung": _Way(hangs=True),
    "hung answer": _Way(acts=True, hangs=True),
    "refused 401": _Way(status=401),
    "refused 403": _Way(status=403),
    "refused 409": _Way(status=409, body=b'{"status": 409, "code": "NO", "message": "no"}'),
    "refused 429": _Way(status=429),
    "failed": _Way(status=500),
    "failed after": _Way(acts=True, status=502, body=b"<html>"),
    "garbage": _Way(status=200, body=b"<html>"),
    "garbage after": _Way(acts=True, status=200, body=b'{"id": "'),
}


class _Counting(Mint):
    """Identifiers whose order is not that of time, the same in each run."""

    def __init__(self) -> None:
        self._number = 0

    def id(self) -> str:
        self._number += 1
        return f"{self._number * 7919 % 10007:05}"


@attrs.define
class Adversary:
    """The server, the network, and what went on.

    Attributes:
        clock: the one clock.
        money: what becomes of the next requests that move money; when there are none left, they are answered.
        rest: what becomes of the next others: reservations and looks.
        intent: the pending id of the request that is just about to be sent.
        effects: by pending id, the ids of the charges that its requests made.
        made: by charge id, when it was made, in seconds of the clock.
        doubted: the pending ids of which at least one request was in doubt.
        waiting: how many requests will still be carried out late.
        claimed: the pending ids of which an answer said that something was done.
    """

    clock: VirtualClock
    emulator: VoucherEmulator
    token: str = ""
    client_id: str = ""
    money: deque[Lot] = attrs.Factory(deque)
    rest: deque[Lot] = attrs.Factory(deque)
    intent: str | None = None
    effects: dict[str, list[str]] = attrs.Factory(lambda: defaultdict(list))
    made: dict[str, float] = attrs.Factory(dict)
    doubted: set[str] = attrs.Factory(set)
    waiting: int = 0
    claimed: set[str] = attrs.Factory(set)

    @classmethod
    def make(
        cls,
        clock: VirtualClock,
        *,
        double_charges: bool,
        may_read: bool,
        offset: float,
        per_page: int,
        newest_first: bool,
    ) -> Adversary:
        emulator = VoucherEmulator(
            clock=clock,
            allow_double_charge=double_charges,
            max_per_page=per_page,
            newest_first=newest_first,
            token_lifetime=10**8,
        )
        emulator.shift(offset)
        emulator._engine._mint = _Counting()
        scopes = [scope for scope in ALL_SCOPES if may_read or scope != "read-lists"]
        client = emulator.add_client(scopes=scopes)
        form = f"grant_type=client_credentials&client_id={client.id}&client_secret={client.secret}"
        call = Call(
            method="POST",
            raw_path="/oauth/token",
            content_type="application/x-www-form-urlencoded",
            body=form.encode(),
        )
        body: Any = emulator._engine.answer(call).body
        return cls(clock=clock, emulator=emulator, token=body["access_token"], client_id=client.id)

    def script(self, money: Iterable[Lot] = (), rest: Iterable[Lot] = (), *, replace: bool = True) -> None:
        if replace:
            self.money.clear()
            self.rest.clear()
        self.money.extend(money)
        self.rest.extend(rest)

    def next(self, request: Request[Any]) -> Lot:
        lots = self.money if request.operation.retry is Retry.SETTLE else self.rest
        return lots.popleft() if lots else Lot()

    def act(self, request: Request[Any], intent: str | None, lag: float = 0.0) -> Response:
        """The server carries a request out, now."""
        self.emulator.faults.list_lag = lag
        call = Call(
            method=request.operation.method,
            raw_path=f"/v1{request.path}",
            query=dict(parse_qsl(request.query)),
            authorization=f"Bearer {self.token}",
            content_type=request.content_type,
            body=request.body or b"",
            cache_control="no-cache",
        )
        passage = self.emulator._way.answer(call)
        for change in (change for each in passage.delivered for change in each.changes):
            if isinstance(change, ChargeRecord) and change.id not in self.made:
                self.made[change.id] = self.clock.monotonic()
                assert intent is not None, "money moved without anybody being told before"
                self.effects[intent].append(change.id)
        outcome = passage.outcome
        answer = self.response(outcome.status, outcome.content or b"", outcome.at)
        return attrs.evolve(answer, headers={**answer.headers, **outcome.headers})

    def act_late(self, seconds: float, request: Request[Any], intent: str | None) -> None:
        def arrive() -> None:
            self.waiting -= 1
            self.act(request, intent)

        self.waiting += 1
        asyncio.get_running_loop().call_later(seconds, arrive)

    def response(self, status: int, body: bytes, at: dt.datetime | None = None) -> Response:
        moment = at or self.emulator.habits.date(self.emulator.now())
        date = format_datetime(moment, usegmt=True)
        headers = {"Date": date, "Content-Type": "application/json"}
        return Response(status=status, headers=headers, body=body)


class Wire:
    """The `Sender` of one process."""

    def __init__(self, adversary: Adversary, server_clock: ServerClock) -> None:
        self._adversary = adversary
        self._clock = adversary.clock
        self._server_clock = server_clock
        self._closed = asyncio.Event()
        self.dead = False

    def close(self) -> None:
        """Close the connections: what is under way breaks."""
        self._closed.set()

    async def begins(self, operation: str) -> None:
        """A request was found to be in time, and its first byte is about to be written."""

    def deadline(self, timeout: float | Timeout | None = None) -> Deadline:
        return deadline_of(self._clock, timeout)

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        intent: str | None = None
        if request.operation.retry is Retry.SETTLE:
            intent, self._adversary.intent = self._adversary.intent, None
            assert intent is not None, "money was to be moved without anybody being told before"
        sent = self._clock.monotonic()
        try:
            response = await self._limited(request, deadline, intent)
            if intent is not None and response.status in range(200, 300):
                self._adversary.claimed.add(intent)
            return self._answer(request, response, sent)
        except VoucherError as error:
            error.facts = attrs.evolve(request.facts(), sent_at=self._server_clock.now())
            if intent is not None and error.fate is Fate.UNKNOWN:
                self._adversary.doubted.add(intent)
            raise

    def _answer(self, request: Request[T], response: Response, sent: float) -> Answer[T]:
        is_original = request.operation.method != "GET"
        date = self._server_clock.observe(response.headers["Date"], sent, original=is_original)
        is_copy, received = "Age" in response.headers, self._clock.monotonic()
        said = Answer(value=None, date=date, sent=sent, received=received, is_copy=is_copy)
        try:
            value = decode(request, response)
        except ApiError as error:
            error.answer = said
            raise
        return attrs.evolve(cast("Answer[T]", said), value=value)

    async def _limited(self, request: Request[Any], deadline: Deadline, intent: str | None) -> Response:
        if self.dead:
            raise asyncio.CancelledError
        if self._closed.is_set():
            error = ConfigurationError("the client is closed")
            error.fate = Fate.NOT_SENT
            raise error
        if deadline.left() <= 0:
            raise CallTimeout("no time is left", fate=Fate.NOT_SENT)
        if request.begin_by is not None and self._clock.uptime() > request.begin_by:
            overdue = CallTimeout("its record was too old", fate=Fate.NOT_SENT)
            overdue.is_overdue = True
            self._adversary.intent = intent  # the intent of the request sent again
            raise overdue
        await self.begins(request.operation.id)
        lot = self._adversary.next(request)
        way = HOW[lot.how]
        try:
            async with asyncio.timeout(deadline.left()):
                return await self._meet(request, lot, way, intent)
        except TimeoutError:
            raise CallTimeout("gave up", fate=Fate.UNKNOWN if way.sent else Fate.NOT_SENT) from None

    async def _meet(self, request: Request[Any], lot: Lot, way: _Way, intent: str | None) -> Response:
        if not way.sent:
            await self._pass(1e9 if way.hangs else lot.wait, Fate.NOT_SENT)
            raise ConnectFailed("refused", fate=Fate.NOT_SENT)
        await self._pass(lot.wait)
        response: Response | None = None
        if way.acts:
            is_list = request.operation is LIST_CHARGES
            response = self._adversary.act(request, intent, lot.lag if is_list else 0.0)
        elif lot.how == "late":
            self._adversary.act_late(lot.late, request, intent)
        if lot.how == "twice" and request.operation is CREATE_RESERVATION:
            self._adversary.act_late(lot.late, request, intent)
        await self._pass(1e9 if way.hangs else lot.wait)
        if way.status is not None:
            return self._adversary.response(way.status, way.body)
        if response is None or lot.how == "lost answer":
            raise ConnectionBroken("reset", fate=Fate.UNKNOWN)
        return response

    async def _pass(self, seconds: float, fate: Fate = Fate.UNKNOWN) -> None:
        """Let time pass, unless the connections are closed meanwhile."""
        await asyncio.sleep(0)
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._closed.wait()
            except TimeoutError:
                return
        if self._closed.is_set():
            raise ConnectionBroken("closed", fate=fate)
