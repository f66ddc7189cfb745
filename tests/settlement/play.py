"""What a shop does with the SDK, step by step, while an adversary has the network."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import attrs

from tests.settlement import story
from tests.settlement.adversary import Adversary, Wire
from tests.virtual import VirtualClock
from voucher_async.api_errors import ApiError
from voucher_async.checkout import LocalVoucherLock
from voucher_async.clock import ServerClock
from voucher_async.config import Settings
from voucher_async.errors import VoucherError
from voucher_async.events import Settled
from voucher_async.hooks import Hooks
from voucher_async.models import Charge, ChargeType
from voucher_async.outcomes import OutcomeUnknown, PendingOutcome, Settlement
from voucher_async.testing import VoucherRecord
from voucher_async.testing.habits import KINDS
from voucher_async.wiring import Core

__all__ = ["WINDOW", "Call", "Process", "World"]

WINDOW = 10.0
RESTART = 2.0
_CALL: contextvars.ContextVar[Call | None] = contextvars.ContextVar("call")


@attrs.define(eq=False)
class Call:
    """One call of the shop, and what came of it.

    Attributes:
        intents: the pending ids that the hooks were told for it.
        result: what it returned; the first and the second time for a checkout that was charged again.
    """

    step: story.Step
    process: Process
    began: float
    ended: float | None = None
    intents: list[str] = attrs.Factory(list)
    result: Charge | tuple[Charge, ...] | Settlement | None = None
    error: VoucherError | None = None
    cancelled: bool = False
    task: asyncio.Task[None] | None = None
    settled: str | None = None


class Process:
    """A client with its own memory."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.server_clock = ServerClock(world.clock)
        self.wire = Wire(world.adversary, self.server_clock)
        self.lock = LocalVoucherLock()
        self.events: list[Settled] = []
        self.alive = True
        hooks = Hooks([self])
        settings = attrs.evolve(
            Settings.make(client_id=world.adversary.client_id, client_secret="s", environment="sandbox"),
            settle_window=WINDOW,
            list_lag=WINDOW,
            settle_for=60.0,
        )
        clock, server_clock = world.clock, self.server_clock
        rng = random.Random(len(world.processes) + 1000 * len(world.others))
        core = Core(
            self.wire,
            settings,
            clock=clock,
            server_clock=server_clock,
            hooks=hooks,
            lock=self.lock,
            lock_secret="s",
            rng=rng,
        )
        self.supervisor = core.supervisor
        self.reservations = core.reservations
        self.charges = core.charges
        self.vouchers = core.vouchers
        self.lifecycle = core.lifecycle

    def on_intent(self, pending: PendingOutcome) -> None:
        self.world.saved[pending.id] = pending
        self.world.adversary.intent = pending.id
        call = _CALL.get(None) or self.world.judging
        if pending.id not in self.world.caller:
            self.world.caller[pending.id] = call
            call.intents.append(pending.id)

    def on_settled(self, event: Settled) -> None:
        if not self.wire.dead:
            self.events.append(event)

    async def close(self, wait: float | None = None) -> tuple[PendingOutcome, ...]:
        """As `VoucherClient.aclose`."""
        self.alive = False
        await self.supervisor.finish(wait)
        self.supervisor.close()
        self.wire.close()
        return await self.supervisor.end()

    async def settle(self, pending: PendingOutcome, timeout: float) -> Settlement:
        return await self.supervisor.settle(pending, self.wire.deadline(timeout))


@attrs.define(eq=False)
class World:
    """Everything that goes on in one run.

    Attributes:
        saved: what the hooks were told before each request, by pending id.
        caller: which call a pending id belongs to.
        unknown: what callers were told to be open, by pending id.
        known: what somebody was told to be charged, in that order, for refunds.
    """

    clock: VirtualClock
    adversary: Adversary
    vouchers: list[VoucherRecord]
    may_read: bool = True
    habit: str | None = None
    calls: list[Call] = attrs.Factory(list)
    saved: dict[str, PendingOutcome] = attrs.Factory(dict)
    caller: dict[str, Call] = attrs.Factory(dict)
    unknown: dict[str, PendingOutcome] = attrs.Factory(dict)
    known: dict[str, Charge] = attrs.Factory(dict)
    processes: list[Process] = attrs.Factory(list)
    others: list[Process] = attrs.Factory(list)
    judging: Call = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.judging = Call(story.Settle(), self.other(), 0.0)

    @classmethod
    def make(
        cls,
        *,
        double_charges: bool = False,
        may_read: bool = True,
        offset: float = 0.0,
        per_page: int = 100,
        newest_first: bool = False,
        balance: str = "50.00",
        habit: str | None = None,
    ) -> World:
        clock = VirtualClock()
        adversary = Adversary.make(
            clock,
            double_charges=double_charges,
            may_read=may_read,
            offset=offset,
            per_page=per_page,
            newest_first=newest_first,
        )
        vouchers = [adversary.emulator.add_voucher(amount=balance) for _ in range(3)]
        adversary.emulator.habits.set(**KINDS.get(habit or "", {}))
        return cls(clock, adversary, vouchers, may_read, habit)

    @property
    def process(self) -> Process:
        if not self.processes or not self.processes[-1].alive:
            self.processes.append(Process(self))
        return self.processes[-1]

    async def play(self, steps: Sequence[story.Step]) -> None:
        for step in steps:
            busy = any(call.ended is None for call in self.calls)
            self.adversary.script(step.money, step.rest, replace=not busy)
            match step:
                case story.Wait():
                    await self.clock.sleep(step.seconds)
                case story.Close():
                    self.told_open(*await self.process.close(step.wait))
                    await self.clock.sleep(RESTART)
                case story.Kill():
                    await self._kill(self.process)
                case story.Intrude():
                    await self._intrude(step)
                case _:
                    await self._call(step)

    def other(self) -> Process:
        """A process that only settles, and never ends."""
        process = Process(self)
        self.others.append(process)
        return process

    def told_open(self, *pending: PendingOutcome) -> None:
        self.unknown.update((each.id, each) for each in pending)

    def told_charged(self, *charges: Charge) -> None:
        self.known.update((charge.id, charge) for charge in charges if charge.type == ChargeType.CHARGE)

    async def _kill(self, process: Process) -> None:
        process.wire.dead = True
        process.alive = False
        mine = [call for call in self.calls if call.process is process and call.ended is None]
        for call in mine:
            assert call.task is not None
            call.task.cancel()
        process.supervisor.close()
        process.wire.close()
        await process.supervisor.end()
        await self.clock.sleep(RESTART)
        self.told_open(
            *(self.saved[id] for call in self.calls for id in call.intents if self._is_lost(call, process))
        )

    def _is_lost(self, call: Call, process: Process) -> bool:
        """Whether a call died with its process: nobody was told what came of it."""
        return call.process is process and (call.ended is None or call.cancelled)

    async def _intrude(self, step: story.Intrude) -> None:
        other = Process(self)
        with contextlib.suppress(VoucherError):
            code = self.vouchers[step.voucher].code
            await other.reservations.create(code=code, amount="0.01", currency="EUR")

    async def _call(self, step: story.Step) -> None:
        work = self._work(step)
        if work is None:
            return
        call = Call(step, self.process, self.clock.monotonic())
        self.calls.append(call)
        context = contextvars.copy_context()
        context.run(_CALL.set, call)
        loop = asyncio.get_running_loop()
        call.task = task = loop.create_task(self._watch(call, work), context=context)
        if step.cancel is not None:
            loop.create_task(self._cancel(task, *step.cancel)).add_done_callback(lambda _: None)
        await asyncio.wait({task}, timeout=step.alone)

    async def _cancel(self, task: asyncio.Task[None], seconds: float, turns: int) -> None:
        await asyncio.wait({task}, timeout=seconds)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()

    async def _watch(self, call: Call, work: Callable[[Call], Coroutine[Any, Any, Any]]) -> None:
        try:
            call.result = await work(call)
            if isinstance(call.result, Charge):
                self.told_charged(call.result)
            elif isinstance(call.result, tuple):
                self.told_charged(*call.result)
        except asyncio.CancelledError:
            call.cancelled = True
        except VoucherError as error:
            call.error = error
            self.told_open(*open_in(error))
        call.ended = self.clock.monotonic()

    def _work(self, step: story.Step) -> Callable[[Call], Coroutine[Any, Any, Any]] | None:
        if (isinstance(step, story.Refund) and not self.known) or (
            isinstance(step, story.Settle) and not self.unknown
        ):
            return None
        works: dict[type[story.Step], Callable[[Call, Any], Coroutine[Any, Any, Any]]] = {
            story.Redeem: self._redeem,
            story.Pay: self._pay,
            story.Refund: self._refund,
            story.Recharge: self._recharge,
            story.Checkout: self._check_out,
            story.Settle: self._settle,
        }
        work = works[type(step)]
        return lambda call: work(call, step)

    async def _redeem(self, call: Call, step: story.Redeem) -> Charge:
        return await call.process.lifecycle.redeem(
            code=self.vouchers[step.voucher].code,
            amount=step.amount,
            currency="EUR",
            order_number=step.order,
            timeout=step.timeout,
        )

    async def _pay(self, call: Call, step: story.Pay) -> Charge:
        process = Process(self) if step.foreign else call.process
        code = self.vouchers[step.voucher].code
        reservation = await process.reservations.create(code=code, amount=step.amount, currency="EUR")
        return await call.process.reservations.charge(
            reservation.id if step.by_id else reservation, order_number=step.order, timeout=step.timeout
        )

    async def _refund(self, call: Call, step: story.Refund) -> Charge:
        charge = list(self.known.values())[step.which % len(self.known)]
        amount = step.amount or (charge.amount if step.by_id else None)
        return await call.process.charges.refund(
            charge.id if step.by_id else charge, amount, currency="EUR", timeout=step.timeout
        )

    async def _recharge(self, call: Call, step: story.Recharge) -> Charge:
        voucher = self.vouchers[step.voucher]
        key = {"code": voucher.code} if step.by_code else {"id": voucher.id}
        return await call.process.vouchers.recharge(
            amount=step.amount, currency="EUR", order_number=step.order, timeout=step.timeout, **key
        )

    async def _check_out(self, call: Call, step: story.Checkout) -> tuple[Charge, ...]:
        async with call.process.lifecycle.checkout(order_number=step.order, currency="EUR") as checkout:
            for number in step.vouchers:
                await checkout.reserve(code=self.vouchers[number].code, amount=step.amount)
            try:
                return await checkout.charge(timeout=step.timeout)
            except VoucherError:
                if not step.again:
                    raise
                return await checkout.charge(timeout=step.timeout)

    async def _settle(self, call: Call, step: story.Settle) -> Settlement:
        pending = list(self.unknown.values())[step.which % len(self.unknown)]
        call.settled = pending.id
        settlement = await (self.other() if step.fresh else call.process).settle(pending, step.timeout)
        if settlement.charge is not None:
            self.told_charged(settlement.charge)
        return settlement


def open_in(error: VoucherError) -> list[PendingOutcome]:
    """The open outcomes that an error tells of."""
    outcomes = getattr(error, "outcomes", ())
    found = [pending_of(outcome.error) for outcome in outcomes] or [pending_of(error)]
    return [pending for pending in found if pending is not None]


def pending_of(error: Exception | None) -> PendingOutcome | None:
    """The open outcome of one call: unknown, or refused and not to be looked into."""
    return error.pending if isinstance(error, (OutcomeUnknown, ApiError)) else None
