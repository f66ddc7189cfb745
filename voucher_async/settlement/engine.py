"""Sending what moves money, and finding out what became of it: read, decide, act, count."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.cancelling import goes_on
from voucher_async.errors import ConfigurationError, Fate, MissingScope, OutcomeUnknown, VoucherError
from voucher_async.hooks import Settled
from voucher_async.operations import CREATE_VOUCHER
from voucher_async.pending import Settlement, SettlementState
from voucher_async.settlement.archive import Archive
from voucher_async.settlement.lines import Lines
from voucher_async.settlement.looking import find_voucher, is_what_was_asked, read_charges
from voucher_async.settlement.pauses import Pauses
from voucher_async.settlement.rules import RULES, Evidence, Finding, Move, decide, find, obstacle
from voucher_async.settlement.sender import open_outcome
from voucher_async.settlement.stamps import Stamps
from voucher_async.settlement.surplus import take_back

if TYPE_CHECKING:
    from voucher_async.clock import Clock, Deadline, ServerClock
    from voucher_async.config import Settings
    from voucher_async.hooks import Hooks
    from voucher_async.models import Charge
    from voucher_async.sansio import Request
    from voucher_async.settlement.case import Case, Flow
    from voucher_async.settlement.sender import Sender

__all__ = ["Engine"]

_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 4.0


class Engine:
    """One per client.

    Args:
        sender: sends the requests.
        settings: the settle window, and how long things are looked after.
        clock: measures time and waits out pauses.
        server_clock: dates what is sent.
        hooks: told before money moves, and what became of it when nobody waits for that.

    Attributes:
        archive: what is open, and what was.
        stamps: what time it is by the server.
        lines: where calls that look alike wait for each other.
        pauses: between two looks.
        watches: what looks after cases in the background.
    """

    def __init__(
        self, sender: Sender, settings: Settings, *, clock: Clock, server_clock: ServerClock, hooks: Hooks
    ) -> None:
        self.sender = sender
        self.clock = clock
        self.server_clock = server_clock
        self.hooks = hooks
        self.archive: Archive = Archive()
        self.stamps: Stamps = Stamps(clock)
        self.lines: Lines = Lines(self.archive)
        self.pauses: Pauses = Pauses(clock)
        self.watches: set[asyncio.Task[None]] = set()
        self._settings = settings

    @property
    def patience(self) -> float:
        """Seconds that what nobody waits for may wait for its turn."""
        return self._settings.settle_for or self._settings.timeout.total

    async def perform(self, flow: Flow, case: Case, request: Request[Charge]) -> Charge:
        """Send a request that moves money, and find out what became of it.

        Raises:
            OutcomeUnknown: that could not be found out in time; it is looked after in the background.
            VoucherError: it was certainly not carried out.
        """
        flow.begun = True
        flow.case = case
        case.key = flow.key
        case.over = over = asyncio.get_running_loop().create_future()
        self.archive.begin(case)
        if case.pending.charge_id is not None:
            self.archive.delivered(case.pending.charge_id)  # who refunds a charge knows of it
        try:
            while True:
                charge = await self._send(flow, case, request) or await self._look_until_clear(flow, case)
                if charge is not None:
                    return self._finish(flow, case, charge)
                case.repeats += 1
        except asyncio.CancelledError:
            self.archive.open(case)  # the client was closed under it, or the loop ends
            raise
        finally:
            self.archive.end(case)
            over.set_result(None)

    async def _send(self, flow: Flow, case: Case, request: Request[Charge]) -> Charge | None:
        """The answer to a request; None when it, or one before it, is in doubt."""
        case.bound(self.clock.monotonic(), flow.deadline.left(), self._settings.settle_window)
        if case.repeats:
            case.pending = attrs.evolve(case.pending, sends=case.pending.sends + 1)
        if self.hooks.wants_intents:
            case.pending = attrs.evolve(case.pending, sent_at=self.server_clock.now())
            self.hooks.intent(case.pending)
        try:
            answer = await self.sender.send(request, flow.deadline)
        except asyncio.CancelledError:
            case.doubted(None, self.clock.monotonic())
            raise
        except VoucherError as error:
            if error.fate is Fate.UNKNOWN:
                case.doubted(error, self.clock.monotonic())
            elif case.doubts:
                case.refused(error)
                case.pending = attrs.evolve(case.pending, sends=case.effects)
            else:
                raise
            return None
        case.answered = True
        if not RULES[case.pending.operation].repeat_early:  # else it may be answered with an older one
            self.stamps.note(answer.value.created_at, answer.sent)
        return answer.value

    async def _look_until_clear(self, flow: Flow, case: Case) -> Charge | None:
        """What was found; None when the request is to be sent again.

        Raises:
            OutcomeUnknown: the deadline passed, the caller is gone, or it cannot be told.
            VoucherError: it was certainly not carried out.
        """
        pause = _PAUSE
        while obstacle(case.pending) is None and flow.deadline.left() > 0:
            move = await self._look(case, flow.deadline, can_repeat=True)
            if flow.abandoned or move is Move.OPEN or case.hopeless:
                break
            if move is Move.NOT_DONE:
                raise self._certainly_not(case)
            if move is Move.REPEAT:
                return None
            if move is Move.DONE:
                return case.finding.certain[0]
            await self.pauses.wait(min(pause, max(flow.deadline.left(), 0.0)))
            pause = min(pause * 2, _LONGEST_PAUSE)
        raise self._left_open(case)

    def _finish(self, flow: Flow, case: Case, charge: Charge) -> Charge:
        case.charge = charge
        flow.finished.append(case)
        self.archive.take(charge.id, case.pending.id)
        if case.effects > 1:
            self.watch(case)  # another of the requests may have arrived, or may yet
        elif case.doubts:
            self._ended(case, Settlement(pending=case.pending, state=SettlementState.DONE, charge=charge))
        return charge

    def _certainly_not(self, case: Case) -> VoucherError:
        error = case.refusal or case.cause
        error.fate = Fate.NOT_DONE
        self._ended(case, Settlement(pending=case.pending, state=SettlementState.NOT_DONE))
        return error

    def _left_open(self, case: Case) -> OutcomeUnknown:
        case.reason = obstacle(case.pending) or case.reason
        opened = open_outcome(case.cause, case.pending, f"and that could not be found out ({case.reason})")
        opened.__cause__ = case.cause
        case.pending = opened.pending
        self.watch(case)
        return opened

    async def _look(self, case: Case, deadline: Deadline, *, can_repeat: bool = False) -> Move:
        """Look once, and decide."""
        case.quiet = self.clock.monotonic() - case.last
        try:
            if case.pending.operation == CREATE_VOUCHER.id:
                return await self._look_for_voucher(case, deadline)
            charges = await read_charges(self.sender, case.pending, deadline)
        except VoucherError as error:
            case.reason = f"looking for it failed: {error.args[0]}"
            case.hopeless = isinstance(error, (MissingScope, ConfigurationError))
            return Move.WAIT
        case.finding = self._find(case, charges)
        case.absences = 0 if case.finding.certain else case.absences + 1
        evidence = Evidence(
            finding=case.finding,
            sends=case.effects + self.archive.surplus_beside(case),
            absences=case.absences,
            quiet=case.quiet,
            window=self._settings.settle_window,
            rivals=self.archive.rivals(case),
            repeatable=can_repeat and case.repeatable,
            told=case.charge is not None,
        )
        move = decide(RULES[case.pending.operation], evidence)
        if move is Move.OPEN:
            case.reason = "what was found may belong to another call"
        elif move is Move.WAIT:
            found = "what was found may belong to an equal call beside it"
            case.reason = found if case.finding.certain else "it may still be on its way"
        return move

    def _find(self, case: Case, charges: list[Charge]) -> Finding:
        pending_id = case.pending.id
        free = [charge for charge in charges if not self.archive.is_taken(charge.id, pending_id)]
        finding = find(case.pending, free)
        told = case.charge
        if told is None:
            return finding
        # what the caller was told comes first, whether the list shows it yet or not
        others = [charge for charge in finding.certain if charge.id != told.id]
        return attrs.evolve(finding, certain=(told, *others))

    async def _look_for_voucher(self, case: Case, deadline: Deadline) -> Move:
        voucher = await find_voucher(self.sender, case.pending, deadline)
        if voucher is None:
            return Move.NOT_DONE if case.quiet >= self._settings.settle_window else Move.WAIT
        if not is_what_was_asked(voucher, case.pending):
            return Move.NOT_DONE
        if case.pending.since is not None and voucher.created_at < case.pending.since:
            case.reason = "a voucher with this id was there before, by the server's date"
            return Move.OPEN
        return Move.DONE

    def watch(self, case: Case) -> asyncio.Task[None] | None:
        """Look after a case in the background until it is clear; None when looking cannot help."""
        self.archive.open(case)
        if obstacle(case.pending):
            return None
        task = case.task
        if task is None or not goes_on(task):
            case.hopeless = False
            case.task = task = asyncio.create_task(self._look_after(case))
            self.watches.add(task)
            task.add_done_callback(self.watches.discard)
        return task

    async def _look_after(self, case: Case) -> None:
        ends = self.clock.monotonic() + self._settings.settle_for
        pause = _PAUSE
        try:
            while not await self._is_clear(case):
                if case.hopeless or self.clock.monotonic() >= ends:
                    self.tell("left open", case, error=case.error)
                    return
                await self.pauses.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            case.task = None

    async def _is_clear(self, case: Case) -> bool:
        deadline = self.sender.deadline()
        move = await self._look(case, deadline)
        if move is Move.NOT_DONE:
            self._ended(case, Settlement(pending=case.pending, state=SettlementState.NOT_DONE), aloud=True)
            return True
        if move is not Move.DONE or self._may_grow(case):
            return False
        found = case.finding.certain
        refunds = await take_back(self, case, found[1:], deadline) if found[1:] else ()
        if refunds is None:
            return False
        settlement = Settlement(
            pending=case.pending,
            state=SettlementState.DONE,
            charge=found[0] if found else None,
            surplus=found[1:],
            refunds=refunds,
        )
        self._ended(case, settlement, aloud=case.charge is None)
        return True

    def _may_grow(self, case: Case) -> bool:
        """Whether another of the requests may be carried out yet, or was after the look began."""
        missing = case.effects > max(len(case.finding.certain), 1)
        return missing and case.quiet < self._settings.settle_window

    def _ended(self, case: Case, settlement: Settlement, *, aloud: bool = False) -> None:
        self.archive.settled(settlement)
        if case.on_end is not None:
            case.on_end(settlement)
        if aloud:
            self.archive.deliver_later(case.key, settlement.charge)
            self.tell(str(settlement.state), case, charge=settlement.charge)

    def tell(
        self, what: str, case: Case, *, charge: Charge | None = None, error: VoucherError | None = None
    ) -> None:
        """Tell the hooks what became of a case."""
        case.is_told = True
        self.hooks.settled(
            Settled(
                what=what,
                amount=case.pending.amount,
                order_number=case.pending.order_number,
                pending=case.pending,
                charge=charge,
                error=error,
            )
        )
