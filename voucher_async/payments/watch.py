"""Looking after open calls in the background, until it is known what became of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.cancelling import goes_on
from voucher_async.clock import Clock
from voucher_async.config import Settings
from voucher_async.outcomes import Settlement, SettlementState
from voucher_async.payments.call import ENDED
from voucher_async.payments.evidence import Move, obstacle
from voucher_async.payments.judging import Judge, event_of
from voucher_async.payments.machine import Machine
from voucher_async.payments.numbering import Numbering
from voucher_async.payments.ownership import wait_in_background
from voucher_async.payments.pauses import Pauses, growing
from voucher_async.payments.registry import Registry
from voucher_async.payments.report import Report
from voucher_async.payments.sender import Sender
from voucher_async.payments.surplus import Surplus

if TYPE_CHECKING:
    from voucher_async.errors import Proof
    from voucher_async.payments.money_call import MoneyCall

__all__ = ["Watch", "not_done"]

_LONGEST_PAUSE: Final = 6.0  # seconds, so that the dates of two looks can be compared


@attrs.define(eq=False, repr=False)
class Watch:
    """One per client.

    Args:
        sender: gives each look its time.
        judge: looks, and decides.
        surplus: takes back what was carried out once too often.
        machine: what is legal for a call.
        registry: what is open, and what was.
        report: tells hooks and log how a call ended.
        numbering: order numbers as the shop has them.
        pauses: between two looks.
        clock: measures time.
        settings: how long open calls are settled.

    Attributes:
        tasks: one for each call that is being settled.
    """

    sender: Sender
    judge: Judge
    surplus: Surplus
    machine: Machine
    registry: Registry
    report: Report
    numbering: Numbering
    pauses: Pauses
    clock: Clock
    settings: Settings
    tasks: set[asyncio.Task[None]] = attrs.field(init=False, factory=set[asyncio.Task[None]])

    def begin(self, money_call: MoneyCall) -> asyncio.Task[None] | None:
        """Look after a call in the background until it is clear; None when looking cannot help."""
        self.registry.open(money_call)
        if obstacle(money_call.pending):
            return None
        task = money_call.task
        if task is None or not goes_on(task):
            money_call.hopeless = False
            money_call.task = task = asyncio.create_task(self._look_after(money_call))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return task

    async def _look_after(self, money_call: MoneyCall) -> None:
        wait_in_background()
        ends = self.clock.monotonic() + self.settings.settle_for
        pauses = growing(_LONGEST_PAUSE)
        try:
            while not await self._is_clear(money_call):
                if money_call.hopeless or self.clock.monotonic() >= ends:
                    self.report.left_open(money_call, money_call.error)
                    return
                await self.pauses.wait(next(pauses))
        finally:
            money_call.task = None

    async def _is_clear(self, money_call: MoneyCall) -> bool:
        deadline = self.sender.deadline()
        verdict = await self.judge.look(money_call, deadline)
        move, event = verdict.move, event_of(verdict.move, money_call.call)
        if event is not None and money_call.call.state not in ENDED:
            money_call.advance(self.machine, event, verdict.facts)
        if move in {Move.NOT_DONE, Move.REFUSED}:
            await self._ended_behind(money_call, not_done(money_call, verdict.proof), aloud=True)
            return True
        if move is not Move.DONE or money_call.may_grow(self.settings.settle_window):
            return False
        found = await self.surplus.kept_first(money_call, money_call.finding.ours)
        if found is None:
            return False
        refunds = await self.surplus.take_back(money_call, found[1:], deadline) if found[1:] else ()
        if refunds is None:
            return False
        settlement = Settlement(
            pending=money_call.pending,
            state=SettlementState.DONE,
            charge=found[0] if found else None,
            surplus=found[1:],
            refunds=refunds,
        )
        await self._ended_behind(money_call, settlement, aloud=money_call.charge is None)
        return True

    async def _ended_behind(self, money_call: MoneyCall, settlement: Settlement, *, aloud: bool) -> None:
        """A call ended in the background."""
        recorder = money_call.recorder if money_call.charge is None else None
        if recorder is not None:
            await recorder.settled(self.numbering.own_settlement(settlement))
            if settlement.state is SettlementState.NOT_DONE and not await recorder.may_deny():
                self.registry.close(money_call.pending.id)  # the record's new owner says how it ends
                self.report.passed_on(money_call)
                return
        self.ended(money_call, settlement)
        if aloud:
            self.registry.deliver_later(money_call.key, settlement.charge)
            self.report.ended(money_call, settlement, behind=True)

    def ended(self, money_call: MoneyCall, settlement: Settlement) -> None:
        """Remember how a call ended, and tell whoever waits for that."""
        self.registry.settled(settlement)
        if money_call.on_end is not None:
            money_call.on_end(settlement)


def not_done(money_call: MoneyCall, proof: Proof) -> Settlement:
    """The end of a call that was not carried out."""
    return Settlement(pending=money_call.pending, state=SettlementState.NOT_DONE, proof=proof)
