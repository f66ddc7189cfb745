"""Outcomes of money calls: the open ones, their settlement, the history of records."""

from __future__ import annotations

from collections.abc import AsyncIterator

from voucher_async.calls import calling
from voucher_async.config import Timeout
from voucher_async.errors import InvalidInput
from voucher_async.events import DoubtEnd
from voucher_async.models import Charge
from voucher_async.outcomes import PendingOutcome, Settlement
from voucher_async.payments.call import CallRecord
from voucher_async.payments.histories import records_of
from voucher_async.payments.joining import Joining
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.recovery import Recovered, Recovery
from voucher_async.payments.resolving import Verdict, resolve
from voucher_async.payments.supervisor import Supervisor
from voucher_async.resources.lazy import Lazy
from voucher_async.transport.sender import Transport

__all__ = ["History", "Reconciling"]


class History(Lazy[CallRecord]):
    """Records of money calls, read from the journal while they are iterated over.

    `async for record in history` goes through them once, `await history.to_list()` makes a list of them.

    Args:
        records: reads them.
    """

    def __init__(self, records: AsyncIterator[CallRecord]) -> None:
        self._records = records

    def __aiter__(self) -> AsyncIterator[CallRecord]:
        return self._records

    async def __anext__(self) -> CallRecord:
        return await anext(self._records)


class Reconciling:
    """The client's methods for open outcomes and for the records of money calls."""

    _supervisor: Supervisor
    _joining: Joining
    _recovery: Recovery
    _transport: Transport

    @property
    def outlives_its_process(self) -> bool:
        """True where the records of money calls do: the journal is a database."""
        return bool(getattr(self._joining.ownership.journal, "durable", False))

    @property
    def pending(self) -> tuple[PendingOutcome, ...]:
        """The open outcomes: being settled, given up for now, or of calls whose callers are gone."""
        return self._supervisor.pending

    async def settle(self, pending: PendingOutcome, *, timeout: float | Timeout | None = None) -> Settlement:
        """Find out how a call with an open outcome ended (`listCharges`, scope `read-lists`).

        It reads, and never repeats the call. It refunds only the surplus of this client's own repeated
        charge; the surplus of another process is reported. So it may be called any number of times, in any
        process, with the same result (which of two equal charges is the surplus may differ). It waits for a
        call of this client that is under way. For another process's outcome "not done" takes the whole
        `settle_window` (60 s): give it a `timeout` above that. A live process settles its own outcomes.

        Args:
            pending: the open outcome, from `OutcomeUnknown.pending`, `client.pending` or a hook.
            timeout: seconds to wait, or a `Timeout`; settling goes on in the background.

        Returns:
            Whether it was carried out, the charge, and the surplus.

        Raises:
            OutcomeUnknown: the outcome stays open, for now or for good; the message says why.
        """
        with calling(self._supervisor.settler.hooks, "settle", pending=pending):
            settlement = await self._supervisor.settle(pending, self._transport.deadline(timeout))
            return self._supervisor.settler.numbering.own_settlement(settlement)

    async def recover(self, *, timeout: float | Timeout | None = None) -> Recovered:
        """Settle what dead workers left in the journal (`listCharges`, scope `read-lists`).

        A worker is dead once its lease in the journal, of 15 s, is over. Of what it left, calls that had sent
        nothing end as not done. The others are looked for, and never sent again; to find that one was not
        carried out takes the whole `settle_window` (60 s) and 2 s from the take-over on, so give this a
        `timeout` above that. A checkout is finished: all of it was charged, or what was charged is refunded.
        What a repeat of the dead worker charged once too often is refunded. Hooks are told how each call
        ended. Any number of clients and processes may recover at once: each record has one that does.

        Where the journal is durable, a client does this by itself about every minute
        (`Settings.recover_every`), from its first money call on.

        Args:
            timeout: seconds to wait, or a `Timeout`; recovering goes on in the background.

        Returns:
            The calls that were left, as they are now.

        Raises:
            JournalFailed: the journal cannot be read.
            ConfigurationError: the client was closed.
        """
        with calling(self._supervisor.settler.hooks, "recover"):
            deadline = self._transport.deadline(timeout)
            await self._supervisor.check_open()
            return await self._recovery.run(deadline)

    async def resolve(
        self,
        pending: PendingOutcome,
        *,
        done: Charge | str | None = None,
        not_done: bool = False,
        by: str,
        why: str,
        timeout: float | Timeout | None = None,
    ) -> Settlement:
        """Record an operator's verdict on an open outcome that nothing else can settle.

        Nothing is sent but the read of the charge (`getCharge`, scope `read`). From then on the idempotency
        key of the call is used, or free, as if `settle` had found that out.

        Args:
            pending: the open outcome.
            done: it was carried out, and this is its charge, or its charge's id.
            not_done: it was not carried out; either this or `done`.
            by: the operator's name.
            why: the operator's reason.
            timeout: seconds for the read, or a `Timeout`.

        Returns:
            The settlement.

        Raises:
            InvalidInput: both or neither of `done` and `not_done`; `by` or `why` is empty; the outcome is
                not open any more; the charge is another call's; `not_done` of an order's refund with a key
                that gave something back.
            OutcomeUnknown: its call is under way.
            NotFound: there is no such charge; nothing was recorded.
            ConfigurationError: the outcome belongs to another environment, or another client.
            JournalFailed: it could not be recorded.
        """
        with calling(self._supervisor.settler.hooks, "resolve", pending=pending):
            if (done is None) is not not_done:
                raise InvalidInput("done", "must be given, or not_done must be True, and not both", done)
            verdict = Verdict(charge=done, by=by, why=why)
            deadline = self._transport.deadline(timeout)
            return await resolve(self._supervisor, self._joining.ownership, pending, verdict, deadline)

    def history(
        self,
        *,
        order_number: str | None = None,
        key: str | None = None,
        told: bool | None = None,
        ended: bool | None = None,
    ) -> History:
        """The records of money calls: owner, parameters, times, end, whether a caller was told; no secret.

        Args:
            order_number: limits the records to one order.
            key: limits the records to one idempotency key, calls that were not carried out included.
            told: limits the records to calls that were carried out: True to those whose charge was handed to
                a caller, False to those of which nobody was told; see `acknowledge`.
            ended: limits the records: True to calls whose end is known, False to the others: those in doubt,
                those under way, and what dead processes left; see `settle` and `recover`.

        Returns:
            The records of this client's scope, the oldest first, for `async for` or `to_list`.

        Raises:
            JournalFailed: the journal cannot be read.
        """
        journal, scope = self._joining.ownership.journal, self._joining.ownership.scope
        return History(records_of(journal, scope, order_number=order_number, key=key, told=told, ended=ended))

    async def acknowledge(self, record: CallRecord) -> bool:
        """Note that a caller was told of a call that was carried out; see `history(told=False)`.

        Args:
            record: the call's record.

        Returns:
            False when there is no such record.

        Raises:
            JournalFailed: the record cannot be written.
        """
        return await ask_journal(self._joining.ownership.journal.acknowledge(record.scope, record.id))

    def forget(self, pending: PendingOutcome) -> None:
        """Take an open outcome off the list of `pending`, once its end is known by other means.

        For outcomes that nothing can settle, such as a recharge by code alone. Nothing is sent.

        Args:
            pending: the open outcome; one that is not open here is ignored.
        """
        self._supervisor.forget(pending)
        self._supervisor.settler.report.doubt_ended(pending, DoubtEnd.FORGOTTEN)
