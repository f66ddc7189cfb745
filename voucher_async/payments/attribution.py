"""Attribution of entries to money calls by their order numbers and the references in these: pure.

A call that was sent with a reference knows its entry by it, whatever other calls look alike, and knows that
an entry with another one is not its own. An entry without a reference may be older than references, or a
server's column was too short for it: it can be recognised by its order number, no more. A refund has no
reference of its own: it carries that of its charge, and is compared without.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from voucher_async.payments.likeness import Likeness, compare, confusable, fold
from voucher_async.references import REFERENCE_LENGTH, format_of

if TYPE_CHECKING:
    from voucher_async.outcomes import PendingOutcome
    from voucher_async.references import OrderNumberFormat

__all__ = ["Mark", "are_confusable", "is_as_sent", "likeness_of", "looks_of", "mark_of"]

_CUT: Final = 8  # characters of an order number that a server which cuts them keeps, at least


class Mark(enum.Enum):
    """The reference that an entry carries, as seen by one call."""

    OURS = "that of the call"
    ANOTHERS = "that of another call"
    NONE = "none that tells"


def mark_of(pending: PendingOutcome, shown: str | None) -> Mark:
    """The mark of an entry, by the reference that it carries.

    Args:
        pending: the call.
        shown: the entry's order number.
    """
    if pending.reference is None or pending.order_number_format is None:
        return Mark.NONE
    parts = format_of(pending.order_number_format).split(shown)
    if parts is None:
        return Mark.NONE
    return Mark.OURS if parts[1] == pending.reference else Mark.ANOTHERS


def likeness_of(pending: PendingOutcome, shown: str | None) -> Likeness:
    """The likeness of an entry's order number to that of a call, references taken into account.

    Args:
        pending: the call.
        shown: the entry's order number.
    """
    if pending.order_number_format is None or pending.order_number is None:
        return compare(pending.order_number, shown)
    template = format_of(pending.order_number_format)
    if pending.reference is None:
        return _likeness_without(template, pending.order_number, shown)
    mark = mark_of(pending, shown)
    if mark is not Mark.NONE:
        return Likeness.EQUAL if mark is Mark.OURS else Likeness.OTHER
    likeness = compare(pending.sent_order_number, shown)
    # a number longer than the shop's own has a suffix that this call did not add
    is_bare = len(fold(shown or "")) <= len(fold(pending.order_number))
    if likeness is Likeness.OTHER and is_bare:
        likeness = compare(pending.order_number, shown)
    return Likeness.RECOGNISABLE if likeness is Likeness.EQUAL else likeness


def _likeness_without(template: OrderNumberFormat, order_number: str, shown: str | None) -> Likeness:
    """The likeness to an order number, whatever reference the entry carries."""
    likeness = compare(order_number, template.strip(shown))
    if likeness is not Likeness.OTHER or shown is None or template.split(shown) is not None:
        return likeness
    # the cut may be within the reference, or the separator may be lost
    left, beginning = fold(shown), fold(template.beginning(order_number))
    is_cut = len(shown) >= _CUT and left.startswith(beginning)
    is_short = len(left) <= len(beginning) + REFERENCE_LENGTH + len(template.text)
    return Likeness.RECOGNISABLE if is_cut and is_short else Likeness.OTHER


def is_as_sent(pending: PendingOutcome, shown: str | None) -> bool:
    """True when an answer shows the order number of a call as it was sent."""
    if pending.order_number_format is None or pending.reference is not None:
        return shown == pending.sent_order_number
    return format_of(pending.order_number_format).strip(shown) == pending.order_number


def are_confusable(one: PendingOutcome, other: PendingOutcome) -> bool:
    """True when an entry that was rewritten could be recognised as that of either of two calls."""
    if confusable(one.sent_order_number, other.sent_order_number):
        return True
    marked = one.reference is not None or other.reference is not None
    return marked and confusable(one.order_number, other.order_number)


def looks_of(pending: PendingOutcome) -> tuple[str, ...]:
    """The order numbers, folded, under which an entry of a call may be found; the first is its own alone.

    A call that does not know its reference finds those of all that share its order number.
    """
    looks = (fold(pending.sent_order_number or ""), fold(pending.order_number or ""))
    return looks if pending.reference is not None else looks[:1]
