"""What the models check, hide and keep."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async import models, wire
from voucher_async.errors import InvalidInput, InvalidInputType
from voucher_async.models import (
    UNSET,
    Charge,
    ChargeReservationRequest,
    ChargeType,
    CompleteVoucher,
    ConnectedClient,
    ConnectRequest,
    CreateReservationRequest,
    CreateVoucherRequest,
    DeleteVoucherRequest,
    RechargeRequest,
    RefundRequest,
    SetStatusRequest,
    Token,
    TokenRequest,
    Unset,
    UpdateVoucherRequest,
    Voucher,
    VoucherDetails,
    VoucherStatus,
    VoucherType,
)
from voucher_async.models import _rules as rules

SECRET = "PLANTED-0815"
NOON = dt.datetime(2027, 1, 2, 12, tzinfo=dt.UTC)
CHARGE: dict[str, Any] = {
    "id": "c-1",
    "voucher_id": "v-1",
    "type": ChargeType.CHARGE,
    "amount": Decimal("1.00"),
    "created_at": NOON,
    "updated_at": NOON,
}
VOUCHER: dict[str, Any] = {
    "id": "v-1",
    "amount": Decimal("1.00"),
    "currency": "EUR",
    "status": VoucherStatus.ACTIVE,
    "type": VoucherType.DIGITAL,
    "taxable": False,
    "created_at": NOON,
    "updated_at": NOON,
}
VALID: dict[type[Any], dict[str, Any]] = {
    CreateVoucherRequest: {"amount": 25, "currency": "EUR"},
    UpdateVoucherRequest: {"sku": "s"},
    DeleteVoucherRequest: {"comment": "why"},
    SetStatusRequest: {"status": "active"},
    RechargeRequest: {"amount": "1", "currency": "EUR", "order_number": "A-1", "id": "v-1"},
    CreateReservationRequest: {"amount": "1", "currency": "EUR", "code": "c"},
    ChargeReservationRequest: {"order_number": "A-1"},
    RefundRequest: {"amount": "1", "currency": "EUR"},
    ConnectRequest: {"pin": "p"},
    TokenRequest: {"grant_type": "client_credentials", "client_id": "i", "client_secret": "s"},
}


def refused(cls: type[Any], **fields: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        cls(**{**VALID[cls], **fields})
    return caught.value


def test_the_list_of_names_is_complete_and_sorted_and_everything_in_it_exists() -> None:
    from voucher_async.models import _generated

    generated = {
        name
        for name, value in vars(_generated).items()
        if getattr(value, "__module__", "") == _generated.__name__
    }
    public = {name for name in generated if not name.startswith("_")}
    assert set(models.__all__) == public | {"UNSET", "OpenEnum", "Unset"}
    assert all(hasattr(models, name) for name in models.__all__)


@pytest.mark.parametrize("cls", VALID)
def test_a_valid_request_is_made_and_cannot_be_changed(cls: type[Any]) -> None:
    request = cls(**VALID[cls])
    name = next(iter(VALID[cls]))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(request, name, "other")
    assert not hasattr(request, "__dict__")


@pytest.mark.parametrize("cls", VALID)
def test_fields_are_given_by_name(cls: type[Any]) -> None:
    with pytest.raises(TypeError):
        cls(*VALID[cls].values())


@pytest.mark.parametrize(
    ("cls", "field", "longest"),
    [
        (CreateVoucherRequest, "id", 255),
        (CreateVoucherRequest, "code", 255),
        (CreateVoucherRequest, "pin", 255),
        (CreateVoucherRequest, "sku", 255),
        (CreateVoucherRequest, "batch", 30),
        (UpdateVoucherRequest, "sku", 255),
        (UpdateVoucherRequest, "batch", 30),
        (DeleteVoucherRequest, "comment", 255),
        (SetStatusRequest, "comment", 255),
        (RechargeRequest, "id", 255),
        (CreateReservationRequest, "code", 255),
        (CreateReservationRequest, "pin", 255),
        (ConnectRequest, "pin", 255),
        (TokenRequest, "client_type", 32),
    ],
)
def test_a_text_has_at_most_its_length_in_characters(cls: type[Any], field: str, longest: int) -> None:
    cls(**{**VALID[cls], field: "ü" * longest})
    error = refused(cls, **{field: "ü" * (longest + 1)})
    assert (error.field, error.rule) == (field, f"must have at most {longest} characters")


@pytest.mark.parametrize(
    ("cls", "field"),
    [
        (CreateVoucherRequest, "id"),
        (CreateVoucherRequest, "code"),
        (CreateVoucherRequest, "pin"),
        (DeleteVoucherRequest, "comment"),
        (SetStatusRequest, "comment"),
        (RechargeRequest, "order_number"),
        (CreateReservationRequest, "code"),
        (ChargeReservationRequest, "order_number"),
        (ConnectRequest, "pin"),
    ],
)
def test_an_empty_text_is_refused_where_it_means_nothing(cls: type[Any], field: str) -> None:
    error = refused(cls, **{field: ""})
    assert (error.field, error.rule) == (field, "must have at least 1 character")


@pytest.mark.parametrize("cls", [RechargeRequest, ChargeReservationRequest])
@pytest.mark.parametrize("order_number", [" A-1", "A-1 ", "A-1\n", "\tA-1", "A-1\u00a0"])
def test_an_order_number_that_the_server_might_cut_is_refused(cls: type[Any], order_number: str) -> None:
    error = refused(cls, order_number=order_number)
    assert (error.field, error.rule) == ("order_number", "must not begin or end with white space")


@pytest.mark.parametrize("cls", [DeleteVoucherRequest, SetStatusRequest])
def test_a_blank_comment_is_refused(cls: type[Any]) -> None:
    assert refused(cls, comment=" \n").rule == "must not be blank"


@pytest.mark.parametrize("currency", ["EURO", "eur", "EU", "", "E R", "EUR\n", "€€€", "EU1"])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    assert refused(CreateVoucherRequest, currency=currency).field == "currency"


@pytest.mark.parametrize(
    ("cls", "field", "value"),
    [
        (CreateVoucherRequest, "id", 5),
        (CreateVoucherRequest, "sku", b"x"),
        (CreateVoucherRequest, "currency", None),
        (CreateVoucherRequest, "amount", 1.5),
        (CreateVoucherRequest, "amount", None),
        (CreateVoucherRequest, "amount", True),
        (CreateVoucherRequest, "validity_value", "3"),
        (CreateVoucherRequest, "validity_value", 3.0),
        (CreateVoucherRequest, "validity_value", True),
        (CreateVoucherRequest, "validity_interval", 3),
        (CreateVoucherRequest, "type", 1),
        (CreateVoucherRequest, "taxable", 1),
        (CreateVoucherRequest, "taxable", "true"),
        (CreateVoucherRequest, "tax_rate", 19),
        (CreateVoucherRequest, "data", {"a": 1}),
        (UpdateVoucherRequest, "sku", 5),
        (SetStatusRequest, "status", None),
        (SetStatusRequest, "status", True),
        (ChargeReservationRequest, "order_number", None),
        (ConnectRequest, "pin", 4711),
        (TokenRequest, "grant_type", None),
    ],
)
def test_a_value_of_another_type_is_refused_as_such(cls: type[Any], field: str, value: object) -> None:
    error = refused(cls, **{field: value})
    assert isinstance(error, InvalidInputType)
    assert isinstance(error, TypeError)
    assert error.field == field


@pytest.mark.parametrize("value", [0, -1, 2**31, pytest.param(10**5000, id="enormous")])
def test_a_validity_is_at_least_one_and_fits_32_bits(value: int) -> None:
    assert refused(CreateVoucherRequest, validity_value=value).field == "validity_value"


@pytest.mark.parametrize(
    "data", ["", "{", "{'a': 1}", "NaN", '{"a": Infinity}', pytest.param("[" * 100_000, id="deep")]
)
def test_data_must_be_json_text(data: str) -> None:
    assert refused(CreateVoucherRequest, data=data).rule == "must be JSON text"
    assert CreateVoucherRequest(**VALID[CreateVoucherRequest], data='{"a": [1, null]}').data


def test_a_tax_rate_needs_taxable() -> None:
    for taxable in (None, False):
        error = refused(CreateVoucherRequest, tax_rate="19", taxable=taxable)
        assert (error.field, error.rule) == ("tax_rate", "may only be given with taxable=True")
    assert CreateVoucherRequest(**VALID[CreateVoucherRequest], tax_rate="19", taxable=True).tax_rate == "19"


def test_lone_surrogates_are_refused() -> None:
    assert refused(ChargeReservationRequest, order_number="A-\ud800").rule == "must not hold lone surrogates"


@pytest.mark.parametrize(("cls", "field"), [(RechargeRequest, "amount"), (RefundRequest, "amount")])
def test_money_that_moves_is_at_least_a_cent(cls: type[Any], field: str) -> None:
    assert refused(cls, **{field: "0.00"}).rule == "must be at least 0.01"
    assert CreateVoucherRequest(amount="0.00", currency="EUR").amount == 0


@given(st.decimals(min_value="0.01", max_value="999999.99", places=2))
def test_an_amount_is_the_same_from_a_decimal_and_from_its_text(amount: Decimal) -> None:
    requests = [RefundRequest(amount=given, currency="EUR") for given in (amount, str(amount))]
    assert requests[0] == requests[1]
    assert json.loads(wire.encode(requests[0]))["amount"] == f"{amount:.2f}"


@pytest.mark.parametrize(
    ("given", "count"), [({}, 0), ({"code": "c", "id": "v"}, 2), ({"code": None, "id": None}, 0)]
)
def test_a_recharge_names_the_voucher_exactly_once(given: dict[str, Any], count: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        RechargeRequest(amount=1, currency="EUR", order_number="A-1", **given)
    assert caught.value.field == "code, id"
    assert caught.value.rule == "exactly one must be given"
    assert caught.value.value == str(count)


def test_an_update_changes_at_least_one_thing() -> None:
    with pytest.raises(InvalidInput) as caught:
        UpdateVoucherRequest()
    assert (caught.value.field, caught.value.rule) == ("sku, batch", "at least 1 must be given")


def test_in_an_update_none_clears_and_unset_leaves() -> None:
    assert wire.encode(UpdateVoucherRequest(sku=None)) == b'{"sku":null}'
    assert wire.encode(UpdateVoucherRequest(sku="a", batch=None)) == b'{"sku":"a","batch":null}'
    assert wire.encode(UpdateVoucherRequest(batch="b", sku=UNSET)) == b'{"batch":"b"}'


def test_none_leaves_an_optional_field_of_a_request_out() -> None:
    request = CreateVoucherRequest(amount=1, currency="EUR", id=None, type=None, taxable=None)
    assert wire.encode(request) == b'{"amount":"1.00","currency":"EUR"}'


def test_unset_is_one_false_object_that_survives_copies_and_pickles() -> None:
    assert not UNSET
    assert repr(UNSET) == "UNSET"
    assert isinstance(UNSET, Unset)
    assert copy.deepcopy(UNSET) is UNSET
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET


def secret_models() -> list[Any]:
    return [
        CompleteVoucher(**VOUCHER, code=SECRET, pin=SECRET),
        ConnectedClient(id="i", secret=SECRET),
        Token(access_token=SECRET, token_type="Bearer"),
        TokenRequest(grant_type="client_credentials", client_id="i", client_secret=SECRET),
        CreateVoucherRequest(amount=1, currency="EUR", code=SECRET, pin=SECRET),
        RechargeRequest(amount=1, currency="EUR", order_number="A-1", code=SECRET),
        CreateReservationRequest(amount=1, currency="EUR", code=SECRET, pin=SECRET),
        ConnectRequest(pin=SECRET),
    ]


@pytest.mark.parametrize("model", secret_models(), ids=lambda model: type(model).__name__)
def test_a_secret_is_in_the_json_but_not_in_the_repr(model: Any) -> None:
    assert SECRET.encode() in wire.encode(model)
    assert SECRET not in repr(model)
    assert SECRET not in str(model)


@pytest.mark.parametrize(
    ("cls", "field"),
    [
        (CreateVoucherRequest, "code"),
        (CreateVoucherRequest, "pin"),
        (RechargeRequest, "code"),
        (CreateReservationRequest, "code"),
        (CreateReservationRequest, "pin"),
        (ConnectRequest, "pin"),
        (TokenRequest, "client_secret"),
    ],
)
@pytest.mark.parametrize("value", [{SECRET: 1}, [SECRET], f"{SECRET}\ud800", SECRET.encode()], ids=repr)
def test_a_secret_is_not_in_the_error_about_it(cls: type[Any], field: str, value: Any) -> None:
    given = {name: text for name, text in VALID[cls].items() if (cls, name) != (RechargeRequest, "id")}
    with pytest.raises(InvalidInput) as caught:
        cls(**{**given, field: value})
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)} {caught.value.__cause__}"
    assert SECRET not in shown
    assert caught.value.field == field


def test_a_secret_that_is_too_long_is_not_in_the_error_about_it() -> None:
    for cls in (CreateVoucherRequest, CreateReservationRequest, ConnectRequest):
        assert SECRET not in str(refused(cls, pin=SECRET * 30))


@pytest.mark.parametrize("model", [*secret_models(), Charge(**CHARGE), Voucher(**VOUCHER)])
def test_models_are_values(model: Any) -> None:
    assert attrs.evolve(model) == model
    assert copy.deepcopy(model) == model
    assert pickle.loads(pickle.dumps(model)) == model
    assert hash(attrs.evolve(model)) == hash(model)


def test_details_and_complete_vouchers_are_vouchers() -> None:
    assert isinstance(VoucherDetails(**VOUCHER, remaining_amount=Decimal(1), deletable=True), Voucher)
    assert isinstance(CompleteVoucher(**VOUCHER, code="c"), Voucher)
    assert Voucher(**VOUCHER) != CompleteVoucher(**VOUCHER, code="c")


@pytest.mark.parametrize("name", models.__all__)
def test_every_class_and_every_field_is_documented(name: str) -> None:
    cls = getattr(models, name)
    assert cls.__doc__
    for field in attrs.fields(cls) if attrs.has(cls) else ():
        owner = next(base for base in cls.__mro__ if field.name in getattr(base, "__annotations__", {}))
        assert re.search(rf"\n {{4,8}}{field.name}: \S", str(owner.__doc__))


def test_the_reading_of_a_pattern_ends_where_the_text_ends() -> None:
    @attrs.frozen
    class Priced:
        price: str = attrs.field(validator=rules.text(pattern=r"^[$\]]\d+\$?$"))

    assert Priced("$5$").price == "$5$"
    for wrong in ("$5\n", "$5$\n", "5", "$\u0665"):
        with pytest.raises(InvalidInput):
            Priced(wrong)


def test_a_moment_needs_an_offset_that_can_be_written() -> None:
    @attrs.frozen
    class Timed:
        at: object = attrs.field(validator=rules.moment())

    assert Timed(NOON).at == NOON
    odd = dt.timezone(dt.timedelta(hours=1, seconds=30))
    for wrong in (NOON.replace(tzinfo=None), NOON.replace(tzinfo=odd), NOON.date(), "2027-01-02T12:00:00Z"):
        with pytest.raises(InvalidInput):
            Timed(wrong)


def test_the_generated_file_is_small_enough_to_be_read() -> None:
    source = Path(str(models.__file__)).with_name("_generated.py").read_text(encoding="utf-8")
    assert source.count("\n") < 800
