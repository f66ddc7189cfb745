"""Records of money calls in every state, as the tests of journals need them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs

from voucher_async.fates import Proof
from voucher_async.models import Charge, ChargeType, Reservation
from voucher_async.outcomes import PendingOutcome
from voucher_async.payments.call import (
    CHECKOUT,
    REDEEM,
    CallRecord,
    CallState,
    Failure,
    Parameters,
    Planned,
    new_id,
)

__all__ = ["NOW", "SCOPE", "begun", "charge_of", "done", "everything", "not_done", "opened", "sent"]

NOW = dt.datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
SCOPE = "https://vouchers.example/v1 client-1"
TEN = Decimal("10.00")


def begun(
    key: str | None = None,
    *,
    scope: str = SCOPE,
    owner: str = "owner-1",
    parent: str | None = None,
    at: dt.datetime = NOW,
    **asked: Any,
) -> CallRecord:
    """A record that is about to be claimed: a redeem of 10.00 for order A-1, if nothing else is said."""
    said = {"operation": REDEEM, "amount": TEN, "currency": "EUR", "order_number": "A-1", "target": "d-1"}
    record = CallRecord.begin(Parameters(**{**said, **asked}), scope=scope, key=key, owner=owner, at=at)
    return attrs.evolve(record, parent=parent)


def sent(record: CallRecord, voucher_id: str | None = "v-1", **changes: Any) -> CallRecord:
    """The record once a request is about to be sent."""
    asked = record.parameters
    pending = PendingOutcome(
        id=record.id,
        operation="chargeReservation" if asked.operation == REDEEM else asked.operation,
        voucher_id=voucher_id,
        reservation_id="r-1",
        amount=asked.amount,
        currency=asked.currency,
        order_number=asked.order_number,
        sent_at=NOW,
    )
    changes = {"pending": pending, "voucher_id": voucher_id, "sent_at": NOW, **changes}
    return record.step(CallState.SENT, at=NOW, by=record.owner, **changes)


def opened(record: CallRecord, **changes: Any) -> CallRecord:
    """The record in doubt."""
    return record.step(CallState.OPEN, at=NOW, by=record.owner, why="its answer was lost", **changes)


def charge_of(record: CallRecord, charge_id: str | None = None, **changes: Any) -> Charge:
    """A charge as the server shows it."""
    said: dict[str, Any] = {
        "id": charge_id or f"c-{new_id()}",
        "voucher_id": record.voucher_id or "v-1",
        "client_id": "client-1",
        "type": ChargeType.CHARGE,
        "amount": record.parameters.amount or TEN,
        "order_number": record.parameters.order_number,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Charge(**{**said, **changes})


def done(
    record: CallRecord, charge_id: str | None = None, *, at: dt.datetime = NOW, **changes: Any
) -> CallRecord:
    """The record once its call was carried out."""
    changes = {"charge": charge_of(record, charge_id), "told": True, **changes}
    return record.step(CallState.DONE, at=at, by=record.owner, **changes)


def not_done(record: CallRecord, *, at: dt.datetime = NOW, **changes: Any) -> CallRecord:
    """The record once it is known that its call was not carried out."""
    return record.step(CallState.NOT_DONE, at=at, by=record.owner, proof=Proof.ABSENT, **changes)


def everything(key: str | None = "everything") -> CallRecord:
    """A claimed record with a value in every attribute that is stored, about to be saved."""
    record = sent(begun(key, operation=CHECKOUT))
    reservation = Reservation(
        id="r-1",
        voucher_id="v-1",
        voucher_taxable=True,
        voucher_tax_rate="19",
        client_id="client-1",
        amount=TEN,
        valid_until=NOW,
        created_at=NOW,
        updated_at=NOW,
    )
    failure = Failure(kind="Conflict", message="no, A-1", status=409, code="A.B", retry_after=1.5)
    refund = charge_of(record, "c-2", type=ChargeType.REFUND, amount=Decimal("4.00"))
    return not_done(
        record,
        charge=charge_of(record, "c-1", order_number="a-1 "),
        refunds=(refund,),
        failure=failure,
        told=True,
        why="the server said so of A-1",
        plan=(Planned(target="d-1", asked=TEN, reservation=reservation),),
    )
