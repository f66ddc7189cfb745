"""The hook of a storm: writes down what it is told, and sends callers away at the moments planned."""

from __future__ import annotations

import asyncio
import contextvars
import time
from typing import Final

from tests.chaos.records import DONE, NOT_DONE, RECOVERED, Doubt, Fetched, Intent, Journal, Word
from voucher_async import AttemptEnded, Fate, Hook, PendingOutcome, Settled, TokenRefresh

CALL: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("CALL", default="")
"""The id of the call that a task, and whatever it starts, belongs to."""

_MONEY: Final = frozenset({"chargeReservation", "refundCharge", "rechargeVoucher"})


class Watcher(Hook):
    """Writes intents, words, doubts and tokens.

    Args:
        journal: where to.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.leavers: dict[tuple[str, str], asyncio.Task[str]] = {}  # (call, event) -> the caller's task
        self.heard: set[str] = set()  # pending ids whose end was reported
        self.given_up: set[str] = set()  # pending ids that were reported as left open

    def on_intent(self, event: PendingOutcome) -> None:
        call = CALL.get()
        self._journal.write(
            Intent(
                call=call,
                pending=event.id,
                operation=event.operation,
                voucher=event.voucher_id or "",
                reservation=event.reservation_id or "",
                charge=event.charge_id or "",
                amount=str(event.amount),
                order=event.order_number or "",
                sends=event.sends,
                text=event.to_json(),
                at=time.monotonic(),
            )
        )
        self._send_away(call, "intent")

    def on_settled(self, event: Settled) -> None:
        pending = event.pending.id if event.pending else ""
        if event.what in {DONE, NOT_DONE, RECOVERED}:
            self.heard.add(pending)
        if event.what == "left open":
            self.given_up.add(pending)
        self._journal.write(
            Word(
                call=CALL.get(),
                what=event.what,
                pending=pending,
                charge=event.charge.id if event.charge else "",
                error=type(event.error).__name__ if event.error else "",
                proof=event.proof.name if event.proof else "",
                at=time.monotonic(),
            )
        )

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        if event.operation not in _MONEY:
            return
        status = event.status or 0
        unreadable = event.status is not None and status < 300 and event.error is not None
        if event.fate is Fate.UNKNOWN or status >= 500 or unreadable:
            self._journal.write(Doubt(call=CALL.get(), operation=event.operation))
        self._send_away(CALL.get(), "answer")

    def on_token_refreshed(self, event: TokenRefresh) -> None:
        if event.succeeded:
            self._journal.write(Fetched(elapsed=event.elapsed, at=time.monotonic()))

    def _send_away(self, call: str, event: str) -> None:
        caller = self.leavers.pop((call, event), None)
        if caller is not None:
            caller.cancel()
