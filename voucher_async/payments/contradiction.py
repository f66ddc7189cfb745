"""Answers of 2xx that contradict their request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.api_errors import BadAnswer
from voucher_async.errors import Fate
from voucher_async.payments.attribution import likeness_of
from voucher_async.payments.evidence import KINDS, RULES
from voucher_async.payments.likeness import Likeness

if TYPE_CHECKING:
    from voucher_async.models import Charge
    from voucher_async.outcomes import PendingOutcome
    from voucher_async.payments.lessons import Lessons
    from voucher_async.sansio import Request

__all__ = ["contradicted", "contradiction"]


def contradiction(
    pending: PendingOutcome, charge: Charge, lessons: Lessons, *, is_taken: bool = False
) -> str | None:
    """The reason why an answer of 2xx contradicts its request; None when it does not.

    A type that this version does not know is no contradiction: the API may add some.

    Args:
        pending: the call.
        charge: the answer.
        lessons: the habits that normal answers have shown.
        is_taken: the answer's charge belongs to another call: a proxy may have mixed up two.
    """
    if is_taken or charge.id in (pending.known or ()):
        return f"charge {charge.id} " + ("belongs to another call" if is_taken else "was there before")
    kind = RULES[pending.operation].kind
    if charge.type in KINDS and charge.type != kind:
        return f"a {kind} was asked for, the answer is a {charge.type}"
    if pending.amount is not None and charge.amount != pending.amount:
        return f"a {kind} of {pending.amount} was asked for, the answer is one of {charge.amount}"
    if pending.voucher_id is not None and not _is_same_id(charge.voucher_id, pending.voucher_id):
        return f"voucher {pending.voucher_id} was named, the answer is about {charge.voucher_id}"
    if _is_of_another_order(pending, charge, lessons):
        return f"order {pending.order_number} was named, the answer is about {charge.order_number}"
    return None


def _is_same_id(left: str, right: str) -> bool:
    return left.strip().casefold() == right.strip().casefold()


def _is_of_another_order(pending: PendingOutcome, charge: Charge, lessons: Lessons) -> bool:
    if pending.order_number is None or charge.order_number is None:
        return False
    if likeness_of(pending, charge.order_number) is not Likeness.OTHER:
        return False
    # that a refund shows its charge's order number is assumed until an answer has shown it
    return RULES[pending.operation].by_order or lessons.echoes(pending)


def contradicted(request: Request[Charge], problem: str) -> BadAnswer:
    """The error for an answer of 2xx that contradicts its request."""
    error = BadAnswer(f"HTTP 2xx, but {problem}", status=200, facts=request.facts())
    error.problem, error.fate = problem, Fate.UNKNOWN
    return error
