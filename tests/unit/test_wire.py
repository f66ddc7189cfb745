"""The converter: strict about values, patient about what is new, silent about secrets."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.specification import SPEC
from tests.unit.samples import example, problem, raw
from voucher_async import wire
from voucher_async.models import (
    Charge,
    ChargePage,
    ChargeType,
    CompleteVoucher,
    ConnectedClient,
    Error,
    PageMeta,
    Reservation,
    Token,
    Voucher,
    VoucherDetails,
    VoucherPage,
    VoucherStatus,
)

SECRET = "PLANTED-0815"


def test_an_answer_becomes_a_model_with_pythons_types() -> None:
    reservation = wire.decode(Reservation, raw(example("Reservation")))
    assert reservation == Reservation(
        id="2b1f3c9e-53d8-4a6c-9b6c-0d7c5d1f8e21",
        voucher_id="GIFT-2017-0042",
        voucher_taxable=True,
        voucher_tax_rate="19",
        client_id="b2a4c1de-0f6b-4f3e-9d43-2b0a5f1f7c11",
        amount=Decimal("10.00"),
        valid_until=dt.datetime(2017, 7, 22, 10, 30, tzinfo=dt.UTC),
        created_at=dt.datetime(2017, 7, 22, 10, 0, tzinfo=dt.UTC),
        updated_at=dt.datetime(2017, 7, 22, 10, 0, tzinfo=dt.UTC),
    )
    assert type(reservation.amount) is Decimal
    assert str(reservation.amount) == "10.00"


def test_a_page_holds_a_tuple_of_models_and_the_fields_python_has_no_name_for() -> None:
    page = wire.decode(ChargePage, raw(example("ChargePage")))
    assert type(page.data) is tuple
    assert [charge.type for charge in page.data] == ["charge", "refund", "recharge"]
    assert all(type(charge) is Charge for charge in page.data)
    assert (page.meta.from_, page.meta.to, page.meta.total) == (1, 3, 3)
    assert page.links.prev is None


@pytest.mark.parametrize(
    "amount",
    [
        10,
        10.0,
        None,
        True,
        ["10.00"],
        {"amount": "10.00"},
        "10",
        "10.0",
        "10.000",
        ".00",
        "-1.00",
        "+1.00",
        " 1.00",
        "1.00 ",
        "1.00\n",
        "1,00",
        "1e2",
        "1_0.00",
        "1000000.00",
        "\u0661.00",
        "\uff11.00",
        "NaN",
        "Infinity",
        "",
    ],
    ids=repr,
)
def test_an_amount_is_a_text_with_two_decimals_and_nothing_else(amount: object) -> None:
    assert problem(Charge, raw(example("Charge", amount=amount))).path == "amount"


def test_an_amount_written_as_a_json_number_with_two_decimals_is_refused() -> None:
    body = raw(example("Charge")).replace(b'"10.00"', b"10.00")
    assert problem(Charge, body).reason == "expected `str`, got `float`"


@given(st.decimals(min_value=0, max_value="999999.99", places=2))
def test_every_amount_survives_the_way_out_and_back(amount: Decimal) -> None:
    charge = wire.decode(Charge, raw(example("Charge", amount=f"{amount:.2f}")))
    assert charge.amount == amount
    assert json.loads(wire.encode(charge))["amount"] == f"{amount:.2f}"


@pytest.mark.parametrize("value", ["5", 5.9, 5.0, True, [5], "", {}], ids=repr)
def test_a_whole_number_is_not_made_of_anything_else(value: object) -> None:
    assert problem(Voucher, raw(example("VoucherActive", validity_value=value))).path == "validity_value"
    page = example("VoucherPage")
    page["meta"] = {**page["meta"], "last_page": value}
    assert problem(VoucherPage, raw(page)).path == "meta.last_page"


@pytest.mark.parametrize("value", [1, 0, "true", "false", "", None, []], ids=repr)
def test_a_boolean_is_not_made_of_anything_else(value: object) -> None:
    assert problem(Voucher, raw(example("VoucherActive", taxable=value))).path == "taxable"


@pytest.mark.parametrize("value", [5, 5.5, True, [], {}, ["x"]], ids=repr)
@pytest.mark.parametrize("field", ["id", "sku", "tax_rate", "data", "currency"])
def test_a_text_is_not_made_of_anything_else(field: str, value: object) -> None:
    assert problem(Voucher, raw(example("VoucherActive", **{field: value}))).path == field


@pytest.mark.parametrize(
    "value",
    [
        "2017-07-21T17:32:28",
        "2017-07-21",
        "2017-07-21T17:32+00:00",
        "2017-07-21 17:32:28",
        "20170721T173228Z",
        "2017-W29-5T17:32:28Z",
        "2017-02-30T17:32:28Z",
        "2017-07-21T25:00:00Z",
        "21.07.2017",
        "now",
        "",
        1500658348,
        1500658348.5,
        True,
        [],
    ],
    ids=repr,
)
def test_a_moment_is_a_full_date_and_time_with_an_offset(value: object) -> None:
    assert problem(Charge, raw(example("Charge", created_at=value))).path == "created_at"


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2017-07-21T17:32:28+00:00", 17),
        ("2017-07-21T17:32:28Z", 17),
        ("2017-07-21T17:32:28.000000Z", 17),
        ("2017-07-21T19:32:28+02:00", 17),
        ("2017-07-21T12:32:28-05:00", 17),
    ],
)
def test_a_moment_may_be_written_with_any_offset_and_is_aware(text: str, hour: int) -> None:
    created_at = wire.decode(Charge, raw(example("Charge", created_at=text))).created_at
    assert created_at == dt.datetime(2017, 7, 21, hour, 32, 28, tzinfo=dt.UTC)
    assert created_at.utcoffset() is not None


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_every_moment_survives_the_way_out_and_back(moment: dt.datetime) -> None:
    charge = wire.decode(Charge, raw(example("Charge", created_at=moment.isoformat())))
    assert charge.created_at == moment
    assert json.loads(wire.encode(charge))["created_at"] == moment.isoformat()


@pytest.mark.parametrize("value", [5, None, True, [], {}, 1.5], ids=repr)
def test_an_enum_is_a_text(value: object) -> None:
    assert problem(Charge, raw(example("Charge", type=value))).path == "type"


@pytest.mark.parametrize("text", ["chargeback", "", "CHARGE", "\u00fc"])
def test_an_unknown_enum_value_is_kept(text: str) -> None:
    charge = wire.decode(Charge, raw(example("Charge", type=text)))
    assert charge.type == text
    assert type(charge.type) is ChargeType
    assert json.loads(wire.encode(charge))["type"] == text


def test_a_known_enum_value_is_the_member() -> None:
    assert wire.decode(Voucher, raw(example("VoucherActive"))).status is VoucherStatus.ACTIVE


def test_fields_nobody_knows_are_ignored_at_every_level() -> None:
    page = example("VoucherPage", brand_new={"deep": [1, {"er": None}]})
    page["data"] = [{**page["data"][0], "new": 1.5}]
    page["meta"] = {**page["meta"], "new": "x"}
    assert wire.decode(VoucherPage, raw(page)) == wire.decode(VoucherPage, raw(example("VoucherPage")))


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("VoucherDetails", VoucherDetails),
        ("CompleteVoucher", CompleteVoucher),
        ("Reservation", Reservation),
        ("Charge", Charge),
        ("ConnectedClient", ConnectedClient),
        ("Token", Token),
        ("ErrorUnprocessable", Error),
    ],
)
def test_each_field_may_be_missing_or_null_or_is_named_as_the_problem(name: str, cls: type[Any]) -> None:
    whole = example(name)
    required = set(required_fields(cls.__name__))
    for field in whole:
        without = {key: value for key, value in whole.items() if key != field}
        if field in required:
            missing, null = problem(cls, raw(without)), problem(cls, raw({**whole, field: None}))
            assert (missing.path, missing.reason) == (field, "missing")
            assert null.path == field
        else:
            assert wire.decode(cls, raw(without)) == wire.decode(cls, raw({**whole, field: None}))


def required_fields(name: str) -> list[str]:
    schema = SPEC["components"]["schemas"][name]
    parts = [required_fields(part["$ref"].rpartition("/")[2]) for part in schema.get("allOf", [])]
    return [*schema.get("required", []), *(field for part in parts for field in part)]


def test_a_list_that_is_missing_or_null_is_empty() -> None:
    client = {"id": "i", "secret": "s"}
    for content in (client, {**client, "scopes": None}, {**client, "scopes": []}):
        assert wire.decode(ConnectedClient, raw(content)).scopes == ()


def test_a_null_stands_for_what_a_factory_makes() -> None:
    @attrs.frozen
    class Made:
        items: list[int] = attrs.field(factory=list[int])
        left: tuple[int, ...] = (1,)

    one, other = (wire.of_builtins({"items": None, "left": None}, Made) for _ in range(2))
    assert one == Made([], (1,))
    assert one.items is not other.items


def test_the_path_leads_to_the_item_of_a_list() -> None:
    charges = [example("Charge") for _ in range(5)]
    charges[3]["amount"] = 5
    assert problem(ChargePage, raw(example("ChargePage", data=charges))).path == "data[3].amount"
    charges[3] = example("Charge")
    del charges[2]["voucher_id"]
    found = problem(ChargePage, raw(example("ChargePage", data=charges)))
    assert (found.path, found.reason) == ("data[2].voucher_id", "missing")
    assert str(found) == "data[2].voucher_id: missing"


@pytest.mark.parametrize(
    ("name", "path"), [("from", "meta.from"), ("per_page", "meta.per_page"), ("path", "meta.path")]
)
def test_the_path_has_the_names_of_the_json(name: str, path: str) -> None:
    page = example("ChargePage")
    page["meta"] = {**page["meta"], name: True}
    assert problem(ChargePage, raw(page)).path == path


@pytest.mark.parametrize("data", [None, {}, "x", 5, [None], [[]], ["x"]], ids=repr)
def test_a_list_of_models_is_a_list_of_objects(data: object) -> None:
    assert problem(ChargePage, raw(example("ChargePage", data=data))).path in {"data", "data[0]"}


def test_of_a_field_that_comes_twice_the_last_one_counts_and_both_are_checked() -> None:
    body = raw(example("Charge"))
    assert wire.decode(Charge, b'{"amount": "99.00",' + body[1:]).amount == Decimal("10.00")
    assert problem(Charge, b'{"amount": 99,' + body[1:]).path == "amount"


@pytest.mark.parametrize("value", [[SECRET], {SECRET: SECRET}, {"a": SECRET}], ids=repr)
@pytest.mark.parametrize(
    ("cls", "name", "field"),
    [
        (CompleteVoucher, "CompleteVoucher", "code"),
        (CompleteVoucher, "CompleteVoucher", "pin"),
        (CompleteVoucher, "CompleteVoucher", "amount"),
        (CompleteVoucher, "CompleteVoucher", "created_at"),
        (ConnectedClient, "ConnectedClient", "secret"),
        (Token, "Token", "access_token"),
    ],
)
def test_an_error_shows_no_value(cls: type[Any], name: str, field: str, value: object) -> None:
    error = problem(cls, raw(example(name, **{field: value})))
    assert error.path == field
    assert SECRET not in f"{error!r} {vars(error)} {error.__cause__}"


@pytest.mark.parametrize("field", ["amount", "created_at", "taxable", "validity_value"])
def test_an_error_shows_no_text_that_stands_in_the_wrong_place(field: str) -> None:
    error = problem(CompleteVoucher, raw(example("CompleteVoucher", **{field: SECRET})))
    assert error.path == field
    assert SECRET not in f"{error!r} {vars(error)} {error.__cause__} {error.__context__}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(SPEC["components"]["examples"]["CompleteVoucher"]["value"])), JSON)
def test_any_value_in_any_field_is_kept_as_it_is_or_named_as_the_problem(field: str, value: Any) -> None:
    content = example("CompleteVoucher", **{field: value})
    try:
        kept = json.loads(wire.encode(wire.decode(CompleteVoucher, raw(content)))).get(field)
    except wire.WireError as error:
        named = error.path
        assert named == field
    else:
        assert (kept, type(kept)) == (value, type(value))


def test_an_empty_page_has_no_first_and_last_entry() -> None:
    meta = wire.decode(VoucherPage, raw(example("VoucherPageEmpty"))).meta
    assert meta == PageMeta(
        current_page=1,
        per_page=25,
        from_=None,
        to=None,
        last_page=1,
        total=0,
        path="http://domain/v1/vouchers",
    )


def test_neither_cattrs_is_imported_nor_a_reader_made_before_they_are_needed(root: Path) -> None:
    code = """
import sys
from voucher_async import models, wire
assert "cattrs" not in sys.modules
assert wire._reader.cache_info().currsize == wire._converter.cache_info().currsize == 0
wire.decode(models.Charge, sys.stdin.buffer.read())
assert "cattrs" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=raw(example("Charge")), capture_output=True, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


TEXT = '{"id": "Gr\u00fc\u00dfe"}'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("text", [TEXT, '{"id": "a"}', " [] ", '{"id": "\u4e2d"}'])
def test_json_is_read_in_every_encoding_that_shows_itself(encoding: str, text: str) -> None:
    assert wire.parse(text.encode(encoding)) == json.loads(text)


@pytest.mark.parametrize("before", ["\ufeff", "\ufeff\ufeff", "\n\ufeff", "\ufeff\r\n", "\ufeff \n\ufeff\t"])
def test_marks_and_lines_before_an_answer_are_left_out(before: str) -> None:
    assert wire.parse((before + TEXT).encode()) == json.loads(TEXT)


def test_what_is_no_utf_8_is_read_as_its_sender_says() -> None:
    body = TEXT.encode("cp1252")
    assert wire.to_utf8(body, "windows-1252").decode() == TEXT
    assert wire.to_utf8(body) == body
    assert wire.to_utf8(body, "no-such-thing") == body
    assert wire.to_utf8(body, "ascii") == body


def test_utf_8_is_utf_8_whatever_its_sender_says() -> None:
    assert wire.to_utf8(TEXT.encode(), "iso-8859-1") == TEXT.encode()


@given(st.binary())
def test_a_body_is_never_too_strange(body: bytes) -> None:
    for charset in (None, "utf-16", "latin-1", "idna", "rot13", "\x00"):
        assert isinstance(wire.to_utf8(body, charset), bytes)
