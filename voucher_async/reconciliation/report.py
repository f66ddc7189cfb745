"""The report of a reconciliation: differences, each with its reason and with what it rests on."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal

import attrs

from voucher_async.models import ChargeType
from voucher_async.values import Value

__all__ = ["DayTotal", "Difference", "DifferenceGround", "DifferenceReason", "Reconciliation"]


class DifferenceReason(enum.StrEnum):
    """The reason why an entry or a record is listed as a difference."""

    UNKNOWN = "unknown to the journal"
    """The API lists it, and no record knows it: another system made it, or the journal lost its record."""

    NOT_LISTED = "not listed"
    """The journal has it from an answer of the API, and the API does not show it."""

    NOT_LISTED_YET = "not listed yet"
    """The API shows it by its id, and its list does not: the list lags, or leaves it out."""

    AMOUNT = "another amount"
    """Journal and API have different amounts for one entry."""

    KIND = "another kind"
    """Journal and API have different kinds for one entry, such as a charge and a refund."""

    ORDER = "another order"
    """Journal and API have different order numbers for one entry."""

    OPEN = "open"
    """Nobody knows how the call ended, and nothing like it is listed, which does not prove that it was not
    carried out: settle it."""

    OPEN_LISTED = "open, and listed"
    """Nobody knows how the call ended, and the API lists an entry that it may have made: settle it."""

    NOT_DONE_LISTED = "not done, and listed"
    """The journal says that the call was not carried out, and the API lists an entry like it."""

    UNTOLD = "untold"
    """It was carried out, and no caller was told: the shop may not know that its customer has paid."""

    OVER_REFUNDED = "more refunded than charged"
    """The refunds of an order on a voucher are more than its charges."""

    UNREAD = "list not read"
    """The list of the voucher could not be read, or not whole, so nothing is said of what it lacks."""


class DifferenceGround(enum.StrEnum):
    """The proof that a statement rests on."""

    LISTED = "the list of the voucher shows it"
    NOT_IN_LIST = "the list of the voucher, read whole and unfiltered, lacks it"
    NOT_IN_PART = "the part of the voucher's list that could be read lacks it"
    BY_ID = "the API shows it by its id"
    NOT_BY_ID = "the API answers 404, in its own words, to its id"
    NO_VOUCHER = "the API answers 404, in its own words, to the voucher's id"
    NO_RECORD = "the journal has no record with its id, asked after the list was read"
    RECORD = "the journal's record has it from an answer of the API"
    RECORD_SAYS = "the journal's record says so"
    WITHIN_LAG = "it was made less than `list_lag` before the list was read"


@attrs.frozen(kw_only=True)
class Difference(Value):
    """A difference between the journal and the API.

    Attributes:
        reason: the reason.
        what: a sentence.
        grounds: what the sentence rests on.
        voucher_id: the voucher, where it is known.
        charge_id: the charge, refund or recharge.
        record_id: the record of the money call.
        order_number: the order, the shop's own number.
        listed: the amount in the API's list, in currency units.
        recorded: the amount in the journal, in currency units.
    """

    reason: DifferenceReason
    what: str
    grounds: tuple[DifferenceGround, ...]
    voucher_id: str | None = None
    charge_id: str | None = None
    record_id: str | None = None
    order_number: str | None = None
    listed: Decimal | None = None
    recorded: Decimal | None = None


@attrs.frozen(kw_only=True)
class DayTotal(Value):
    """The sums of one kind of entries in one currency.

    Attributes:
        kind: charge, refund or recharge.
        currency: ISO 4217; None where it is not known.
        listed: how many the API lists.
        listed_amount: their sum in currency units.
        recorded: how many of the day's entries the journal knows.
        recorded_amount: their sum in currency units.
    """

    kind: ChargeType
    currency: str | None
    listed: int
    listed_amount: Decimal
    recorded: int
    recorded_amount: Decimal


@attrs.frozen(kw_only=True)
class Reconciliation(Value):
    """The journal and the API's lists for a day, compared.

    Attributes:
        day: the day, such as `2026-11-27`.
        since: its beginning; aware.
        until: its end, which is the beginning of the next day; aware.
        read_at: when the lists began to be read, by the server's clock or this machine's, whichever shows the
            earlier time; aware.
        is_final: the day had been over for longer than `list_lag` by then, so the lists showed all of it, as
            far as the clocks of servers agree.
        vouchers: how many lists were read.
        totals: the sums by kind and currency.
        differences: where they differ; those of one voucher stand together.
    """

    day: str
    since: dt.datetime
    until: dt.datetime
    read_at: dt.datetime
    is_final: bool
    vouchers: int
    totals: tuple[DayTotal, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def agrees(self) -> bool:
        """True when there is no difference."""
        return not self.differences
