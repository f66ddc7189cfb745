"""What is known about a call whose outcome is open, as plain values that can be stored and sent."""

from __future__ import annotations

import datetime as dt
import enum
import json
import os
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Self, cast

import attrs

from voucher_async.errors import ConfigurationError, InvalidInput, Proof
from voucher_async.models import Charge
from voucher_async.realtime import Real
from voucher_async.references import format_of, is_reference

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HeldOutcome", "HeldState", "PendingOutcome", "Settlement", "SettlementState"]

_VERSION: Final = 2
_READ: Final = (1, 2)
_MOST_SENDS: Final = 1_000_000
_AMOUNT: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")


def _new_id() -> str:
    return os.urandom(16).hex()


@attrs.frozen(kw_only=True)
class PendingOutcome:
    """A call that may or may not have been carried out, with what is needed to find out.

    It holds no secret: ids, the order number and the amount, never a voucher code, a pin or a token. Store it
    as JSON and settle it whenever you like, also in another process: `VoucherClient.settle`.

    Attributes:
        id: tells pending outcomes apart; the same for every request of one call.
        operation: the operation id, such as `chargeReservation`.
        voucher_id: the voucher; None when only its code is known (a recharge by code).
        reservation_id: the reservation that was charged.
        charge_id: the charge that was refunded.
        amount: the amount in currency units; None when the call names none.
        currency: ISO 4217.
        order_number: the order the call belongs to, the shop's own number.
        sent_at: when the last request went out, by the server's clock as far as it is known; aware.
        sends: how many requests were sent that may have moved money.
        since: what is older than this cannot be the one, by the server's own time stamps; aware.
        until: what is newer than this cannot be the one; aware. None where that is not known.
        known: the ids of the charges that were there before; None when they were not read.
        known_whole: those ids are all: the list was read fresh, complete and unfiltered.
        reserved_by: the `client_id` of the reservation that was charged.
        answered: an answer of 2xx came, so something was carried out: never said to be "not done".
        echoed: answers before it had shown such order numbers recognisably, so that another one is another
            call's.
        base_url: the API it was sent to; None in what version 1 stored.
        client_id: the OAuth client that sent it; None in what version 1 stored.
        order_number_format: how order numbers were sent with a reference; None when they had none.
        reference: the reference of this call in its order number; None for a refund, which carries that of
            its charge.
    """

    id: str = attrs.field(factory=_new_id)
    operation: str
    voucher_id: str | None = None
    reservation_id: str | None = None
    charge_id: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    order_number: str | None = None
    sent_at: dt.datetime | None = None
    sends: int = 1
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    known: tuple[str, ...] | None = None
    known_whole: bool = False
    reserved_by: str | None = None
    answered: bool = False
    echoed: bool = False
    base_url: str | None = None
    client_id: str | None = None
    order_number_format: str | None = None
    reference: str | None = None

    @property
    def sent_order_number(self) -> str | None:
        """The order number as it was sent, with its reference."""
        if self.order_number is None or self.order_number_format is None or self.reference is None:
            return self.order_number
        return format_of(self.order_number_format).fill(self.order_number, self.reference)

    def to_json(self) -> str:
        """The value as JSON, for a database or a queue."""
        values = {name: _WRITERS.get(name, _as_it_is)(value) for name, value in attrs.asdict(self).items()}
        if self.order_number_format is None:
            del values["order_number_format"], values["reference"]
        else:
            # an older reader compares entries with `order_number`, and knows of no references: it gets what
            # was sent, or nothing to compare with
            values["own_order_number"] = self.order_number
            values["order_number"] = self.sent_order_number if self.reference else None
        return json.dumps({"version": _VERSION, **values})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The value again. Fields that this version does not know are ignored.

        Args:
            text: what `to_json` gave.

        Raises:
            InvalidInput: it is not that; the message says what is wrong.
        """
        try:
            said = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            raise InvalidInput("pending", "must be the JSON text of a PendingOutcome", "<text>") from None
        if not isinstance(said, dict):
            raise InvalidInput("pending", "must be a JSON object", type(said).__name__)
        content = cast("dict[str, Any]", said)
        version = content.get("version")
        if isinstance(version, bool) or version not in _READ:
            raise InvalidInput("pending.version", f"must be one of {_READ}", _kind(version))
        if content.get("order_number_format") is not None:
            content = {**content, "order_number": content.get("own_order_number")}
        elif content.get("reference") is not None:
            raise InvalidInput("pending.reference", "needs order_number_format", "<text>")
        return cls(**{name: _read(name, content.get(name)) for name in _NAMES})

    def check_place(self, base_url: str, client_id: str) -> None:
        """Refuse an outcome of another environment or another client: nothing can be found out about it here.

        Args:
            base_url: the API that this client talks to.
            client_id: the OAuth client that it is.

        Raises:
            ConfigurationError: the outcome was sent elsewhere.
        """
        if self.base_url not in {None, base_url}:
            raise ConfigurationError(
                f"this outcome was sent to {self.base_url}, this client talks to {base_url}: "
                "settle it with the settings that it was made with"
            )
        if self.client_id not in {None, client_id}:
            raise ConfigurationError(
                f"this outcome belongs to the client {self.client_id}, this one is {client_id}: "
                "settle it with the settings that it was made with"
            )


def _as_it_is(value: Any) -> Any:
    return value


def _write_moment(value: dt.datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _kind(value: object) -> object:
    """A value as it may be shown: a whole structure is named by its type alone."""
    return value if isinstance(value, (str, int, float, type(None))) else type(value).__name__


def _read_text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text")
    value.encode()  # half of a surrogate pair can be neither sent nor stored
    return value


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def _read_moment(value: Any) -> dt.datetime:
    moment = Real.datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("must have an offset")
    return moment


def _read_amount(value: Any) -> Decimal:
    if not _AMOUNT.fullmatch(_read_text(value)):
        raise ValueError("must be an amount")
    return Decimal(value)


def _read_count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST_SENDS:
        raise ValueError("must be a number of at least 1")
    return value


def _read_format(value: Any) -> str:
    return format_of(_read_text(value)).text


def _read_reference(value: Any) -> str:
    if not is_reference(_read_text(value)):
        raise ValueError("must be a reference")
    return str(value)


def _read_ids(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("must be a list")
    return tuple(_read_text(each) for each in cast("list[object]", value))


_WRITERS: Final[dict[str, Callable[[Any], Any]]] = {
    "amount": lambda value: None if value is None else str(value),
    "sent_at": _write_moment,
    "since": _write_moment,
    "until": _write_moment,
}
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "amount": _read_amount,
    "sent_at": _read_moment,
    "sends": _read_count,
    "since": _read_moment,
    "until": _read_moment,
    "known": _read_ids,
    "known_whole": _read_flag,
    "order_number_format": _read_format,
    "reference": _read_reference,
    "answered": _read_flag,
    "echoed": _read_flag,
}
_NAMES: Final = tuple(PendingOutcome.__annotations__)
_REQUIRED: Final = frozenset({"id", "operation", "sends"})
_FLAGS: Final = frozenset({"known_whole", "answered", "echoed"})


def _read(name: str, value: Any) -> Any:
    if value is None and name not in _REQUIRED:
        return False if name in _FLAGS else None
    reader: Callable[[Any], Any] = _READERS.get(name) or _read_text
    try:
        return reader(value)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise InvalidInput(f"pending.{name}", "cannot be read", _kind(value)) from error


class SettlementState(enum.StrEnum):
    """What became of a call whose outcome was open."""

    DONE = "done"
    """It was carried out."""

    NOT_DONE = "not done"
    """It was not carried out, and will not be."""


@attrs.frozen(kw_only=True)
class Settlement:
    """How an open outcome ended.

    Attributes:
        pending: the open outcome.
        state: whether it was carried out.
        charge: the charge, refund or recharge; None when there is none, and for a voucher's creation.
        surplus: what was carried out beyond that, when a request was repeated and both arrived. Found by
            another process, it may belong to an equal payment: look before you refund it.
        refunds: the refunds of the surplus; only charges are taken back, by the client that made them.
        proof: the proof that it was not carried out; None when it was.
    """

    pending: PendingOutcome
    state: SettlementState
    charge: Charge | None = None
    surplus: tuple[Charge, ...] = ()
    refunds: tuple[Charge, ...] = ()
    proof: Proof | None = None


class HeldState(enum.StrEnum):
    """What became of one voucher of a checkout."""

    NOT_CHARGED = "not charged"
    CHARGED = "charged"
    REFUNDED = "refunded"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class HeldOutcome:
    """What became of one voucher of a checkout that failed.

    Attributes:
        voucher_id: the voucher.
        amount: the amount that was reserved, in currency units.
        state: charged and refunded again, still charged, never charged, or not known.
        charge: the charge, when there was one.
        refund: its refund, when that worked.
        error: why it was not charged, not refunded, or is unknown.
    """

    voucher_id: str
    amount: Decimal
    state: HeldState
    charge: Charge | None = None
    refund: Charge | None = None
    error: Exception | None = None
