"""What calls and settlements came to, in few words."""

from __future__ import annotations

from tests.settlement.play import Call
from tests.settlement.story import Redeem
from voucher_async.models import Charge
from voucher_async.outcomes import Settlement

__all__ = ["payment_of", "returned_by", "said_in"]


def payment_of(step: Redeem) -> tuple[object, ...]:
    """What makes two redeems the same payment."""
    return step.voucher, step.amount, step.order


def said_in(end: Settlement) -> set[str]:
    """The ids of the charges that a settlement names."""
    return {charge.id for charge in (end.charge, *end.surplus) if charge is not None}


def returned_by(call: Call) -> tuple[Charge, ...]:
    """The charges that a call returned."""
    if isinstance(call.result, Charge):
        return (call.result,)
    return call.result if isinstance(call.result, tuple) else ()
