"""What an answer that is not 2xx means, and what of it is told."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async import api_errors
from voucher_async.api_errors import ApiError
from voucher_async.clock import parse_retry_after
from voucher_async.errors import Fate, FieldError
from voucher_async.models import ConnectRequest, CreateReservationRequest
from voucher_async.operations import (
    CONNECT_CLIENT,
    CREATE_RESERVATION,
    DISCONNECT_CLIENT,
    GET_VOUCHER,
    REQUEST_TOKEN,
)
from voucher_async.sansio import Request, Response, build, decode, raise_for_error

CODE, PIN = "GIFT-7Q2X-99", "4711-secret"
TOKEN = "tok-5ecre7.abc-DEF_123"
GET: Request[Any] = build(GET_VOUCHER, ids={"id": "v-1"})
DATE = "Thu, 01 Jan 2026 12:00:00 GMT"


def reserve() -> Request[Any]:
    body = CreateReservationRequest(code=CODE, pin=PIN, amount=Decimal("10.00"), currency="EUR")
    return build(CREATE_RESERVATION, body, secrets=(CODE, PIN))


def error_of(status: int, body: object = b"", request: Request[Any] = GET, **headers: str) -> ApiError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Response(status=status, headers=named, body=content, secrets=(TOKEN,))
    with pytest.raises(ApiError) as caught:
        decode(request, response)
    assert caught.value.status == status
    assert caught.value.facts == request.facts()
    return caught.value


@pytest.mark.parametrize(
    ("status", "cls", "fate"),
    [
        (400, api_errors.ValidationFailed, Fate.ANSWERED),
        (401, api_errors.AuthenticationError, Fate.ANSWERED),
        (402, api_errors.ValidationFailed, Fate.ANSWERED),
        (403, api_errors.MissingScope, Fate.ANSWERED),
        (404, api_errors.NotFound, Fate.ANSWERED),
        (405, api_errors.ValidationFailed, Fate.ANSWERED),
        (408, api_errors.ValidationFailed, Fate.UNKNOWN),
        (409, api_errors.Conflict, Fate.ANSWERED),
        (410, api_errors.ValidationFailed, Fate.ANSWERED),
        (418, api_errors.ValidationFailed, Fate.ANSWERED),
        (422, api_errors.ValidationFailed, Fate.ANSWERED),
        (429, api_errors.RateLimited, Fate.ANSWERED),
        (499, api_errors.ValidationFailed, Fate.ANSWERED),
        (500, api_errors.ServerError, Fate.UNKNOWN),
        (502, api_errors.ServerError, Fate.UNKNOWN),
        (503, api_errors.ServerError, Fate.UNKNOWN),
        (599, api_errors.ServerError, Fate.UNKNOWN),
        (600, api_errors.ServerError, Fate.UNKNOWN),
    ],
)
@pytest.mark.parametrize(
    "body", [{"status": 1, "code": "A.B", "message": "no"}, b"", b"<html>", [1], {"code": "A"}]
)
def test_the_status_decides_about_class_and_fate_whatever_the_body(
    status: int, cls: type[ApiError], fate: Fate, body: object
) -> None:
    error = error_of(status, body)
    assert (type(error), error.fate) == (cls, fate)
    assert str(error).startswith(f"HTTP {status}: ")
    assert str(error).endswith("[getVoucher (GET /vouchers/v-1), 1 attempt in 0.000 s]")


@pytest.mark.parametrize("status", [100, 103, 199, 300, 301, 302, 304, 307, 308, 399])
def test_a_redirect_or_an_unheard_of_status_is_a_bad_answer_of_unknown_fate(status: int) -> None:
    error = error_of(status, b"<html>over there</html>", Location="https://evil.example/")
    assert isinstance(error, api_errors.BadAnswer)
    assert error.fate is Fate.UNKNOWN
    assert "a redirect or another status" in error.problem
    assert "over there" in error.excerpt


@pytest.mark.parametrize(("operation", "scope"), [(GET, "read"), (build(DISCONNECT_CLIENT), None)])
def test_a_403_names_the_scope_the_operation_needs(operation: Request[Any], scope: str | None) -> None:
    error = error_of(403, b"", operation)
    assert isinstance(error, api_errors.MissingScope)
    assert error.scope == scope
    assert ("needs the scope" in str(error)) is bool(scope)


def test_an_error_tells_code_message_and_complaints_about_fields() -> None:
    field = {
        "code": "VOUCHER.CREATE.SKU.MAX:255",
        "property": "sku",
        "rule": "max:255",
        "message": "Too long.",
    }
    envelope = {
        "status": 422,
        "code": "VOUCHER.CREATE.UNPROCESSABLE_ENTITY",
        "message": "Invalid.",
        "errors": [field],
    }
    error = error_of(422, envelope)
    assert (error.code, error.message) == ("VOUCHER.CREATE.UNPROCESSABLE_ENTITY", "Invalid.")
    assert error.field_errors == (FieldError(**field),)
    assert "HTTP 422: VOUCHER.CREATE.UNPROCESSABLE_ENTITY: Invalid." in str(error)
    assert error.excerpt.startswith('{"status": 422, "code": "VOUCHER.CREATE.UNPROCESSABLE_ENTITY"')


@pytest.mark.parametrize(
    ("body", "code", "message", "text"),
    [
        ({"code": "A.B", "message": "No."}, "A.B", "No.", "A.B: No."),
        ({"code": "A.B"}, "A.B", None, "A.B"),
        ({"message": "Unauthenticated."}, None, "Unauthenticated.", "Unauthenticated."),
        ({"error": "invalid_client"}, "invalid_client", None, "invalid_client"),
        ({"error": "e", "error_description": "d"}, "e", "d", "e: d"),
        ({"code": "A.B", "error": "e", "message": "m", "error_description": "d"}, "A.B", "m", "A.B: m"),
        ({"code": 5, "message": ["m"], "error": None}, None, None, 'no readable error, \'{"code": ***, '),
        ({"code": "", "message": ""}, None, None, "no readable error, "),
        ({}, None, None, "no readable error, '{}'"),
        ([], None, None, "no readable error, '[]'"),
        ("A.B", None, None, "no readable error, '\"A.B\"'"),
        (None, None, None, "no readable error, 'null'"),
        (b"", None, None, "an empty body"),
        (b" \n\t", None, None, "an empty body"),
        (b"<html> <b>Bad\n\nGateway</b>", None, None, "no readable error, '<html> <b>Bad Gateway</b>'"),
        (b'{"code": "A.B", "mess', None, None, "no readable error, "),
        (b'{"code": "A.B"} trailing', None, None, "no readable error, "),
        (b"\xff\xfe\x00", None, None, "no readable error, "),
        (b'{"code": "\\ud800"}', None, None, "no readable error, "),
        (b"[" * 100_000, None, None, "no readable error, "),
        (b'{"code": "A.A", "code": "B.B"}', "B.B", None, "B.B"),
    ],
)
def test_whatever_the_body_is_the_error_says_what_can_be_said(
    body: object, code: str | None, message: str | None, text: str
) -> None:
    error = error_of(409, body)
    assert (error.code, error.message, error.field_errors) == (code, message, ())
    assert str(error).startswith(f"HTTP 409: {text}")


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([], ()),
        ({"sku": ["too long"]}, ()),
        ("too long", ()),
        (None, ()),
        (["too long", 5, None, []], ()),
        ([{}], (FieldError(),)),
        ([{"code": 5, "property": ["x"], "rule": "", "message": None, "new": 1}], (FieldError(),)),
        (
            [{"rule": "max:5"}, "x", {"property": "sku"}],
            (FieldError(rule="max:5"), FieldError(property="sku")),
        ),
    ],
)
def test_field_errors_of_the_wrong_types_break_nothing(
    errors: object, expected: tuple[FieldError, ...]
) -> None:
    assert error_of(422, {"code": "A.B", "errors": errors}).field_errors == expected


def test_a_label_that_is_wrong_does_not_matter() -> None:
    assert error_of(404, {"code": "VOUCHER.NOT_FOUND"}, Content_Type="text/html").code == "VOUCHER.NOT_FOUND"


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (400, api_errors.AuthenticationError),
        (401, api_errors.AuthenticationError),
        (403, api_errors.AuthenticationError),
        (404, api_errors.NotFound),
        (422, api_errors.ValidationFailed),
        (429, api_errors.RateLimited),
        (500, api_errors.ServerError),
    ],
)
def test_a_token_request_that_is_refused_is_a_question_of_credentials(
    status: int, cls: type[ApiError]
) -> None:
    body = {"error": "invalid_client", "error_description": "Client authentication failed", "message": ""}
    error = error_of(status, body, build(REQUEST_TOKEN))
    assert type(error) is cls
    assert (error.code, error.message) == ("invalid_client", "Client authentication failed")


def test_the_apis_own_envelope_is_read_on_the_token_operation_too() -> None:
    error = error_of(
        401, {"status": 401, "code": "CLIENT.UNAUTHORIZED", "message": "No."}, build(REQUEST_TOKEN)
    )
    assert (error.code, error.message) == ("CLIENT.UNAUTHORIZED", "No.")


@pytest.mark.parametrize(
    "body",
    [
        {"code": f"NO_{CODE}", "message": f"Voucher {CODE} with pin {PIN} and Bearer {TOKEN}"},
        {"error": CODE, "error_description": f"token {TOKEN}"},
        {
            "code": CODE,
            "errors": [{"code": CODE, "property": PIN, "rule": f"in:{CODE}", "message": f"{PIN.upper()}!"}],
        },
        {"request": {"code": CODE, "pin": PIN, "nested": json.dumps({"pin": PIN})}},
        {"trace": f"code={CODE}&pin={PIN}", "headers": {"Authorization": f"Bearer {TOKEN}"}},
        f"<html>{CODE} {PIN} Authorization: Bearer {TOKEN}</html>".encode(),
        f'{{"message": "{CODE} {PIN} {TOKEN[:-4]}'.encode(),
        b"x" * 190 + CODE.encode() + PIN.encode() + TOKEN.encode(),
        [CODE, PIN, TOKEN],
    ],
)
@pytest.mark.parametrize("status", [301, 400, 401, 404, 422, 500])
def test_a_secret_the_server_says_back_is_masked_everywhere(status: int, body: object) -> None:
    error = error_of(status, body, reserve())
    shown = f"{error} {error!r} {vars(error)} {error.field_errors}"
    for secret in (CODE, PIN, PIN.upper(), TOKEN, TOKEN[:-4]):
        assert secret not in shown
    assert "***" in shown


def test_a_connection_pin_the_server_says_back_is_masked() -> None:
    request = build(CONNECT_CLIENT, ConnectRequest(pin="123"), secrets=("123",))
    error = error_of(
        422, {"code": "CLIENT.CONNECT.PIN.INVALID", "message": "The pin 123 is over (order 41234)."}, request
    )
    assert error.message == "The pin *** is over (order 41234)."
    assert error.code == "CLIENT.CONNECT.PIN.INVALID"


def test_a_secret_with_awkward_characters_is_masked_as_the_server_spells_it() -> None:
    secret = 'a"b\\c/ü'
    body = CreateReservationRequest(code=secret, amount=Decimal("1.00"), currency="EUR")
    request: Request[Any] = build(CREATE_RESERVATION, body, secrets=(secret,))
    error = error_of(404, {"message": f"{secret} is unknown", "sent": secret}, request)
    assert error.message == "*** is unknown"
    assert error.excerpt == '{"message": "*** is unknown", "sent": "***"}'


def test_an_excerpt_is_short_and_on_one_line() -> None:
    error = error_of(502, b"<html>\r\n\t<b>" + b"Bad Gateway " * 500_000)
    assert error.excerpt.startswith("<html> <b>Bad Gateway Bad Gateway")
    assert (len(error.excerpt), error.excerpt[-3:]) == (203, "...")
    assert len(str(error)) < 400


def test_a_message_without_end_is_trimmed_in_the_text_and_kept_in_the_attribute() -> None:
    error = error_of(422, {"code": "A.B", "message": "no " * 10_000})
    assert len(error.message or "") == 30_000
    assert len(str(error)) < 700


@pytest.mark.parametrize("status", [200, 204])
def test_asked_to_raise_for_a_success_it_raises_all_the_same(status: int) -> None:
    with pytest.raises(api_errors.BadAnswer):
        raise_for_error(GET, Response(status=status, headers={}, body=b"{}"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("1.5", 1.5),
        ("-5", 0.0),
        ("99999999999", 99_999_999_999.0),
        ("", None),
        ("   ", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e999", None),
        ("5 seconds", None),
        ("Thu, 01 Jan 2026 12:02:00 GMT", 120.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 14:00:30 +0200", 30.0),
        ("Thu, 99 Jan 2026 12:02:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: float | None) -> None:
    assert parse_retry_after({"Retry-After": text, "Date": DATE}) == seconds
    assert error_of(503, b"", Retry_After=text, Date=DATE).retry_after == seconds


@pytest.mark.parametrize("date", [None, "", "today"])
def test_retry_after_as_a_date_says_nothing_without_the_answers_own_date(date: str | None) -> None:
    headers = {"Retry-After": "Thu, 01 Jan 2026 12:02:00 GMT"} | ({} if date is None else {"Date": date})
    assert parse_retry_after(headers) is None


def test_no_retry_after_is_none() -> None:
    assert parse_retry_after({}) is None
    assert error_of(429).retry_after is None


@given(st.text(max_size=40))
def test_no_retry_after_breaks_anything(text: str) -> None:
    seconds = parse_retry_after({"Retry-After": text, "Date": DATE})
    assert seconds is None or 0.0 <= seconds < float("inf")


names = st.sampled_from(["code", "message", "error", "errors", "rule"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(names, inner),
)


@given(
    st.integers(100, 700), st.one_of(st.binary(), json_values.map(lambda value: json.dumps(value).encode()))
)
def test_no_answer_breaks_the_reading_of_an_error(status: int, body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        raise_for_error(GET, Response(status=status, headers={}, body=body))
    assert caught.value.fate in {Fate.ANSWERED, Fate.UNKNOWN}
    assert len(str(caught.value)) < 2000
