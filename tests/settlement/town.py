"""Clients of one shop that share a journal, on one virtual clock: what a key is worth between them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from email.utils import format_datetime
from typing import Any, Final, TypeAlias, TypeVar, cast

import attrs
import pytest

from tests.settlement.adversary import Adversary, Lot, Wire
from tests.virtual import VirtualClock
from voucher_async.checkout import LocalVoucherLock
from voucher_async.clock import Clock, Deadline, ServerClock
from voucher_async.config import Settings
from voucher_async.errors import VoucherError
from voucher_async.events import Settled
from voucher_async.facts import Answer
from voucher_async.hooks import Hooks
from voucher_async.models import Charge, Reservation
from voucher_async.operations import Retry
from voucher_async.payments.call import CallRecord
from voucher_async.payments.journal import Journal
from voucher_async.payments.memory import MemoryJournal
from voucher_async.payments.recovery import Recovered
from voucher_async.sansio import Request
from voucher_async.testing import VoucherRecord
from voucher_async.wiring import Core

__all__ = ["OPERATIONS", "WINDOW", "Client", "Seen", "Town", "all_of", "clock_of_loop", "said"]

T = TypeVar("T")
JournalAt: TypeAlias = Callable[[Clock], Journal]

WINDOW: Final = 10.0
OPERATIONS: Final = ("redeem", "refund", "recharge", "charge")
operations = pytest.mark.parametrize("operation", OPERATIONS)
everywhere = pytest.mark.parametrize("where", ["here", "elsewhere"])
_SILENCE: Final = 45.0  # seconds; longer than a call
CREATE, CHARGE, LIST = "createReservation", "chargeReservation", "listCharges"


class Seen:
    """A journal as one client sees it: it may be slow, fail or fall silent at a call, or be out of its reach.

    Attributes:
        calls: the names of what was asked, in order.
        fails: decides for each call by its number and name: `before` or `after` it was done, at once or after
            a silence: `silent before`, `silent after`; None is well.
        slow: each call takes turns of the event loop.
        dead: the client's process is gone, and writes nothing more.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.calls: list[str] = []
        self.fails: Callable[[int, str], str | None] = lambda _number, _name: None
        self.slow = False
        self.dead = False
        self._paused = self._paused_after = ""
        self._awake = asyncio.Event()

    def pauses_at(self, name: str) -> None:
        """Stop before the next call of a method, until `goes_on`."""
        self._paused = name

    def pauses_after(self, name: str) -> None:
        """Stop once the next call of a method is done, and before its answer is read."""
        self._paused_after = name

    def goes_on(self) -> None:
        self._awake.set()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.journal, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            how = self.fails(len(self.calls), name)
            if name == self._paused:
                await self._awake.wait()
            await self._pause()
            if how in {"before", "silent before"}:
                await _silence(how)
                raise OSError("the disk is full")
            answer = await method(*args, **kwargs)
            if name == self._paused_after:
                await self._awake.wait()
            await self._pause()
            if how in {"after", "silent after"}:
                await _silence(how)
                raise OSError("the answer was lost")
            return answer

        return call

    async def _pause(self) -> None:
        for _ in range(3 if self.slow else 0):
            await asyncio.sleep(0)
        if self.dead:
            raise asyncio.CancelledError


async def _silence(how: str) -> None:
    if how.startswith("silent"):
        await asyncio.sleep(_SILENCE)


class Line(Wire):
    """The way of one client to the server.

    Attributes:
        sent: the operations of what was sent, in order.
        on_send: called before each request.
        on_begin: called once a request was found to be in time, before its first byte.
    """

    def __init__(self, adversary: Adversary, server_clock: ServerClock) -> None:
        super().__init__(adversary, server_clock)
        self._town = adversary
        self.sent: list[str] = []
        self.on_send: Callable[[str], Awaitable[None]] | None = None
        self.on_begin: Callable[[str], Awaitable[None]] | None = None

    async def begins(self, operation: str) -> None:
        if self.on_begin is not None:
            await self.on_begin(operation)

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        if self.on_send is not None:
            await self.on_send(request.operation.id)
        if not self.dead and deadline.left() > 0:
            self.sent.append(request.operation.id)
        if request.operation.retry is Retry.SETTLE:
            self._town.intent = "announced"
        return await super().send(request, deadline)


class Client:
    """A client in a process of its own."""

    def __init__(self, town: Town, *, client_id: str | None = None, scope: str | None = None) -> None:
        self.town = town
        self.journal = Seen(town.journal)
        server_clock = ServerClock(town.clock)
        date = format_datetime(town.adversary.emulator.now(), usegmt=True)
        server_clock.observe(date, town.clock.monotonic(), original=True)  # the date of an earlier request
        self.wire = Line(town.adversary, server_clock)
        self.told: list[Settled] = []
        settings = attrs.evolve(
            Settings.make(
                client_id=client_id or town.adversary.client_id, client_secret="s", environment="sandbox"
            ),
            settle_window=WINDOW,
            settle_for=60.0,
        )
        self.core = Core(
            self.wire,
            settings,
            clock=town.clock,
            server_clock=server_clock,
            hooks=Hooks([self]),
            lock=LocalVoucherLock(),
            lock_secret="s",
            journal=cast("Journal", self.journal),
            journal_scope=scope,
        )

    def on_settled(self, event: Settled) -> None:
        self.told.append(event)

    @property
    def scope(self) -> str:
        return self.core.joining.ownership.scope

    async def redeem(self, key: str | None = "K-1", **changes: Any) -> Charge:
        given = {"code": self.town.vouchers[0].code, "amount": "4.00", "currency": "EUR"}
        return await self.core.lifecycle.redeem(
            **{**given, "order_number": "A-1", "idempotency_key": key, **changes}
        )

    async def refund(self, key: str | None = "K-1", **changes: Any) -> Charge:
        charge = changes.pop("of", self.town.charge)
        given = {"amount": "1.00", "currency": "EUR", "idempotency_key": key, **changes}
        return await self.core.charges.refund(charge, **given)

    async def recharge(self, key: str | None = "K-1", **changes: Any) -> Charge:
        given = {"id": self.town.vouchers[0].id, "amount": "2.00", "currency": "EUR"}
        return await self.core.vouchers.recharge(
            **{**given, "order_number": "A-1", "idempotency_key": key, **changes}
        )

    async def charge(self, key: str | None = "K-1", **changes: Any) -> Charge:
        reservation = changes.pop("of", self.town.reservation)
        return await self.core.reservations.charge(
            reservation, **{"order_number": "A-1", "idempotency_key": key, **changes}
        )

    async def ask(self, operation: str, key: str | None = "K-1", **changes: Any) -> Charge:
        """Ask for one of the four payments."""
        return cast("Charge", await getattr(self, operation)(key, **changes))

    async def checkout(self, amount: str = "4.00", **changes: Any) -> tuple[Charge, ...]:
        """Pay with two vouchers."""
        given = {"order_number": "A-1", "currency": "EUR", "idempotency_key": "K-1", **changes}
        async with self.core.lifecycle.checkout(**given) as checkout:
            for voucher in self.town.vouchers[:2]:
                await checkout.reserve(code=voucher.code, amount=amount)
            return await checkout.charge()

    async def recover(self, timeout: float = 200.0) -> Recovered:
        """As `VoucherClient.recover`."""
        return await self.core.recovery.run(self.wire.deadline(timeout))

    def begin(self, operation: str, key: str | None = "K-1", **changes: Any) -> asyncio.Task[Charge]:
        """Ask in a task of its own."""
        return asyncio.create_task(self.ask(operation, key, **changes))

    async def records(self) -> list[CallRecord]:
        return [record async for record in self.town.journal.history(self.scope)]

    async def record(self, key: str = "K-1") -> CallRecord:
        (record,) = [each for each in await self.records() if each.key == key]
        return record

    async def die(self) -> None:
        """End at once, as a killed process does: nothing is sent or written any more."""
        self.wire.dead = self.journal.dead = True
        await self.core.recovery.end()
        tasks = [
            *self.core.supervisor._calls,
            *self.core.settler.watch.tasks,
        ]  # a client has no public list of its tasks
        for task in tasks:
            task.cancel()
        self.core.supervisor.close()
        self.wire.close()
        if tasks:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """As `VoucherClient.aclose`."""
        self.core.recovery.stop()
        await self.core.supervisor.finish(0)
        self.core.supervisor.close()
        self.wire.close()
        await self.core.recovery.end()
        await self.core.supervisor.end()


@attrs.define(eq=False)
class Town:
    """The server, a journal, and the clients that share it.

    Attributes:
        charge: what refunds are of: a charge of the order A-0.
        reservation: what `charge` charges, of another voucher.
    """

    clock: VirtualClock
    adversary: Adversary
    journal: Journal
    vouchers: list[VoucherRecord]
    charge: Charge = attrs.field(init=False)
    reservation: Reservation = attrs.field(init=False)

    @classmethod
    async def build(cls, journal_at: JournalAt = MemoryJournal, *, double_charges: bool = False) -> Town:
        clock = clock_of_loop()
        adversary = Adversary.make(
            clock, double_charges=double_charges, may_read=True, offset=0.0, per_page=100, newest_first=False
        )
        vouchers = [adversary.emulator.add_voucher(amount="50.00") for _ in range(3)]
        town = cls(clock, adversary, journal_at(clock), vouchers)
        first = Client(town, scope="the first one's")
        # before any read a client takes an equal entry of the voucher for its own
        town.charge = await first.redeem(None, order_number="A-0", code=vouchers[2].code)
        town.reservation = await first.core.reservations.create(
            code=vouchers[1].code, amount="4.00", currency="EUR"
        )
        return town

    @classmethod
    async def with_client(cls) -> tuple[Town, Client]:
        town = await cls.build()
        return town, town.client()

    def client(self, **given: Any) -> Client:
        return Client(self, **given)

    @classmethod
    async def with_two(cls, where: str) -> tuple[Town, Client, Client]:
        """Who asks first, and who asks again: with the same client, or elsewhere."""
        town, first = await cls.with_client()
        return town, first, first if where == "here" else town.client()

    def script(self, *money: Lot, rest: tuple[Lot, ...] = ()) -> None:
        """What becomes of the next requests that move money, and of the others."""
        self.adversary.script(money, rest)

    def made(self, operation: str) -> list[str]:
        """The ids of what requests of an operation have made."""
        kind = {"refund": "refund", "recharge": "recharge"}.get(operation, "charge")
        found = [each for each in self.adversary.emulator.charges() if each.type == kind]
        return [each.id for each in found if each.id != self.charge.id]


async def under_way(operation: str, where: str) -> tuple[Client, Client, asyncio.Task[Charge]]:
    """A client, one that may ask meanwhile, and a call that will be answered in a second."""
    town, first, second = await Town.with_two(where)
    town.script(Lot(wait=2.0))
    call = first.begin(operation)
    await asyncio.sleep(1.0)
    return first, second, call


def clock_of_loop() -> VirtualClock:
    """The clock of the virtual loop that runs."""
    loop: Any = asyncio.get_running_loop()
    clock: VirtualClock = loop._virtual
    return clock


async def said(work: Awaitable[T]) -> T | VoucherError:
    """What a call returned, or the error it raised."""
    try:
        return await work
    except VoucherError as error:
        return error


async def all_of(*works: Coroutine[Any, Any, T] | asyncio.Task[T]) -> list[T | VoucherError]:
    """The same for calls at the same moment."""
    return await asyncio.gather(*map(said, works))
