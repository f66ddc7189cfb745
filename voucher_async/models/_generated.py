"""The models of `openapi/voucher.yaml`.

GENERATED, DO NOT EDIT: change the contract or codegen/templates and run `make codegen`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from attrs import field, frozen

from voucher_async.models._rules import (
    UNSET,
    OpenEnum,
    Unset,
    at_least_one_of,
    exactly_one_of,
    flag,
    known,
    text,
    whole,
)
from voucher_async.money import Amount, to_amount


class VoucherStatus(OpenEnum):
    """Whether a voucher can be used."""

    active = "active"
    inactive = "inactive"


class VoucherType(OpenEnum):
    """How a voucher is handed over."""

    digital = "digital"
    print = "print"


class ValidityInterval(OpenEnum):
    """The unit of a voucher's validity."""

    days = "days"
    weeks = "weeks"
    months = "months"
    years = "years"


class ChargeType(OpenEnum):
    """Which way the money went."""

    charge = "charge"
    recharge = "recharge"
    refund = "refund"


@frozen(kw_only=True)
class Voucher:
    """A voucher, without secrets.

    Attributes:
        id: The voucher's id; unique.
        client_id: The client that made it.
        amount: What it was issued for, in currency units.
        currency: ISO 4217.
        status: Whether it can be used.
        type: How it is handed over.
        taxable: Whether the tax is fixed at the sale (single-purpose voucher).
        created_at: When it was made.
        updated_at: When it was last changed.
        sku: Article number.
        batch: Batch.
        valid_until: When it ends; null while it was never activated.
        validity_value: With validity_interval, how long it is valid from its activation.
        validity_interval: The unit of validity_value.
        tax_rate: In percent, as text; only with taxable.
        order_number: The order it was sold with.
        data: JSON text of the shop's own.
    """

    id: str
    client_id: str
    amount: Decimal
    currency: str
    status: VoucherStatus
    type: VoucherType
    taxable: bool
    created_at: datetime
    updated_at: datetime
    sku: str | None = field(default=None)
    batch: str | None = field(default=None)
    valid_until: datetime | None = field(default=None)
    validity_value: int | None = field(default=None)
    validity_interval: ValidityInterval | None = field(default=None)
    tax_rate: str | None = field(default=None)
    order_number: str | None = field(default=None)
    data: str | None = field(default=None)


@frozen(kw_only=True)
class VoucherDetails:
    """A voucher as reads show it, without secrets.

    Attributes:
        id: The voucher's id; unique.
        client_id: The client that made it.
        amount: What it was issued for, in currency units.
        currency: ISO 4217.
        status: Whether it can be used.
        type: How it is handed over.
        taxable: Whether the tax is fixed at the sale (single-purpose voucher).
        created_at: When it was made.
        updated_at: When it was last changed.
        remaining_amount: What is left on it, in currency units.
        deletable: Whether it can be deleted.
        sku: Article number.
        batch: Batch.
        valid_until: When it ends; null while it was never activated.
        validity_value: With validity_interval, how long it is valid from its activation.
        validity_interval: The unit of validity_value.
        tax_rate: In percent, as text; only with taxable.
        order_number: The order it was sold with.
        data: JSON text of the shop's own.
    """

    id: str
    client_id: str
    amount: Decimal
    currency: str
    status: VoucherStatus
    type: VoucherType
    taxable: bool
    created_at: datetime
    updated_at: datetime
    remaining_amount: Decimal
    deletable: bool
    sku: str | None = field(default=None)
    batch: str | None = field(default=None)
    valid_until: datetime | None = field(default=None)
    validity_value: int | None = field(default=None)
    validity_interval: ValidityInterval | None = field(default=None)
    tax_rate: str | None = field(default=None)
    order_number: str | None = field(default=None)
    data: str | None = field(default=None)


@frozen(kw_only=True)
class CompleteVoucher:
    """A voucher with its code and pin.

    Attributes:
        id: The voucher's id; unique.
        client_id: The client that made it.
        amount: What it was issued for, in currency units.
        currency: ISO 4217.
        status: Whether it can be used.
        type: How it is handed over.
        taxable: Whether the tax is fixed at the sale (single-purpose voucher).
        created_at: When it was made.
        updated_at: When it was last changed.
        code: What a customer types in; unique.
        sku: Article number.
        batch: Batch.
        valid_until: When it ends; null while it was never activated.
        validity_value: With validity_interval, how long it is valid from its activation.
        validity_interval: The unit of validity_value.
        tax_rate: In percent, as text; only with taxable.
        order_number: The order it was sold with.
        data: JSON text of the shop's own.
        pin: An extra check for printed vouchers.
    """

    id: str
    client_id: str
    amount: Decimal
    currency: str
    status: VoucherStatus
    type: VoucherType
    taxable: bool
    created_at: datetime
    updated_at: datetime
    code: str = field(repr=False)
    sku: str | None = field(default=None)
    batch: str | None = field(default=None)
    valid_until: datetime | None = field(default=None)
    validity_value: int | None = field(default=None)
    validity_interval: ValidityInterval | None = field(default=None)
    tax_rate: str | None = field(default=None)
    order_number: str | None = field(default=None)
    data: str | None = field(default=None)
    pin: str | None = field(default=None, repr=False)


def _CreateVoucherRequest_amount(value: Amount) -> Decimal:
    return to_amount(value, "amount", Decimal("0.00"))


def _CreateVoucherRequest_validity_interval(value: ValidityInterval | str | None) -> ValidityInterval | None:
    return None if value is None else known(ValidityInterval, value, "validity_interval")


def _CreateVoucherRequest_type(value: VoucherType | str | None) -> VoucherType | None:
    return None if value is None else known(VoucherType, value, "type")


@frozen(kw_only=True)
class CreateVoucherRequest:
    """A voucher to be made.

    Attributes:
        amount: Its value in currency units; 0.00 is allowed.
        currency: ISO 4217.
        id: Its id; unique. Left out, the server makes one.
        code: What a customer types in; unique. Left out, the server makes one.
        pin: An extra check for printed vouchers.
        sku: Article number.
        batch: Batch.
        validity_value: With validity_interval, how long it is valid from its activation.
        validity_interval: The unit of validity_value.
        type: How it is handed over.
        taxable: Whether the tax is fixed at the sale (single-purpose voucher).
        tax_rate: In percent, as text; only with taxable.
        order_number: The order it is sold with.
        data: JSON text of the shop's own.
    """

    amount: Decimal = field(converter=_CreateVoucherRequest_amount)
    currency: str = field(validator=text(min_length=3, max_length=3, pattern="^[A-Z]{3}$"))
    id: str | None = field(default=None, validator=text(min_length=1, max_length=255, optional=True))
    code: str | None = field(
        default=None,
        repr=False,
        validator=text(min_length=1, max_length=255, optional=True, secret=True),
    )
    pin: str | None = field(
        default=None,
        repr=False,
        validator=text(min_length=1, max_length=255, optional=True, secret=True),
    )
    sku: str | None = field(default=None, validator=text(min_length=1, max_length=255, optional=True))
    batch: str | None = field(default=None, validator=text(min_length=1, max_length=30, optional=True))
    validity_value: int | None = field(default=None, validator=whole(minimum=1, optional=True))
    validity_interval: ValidityInterval | None = field(
        default=None, converter=_CreateVoucherRequest_validity_interval
    )
    type: VoucherType | None = field(default=None, converter=_CreateVoucherRequest_type)
    taxable: bool | None = field(default=None, validator=flag(optional=True))
    tax_rate: str | None = field(default=None, validator=text(min_length=1, optional=True))
    order_number: str | None = field(
        default=None, validator=text(min_length=1, max_length=255, optional=True)
    )
    data: str | None = field(default=None, validator=text(min_length=1, optional=True))


@frozen(kw_only=True)
class UpdateVoucherRequest:
    """What may be changed of an inactive voucher.

    Attributes:
        sku: Article number; null clears it.
        batch: Batch; null clears it.
    """

    sku: str | Unset | None = field(
        default=UNSET, validator=text(min_length=1, max_length=255, optional=True)
    )
    batch: str | Unset | None = field(
        default=UNSET, validator=text(min_length=1, max_length=30, optional=True)
    )

    def __attrs_post_init__(self) -> None:
        at_least_one_of(self)


@frozen(kw_only=True)
class DeleteVoucherRequest:
    """Why a voucher is deleted.

    Attributes:
        comment: Why.
    """

    comment: str = field(validator=text(min_length=1, max_length=255))


def _SetStatusRequest_status(value: VoucherStatus | str) -> VoucherStatus:
    return known(VoucherStatus, value, "status")


@frozen(kw_only=True)
class SetStatusRequest:
    """A voucher's new status.

    Attributes:
        status: The new status.
        comment: Why.
    """

    status: VoucherStatus = field(converter=_SetStatusRequest_status)
    comment: str | None = field(default=None, validator=text(min_length=1, max_length=255, optional=True))


def _RechargeRequest_amount(value: Amount) -> Decimal:
    return to_amount(value, "amount", Decimal("0.01"))


@frozen(kw_only=True)
class RechargeRequest:
    """Credit to be added to a voucher, named by its code or its id.

    Attributes:
        amount: How much, in currency units.
        currency: ISO 4217; the voucher's.
        order_number: The order the credit was bought with.
        code: The voucher's code.
        id: The voucher's id.
    """

    amount: Decimal = field(converter=_RechargeRequest_amount)
    currency: str = field(validator=text(min_length=3, max_length=3, pattern="^[A-Z]{3}$"))
    order_number: str = field(validator=text(min_length=1, max_length=255))
    code: str | None = field(
        default=None,
        repr=False,
        validator=text(min_length=1, max_length=255, optional=True, secret=True),
    )
    id: str | None = field(default=None, validator=text(min_length=1, max_length=255, optional=True))

    def __attrs_post_init__(self) -> None:
        exactly_one_of(self, ["code", "id"])


@frozen(kw_only=True)
class Reservation:
    """An amount held for 30 minutes, or until a newer reservation of the voucher is made.

    Attributes:
        id: The reservation's id.
        voucher_id: The voucher.
        voucher_taxable: Whether the voucher's tax was fixed at its sale.
        client_id: The client that made it.
        amount: What is held, in currency units.
        valid_until: When it ends.
        created_at: When it was made.
        updated_at: When it was last changed.
        voucher_tax_rate: The voucher's tax rate in percent, as text.
    """

    id: str
    voucher_id: str
    voucher_taxable: bool
    client_id: str
    amount: Decimal
    valid_until: datetime
    created_at: datetime
    updated_at: datetime
    voucher_tax_rate: str | None = field(default=None)


def _CreateReservationRequest_amount(value: Amount) -> Decimal:
    return to_amount(value, "amount", Decimal("0.01"))


@frozen(kw_only=True)
class CreateReservationRequest:
    """An amount to be held.

    Attributes:
        amount: How much, in currency units.
        currency: ISO 4217; the voucher's.
        code: The voucher's code.
        pin: An extra check for printed vouchers.
    """

    amount: Decimal = field(converter=_CreateReservationRequest_amount)
    currency: str = field(validator=text(min_length=3, max_length=3, pattern="^[A-Z]{3}$"))
    code: str = field(repr=False, validator=text(min_length=1, max_length=255, secret=True))
    pin: str | None = field(
        default=None,
        repr=False,
        validator=text(min_length=1, max_length=255, optional=True, secret=True),
    )


@frozen(kw_only=True)
class ChargeReservationRequest:
    """The order that a reservation pays for.

    Attributes:
        order_number: The order.
    """

    order_number: str = field(validator=text(min_length=1, max_length=255))


def _RefundRequest_amount(value: Amount) -> Decimal:
    return to_amount(value, "amount", Decimal("0.01"))


@frozen(kw_only=True)
class RefundRequest:
    """What is refunded of a charge.

    Attributes:
        amount: How much, in currency units; at most the charge's amount.
        currency: ISO 4217; the voucher's.
    """

    amount: Decimal = field(converter=_RefundRequest_amount)
    currency: str = field(validator=text(min_length=3, max_length=3, pattern="^[A-Z]{3}$"))


@frozen(kw_only=True)
class Charge:
    """A movement of money on a voucher: a charge, a recharge or a refund.

    Attributes:
        id: The charge's id.
        voucher_id: The voucher.
        client_id: The client that made it.
        type: Which way the money went.
        amount: How much, in currency units; never negative.
        created_at: When it was made.
        updated_at: When it was last changed.
        order_number: The order; a refund has that of the charge it refunds.
    """

    id: str
    voucher_id: str
    client_id: str
    type: ChargeType
    amount: Decimal
    created_at: datetime
    updated_at: datetime
    order_number: str | None = field(default=None)


@frozen(kw_only=True)
class ConnectRequest:
    """A connection PIN.

    Attributes:
        pin: The PIN that the Admin UI shows.
    """

    pin: str = field(repr=False, validator=text(min_length=1, max_length=255, secret=True))


@frozen(kw_only=True)
class ConnectedClient:
    """A client and its credentials.

    Attributes:
        id: The OAuth client_id.
        secret: The OAuth client_secret.
        scopes: What it may do; the documented values are outdated, so any text.
        created_at: When it was made.
        updated_at: When it was last changed.
        client_group_id: The group that gives it its scopes.
        name: Its name.
        type: What kind of client it is, such as pos.
        connected_at: When it was connected.
    """

    id: str
    secret: str = field(repr=False)
    scopes: list[str]
    created_at: datetime
    updated_at: datetime
    client_group_id: str | None = field(default=None)
    name: str | None = field(default=None)
    type: str | None = field(default=None)
    connected_at: datetime | None = field(default=None)


@frozen(kw_only=True)
class PageLinks:
    """Addresses of other pages; they can point at another host and are never followed.

    Attributes:
        first: The first page.
        last: The last page.
        prev: The prev page.
        next: The next page.
    """

    first: str | None = field(default=None)
    last: str | None = field(default=None)
    prev: str | None = field(default=None)
    next: str | None = field(default=None)


@frozen(kw_only=True)
class PageMeta:
    """Where a page stands in its list.

    Attributes:
        current_page: Its number.
        per_page: Items a page.
        last_page: The number of the last page.
        total: Items in the whole list.
        from_: The number of its first item; null when it is empty.
        to: The number of its last item; null when it is empty.
        path: The list's address.
    """

    current_page: int
    per_page: int
    last_page: int
    total: int
    from_: int | None = field(default=None)
    to: int | None = field(default=None)
    path: str | None = field(default=None)


@frozen(kw_only=True)
class FieldError:
    """A complaint about one field; its code reads ENTITY.OPERATION.PROPERTY.RULE[:PARAMETER].

    Attributes:
        code: What happened, for programs.
        property: The field.
        rule: The rule.
        message: What happened, for people.
    """

    code: str
    property: str
    rule: str
    message: str


class GrantType(OpenEnum):
    """Always client_credentials."""

    client_credentials = "client_credentials"


def _TokenRequest_grant_type(value: GrantType | str) -> GrantType:
    return known(GrantType, value, "grant_type")


@frozen(kw_only=True)
class TokenRequest:
    """The client credentials grant.

    Attributes:
        grant_type: Always client_credentials.
        client_id: The OAuth client id.
        client_secret: The OAuth client secret.
        client_type: Free text, for statistics.
        scope: Space-separated subset of the client's scopes.
    """

    grant_type: GrantType = field(converter=_TokenRequest_grant_type)
    client_id: str = field(validator=text(min_length=1))
    client_secret: str = field(repr=False, validator=text(min_length=1, secret=True))
    client_type: str | None = field(default=None, validator=text(min_length=1, max_length=32, optional=True))
    scope: str | None = field(default=None, validator=text(optional=True))


@frozen(kw_only=True)
class Token:
    """An access token (RFC 6749 section 5.1).

    Attributes:
        access_token: The token.
        token_type: Bearer.
        expires_in: Seconds it lives; may be missing.
        scope: What it allows.
    """

    access_token: str = field(repr=False)
    token_type: str
    expires_in: int | None = field(default=None)
    scope: str | None = field(default=None)


@frozen(kw_only=True)
class OAuthError:
    """Why no token is given (RFC 6749 section 5.2).

    Attributes:
        error: The code of RFC 6749.
        error_description: What happened, for people.
    """

    error: str
    error_description: str | None = field(default=None)


@frozen(kw_only=True)
class VoucherPage:
    """One page of vouchers.

    Attributes:
        data: The vouchers.
        links: links.
        meta: meta.
    """

    data: list[VoucherDetails]
    links: PageLinks
    meta: PageMeta


@frozen(kw_only=True)
class ChargePage:
    """One page of charges.

    Attributes:
        data: The charges.
        links: links.
        meta: meta.
    """

    data: list[Charge]
    links: PageLinks
    meta: PageMeta


@frozen(kw_only=True)
class Error:
    """What the API says when it refuses.

    Attributes:
        status: The HTTP status.
        code: What happened, for programs.
        message: What happened, for people.
        errors: Complaints about single fields.
    """

    status: int
    code: str
    message: str
    errors: list[FieldError] | None = field(default=None)
