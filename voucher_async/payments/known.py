"""Facts about a charge that its answer does not have, from the journal's record of the call that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from voucher_async.errors import InvalidInput
from voucher_async.models import Charge
from voucher_async.money import ZERO, rest_of, total
from voucher_async.operations import REFUND_CHARGE
from voucher_async.outcomes import ChargeRefunded
from voucher_async.payments.call import CallState
from voucher_async.payments.erasing import digest_of, is_digest, restored
from voucher_async.payments.ownership import ask_journal

if TYPE_CHECKING:
    from decimal import Decimal

    from voucher_async.clock import Deadline
    from voucher_async.payments.call import CallRecord
    from voucher_async.payments.ownership import Ownership

__all__ = [
    "amount_of_refund",
    "charge_in",
    "currency_in",
    "currency_of_refund",
    "earlier_of",
    "in_plain",
    "parts_of",
    "record_of_charge",
]


async def record_of_charge(ownership: Ownership, charge_id: str, deadline: Deadline) -> CallRecord | None:
    """The record of the call that made a charge; None where the journal has none.

    Args:
        ownership: reads the journal.
        charge_id: the charge.
        deadline: when to give up.

    Raises:
        JournalFailed: the journal cannot be read.
    """
    journal, scope = ownership.journal, ownership.scope
    record_id = await ask_journal(journal.owner_of(scope, charge_id), deadline)
    return None if record_id is None else await ask_journal(journal.get(scope, record_id), deadline)


async def in_plain(
    ownership: Ownership, record: CallRecord, order_number: str | None, deadline: Deadline | None = None
) -> CallRecord:
    """A record as who knows its order number sees it, erased or not.

    Args:
        ownership: has the digest key.
        record: the record.
        order_number: the order number that it may have had.
        deadline: when to give up; None: that of the call that the running task belongs to.

    Raises:
        JournalFailed: the journal cannot be read.
    """
    if not is_digest(record.order_number):
        return record
    digest_key = await ownership.digest_key(deadline)
    return restored(record, None, order_number, lambda text: digest_of(text, digest_key))


async def earlier_of(ownership: Ownership, record: CallRecord) -> list[CallRecord]:
    """The records of earlier calls with the key of a record, the oldest first, as its caller sees them.

    Raises:
        JournalFailed: the journal cannot be read.
    """
    if record.key is None:
        return []

    async def read() -> list[CallRecord]:
        history = ownership.journal.history(record.scope, key=record.key)
        return [each async for each in history if each.id != record.id]

    return [await in_plain(ownership, each, record.order_number) for each in await ask_journal(read())]


async def parts_of(
    ownership: Ownership, record: CallRecord, parent: str | None = None, deadline: Deadline | None = None
) -> list[CallRecord]:
    """The records of the money calls of a checkout or a refund, the oldest first, as its caller sees them.

    Args:
        ownership: reads the journal.
        record: the whole, with the order number that its caller has given.
        parent: an earlier whole of the same caller, whose parts are read instead.
        deadline: when to give up; None: that of the call that the running task belongs to.

    Raises:
        JournalFailed: the journal cannot be read.
    """
    parts = await ask_journal(ownership.journal.children(record.scope, parent or record.id), deadline)
    return [await in_plain(ownership, each, record.order_number, deadline) for each in parts]


def charge_in(record: CallRecord | None) -> Charge | None:
    """The charge that a call has made, by its record, in the list of the voucher that was charged.

    Some servers give a charge another voucher id than its reservation. An order number that was erased is not
    known: no entry shows its digest.

    Args:
        record: that of the charge; None where there is none.
    """
    charge = None if record is None else record.charge
    if record is None or charge is None:
        return None
    order_number = None if is_digest(charge.order_number) else charge.order_number
    return attrs.evolve(charge, voucher_id=record.voucher_id or charge.voucher_id, order_number=order_number)


def currency_in(record: CallRecord) -> str | None:
    """The currency of a call, by its record."""
    sent = record.pending
    return record.parameters.currency or (None if sent is None else sent.currency)


def currency_of_refund(record: CallRecord | None, currency: str | None) -> str:
    """The currency of a refund: the one that is given, else the one of the charge.

    Args:
        record: that of the charge; None where there is none.
        currency: ISO 4217, as it is given.

    Raises:
        InvalidInput: none is given or known, or the one that is given is another one.
    """
    known = None if record is None else currency_in(record)
    if currency is None:
        if known is None:
            raise InvalidInput(
                "currency",
                'must be given, such as currency="EUR": the journal of this client does not know the charge',
                None,
            )
        return known
    if known is not None and currency != known:
        raise InvalidInput("currency", f"must be that of the charge, {known}", currency)
    return currency


async def amount_of_refund(
    ownership: Ownership,
    charge: Charge | str,
    record: CallRecord | None,
    key: str | None,
    deadline: Deadline,
) -> Decimal:
    """The amount of a refund that names none: that of the earlier call with its key, else what is left.

    Args:
        ownership: reads the journal.
        charge: the charge, or its id.
        record: that of the charge; None where there is none.
        key: the idempotency key of the refund.
        deadline: when to give up.

    Raises:
        InvalidInput: only the id is given, and the journal does not know the charge.
        ChargeRefunded: nothing is left.
        JournalFailed: the journal cannot be read.
    """
    whole = charge if isinstance(charge, Charge) else None if record is None else record.charge
    if whole is None:
        raise InvalidInput(
            "amount",
            "must be given: of the charge its id alone is known, and the journal of this client lacks it",
            None,
        )
    earlier = (
        None if key is None else await ask_journal(ownership.journal.find(ownership.scope, key), deadline)
    )
    if earlier is not None and earlier.state is not CallState.NOT_DONE:
        asked = earlier.parameters
        if (asked.operation, asked.target) == (REFUND_CHARGE.id, whole.id) and asked.amount is not None:
            return asked.amount
    refunds = () if record is None else record.refunds
    left = rest_of(whole.amount, total(refund.amount for refund in refunds))
    if left <= ZERO:
        raise ChargeRefunded(
            "all of the charge was refunded before; nothing was sent", charge=whole, refunds=refunds
        )
    return left
