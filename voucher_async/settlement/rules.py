"""What a voucher's charges say about a request whose answer was lost: pure decisions, no waiting, no I/O.

A request that was sent is carried out, and shows in the list, within the settle window or not at all. That is
the one assumption; everything else here is counted.
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.models import Charge, ChargeType
from voucher_async.operations import CHARGE_RESERVATION, CREATE_VOUCHER, RECHARGE_VOUCHER, REFUND_CHARGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from voucher_async.pending import PendingOutcome

__all__ = ["RULES", "Evidence", "Finding", "Move", "Rule", "decide", "find", "obstacle"]

_LOOKS: Final = 2
_SKEW: Final = dt.timedelta(seconds=3)  # that the stamps of two machines of one server may be apart


class Move(enum.Enum):
    """What follows from a look."""

    DONE = "it was carried out"
    NOT_DONE = "it was not carried out, and will not be"
    REPEAT = "send the request again"
    WAIT = "look again later"
    OPEN = "it cannot be told"


@attrs.frozen(kw_only=True)
class Rule:
    """How one operation is settled.

    Attributes:
        kind: what it leaves in the list of charges.
        by_order: its order number is known for sure, so that only entries with the same one can be it.
        needs_known: entries that look alike are told apart by the ids that were there before alone.
        repeat_early: it may be sent again before it is certain that the first request is lost, because the
            server carries it out once (a reservation can be charged once).
        take_back: what was carried out once too often is refunded.
    """

    kind: ChargeType
    by_order: bool
    needs_known: bool
    repeat_early: bool
    take_back: bool


RULES: Final[dict[str, Rule]] = {
    # A reservation can be charged once, so asking again is safe as long as it lives, and saves the sale.
    # Should a server charge it twice all the same, counting finds the surplus and a refund takes it back.
    CHARGE_RESERVATION.id: Rule(
        kind=ChargeType.charge, by_order=True, needs_known=False, repeat_early=True, take_back=True
    ),
    # Two equal partial refunds look alike, and the server takes both: only the ids read before the request
    # tell them apart, and it is sent again only when the first one is certainly lost. That a refund carries
    # the order number of its charge is an assumption: one that does not may be ours, or not.
    REFUND_CHARGE.id: Rule(
        kind=ChargeType.refund, by_order=False, needs_known=True, repeat_early=False, take_back=False
    ),
    # The same for recharges, whose order number we chose ourselves.
    RECHARGE_VOUCHER.id: Rule(
        kind=ChargeType.recharge, by_order=True, needs_known=True, repeat_early=False, take_back=False
    ),
}


def obstacle(pending: PendingOutcome) -> str | None:
    """Why an outcome can never be settled by looking; None when it can."""
    if pending.operation not in RULES and pending.operation != CREATE_VOUCHER.id:
        return f"{pending.operation} leaves nothing that could be looked at"
    if pending.voucher_id is None:
        return "the voucher's id is not known, so it cannot be read"
    if pending.amount is None:
        return "the amount is not known, so its charge cannot be told from others"
    return None


@attrs.frozen(kw_only=True)
class Finding:
    """What was found in the list of a voucher's charges.

    Attributes:
        certain: what can only be the effect of the requests that were sent, the oldest first.
        unclear: what may be that, or somebody else's.
    """

    certain: tuple[Charge, ...] = ()
    unclear: tuple[Charge, ...] = ()


def find(pending: PendingOutcome, charges: Iterable[Charge]) -> Finding:
    """Pick out of a voucher's charges what the request may have left.

    Args:
        pending: the open outcome.
        charges: the voucher's charges, refunds and recharges, but for those that belong to other calls.
    """
    rule = RULES[pending.operation]
    certain: list[Charge] = []
    unclear: list[Charge] = []
    early: list[Charge] = []
    for charge in charges:
        if not _may_be(pending, rule, charge):
            continue
        same_order = _same(charge.order_number, pending.order_number)
        if same_order and not (rule.needs_known and pending.known is None):
            (early if _is_early(pending, charge) else certain).append(charge)
        elif same_order or not rule.by_order:
            unclear.append(charge)
    certain.sort(key=lambda charge: (charge.created_at, charge.id))
    return Finding(certain=tuple(certain), unclear=(*unclear, *(() if certain else early)))


def _may_be(pending: PendingOutcome, rule: Rule, charge: Charge) -> bool:
    if charge.type != rule.kind or charge.amount != pending.amount or charge.voucher_id != pending.voucher_id:
        return False
    if pending.known is not None and charge.id in pending.known:
        return False
    # by the server's own stamps alone, whose resolution is a second: no clock of ours takes part
    if pending.known is None and pending.since is not None and charge.created_at < pending.since - _SKEW:
        return False
    return pending.until is None or charge.created_at <= pending.until


def _is_early(pending: PendingOutcome, charge: Charge) -> bool:
    """Whether it seems a little older than it can be: by another machine's clock, or another call's."""
    return pending.known is None and pending.since is not None and charge.created_at < pending.since


def _same(left: str | None, right: str | None) -> bool:
    # the server may trim what it stores
    return (left or "").strip() == (right or "").strip()


@attrs.frozen(kw_only=True)
class Evidence:
    """What is known when a look is over.

    Attributes:
        finding: what the look found.
        sends: how many requests may have been carried out.
        absences: how many looks in a row have found nothing since the last of them.
        quiet: seconds from the end of the last one to the beginning of the look.
        window: seconds within which a request is carried out and shows, if at all.
        rivals: how many other calls of this client, open or under way, look the same.
        repeatable: whether the request may be sent again.
        told: how many of what was found the caller was told, and so is nobody else's.
    """

    finding: Finding
    sends: int
    absences: int
    quiet: float
    window: float
    rivals: int = 0
    repeatable: bool = False
    told: int = 0


def decide(rule: Rule, evidence: Evidence) -> Move:
    """What follows from a look.

    Args:
        rule: how the operation is settled.
        evidence: what is known.
    """
    found = evidence.finding.certain
    if evidence.finding.unclear or len(found) > evidence.sends:
        return Move.OPEN  # some of it is somebody else's, and nothing tells which
    if found:
        is_contended = evidence.rivals and len(found) > evidence.told
        return Move.WAIT if is_contended else Move.DONE  # when the rival is clear, its charge is its own
    is_lost = evidence.quiet >= evidence.window
    if evidence.repeatable and (is_lost or (rule.repeat_early and evidence.absences >= _LOOKS)):
        return Move.REPEAT
    return Move.NOT_DONE if is_lost else Move.WAIT
