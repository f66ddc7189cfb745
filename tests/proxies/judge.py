"""The judge: what callers were told, against the ledger. Pure."""

from __future__ import annotations

import collections
import enum
from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs

from voucher_async.testing import ChargeRecord


class Kind(enum.StrEnum):
    """The calls that move money."""

    REDEEM = "redeem"
    RECHARGE = "recharge"
    REFUND = "refund"


class Told(enum.StrEnum):
    """The last word that the caller of a call had."""

    DONE = "done"
    NOT_DONE = "not done"
    OPEN = "open"
    CRASHED = "crashed"


@attrs.define
class Record:
    """One call, and what its caller was told.

    Attributes:
        kind: the call.
        target: the voucher's id; of a refund that of the charge.
        order: the order number, which no other call has.
        told: what the call itself told.
        later: what was told about it afterwards, by a hook.
        charges: the ids that were told.
        sends: how many requests of each operation may have been carried out.
        doubted: whether a request that moves money was left without a readable answer.
        error: the error, in words.
    """

    kind: Kind
    target: str
    order: str
    told: Told = Told.OPEN
    later: Told | None = None
    charges: tuple[str, ...] = ()
    sends: collections.Counter[str] = attrs.field(factory=collections.Counter)
    doubted: bool = False
    error: str = ""

    @property
    def word(self) -> Told:
        """The last word."""
        return self.later or self.told


@attrs.define
class Row:
    """A scenario's line of the table: how often what happened, and a word on each violation."""

    figures: collections.Counter[str]
    examples: list[str] = attrs.field(factory=list)

    @property
    def violations(self) -> int:
        """How many there are."""
        return len(self.examples)


OPERATIONS = {
    Kind.REDEEM: "chargeReservation",
    Kind.RECHARGE: "rechargeVoucher",
    Kind.REFUND: "refundCharge",
}


def judge(records: Sequence[Record], entries: Iterable[ChargeRecord]) -> Row:
    """The line of a scenario.

    Args:
        records: the calls.
        entries: the charges, recharges and refunds of the ledger, once nothing is under way any more.
    """
    ledger: collections.defaultdict[tuple[Kind, str], list[ChargeRecord]] = collections.defaultdict(list)
    for entry in entries:
        ledger[_slot(entry)].append(entry)
    row = Row(collections.Counter(calls=len(records)))
    for record in records:
        found = ledger[record.kind, record.target]
        if record.kind is not Kind.REFUND:
            found = [entry for entry in found if entry.order_number == record.order]
        _count(row, record, [entry for entry in found if not _is_taken_back(entry)])
    return row


def _slot(entry: ChargeRecord) -> tuple[Kind, str]:
    match entry.type:
        case "charge":
            return Kind.REDEEM, entry.voucher_id
        case "recharge":
            return Kind.RECHARGE, entry.voucher_id
        case "refund":
            return Kind.REFUND, entry.refund_of or ""


def _is_taken_back(entry: ChargeRecord) -> bool:
    return entry.type == "charge" and entry.refunded >= entry.amount > Decimal(0)


def _is_true(record: Record, made: Sequence[ChargeRecord]) -> bool:
    return bool({entry.id for entry in made} & set(record.charges) if record.charges else made)


def _count(row: Row, record: Record, made: Sequence[ChargeRecord]) -> None:
    more = max(0, len(made) - 1)
    # each request accounts for one entry; the proxy made the others
    ours = min(more, max(0, record.sends[OPERATIONS[record.kind]] - 1))
    wrong = {
        "lost": record.word is Told.NOT_DONE and bool(made),
        "double": bool(ours),
        "false": record.word is Told.DONE and not _is_true(record, made),
        "crashed": record.told is Told.CRASHED,
    }
    row.figures.update(
        doubted=record.doubted,
        done=record.told is Told.DONE,
        not_done=record.told is Told.NOT_DONE,
        open=record.told is Told.OPEN,
        left_open=record.word is Told.OPEN,
        proxy_twice=more > ours,
        **wrong,
    )
    row.examples += [f"{name}: {record.kind} {record.order}: {record.error}" for name in wrong if wrong[name]]
