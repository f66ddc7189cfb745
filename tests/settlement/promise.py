"""The promise, held against what the server's ledger says in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from tests.settlement.ends import returned_by, said_in
from tests.settlement.ledger import Ledger
from tests.settlement.looks import looks_like, may_be_taken_for, may_look_like
from tests.settlement.play import WINDOW, Call, Process, World, pending_of
from tests.settlement.story import Checkout, Refund, Settle, Step
from tests.virtual import VirtualLoop
from voucher_async.events import Settled
from voucher_async.models import Charge
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.outcomes import (
    CheckoutFailed,
    HeldOutcome,
    HeldState,
    OutcomeUnknown,
    PendingOutcome,
    Settlement,
    SettlementState,
)
from voucher_async.testing import ChargeRecord

__all__ = ["run"]

_LATE: Final = 0.011  # seconds: the limits of calls are looked at no more often than every 0.01


def run(steps: Sequence[Step], **options: Any) -> World:
    """Play the steps, let the faults end, and hold everything against the promise.

    Args:
        steps: what the shop does.
        **options: see `World.make`.

    Raises:
        AssertionError: naming what was promised and is not so.
    """
    world = World.make(**options)
    loop = VirtualLoop(world.clock)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_run(world, steps))
    assert loop.complaints == []
    return world


async def _run(world: World, steps: Sequence[Step]) -> None:
    await world.play(steps)
    world.adversary.script()
    await asyncio.wait_for(_calls_end(world), 600)
    await world.clock.sleep(150)
    assert world.adversary.waiting == 0
    judge = Judge(world)
    await judge.settle_everything()
    judge.judge()
    for process in (*world.processes, *world.others):
        await process.close(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert left == set()


async def _calls_end(world: World) -> None:
    for call in world.calls:
        assert call.task is not None
        await asyncio.wait({call.task})
        call.task.result()  # an exception other than VoucherError is a bug


@attrs.define(eq=False)
class Judge(Ledger):
    """Holds what the callers and the hooks were told against the ledger.

    Attributes:
        ends: what settling each open outcome gave in the end, from every process that was asked.
    """

    ends: dict[str, list[Settlement | OutcomeUnknown]] = attrs.Factory(dict)

    async def settle_everything(self) -> None:
        """No more faults: every open outcome is settled in its own process, and twice in a fresh one."""
        for process in self.world.processes:
            self.world.told_open(*process.supervisor.pending)
        for told in tuple(self.world.unknown.values()):
            if told.id not in self.world.caller:
                continue  # a caller that joined before anything was sent got "still running"
            # a caller that joined before the voucher was known got the pending outcome of the same record
            pending = told if told.voucher_id is not None else self.world.saved[told.id]
            own = self.world.caller[pending.id].process
            alive = [process for process in self.world.processes if process.alive]
            if self._is_beside_another(pending.id):  # elsewhere no fact tells the two apart
                askers = [own] if own.alive else []
            else:
                fresh = self.world.other()
                askers = [*alive, fresh, fresh, self.world.other()]
            self.ends[pending.id] = [await self._settle(process, pending) for process in askers]

    async def _settle(self, process: Process, pending: PendingOutcome) -> Settlement | OutcomeUnknown:
        text = pending.to_json()
        pending = PendingOutcome.from_json(text)
        assert pending.to_json() == text
        try:
            return await process.settle(pending, 3 * WINDOW)
        except OutcomeUnknown as error:
            return error

    def judge(self) -> None:
        self.world.adversary.emulator.ledger.check()
        if self._is_muddled() or self._cancels_out():
            return
        problems = [
            problem for call in self.world.calls for problem in (*self._call(call), *self._time(call))
        ]
        problems += [problem for id in self.ends for problem in self._ends(id)]
        problems += [*self._intents(), *self._hooks(), *self._accounts(), *self._left_open()]
        assert not problems, "\n".join(problems)

    # outcomes of calls

    def _call(self, call: Call) -> Iterator[str]:
        if isinstance(call.step, Settle):
            if isinstance(call.result, Settlement) and not self._cannot_tell(call, call.result.pending.id):
                yield from self._settlement(call.result)
        elif call.cancelled:
            yield from self._cancelled(call)
        elif call.error is None:
            yield from self._done(call)
        elif isinstance(call.error, CheckoutFailed):
            for outcome in call.error.outcomes:
                yield from self._outcome(call, outcome)
        elif pending_of(call.error) is None:
            for charge in self._standing(call):
                yield f"{call.step} raised {call.error!r}, and made {charge}"
            yield from self._proof(call)

    def _cannot_tell(self, call: Call, pending_id: str) -> bool:
        """Whether the call of another process was settled that nothing tells from those beside it."""
        if pending_id not in self.world.caller:
            return False  # a call that was never sent is known to be not done
        own = call.process is self.world.caller[pending_id].process and not getattr(call.step, "fresh", False)
        return not own and self._is_beside_another(pending_id)

    def _done(self, call: Call) -> Iterator[str]:
        charges = (call.result,) if isinstance(call.result, Charge) else call.result
        assert isinstance(charges, tuple)
        mine = {charge.id for charge in self._sources(call)} | self._twins(*call.intents)
        for charge in charges:
            if charge.id not in mine:
                yield f"{call.step} returned {charge}, which it did not make"
            elif self._undone(self._charge(charge.id)):
                yield f"{call.step} returned {charge}, which was taken back"
        if isinstance(call.step, Checkout) and len(charges) != len(set(call.step.vouchers)):
            yield f"{call.step} returned {charges}"

    def _outcome(self, call: Call, outcome: HeldOutcome) -> Iterator[str]:
        made = [charge for charge in self._made_by(call) if charge.voucher_id == outcome.voucher_id]
        standing = [charge for charge in made if not self._undone(charge)]
        problem = f"{call.step}: {outcome} was told, {made} is there, {standing} stands"
        match outcome.state:
            case HeldState.NOT_CHARGED:
                if standing:
                    yield problem
            case HeldState.REFUNDED:
                if standing or not made:
                    yield problem
            case HeldState.CHARGED:
                if len(standing) != 1:
                    yield problem
            case HeldState.UNKNOWN:
                if pending_of(outcome.error) is None:
                    yield problem

    def _proof(self, call: Call) -> Iterator[str]:
        """Whoever is told that a request was not carried out is told by which proof."""
        is_about_one = call.intents and not isinstance(call.step, (Checkout, Settle))
        if is_about_one and call.error is not None and call.error.proof is None:
            yield f"{call.step} raised {call.error!r} without a proof"

    def _cancelled(self, call: Call) -> Iterator[str]:
        words, events = {"done", "recovered", "refund failed"}, call.process.events
        told = {event.charge.id for event in events if event.what in words and event.charge}
        told |= {charge.id for charge in self._told_at_the_end()} | self._not_refunded(events)
        told |= {charge.id for other in self.world.calls for charge in returned_by(other)}
        twins = {each.id for id in call.intents if self._is_twin(id, told) for each in self._effects(id)}
        standing = self._standing(call)
        for charge in standing:
            if charge.id not in told | twins and not self._is_open(charge):
                yield f"{call.step} was cancelled, and nobody was told of {charge}"
        if isinstance(call.step, Checkout):
            # a contradicting answer leaves a charge in doubt as much as a lost one
            in_doubt = [event.pending for event in events if event.what == "in doubt"]
            told_of = {pending.id for pending in in_doubt if pending is not None}
            doubted = (self.world.adversary.doubted | told_of) & set(call.intents)
            failed = any(event.what == "refund failed" for event in events)
            is_excused = doubted or failed or call.process.wire.dead
            if not is_excused and len(standing) not in {0, len(call.step.vouchers)}:
                yield f"{call.step} was cancelled, and left {standing}"

    def _time(self, call: Call) -> Iterator[str]:
        assert call.ended is not None
        taken = call.ended - call.began
        slack = 30.0 * (1 + len(call.step.vouchers)) if isinstance(call.step, Checkout) else 0.0
        allowed = call.step.timeout + slack + 30.0 * hasattr(call.step, "foreign")
        if taken > allowed + _LATE:
            yield f"{call.step} took {taken} s"

    def _not_refunded(self, events: Sequence[Settled]) -> set[str]:
        """The charges of which hooks were told that their refunds are open, or were not made."""
        pending = [event.pending for event in events if event.what in {"left open", "not done"}]
        return {each.charge_id for each in pending if each is not None and each.charge_id is not None}

    # outcomes of settling

    def _told_at_the_end(self) -> list[Charge]:
        settlements = [end for ends in self.ends.values() for end in ends if isinstance(end, Settlement)]
        settlements += [call.result for call in self.world.calls if isinstance(call.result, Settlement)]
        return [
            charge for each in settlements for charge in (each.charge, *each.surplus) if charge is not None
        ]

    def _ends(self, pending_id: str) -> Iterator[str]:
        ends = self.ends[pending_id]
        for end in ends:
            if isinstance(end, Settlement):
                yield from self._settlement(end)
            elif not self._may_stay_open(pending_id):
                yield f"{self.world.saved[pending_id]} stays open: {end}"
        # either of two charges may be called the surplus
        answers = {(end.state, frozenset(said_in(end))) for end in ends if isinstance(end, Settlement)}
        if len(answers) > 1:
            yield f"{self.world.saved[pending_id]} was settled in several ways: {answers}"

    def _settlement(self, end: Settlement) -> Iterator[str]:
        truth = self._made_or_twins(end.pending, said_in(end))
        if end.state is SettlementState.NOT_DONE:
            truth = [charge for charge in truth if not self._undone(charge)]
        if {charge.id for charge in truth} != said_in(end):
            yield f"{end} is not the truth: {truth}"
        if (end.state is SettlementState.DONE) != bool(truth):
            yield f"{end.state} is not the truth: {truth}"

    def _may_stay_open(self, pending_id: str) -> bool:
        pending = self.world.saved[pending_id]
        if pending.voucher_id is None or not self.world.may_read:
            return True
        if pending.operation != CHARGE_RESERVATION.id and not pending.known_whole:
            return True  # the read before the request was refused
        if pending_id in self.world.adversary.claimed and not self._effects(pending_id):
            return True  # a 2xx said that it was done: no proof of the contrary exists
        if self.world.habit is not None:
            return True  # the storm counts these
        is_unclear = self._is_beside_another(pending_id) or self._is_near_another(pending_id)
        return is_unclear or self._waits_for_a_refund(pending_id)

    def _waits_for_a_refund(self, pending_id: str) -> bool:
        """Whether the refund of a surplus is open for a good reason: its charge is open as long."""
        made = {charge.id for charge in self._effects(pending_id)}
        refunds = [each.id for each in self.world.saved.values() if each.charge_id in made]
        return any(self._stays_open(each) and self._may_stay_open(each) for each in refunds)

    def _is_near_another(self, pending_id: str) -> bool:
        """Whether an entry that is another call's may be this one's for all that servers rewrite."""
        pending = self.world.saved[pending_id]
        return any(
            id != pending_id and may_be_taken_for(pending, charge)
            for id in self.world.saved
            for charge in self._effects(id)
        )

    def _is_beside_another(self, pending_id: str) -> bool:
        """Whether something looks like the effect of a call, and is that of another one."""
        pending = self.world.saved[pending_id]
        others = [other for other in self.world.saved.values() if other.id != pending_id]
        rivals = [other for other in others if may_look_like(other, pending) and self._stays_open(other.id)]
        return bool(rivals) or any(
            pending.id != id and looks_like(pending, charge)
            for id in self.world.saved
            for charge in self._effects(id)
        )

    def _is_muddled(self) -> bool:
        """Whether two processes moved the same money at the same time: nothing tells the two apart."""
        return any(
            other.process is not call.process and looks_like(self.world.saved[mine], charge)
            for call in self.world.calls
            for mine in call.intents
            for id, other in self.world.caller.items()
            for charge in self._effects(id)
        )

    def _cancels_out(self) -> bool:
        """Whether amounts are shown wrongly, and make up for each other: S6 says that they do not."""
        off: dict[str, list[Decimal]] = {}
        for entry in self.world.adversary.emulator._engine.state.charges.values():
            shown = Decimal(str(entry.shown.get("amount", entry.amount)))
            if shown != entry.amount:
                sign = -1 if entry.type == "charge" else 1
                off.setdefault(entry.voucher_id, []).append(sign * (entry.amount - shown))
        return any(not sum(each) for each in off.values())

    def _intents(self) -> Iterator[str]:
        """Nothing is done twice: what was charged twice is taken back, the rest never is."""
        for id, call in self.world.caller.items():
            pending, made = self.world.saved[id], self._effects(id)
            standing = [charge for charge in made if not self._undone(charge)]
            if pending.operation == CHARGE_RESERVATION.id:
                left = [e for e in self._all_events() if e.what == "surplus left" and e.pending.id == id]
                # an entry that looks like another caller's is no surplus: it stays open, as does the call.
                # The surplus of a killed process is reported by another one, with the same exception. Under a
                # habit an entry that is merely recognisable may be nobody's surplus.
                is_undecidable = self._is_beside_another(id) or self.world.habit is not None
                is_known_open = is_undecidable and (not call.process.alive or self._stays_open(id))
                if len(standing) > 1 and not left and not is_known_open:
                    yield f"{call.step} charged {len(standing)} times: {standing}"
            elif len(made) > self._deliveries:
                yield f"{call.step} moved money {len(made)} times: {made}"
        for call in self.world.calls:
            yield from self._paid_again(call)

    def _paid_again(self, call: Call) -> Iterator[str]:
        # calls that began at the same moment are told apart by their index
        calls, ended = self.world.calls, call.ended or 0.0
        settled = {c.settled for at, c in enumerate(calls) if at < calls.index(call) or c.began < ended}
        for other in self._equal_before(call):
            if other.ended is None or other.ended > call.began or other.result is not None:
                continue
            untold = self._standing(other) if not settled & set(other.intents) else []
            delivered = {charge.id for c in self.world.calls for charge in returned_by(c)}
            mine = self._standing(call)
            # of two that a proxy has made of one, one is told, and the other is a surplus
            if mine and untold and delivered.isdisjoint(charge.id for charge in untold):
                yield f"{other.step} charged {untold}, and {call.step} once more: {mine}"

    def _all_events(self) -> list[Any]:
        return [event for p in (*self.world.processes, *self.world.others) for event in p.events]

    def _hooks(self) -> Iterator[str]:
        for event in self._all_events():
            if event.pending is None:
                continue
            own = self.world.caller[event.pending.id].process
            is_elsewhere = all(event is not each for each in own.events)
            if is_elsewhere and self._is_beside_another(event.pending.id):
                continue
            made = self._made_or_twins(event.pending, [event.charge.id] if event.charge else [])
            standing = [charge for charge in made if not self._undone(charge)]
            # elsewhere no fact tells which charge was refunded
            truth = {charge.id for charge in (made if is_elsewhere else standing)}
            if event.what in {"done", "recovered"} and (event.charge is None or event.charge.id not in truth):
                yield f"{event} was told, and is not the truth: {truth}"
            if event.what == "not done" and standing:
                yield f"{event} was told, and is not the truth: {standing}"

    def _accounts(self) -> Iterator[str]:
        """Every movement of money was told to somebody."""
        told = {charge.id for charge in self._told_at_the_end()}
        told |= {charge.id for call in self.world.calls for charge in returned_by(call)}
        told |= {event.charge.id for event in self._all_events() if event.charge is not None}
        told |= self._not_refunded(self._all_events())
        told |= {outcome.charge.id for outcome in self._outcomes() if outcome.charge is not None}
        for id, call in self.world.caller.items():
            for charge in [] if self._is_twin(id, told) else self._effects(id):
                of_own_accord = charge.type == "refund" and not isinstance(call.step, Refund)
                told_by = charge.refund_of if of_own_accord else charge.id
                if told_by not in told and not self._stays_open(id):
                    yield f"nobody was told of {charge}, made by {call.step}"

    def _outcomes(self) -> list[HeldOutcome]:
        errors = [call.error for call in self.world.calls if isinstance(call.error, CheckoutFailed)]
        return [outcome for error in errors for outcome in error.outcomes]

    def _is_open(self, charge: ChargeRecord) -> bool:
        """Whether the call that made a charge is known to be open, for a reason that is documented."""
        effects = self.world.adversary.effects
        return any(charge.id in effects[id] and self._stays_open(id) for id in list(effects))

    def _stays_open(self, pending_id: str) -> bool:
        ends = self.ends.get(pending_id)
        if ends is not None and (not ends or any(isinstance(end, OutcomeUnknown) for end in ends)):
            return True
        process = self.world.caller[pending_id].process
        return pending_id in {pending.id for pending in process.supervisor.pending}

    def _left_open(self) -> Iterator[str]:
        for process in self.world.processes:
            if not process.alive:
                continue
            for pending in process.supervisor.pending:
                if not self._may_stay_open(pending.id):
                    yield f"{pending} is still open in its process"
