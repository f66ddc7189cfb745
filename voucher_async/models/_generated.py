"""GENERATED from openapi/voucher.yaml by `python -m codegen.generate` (`make codegen`). DO NOT EDIT."""

from decimal import Decimal
from typing import Literal

import attrs
from voucher_async.models._rules import (
    OMITTED,
    UNSET,
    Amount,
    OpenEnum,
    Unset,
    Value,
    at_least,
    boolean,
    choice,
    clearable,
    conceals,
    datetime,
    exactly_one_of,
    integer,
    money,
    only_with,
    optional,
    text,
)


class VoucherStatus(OpenEnum):
    """The status of a voucher, which says whether it can be used."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class VoucherType(OpenEnum):
    """The form in which a voucher reaches the customer."""

    DIGITAL = "digital"
    PRINT = "print"


class ValidityInterval(OpenEnum):
    """The unit of a voucher's validity."""

    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


class ChargeType(OpenEnum):
    """The kind of a movement, which takes money from a voucher, adds it, or gives it back."""

    CHARGE = "charge"
    RECHARGE = "recharge"
    REFUND = "refund"


@attrs.frozen(kw_only=True)
class Voucher(Value):
    """A voucher, without its secrets.

    Attributes:
        id: Its unique id.
        client_id: The client that created it.
        sku: Article number.
        batch: The batch it was made in.
        amount: Its value in currency units when it was created.
        currency: ISO 4217.
        valid_until: The end of its validity, set at activation; null while it is inactive.
        validity_value: How many intervals it is valid from its activation.
        validity_interval: The unit of `validity_value`.
        status: Whether it can be used; it starts inactive.
        type: Digital or printed.
        taxable: Whether the tax was fixed when it was sold (single-purpose voucher).
        tax_rate: The tax rate in percent, as text; null unless it is taxable.
        order_number: The order it was sold with.
        data: JSON text of the shop's own.
        created_at: When it was created.
        updated_at: When it was last changed.
    """

    id: str
    client_id: str | None = None
    sku: str | None = None
    batch: str | None = None
    amount: Decimal
    currency: str
    valid_until: datetime | None = None
    validity_value: int | None = None
    validity_interval: ValidityInterval | None = attrs.field(default=None, metadata=OMITTED)
    status: VoucherStatus
    type: VoucherType
    taxable: bool
    tax_rate: str | None = None
    order_number: str | None = None
    data: str | None = None
    created_at: datetime
    updated_at: datetime


@attrs.frozen(kw_only=True)
class VoucherDetails(Voucher):
    """A voucher with its balance, without its secrets.

    Attributes:
        remaining_amount: Its balance in currency units. Whether an open reservation lowers it is unknown.
        deletable: Whether it can be deleted now.
    """

    remaining_amount: Decimal
    deletable: bool


@attrs.frozen(kw_only=True)
class CompleteVoucher(Voucher):
    """A voucher with its code and pin.

    Attributes:
        code: The text that a customer types in; unique.
        pin: An extra check on printed vouchers.
    """

    code: str = attrs.field(repr=False)
    pin: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Reservation(Value):
    """An amount of a voucher that is held for 30 minutes.

    Attributes:
        id: Its id.
        voucher_id: The voucher it holds an amount of.
        voucher_taxable: Whether the voucher's tax was fixed when it was sold.
        voucher_tax_rate: The voucher's tax rate in percent, as text.
        client_id: The client that made it.
        amount: The amount that is held, in currency units.
        valid_until: Its end, unless a newer reservation of the voucher ends it earlier.
        created_at: When it was made.
        updated_at: When it was last changed.
    """

    id: str
    voucher_id: str
    voucher_taxable: bool
    voucher_tax_rate: str | None = None
    client_id: str | None = None
    amount: Decimal
    valid_until: datetime
    created_at: datetime
    updated_at: datetime


@attrs.frozen(kw_only=True)
class Charge(Value):
    """A movement of money on a voucher. It names no currency, and a refund names no charge.

    Attributes:
        id: Its id.
        voucher_id: The voucher.
        client_id: The client that made it.
        type: Charge, recharge or refund.
        amount: The amount in currency units, without a sign.
        order_number: The order number; a refund has that of its charge.
        created_at: When it was made.
        updated_at: When it was last changed.
    """

    id: str
    voucher_id: str
    client_id: str | None = None
    type: ChargeType
    amount: Decimal
    order_number: str | None = None
    created_at: datetime
    updated_at: datetime


@attrs.frozen(kw_only=True)
class ConnectedClient(Value):
    """A client with the credentials it has just been given.

    Attributes:
        id: The OAuth `client_id`.
        client_group_id: The client group, which gives the scopes.
        name: Its name in the Admin UI.
        secret: The OAuth `client_secret`.
        scopes: Its scopes. The documented values are outdated, so any string may come.
        type: The kind of client, such as `pos`.
        created_at: When it was created.
        updated_at: When it was last changed.
        connected_at: When it was connected.
    """

    id: str
    client_group_id: str | None = None
    name: str | None = None
    secret: str = attrs.field(repr=False)
    scopes: tuple[str, ...] = attrs.field(default=(), metadata=OMITTED)
    type: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    connected_at: datetime | None = None


@attrs.frozen(kw_only=True)
class PageLinks(Value):
    """The addresses of other pages. They may name another host, so they are not followed.

    Attributes:
        first: The first page.
        last: The last page.
        prev: The page before.
        next: The page after.
    """

    first: str | None = None
    last: str | None = None
    prev: str | None = None
    next: str | None = None


@attrs.frozen(kw_only=True)
class PageMeta(Value):
    """The position of a page in its list.

    Attributes:
        current_page: The number of the page, from 1.
        per_page: How many entries a full page has.
        from_: The number of the page's first entry in the list; null on an empty page.
        to: The number of the page's last entry in the list; null on an empty page.
        last_page: The number of the last page.
        total: How many entries the list has.
        path: The address of the list.
    """

    current_page: int
    per_page: int
    from_: int | None = attrs.field(default=None, metadata={"name": "from"})
    to: int | None = None
    last_page: int
    total: int
    path: str | None = None


@attrs.frozen(kw_only=True)
class VoucherPage(Value):
    """A page of a list of vouchers.

    Attributes:
        data: The vouchers.
        links: The addresses of other pages.
        meta: The position of the page.
    """

    data: tuple[VoucherDetails, ...]
    links: PageLinks
    meta: PageMeta


@attrs.frozen(kw_only=True)
class ChargePage(Value):
    """A page of a list of charges.

    Attributes:
        data: The charges.
        links: The addresses of other pages.
        meta: The position of the page.
    """

    data: tuple[Charge, ...]
    links: PageLinks
    meta: PageMeta


@attrs.frozen(kw_only=True)
class FieldError(Value):
    """One complaint about one property of a request.

    Attributes:
        code: `<ENTITY>.<OPERATION>.<PROPERTY>.<RULE>[:<parameter>]`.
        property: The property.
        rule: The rule that was broken.
        message: A sentence for people.
    """

    code: str
    property: str | None = attrs.field(default=None, metadata=OMITTED)
    rule: str | None = attrs.field(default=None, metadata=OMITTED)
    message: str | None = attrs.field(default=None, metadata=OMITTED)


@attrs.frozen(kw_only=True)
class OAuthError(Value):
    """A refused token request (RFC 6749 section 5.2).

    Attributes:
        error: A code for machines, such as `invalid_client`.
        error_description: A sentence for people.
        error_uri: A page about the error.
    """

    error: str
    error_description: str | None = attrs.field(default=None, metadata=OMITTED)
    error_uri: str | None = attrs.field(default=None, metadata=OMITTED)


@attrs.frozen(kw_only=True)
class Token(Value):
    """An access token (RFC 6749 section 5.1).

    Attributes:
        access_token: The token.
        token_type: `Bearer`.
        expires_in: Its life in seconds; it may be missing.
        scope: The scopes it has, separated by spaces, when they differ from those asked for.
    """

    access_token: str = attrs.field(repr=False)
    token_type: str
    expires_in: int | None = attrs.field(default=None, metadata=OMITTED)
    scope: str | None = attrs.field(default=None, metadata=OMITTED)


@conceals("client_secret")
@attrs.frozen(kw_only=True)
class TokenRequest(Value):
    """A request for an access token, sent as a form.

    Attributes:
        grant_type: `client_credentials`.
        client_id: The client's id.
        client_secret: The client's secret.
        client_type: Free text for the vendor's statistics.
        scope: A subset of the client's scopes, separated by spaces.
    """

    grant_type: Literal["client_credentials"] = attrs.field(validator=text(choices=["client_credentials"]))
    client_id: str = attrs.field(validator=text(min_length=1))
    client_secret: str = attrs.field(repr=False, validator=text(min_length=1, secret=True))
    client_type: str | None = attrs.field(
        default=None, validator=optional(text(max_length=32)), metadata=OMITTED
    )
    scope: str | None = attrs.field(default=None, validator=optional(text()), metadata=OMITTED)


def _amount_of_CreateVoucherRequest(value: Amount) -> Decimal:
    return money(value, "amount", "0.00")


def _validity_interval_of_CreateVoucherRequest(
    value: ValidityInterval | str | None,
) -> ValidityInterval | None:
    if value is None:
        return value
    return choice(ValidityInterval, value, "validity_interval")


def _type_of_CreateVoucherRequest(value: VoucherType | str | None) -> VoucherType | None:
    if value is None:
        return value
    return choice(VoucherType, value, "type")


@conceals("code", "pin")
@attrs.frozen(kw_only=True)
class CreateVoucherRequest(Value):
    """A voucher to be created.

    Attributes:
        id: Its id, unique; left out, the server makes one.
        code: The text that a customer types in, unique; left out, the server makes one.
        pin: An extra check on printed vouchers.
        sku: Article number.
        batch: The batch it is made in.
        amount: Its value in currency units; 0 is allowed.
        currency: ISO 4217, three capital letters.
        validity_value: How many intervals it is valid from its activation; left out, the Admin UI's default.
        validity_interval: The unit of `validity_value`; left out, the Admin UI's default.
        type: Digital or printed.
        taxable: Whether the tax is fixed at the sale (single-purpose voucher).
        tax_rate: The tax rate in percent, as text, such as `19`; only with `taxable`.
        order_number: The order it is sold with.
        data: JSON text of the shop's own.
    """

    id: str | None = attrs.field(
        default=None, validator=optional(text(min_length=1, max_length=255)), metadata=OMITTED
    )
    code: str | None = attrs.field(
        default=None,
        repr=False,
        validator=optional(text(min_length=1, max_length=255, secret=True)),
        metadata=OMITTED,
    )
    pin: str | None = attrs.field(
        default=None,
        repr=False,
        validator=optional(text(min_length=1, max_length=255, secret=True)),
        metadata=OMITTED,
    )
    sku: str | None = attrs.field(default=None, validator=optional(text(max_length=255)), metadata=OMITTED)
    batch: str | None = attrs.field(default=None, validator=optional(text(max_length=30)), metadata=OMITTED)
    amount: Decimal = attrs.field(converter=_amount_of_CreateVoucherRequest)
    currency: str = attrs.field(validator=text(min_length=3, max_length=3, pattern="^[A-Z]{3}$"))
    validity_value: int | None = attrs.field(
        default=None, validator=optional(integer(minimum=1, maximum=2147483647)), metadata=OMITTED
    )
    validity_interval: ValidityInterval | None = attrs.field(
        default=None, converter=_validity_interval_of_CreateVoucherRequest, metadata=OMITTED
    )
    type: VoucherType | None = attrs.field(
        default=None, converter=_type_of_CreateVoucherRequest, metadata=OMITTED
    )
    taxable: bool | None = attrs.field(default=None, validator=optional(boolean()), metadata=OMITTED)
    tax_rate: str | None = attrs.field(default=None, validator=optional(text()), metadata=OMITTED)
    order_number: str | None = attrs.field(default=None, validator=optional(text()), metadata=OMITTED)
    data: str | None = attrs.field(default=None, validator=optional(text(json_text=True)), metadata=OMITTED)

    def __attrs_post_init__(self) -> None:
        only_with(self, "tax_rate", "taxable")


@attrs.frozen(kw_only=True)
class UpdateVoucherRequest(Value):
    """A change of an inactive voucher; at least one property.

    Attributes:
        sku: Article number; null clears it.
        batch: The batch it is made in; null clears it.
    """

    sku: str | None | Unset = attrs.field(
        default=UNSET, validator=clearable(text(max_length=255)), metadata=OMITTED
    )
    batch: str | None | Unset = attrs.field(
        default=UNSET, validator=clearable(text(max_length=30)), metadata=OMITTED
    )

    def __attrs_post_init__(self) -> None:
        at_least(self, 1)


@attrs.frozen(kw_only=True)
class DeleteVoucherRequest(Value):
    """The reason for which a voucher is deleted.

    Attributes:
        comment: The reason.
    """

    comment: str = attrs.field(validator=text(min_length=1, max_length=255, not_blank=True))


def _status_of_SetStatusRequest(value: VoucherStatus | str) -> VoucherStatus:
    return choice(VoucherStatus, value, "status")


@attrs.frozen(kw_only=True)
class SetStatusRequest(Value):
    """The new status of a voucher.

    Attributes:
        status: Active or inactive.
        comment: The reason.
    """

    status: VoucherStatus = attrs.field(converter=_status_of_SetStatusRequest)
    comment: str | None = attrs.field(
        default=None, validator=optional(text(min_length=1, max_length=255, not_blank=True)), metadata=OMITTED
    )


def _amount_of_RechargeRequest(value: Amount) -> Decimal:
    return money(value, "amount", "0.01")


@conceals("code")
@attrs.frozen(kw_only=True)
class RechargeRequest(Value):
    """Credit for a voucher, which is named by its code or by its id.

    Attributes:
        amount: The credit in currency units, at least 0.01.
        currency: ISO 4217; the voucher's.
        order_number: The order the credit was bought with.
        code: The voucher's code; this or `id`.
        id: The voucher's id; this or `code`.
    """

    amount: Decimal = attrs.field(converter=_amount_of_RechargeRequest)
    currency: str = attrs.field(validator=text(min_length=3, max_length=3, pattern="^[A-Z]{3}$"))
    order_number: str = attrs.field(validator=text(min_length=1, not_blank=True, trimmed=True))
    code: str | None = attrs.field(
        default=None,
        repr=False,
        validator=optional(text(min_length=1, max_length=255, secret=True)),
        metadata=OMITTED,
    )
    id: str | None = attrs.field(
        default=None, validator=optional(text(min_length=1, max_length=255)), metadata=OMITTED
    )

    def __attrs_post_init__(self) -> None:
        exactly_one_of(self, "code", "id")


def _amount_of_CreateReservationRequest(value: Amount) -> Decimal:
    return money(value, "amount", "0.01")


@conceals("code", "pin")
@attrs.frozen(kw_only=True)
class CreateReservationRequest(Value):
    """A reservation to be made.

    Attributes:
        amount: The amount in currency units, at least 0.01.
        currency: ISO 4217; must be the voucher's.
        code: The voucher's code.
        pin: The voucher's pin, an extra check on printed vouchers.
    """

    amount: Decimal = attrs.field(converter=_amount_of_CreateReservationRequest)
    currency: str = attrs.field(validator=text(min_length=3, max_length=3, pattern="^[A-Z]{3}$"))
    code: str = attrs.field(repr=False, validator=text(min_length=1, max_length=255, secret=True))
    pin: str | None = attrs.field(
        default=None,
        repr=False,
        validator=optional(text(min_length=1, max_length=255, secret=True)),
        metadata=OMITTED,
    )


@attrs.frozen(kw_only=True)
class ChargeReservationRequest(Value):
    """The order for which a reservation is charged.

    Attributes:
        order_number: The order that is paid for.
    """

    order_number: str = attrs.field(validator=text(min_length=1, not_blank=True, trimmed=True))


def _amount_of_RefundRequest(value: Amount) -> Decimal:
    return money(value, "amount", "0.01")


@attrs.frozen(kw_only=True)
class RefundRequest(Value):
    """The part of a charge that is refunded.

    Attributes:
        amount: The amount in currency units, at least 0.01, at most the charge's.
        currency: ISO 4217; must be the voucher's.
    """

    amount: Decimal = attrs.field(converter=_amount_of_RefundRequest)
    currency: str = attrs.field(validator=text(min_length=3, max_length=3, pattern="^[A-Z]{3}$"))


@conceals("pin")
@attrs.frozen(kw_only=True)
class ConnectRequest(Value):
    """A connection PIN.

    Attributes:
        pin: The PIN that the Admin UI shows.
    """

    pin: str = attrs.field(repr=False, validator=text(min_length=1, max_length=255, secret=True))


@attrs.frozen(kw_only=True)
class Error(Value):
    """The envelope of the API's errors.

    Attributes:
        status: The HTTP status again.
        code: A code for machines, such as `VOUCHER.NOT_FOUND`.
        message: A sentence for people.
        errors: The complaints about single properties.
    """

    status: int
    code: str
    message: str
    errors: tuple[FieldError, ...] = attrs.field(default=(), metadata=OMITTED)
