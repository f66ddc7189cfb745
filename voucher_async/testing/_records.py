"""Memory of the emulator: frozen records, secrets kept out of their `repr`."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from types import MappingProxyType
from typing import Literal

import attrs

__all__ = [
    "ALL_SCOPES",
    "ChargeRecord",
    "ClientRecord",
    "ConnectPin",
    "GroupRecord",
    "Movement",
    "ReservationRecord",
    "TokenRecord",
    "VoucherRecord",
    "add",
    "subtract",
    "written",
]

ALL_SCOPES = ("read", "read-lists", "read-secrets", "use", "manage", "update", "recharge")
ZERO = Decimal("0.00")
_SHORT = re.compile(r"([0-9]+)(?:\.([0-9]))?")
NOTHING: Mapping[str, object] = MappingProxyType({})
# not the context of the test that started the emulator: that may round or raise
_EXACT = Context(
    prec=28, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, capitals=1, clamp=0, flags=[], traps=[]
)


def add(*amounts: Decimal) -> Decimal:
    """The sum, to the cent."""
    return functools.reduce(_EXACT.add, amounts)


def subtract(amount: Decimal, *others: Decimal) -> Decimal:
    """Remainder of an amount, to the cent."""
    return functools.reduce(_EXACT.subtract, others, amount)


def written(amount: Decimal | str | int) -> str:
    """An amount as the API has it; a text that is none stays as it is."""
    if not isinstance(amount, str):
        return f"{amount:.2f}"
    short = _SHORT.fullmatch(amount)
    return amount if short is None else f"{short[1]}.{short[2] or '':0<2}"


@attrs.frozen(kw_only=True)
class GroupRecord:
    """A client group: what gives a client its scopes."""

    id: str
    name: str
    scopes: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ClientRecord:
    """A client of the API.

    Attributes:
        id: the OAuth `client_id`.
        secret: the OAuth `client_secret`; None until a connect PIN was redeemed and after a disconnect.
        connected_at: when the PIN was redeemed, or None.
    """

    id: str
    group_id: str
    name: str
    scopes: tuple[str, ...]
    type: str
    created_at: dt.datetime
    updated_at: dt.datetime
    connected_at: dt.datetime | None = None
    secret: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class ConnectPin:
    """The number behind the connect button of the vendor's Admin UI: valid for 30 minutes, used once."""

    pin: str = attrs.field(repr=False)
    client_id: str
    valid_until: dt.datetime
    used: bool = False


@attrs.frozen(kw_only=True)
class TokenRecord:
    """An access token that was issued."""

    token: str = attrs.field(repr=False)
    client_id: str
    scopes: tuple[str, ...]
    valid_until: dt.datetime


@attrs.frozen(kw_only=True)
class VoucherRecord:
    """A voucher with its secrets and its running totals.

    Attributes:
        amount: what it was issued with, in `currency`.
        charged: the sum of its charges.
        refunded: the sum of the refunds of these charges.
        recharged: the sum of its recharges.
        order_number: the order number as it is stored.
        sent_order_number: the order number as it was sent.
        created_at: when it was made, by the clock of the server that wrote it down.
        made_at: when it was really made, by the emulator's time.
    """

    id: str
    client_id: str
    code: str = attrs.field(repr=False)
    pin: str | None = attrs.field(repr=False)
    amount: Decimal
    currency: str
    sku: str | None
    batch: str | None
    validity_value: int
    validity_interval: str
    type: str
    taxable: bool
    tax_rate: str | None
    order_number: str | None
    data: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    status: Literal["active", "inactive"] = "inactive"
    valid_until: dt.datetime | None = None
    charged: Decimal = ZERO
    refunded: Decimal = ZERO
    recharged: Decimal = ZERO
    sent_order_number: str | None = attrs.field(
        default=attrs.Factory(lambda it: it.order_number, takes_self=True)
    )
    made_at: dt.datetime = attrs.field(default=attrs.Factory(lambda it: it.created_at, takes_self=True))

    @property
    def balance(self) -> Decimal:
        """Amount that is left: amount - charges + refunds + recharges, in `currency`."""
        return subtract(add(self.amount, self.refunded, self.recharged), self.charged)


@attrs.frozen(kw_only=True)
class ReservationRecord:
    """An amount held on a voucher for a while, or until a newer reservation of that voucher.

    Attributes:
        valid_until: when it ends, by the clock of the server that wrote it down.
        ends_at: when it really ends, by the emulator's time.
    """

    id: str
    voucher_id: str
    client_id: str
    amount: Decimal
    valid_until: dt.datetime
    created_at: dt.datetime
    updated_at: dt.datetime
    charged: bool = False
    ends_at: dt.datetime = attrs.field(default=attrs.Factory(lambda it: it.valid_until, takes_self=True))


@attrs.frozen(kw_only=True)
class ChargeRecord:
    """A charge, refund or recharge, with the links that the API does not show.

    Attributes:
        order_number: the order number as it is stored; `emulator.habits.order_numbers` may have rewritten it.
        created_at: when it was made, by the clock of the server that wrote it down.
        reservation_id: the reservation a charge took.
        refund_of: the charge a refund gives back.
        refunded: for a charge, the sum of its refunds so far.
        sent_order_number: the order number as it was sent.
        made_at: when it was really made, by the emulator's time, in whole seconds.
        shown: what lists and reads show in place of the truth; see `emulator.habits.contradiction`.
    """

    id: str
    voucher_id: str
    client_id: str
    type: Literal["charge", "recharge", "refund"]
    amount: Decimal
    order_number: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    reservation_id: str | None = None
    refund_of: str | None = None
    refunded: Decimal = ZERO
    sent_order_number: str = attrs.field(
        default=attrs.Factory(lambda it: it.order_number or "", takes_self=True)
    )
    made_at: dt.datetime = attrs.field(default=attrs.Factory(lambda it: it.created_at, takes_self=True))
    shown: Mapping[str, object] = NOTHING


@attrs.frozen(kw_only=True)
class Movement:
    """One line of the ledger: money that came to a voucher or left it.

    Attributes:
        kind: `issue` and `recharge` and `refund` add `amount`, `charge` and `delete` take it.
        balance: what the voucher held afterwards.
        at: the emulator's time, whatever the timestamps say.
        charge_id: the charge object that the movement belongs to; None for `issue` and `delete`.
        order_number: as it was sent.
    """

    kind: Literal["issue", "charge", "refund", "recharge", "delete"]
    voucher_id: str
    client_id: str
    amount: Decimal
    balance: Decimal
    at: dt.datetime
    charge_id: str | None = None
    refund_of: str | None = None
    reservation_id: str | None = None
    order_number: str | None = None
