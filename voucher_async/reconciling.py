"""Outcomes of money calls: the open ones, their settlement, the history of records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from voucher_async.models import Charge
    from voucher_async.outcomes import PendingOutcome, Settlement
    from voucher_async.payments.call import CallRecord
    from voucher_async.payments.joining import Joining
    from voucher_async.payments.supervisor import Supervisor
    from voucher_async.transport.sender import Transport

__all__ = ["Reconciling"]


class Reconciling:
    """The part of a client that finds out, remembers and tells what became of money calls."""

    _supervisor: Supervisor
    _joining: Joining
    _transport: Transport

    @property
    def pending(self) -> tuple[PendingOutcome, ...]:
        """The outcomes that are open: being settled, given up for now, or of calls whose callers are gone."""
        return self._supervisor.pending

    async def settle(self, pending: PendingOutcome, *, timeout: float | None = None) -> Settlement:
        """Find out what became of a call whose outcome is open (`listCharges`, scope `read-lists`).

        It reads, and never repeats the call; only what this client's own repeated charge has charged once too
        often is refunded, that of another process is reported. So it can be asked as often as you like, in
        any process, with the same answer (which of two equal charges is called the surplus may differ). A
        call of this client that is under way is waited for. The outcome of another process is called not done
        only after `settle_window` (60 s): let it have the time. While it lives it settles its own.

        Args:
            pending: the open outcome, from `OutcomeUnknown.pending`, `client.pending` or a hook.
            timeout: seconds to wait; settling goes on in the background.

        Returns:
            Whether it was carried out, the charge, and what was carried out once too often.

        Raises:
            OutcomeUnknown: it cannot be told, or not yet; the message says why.
        """
        settlement = await self._supervisor.settle(pending, self._transport.deadline(timeout))
        return self._supervisor.settler.numbering.own_settlement(settlement)

    async def resolve(
        self,
        pending: PendingOutcome,
        *,
        done: Charge | str | None = None,
        not_done: bool = False,
        by: str,
        why: str,
        timeout: float | None = None,
    ) -> Settlement:
        """Say what became of an open outcome that nothing else can settle: an operator's verdict, recorded.

        Nothing is sent but the read of the charge (`getCharge`, scope `read`). From then on the idempotency
        key of the call is used, or free, as if the SDK had found out by itself.

        Args:
            pending: the open outcome.
            done: it was carried out, and this is its charge, or its charge's id.
            not_done: it was not carried out; either this or `done`.
            by: who says so.
            why: how they know.
            timeout: seconds for the read.

        Returns:
            The settlement.

        Raises:
            InvalidInput: both or neither of `done` and `not_done`; `by` or `why` is empty; the outcome is
                not open any more.
            OutcomeUnknown: its call is under way.
            NotFound: there is no such charge; nothing was recorded.
            ConfigurationError: the outcome belongs to another environment, or another client.
            JournalFailed: it could not be recorded.
        """
        # loaded by now, with the rest of the client
        from voucher_async.payments.resolving import Verdict, resolve  # noqa: PLC0415

        if (done is None) is not not_done:
            raise InvalidInput("done", "must be given, or not_done must be True, and not both", done)
        verdict = Verdict(charge=done, by=by, why=why)
        deadline = self._transport.deadline(timeout)
        return await resolve(self._supervisor, self._joining.ownership, pending, verdict, deadline)

    def history(
        self, *, order_number: str | None = None, key: str | None = None, told: bool | None = None
    ) -> AsyncIterator[CallRecord]:
        """The records of money calls: who, what, when, how each ended, whether anybody was told; no secret.

        Args:
            order_number: of one order.
            key: with one idempotency key, calls that were not carried out included.
            told: only those that were carried out and of which somebody was told, or nobody: see
                `acknowledge`.

        Returns:
            The records of this client's scope, the oldest first, for `async for`.

        Raises:
            JournalFailed: the journal cannot be read.
        """
        ownership = self._joining.ownership
        return ownership.journal.history(ownership.scope, order_number=order_number, key=key, told=told)

    async def acknowledge(self, record: CallRecord) -> bool:
        """Note that somebody was told of a call that was carried out; see `history(told=False)`.

        Args:
            record: the call's record.

        Returns:
            False when there is no such record.

        Raises:
            JournalFailed: that cannot be written.
        """
        from voucher_async.payments.ownership import ask_journal  # noqa: PLC0415 - loaded by now, as above

        return await ask_journal(self._joining.ownership.journal.acknowledge(record.scope, record.id))

    def forget(self, pending: PendingOutcome) -> None:
        """Take an open outcome off the list of `pending`, once you know by other means what became of it.

        For those that nothing can settle, such as a recharge by code alone. Nothing is sent.

        Args:
            pending: the open outcome; one that is not open here is ignored.
        """
        self._supervisor.forget(pending)
