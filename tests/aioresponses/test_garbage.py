"""Answers that no honest server gives: which error they are, and that money is not moved again."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.aioresponses.conftest import Mocked
from tests.rawserver import CHARGE
from voucher_async import (
    ApiError,
    AuthenticationError,
    BadAnswer,
    Conflict,
    Fate,
    MissingScope,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    ValidationFailed,
    VoucherClient,
    VoucherError,
)

READ = "/vouchers/v-1/charges/ch-1"
MOVE = "/reservations/r-1/charge"

GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \n ",
    "null": b"null",
    "list": json.dumps([CHARGE]).encode(),
    "number": b"42",
    "text": b'"fine"',
    "empty object": b"{}",
    "wrapped": json.dumps({"data": CHARGE}).encode(),
    "cut off": json.dumps(CHARGE).encode()[:-9],
    "two of them": json.dumps(CHARGE).encode() * 2,
    "html": b"<!doctype html><title>Hello</title>" + b"<p>text</p>" * 1000,
    "half a utf-16": json.dumps(CHARGE).encode("utf-16")[:-1],
    "latin-1": json.dumps({**CHARGE, "order_number": "ä"}, ensure_ascii=False).encode("latin-1"),
    "binary": bytes(range(256)) * 20,
    "nan": b'{"amount": NaN}',
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 20_000,
}
WRONG: dict[str, tuple[str, Any]] = {
    "amount as a number": ("amount", 10.0),
    "amount without decimals": ("amount", "10"),
    "amount with one decimal": ("amount", "10.0"),
    "negative amount": ("amount", "-10.00"),
    "amount with an exponent": ("amount", "1.00E3"),
    "amount in other digits": ("amount", "\u0661\u0660.\u0660\u0660"),
    "amount is null": ("amount", None),
    "huge amount": ("amount", "9" * 5000 + ".00"),
    "id as a number": ("id", 7),
    "id is null": ("id", None),
    "type as a number": ("type", 1),
    "naive date": ("created_at", "2026-01-01T12:00:00"),
    "date alone": ("created_at", "2026-01-01"),
    "no date": ("created_at", "yesterday"),
    "date as a number": ("created_at", 1_767_268_800),
    "date is null": ("created_at", None),
}


def check_bad(error: BadAnswer, operation: str) -> None:
    assert error.status == 200
    assert error.problem
    assert operation in str(error)
    assert "HTTP 200" in str(error)
    assert len(str(error)) < 1000
    assert len(error.excerpt) < 250
    assert error.fate is Fate.UNKNOWN


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_a_bad_answer(client: VoucherClient, mocked: Mocked, name: str) -> None:
    mocked.always("GET", READ, body=GARBAGE[name])
    with pytest.raises(BadAnswer) as caught:
        await client.vouchers.get_charge("v-1", "ch-1")
    check_bad(caught.value, "getCharge")
    assert mocked.sent == client.settings.max_attempts


@pytest.mark.parametrize("name", GARBAGE)
async def test_money_is_not_moved_again_after_garbage(
    client: VoucherClient, mocked: Mocked, name: str
) -> None:
    mocked.always("POST", MOVE, body=GARBAGE[name])
    with pytest.raises(OutcomeUnknown) as caught:
        await client.reservations.charge("r-1", order_number="o-1")
    assert mocked.sent == 1
    assert isinstance(caught.value.__cause__, BadAnswer)
    check_bad(caught.value.__cause__, "chargeReservation")


@pytest.mark.parametrize("name", WRONG)
async def test_a_field_of_the_wrong_type_is_named(client: VoucherClient, mocked: Mocked, name: str) -> None:
    field, value = WRONG[name]
    mocked.always("GET", READ, payload={**CHARGE, field: value})
    with pytest.raises(BadAnswer) as caught:
        await client.vouchers.get_charge("v-1", "ch-1")
    check_bad(caught.value, "getCharge")
    assert field in caught.value.problem


@pytest.mark.parametrize("field", ["id", "voucher_id", "type", "amount", "created_at", "updated_at"])
async def test_a_missing_field_is_named(client: VoucherClient, mocked: Mocked, field: str) -> None:
    payload = {name: value for name, value in CHARGE.items() if name != field}
    mocked.always("GET", READ, payload=payload)
    with pytest.raises(BadAnswer) as caught:
        await client.vouchers.get_charge("v-1", "ch-1")
    assert field in caught.value.problem


async def test_a_wrong_type_in_a_list_is_named_with_its_place(client: VoucherClient, mocked: Mocked) -> None:
    page = {
        "data": [CHARGE, {**CHARGE, "amount": 1}],
        "links": {},
        "meta": {"current_page": 1, "per_page": 25, "last_page": 1, "total": 2, "path": "/"},
    }
    mocked.always("GET", "/vouchers/v-1/charges?page=1", payload=page)
    with pytest.raises(BadAnswer) as caught:
        await client.vouchers.list_charges("v-1").first_page()
    assert "data[1].amount" in caught.value.problem


@pytest.mark.parametrize("kind", ["text/html", "text/plain; charset=utf-8", "", "nonsense", "image/png"])
async def test_a_wrong_label_on_a_good_answer_does_no_harm(
    client: VoucherClient, mocked: Mocked, kind: str
) -> None:
    mocked.always("GET", READ, payload=CHARGE, content_type=kind)
    assert (await client.vouchers.get_charge("v-1", "ch-1")).amount == Decimal("10.00")


@pytest.mark.parametrize("status", [200, 201, 202, 206])
async def test_any_success_will_do(client: VoucherClient, mocked: Mocked, status: int) -> None:
    mocked.always("POST", MOVE, payload=CHARGE, status=status)
    assert (await client.reservations.charge("r-1", order_number="o-1")).id == "ch-1"


async def test_what_the_api_may_add_tomorrow_is_read_today(client: VoucherClient, mocked: Mocked) -> None:
    mocked.always(
        "GET", READ, payload={**CHARGE, "type": "chargeback", "new": {"x": 1}, "order_number": None}
    )
    charge = await client.vouchers.get_charge("v-1", "ch-1")
    assert charge.type == "chargeback"
    assert charge.order_number is None


async def test_a_huge_answer_is_not_read_to_its_end(
    make_client: Callable[..., VoucherClient], mocked: Mocked
) -> None:
    mocked.always("POST", MOVE, payload={**CHARGE, "x": "y" * 100_000})
    async with make_client(max_answer_bytes=10_000) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await client.reservations.charge("r-1", order_number="o-1")
    assert isinstance(caught.value.__cause__, BadAnswer)
    assert mocked.sent == 1


STATUSES: dict[int, type[ApiError]] = {
    400: ValidationFailed,
    401: AuthenticationError,
    402: ValidationFailed,
    403: MissingScope,
    404: NotFound,
    405: ValidationFailed,
    408: ValidationFailed,
    409: Conflict,
    410: ValidationFailed,
    418: ValidationFailed,
    422: ValidationFailed,
    429: RateLimited,
    499: ValidationFailed,
    **dict.fromkeys((500, 502, 503, 504, 520, 599), ServerError),
}
STRANGE: dict[str, bytes] = {
    **{name: GARBAGE[name] for name in ("nothing", "null", "list", "number", "html", "binary", "deep")},
    "wrong types": b'{"status": "x", "code": 5, "message": {"a": 1}, "errors": {"a": 1}}',
    "strange errors": b'{"code": null, "message": [], "errors": [1, null, "x", [], {"code": 1}, {}]}',
    "surrogates": b'{"code": "\\ud800", "message": "\\udfff\\u0000", "errors": "x"}',
    "long": json.dumps({"code": "C" * 9000, "message": "m" * 9000}).encode(),
}


HAVE_A_CODE = {"long"}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("status", STATUSES)
async def test_the_status_alone_says_which_error_it_is_and_none_moves_money_twice(
    client: VoucherClient, mocked: Mocked, status: int, name: str
) -> None:
    mocked.always("POST", MOVE, status=status, body=STRANGE[name])
    with pytest.raises(VoucherError) as caught:
        await client.reservations.charge("r-1", order_number="o-1")
    error = caught.value if isinstance(caught.value, ApiError) else caught.value.__cause__
    assert isinstance(caught.value, OutcomeUnknown) or (status < 500 and status != 408)
    assert isinstance(error, ApiError)
    assert type(error) is STATUSES[status]
    assert error.status == status
    assert error.has_envelope is (name in HAVE_A_CODE)
    # a proxy may have made the answer up, or delivered the request twice, and a charge by id alone cannot be
    # looked up
    assert error.fate is Fate.UNKNOWN
    assert error.proof is None
    assert str(status) in str(error)
    assert "chargeReservation" in str(error)
    assert mocked.sent == (2 if status == 401 else 1)
    str(error).encode(errors="surrogatepass")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_redirects_are_not_followed(client: VoucherClient, mocked: Mocked, status: int) -> None:
    headers = {"Location": "http://127.0.0.1:1/v1/elsewhere"}
    mocked.always("GET", READ, status=status, headers=headers)
    mocked.always("POST", MOVE, status=status, headers=headers)
    mocked.always("GET", "/elsewhere", payload=CHARGE)
    with pytest.raises(BadAnswer) as caught:
        await client.vouchers.get_charge("v-1", "ch-1")
    assert caught.value.status == status
    with pytest.raises(OutcomeUnknown):
        await client.reservations.charge("r-1", order_number="o-1")
    assert mocked.sent == 2
