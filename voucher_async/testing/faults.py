"""Faults that the emulator commits on request: what networks, proxies and servers do on a bad day.

    emulator.faults.script("chargeReservation", faults.BreakAfter())
    emulator.faults.chance(0.3, seed=7)

Each kind says what the client sees, and whether the server acts on the request. Seconds pass on the clock
that the emulator was given: with a `ManualClock`, when that is advanced, as by `VoucherEmulator.advance`.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from voucher_async.testing._chances import Chance
from voucher_async.testing._engine import Engine
from voucher_async.testing._names import OPERATIONS
from voucher_async.testing._validating import LONGEST, check_range, within

__all__ = [
    "KINDS",
    "BadGateway",
    "BreakAfter",
    "BreakBefore",
    "CommitLate",
    "CutOff",
    "Fault",
    "Faults",
    "Injected",
    "Refuse",
    "Revoked",
    "ServerError",
    "SlowBody",
    "SlowHeaders",
    "TooMany",
    "Unavailable",
    "WrongContentType",
]

_ANY: Final = "*"
_OPERATIONS: Final = frozenset(OPERATIONS)


def _seconds(default: float) -> float:
    return attrs.field(default=default, validator=within(0, LONGEST))


def _retry_after() -> int:
    return attrs.field(default=1, validator=within(0, LONGEST))


@attrs.frozen
class Refuse:
    """The connection is reset, and new ones are refused for a while; the server does not act.

    The listening socket is closed, and opened again on the same port. Connections that are open already are
    served on. A second one meanwhile makes it last until the later end.
    """

    seconds: float = _seconds(0.2)


@attrs.frozen
class BreakBefore:
    """The connection is reset; the server has not acted."""


@attrs.frozen
class BreakAfter:
    """The server acts, then the connection is reset: no answer."""


@attrs.frozen
class CommitLate:
    """The connection is reset at once; the server looks at the request and acts so many seconds later.

    By then it may refuse what it would have done at first, and only then is the request in the request log.
    When the emulator stops earlier, the request is dropped.
    """

    seconds: float = _seconds(1.0)


@attrs.frozen
class ServerError:
    """A 5xx with an error body; the server acts on it, or does not."""

    status: int = attrs.field(default=500, validator=within(500, 599))
    acted: bool = False


@attrs.frozen
class BadGateway:
    """A 502 with a page of HTML, as from a proxy; the server acts, or does not."""

    acted: bool = False


@attrs.frozen
class Unavailable:
    """A 503 with `Retry-After`; the server does not act."""

    retry_after: int = _retry_after()


@attrs.frozen
class TooMany:
    """A 429 with `Retry-After`; the server does not act."""

    retry_after: int = _retry_after()


@attrs.frozen
class CutOff:
    """The server acts; its answer breaks off in the middle of the body, and the connection is closed.

    Where an answer has no body, the connection is closed without an answer.
    """


@attrs.frozen
class SlowHeaders:
    """The server acts at once, and answers so many seconds later: whoever does not wait cannot know."""

    seconds: float = _seconds(1.0)


@attrs.frozen
class SlowBody:
    """The server acts; headers and half of the body come at once, the other half so many seconds later.

    Where an answer has no body, all of it comes late.
    """

    seconds: float = _seconds(1.0)


@attrs.frozen
class WrongContentType:
    """The server acts; the answer is a page of HTML with status 200, even where the API refuses."""


@attrs.frozen
class Revoked:
    """Every token is revoked before the request is looked at: 401 where one is needed."""


Fault: TypeAlias = (
    Refuse
    | BreakBefore
    | BreakAfter
    | CommitLate
    | ServerError
    | BadGateway
    | Unavailable
    | TooMany
    | CutOff
    | SlowHeaders
    | SlowBody
    | WrongContentType
    | Revoked
)

KINDS: Final[tuple[Fault, ...]] = (
    Refuse(),
    BreakBefore(),
    BreakAfter(),
    CommitLate(),
    ServerError(),
    ServerError(acted=True),
    BadGateway(),
    BadGateway(acted=True),
    Unavailable(),
    TooMany(),
    CutOff(),
    SlowHeaders(),
    SlowBody(),
    WrongContentType(),
    Revoked(),
)
"""Faults that `Faults.chance` chooses from when it is not told otherwise."""


@attrs.frozen
class Injected:
    """A fault that was committed.

    Attributes:
        operation: the operation whose request met it.
        fault: what happened.
        at: the emulator's time.
    """

    operation: str
    fault: Fault
    at: dt.datetime


class Faults:
    """Faults that occur on an emulator: `emulator.faults`. Scripts go before chance.

    Args:
        engine: whose answers are affected.
        most: how many of the latest faults are kept in `injected`; None: all.

    Attributes:
        seed: what `chance` was seeded with; None without it.
    """

    def __init__(self, engine: Engine, most: int | None = None) -> None:
        self._engine = engine
        self._scripts: dict[str, collections.deque[Fault | None]] = {}
        self._chance: Chance[Fault] | None = None
        self._injected: collections.deque[Injected] = collections.deque(maxlen=most)
        self._late: set[concurrent.futures.Future[None]] = set()
        self._date_offset = 0.0
        self.seed: int | None = None

    def __repr__(self) -> str:
        return f"<Faults: {len(self._injected)} injected>"

    def script(self, operation: str, *faults: Fault | None) -> None:
        """Queue faults for the next requests of an operation, in this order.

        Args:
            operation: its id, such as `chargeReservation` or `requestToken`; `*` for any.
            *faults: one per request; None leaves that one alone.

        Raises:
            ValueError: there is no such operation.
            TypeError: something is no fault, such as `BreakAfter` without its brackets.
        """
        _check_operation(operation, {_ANY, *_OPERATIONS})
        _check_faults(fault for fault in faults if fault is not None)
        with self._engine.guard:
            if faults:
                self._scripts.setdefault(operation, collections.deque()).extend(faults)

    def chance(
        self,
        share: float,
        *,
        seed: int,
        operations: Sequence[str] | None = None,
        kinds: Sequence[Fault] | None = None,
    ) -> None:
        """Let each request meet a fault with this probability, the same in the same order for a seed.

        Args:
            share: from 0 to 1.
            seed: of the random choices.
            operations: only requests of these; None for all.
            kinds: what to choose from, one as likely as the other; None for all of `KINDS`.

        Raises:
            ValueError: a share that is none, no kinds, or an operation that does not exist.
            TypeError: something is no fault.
        """
        check_range("share", share, 0, 1)
        choices = KINDS if kinds is None else tuple(kinds)
        if not choices:
            raise ValueError("kinds must not be empty")
        _check_faults(choices)
        affected = _OPERATIONS if operations is None else frozenset(operations)
        for operation in operations or ():
            _check_operation(operation, _OPERATIONS)
        with self._engine.guard:
            self._chance, self.seed = Chance(share, seed, affected, choices), seed

    def clear(self) -> None:
        """No more faults, no lag, no offset. What was to be carried out late still is."""
        with self._engine.guard:
            self._scripts.clear()
            self._chance = self.seed = None
            self.date_offset = 0.0
            self.list_lag = 0.0

    @property
    def date_offset(self) -> float:
        """Seconds that the `Date` header is ahead, as from a proxy whose clock is off; nothing else is wrong.

        Raises:
            ValueError: when it is set to more than 30 years.
        """
        return self._date_offset

    @date_offset.setter
    def date_offset(self, seconds: float) -> None:
        check_range("date_offset", seconds, -LONGEST, LONGEST)
        self._date_offset = seconds

    @property
    def list_lag(self) -> float:
        """Seconds that `listCharges` lags behind: it does not show younger charges, refunds and recharges.

        Only the list does that; `getCharge` and balances tell the truth. An age is counted from `created_at`,
        which has whole seconds, and so the lag may be up to a second shorter.

        Raises:
            ValueError: when it is set to less than 0 or to more than 30 years.
        """
        return self._engine.options.list_lag

    @list_lag.setter
    def list_lag(self, seconds: float) -> None:
        check_range("list_lag", seconds, 0, LONGEST)
        self._engine.options = attrs.evolve(self._engine.options, list_lag=seconds)

    @property
    def injected(self) -> tuple[Injected, ...]:
        """Faults that were committed, oldest first."""
        with self._engine.guard:
            return tuple(self._injected)

    async def settled(self) -> None:
        """Wait until every request that is to be carried out late was carried out, or dropped by a stop.

        On any loop, whichever the server runs on.
        """
        while late := tuple(self._late):
            await asyncio.wait([asyncio.wrap_future(each) for each in late])

    @property
    def active(self) -> bool:
        """True when anything may go wrong."""
        return bool(self._scripts) or self._chance is not None

    @property
    def scripted(self) -> Mapping[str, tuple[Fault | None, ...]]:
        """Faults that `script` has queued and no request has met yet, by operation."""
        with self._engine.guard:
            return {operation: tuple(script) for operation, script in self._scripts.items()}

    @property
    def chances(self) -> Chance[Fault] | None:
        """The random choice that `chance` has set; None without one."""
        return self._chance

    def next(self, operation: str | None) -> Fault | None:
        """The fault that a request of an operation meets, noted as committed."""
        if operation is None:
            return None
        with self._engine.guard:
            fault = self._take(operation)
            if fault is not None:
                self._injected.append(Injected(operation, fault, self._engine.now()))
            return fault

    def _take(self, operation: str) -> Fault | None:
        for name in (operation, _ANY):
            script = self._scripts.get(name)
            if script:
                fault = script.popleft()
                if not script:
                    del self._scripts[name]
                return fault
        return self._chance.choose(operation) if self._chance else None

    def is_late(self, task: asyncio.Task[None]) -> None:
        """Hold on to a request that is carried out late."""
        late: concurrent.futures.Future[None] = concurrent.futures.Future()
        late.set_running_or_notify_cancel()  # who waits for it and leaves must not cancel it
        self._late.add(late)

        def ended(_: asyncio.Task[None]) -> None:
            self._late.discard(late)
            late.set_result(None)

        task.add_done_callback(ended)


def _check_faults(faults: Iterable[object]) -> None:
    for fault in faults:
        if not isinstance(fault, Fault):
            raise TypeError(f"not a fault: {fault!r}; faults are made like BreakAfter()")


def _check_operation(operation: str, known: Collection[str]) -> None:
    if operation not in known:
        raise ValueError(f"there is no operation {operation!r}; there are {', '.join(sorted(known))}")
