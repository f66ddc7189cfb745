"""Outcomes of money calls: values that can be stored and sent, and the errors that carry them."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Self, cast

import attrs

from voucher_async.errors import CallFacts, ConfigurationError, Fate, InvalidInput, Proof, VoucherError
from voucher_async.models import Charge
from voucher_async.money import format_amount
from voucher_async.references import format_of, is_reference, new_id
from voucher_async.values import Value, WithError
from voucher_async.wire import WireError, decode, encode, parse

__all__ = [
    "ChargeRefunded",
    "CheckoutFailed",
    "CheckoutUnknown",
    "HeldOutcome",
    "HeldState",
    "OutcomeUnknown",
    "PendingOutcome",
    "Settlement",
    "SettlementState",
    "StillRunning",
]

_VERSION: Final = 2
_READ: Final = (1, 2)
_MOST_SENDS: Final = 1_000_000
_REQUIRED: Final = frozenset({"id", "operation", "sends"})


@attrs.frozen(kw_only=True)
class PendingOutcome(Value):
    """A call that may or may not have been carried out, with the facts needed to find out.

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
        since: an older entry cannot be this call's, by the server's own dates; aware.
        until: a newer entry cannot be this call's; aware. None where that is not known.
        known: the ids of the charges that were there before; None when they were not read.
        known_whole: True when `known` is complete: the list was read fresh, complete and unfiltered.
        reserved_by: the `client_id` of the reservation that was charged.
        answered: a 2xx came, so something was carried out, and the outcome is never "not done".
        echoed: earlier answers have shown such order numbers recognisably, so that an entry with another one
            is another call's.
        base_url: the API it was sent to; None in JSON of version 1.
        client_id: the OAuth client that sent it; None in JSON of version 1.
        order_number_format: the form of its order number with a reference; None when it had none.
        reference: the reference of this call in its order number; None for a refund, which carries that of
            its charge.
    """

    id: str = attrs.field(factory=new_id)
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
        values = attrs.asdict(self)
        if self.order_number_format is None:
            del values["order_number_format"], values["reference"]
        else:
            # earlier versions compare entries with `order_number`, and know no references: they get the order
            # number as sent, or none to compare
            values["own_order_number"] = self.order_number
            values["order_number"] = self.sent_order_number if self.reference else None
        return json.dumps({"version": _VERSION, **values}, default=_plain)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The value again. Fields that this version does not know are ignored.

        Args:
            text: the JSON of `to_json`.

        Raises:
            InvalidInput: the text is something else; the message says what is wrong.
        """
        try:
            content = parse(text.encode() if isinstance(text, str) else text)
        except (ValueError, AttributeError):
            raise InvalidInput("pending", "must be the JSON text of a PendingOutcome", "<text>") from None
        if not isinstance(content, dict):
            raise InvalidInput("pending", "must be a JSON object", type(content).__name__)
        said = cast("dict[str, Any]", content)
        version = said.get("version")
        if isinstance(version, bool) or version not in _READ:
            raise InvalidInput("pending.version", f"must be one of {_READ}", _kind(version))
        if said.get("order_number_format") is not None:
            said["order_number"] = said.get("own_order_number")
        elif said.get("reference") is not None:
            raise InvalidInput("pending.reference", "needs order_number_format", "<text>")
        try:
            pending = decode(cls, encode(said))
            _check(pending, said)
        except WireError as error:
            name = error.path.partition("[")[0]
            raise InvalidInput(f"pending.{name}", error.reason, _kind(said.get(name))) from None
        return pending

    @classmethod
    def _written(cls, value: Any) -> dict[str, Any]:
        written: dict[str, Any] = json.loads(value.to_json())
        return written

    @classmethod
    def _read(cls, content: Mapping[str, Any]) -> Self:
        try:
            text = json.dumps(dict(content), default=_plain)
        except (TypeError, ValueError, AttributeError, RecursionError):
            raise InvalidInput("pending", "must hold what can be written as JSON", "<dict>") from None
        return cls.from_json(text)

    @classmethod
    def _json_schema(cls) -> dict[str, Any]:
        schema = super()._json_schema()
        schema["properties"] |= {
            "version": {"type": "integer"},
            "own_order_number": {"type": ["string", "null"]},
        }
        return {**schema, "required": sorted({*schema["required"], *_REQUIRED, "version"})}

    def check_place(self, base_url: str, client_id: str) -> None:
        """Refuse an outcome of another environment or client, which this client cannot settle.

        Args:
            base_url: the API that this client talks to.
            client_id: its own OAuth client id.

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


def _plain(value: Decimal | dt.datetime) -> str:
    return format_amount(value) if isinstance(value, Decimal) else value.isoformat()


def _kind(value: object) -> object:
    """A value as an error shows it: of a structure the type alone."""
    return value if isinstance(value, (str, int, float, type(None))) else type(value).__name__


def _check(pending: PendingOutcome, said: dict[str, Any]) -> None:
    """Refuse values of the right type that no client writes.

    Raises:
        WireError: a value is missing, empty, out of range or no reference.
    """
    for name, value in attrs.asdict(pending).items():
        if said.get(name) is None and name in _REQUIRED:
            raise WireError(name, "missing")
        if value == "" or (isinstance(value, tuple) and "" in value):
            raise WireError(name, "must not be empty")
    if not 0 < pending.sends <= _MOST_SENDS:
        raise WireError("sends", f"must be a number from 1 to {_MOST_SENDS}")
    if pending.reference is not None and not is_reference(pending.reference):
        raise WireError("reference", "must be a reference")
    try:
        format_of(pending.order_number_format or "{order}~{ref}")
    except ValueError as error:
        raise WireError("order_number_format", str(error)) from None


class SettlementState(enum.StrEnum):
    """The end of a call whose outcome was open."""

    DONE = "done"
    """It was carried out."""

    NOT_DONE = "not done"
    """It was not carried out, and will not be."""


@attrs.frozen(kw_only=True)
class Settlement(Value):
    """The end of an open outcome.

    Attributes:
        pending: the open outcome.
        state: whether it was carried out.
        charge: the charge, refund or recharge; None when there is none, and for a voucher's creation.
        surplus: further charges, made when a request was repeated and both were carried out. Found by
            another process, one may belong to an equal payment: check that before you refund it.
        refunds: the refunds of the surplus; only charges are refunded, and only by the client that made them.
        proof: the proof that it was not carried out; None when it was.
    """

    pending: PendingOutcome
    state: SettlementState
    charge: Charge | None = None
    surplus: tuple[Charge, ...] = ()
    refunds: tuple[Charge, ...] = ()
    proof: Proof | None = None

    @classmethod
    def _written(cls, value: Any) -> dict[str, Any]:
        return {**super()._written(value), "pending": value.pending.to_dict()}

    @classmethod
    def _read(cls, content: Mapping[str, Any]) -> Self:
        pending = PendingOutcome.from_dict(content.get("pending", {}))
        settlement = super()._read({**content, "pending": {"operation": pending.operation}})
        return attrs.evolve(settlement, pending=pending)


class HeldState(enum.StrEnum):
    """The state in which a checkout left one of its vouchers."""

    NOT_CHARGED = "not charged"
    CHARGED = "charged"
    REFUNDED = "refunded"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class HeldOutcome(WithError):
    """The outcome for one voucher of a checkout that failed. As JSON it has the text of its error.

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


class ChargeRefunded(VoucherError):
    """The charge of this idempotency key was made, and all of it was refunded: the key stays used.

    Attributes:
        charge: the charge.
        refunds: its refunds, as far as they are known.
    """

    fate: Fate | None = Fate.NOT_SENT

    def __init__(
        self,
        message: str,
        *,
        charge: Charge,
        refunds: Sequence[Charge] = (),
        facts: CallFacts | None = None,
    ) -> None:
        super().__init__(message, facts=facts)
        self.charge = charge
        self.refunds: tuple[Charge, ...] = tuple(refunds)


class OutcomeUnknown(VoucherError):
    """A money call was sent, and whether it was carried out is not known.

    Never repeat the call blindly: read the voucher's charges by order number first.

    Attributes:
        pending: the facts needed to find out later.
    """

    fate: Fate | None = Fate.UNKNOWN

    def __init__(self, message: str, *, pending: PendingOutcome, facts: CallFacts | None = None) -> None:
        super().__init__(message, facts=facts)
        self.pending = pending


class StillRunning(OutcomeUnknown):
    """Another caller's call for the same payment is under way: ask again with the same idempotency key."""


class CheckoutFailed(VoucherError):
    """A checkout could not charge all its vouchers; what it had charged was refunded where that worked.

    The error of the voucher that failed is the `__cause__`.

    Attributes:
        outcomes: the outcome of every voucher of the checkout, in the order they were reserved.
    """

    def __init__(
        self, message: str, *, outcomes: Sequence[HeldOutcome] = (), facts: CallFacts | None = None
    ) -> None:
        super().__init__(message, facts=facts)
        self.outcomes: tuple[HeldOutcome, ...] = tuple(outcomes)


class CheckoutUnknown(CheckoutFailed, OutcomeUnknown):
    """A checkout that ended with at least one outcome not known.

    Attributes:
        outcomes: the outcome of every voucher of the checkout, in the order they were reserved.
        pending: the first open outcome; each open one is in `outcomes`.
    """

    def __init__(
        self,
        message: str,
        *,
        outcomes: Sequence[HeldOutcome],
        pending: PendingOutcome,
        facts: CallFacts | None = None,
    ) -> None:
        VoucherError.__init__(self, message, facts=facts)
        self.outcomes: tuple[HeldOutcome, ...] = tuple(outcomes)
        self.pending = pending
