"""Requests as they are put together, and successful answers as they are read."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async.api_errors import BadAnswer
from voucher_async.errors import CallFacts, Fate, InvalidInput, InvalidInputType
from voucher_async.models import CreateReservationRequest, Reservation, Token
from voucher_async.operations import (
    CREATE_RESERVATION,
    DELETE_VOUCHER,
    GET_CHARGE,
    GET_VOUCHER,
    LIST_VOUCHERS,
    REQUEST_TOKEN,
)
from voucher_async.sansio import MAX_ID, Request, Response, build, check_id, decode

CODE, PIN = "GIFT-7Q2X-99", "4711-secret"
TOKEN = "tok-5ecre7.abc-DEF_123"
RESERVATION = {
    "id": "r-1",
    "voucher_id": "v-1",
    "voucher_taxable": True,
    "voucher_tax_rate": "19",
    "client_id": "shop",
    "amount": "10.00",
    "valid_until": "2026-01-01T12:30:00+00:00",
    "created_at": "2026-01-01T12:00:00+00:00",
    "updated_at": "2026-01-01T12:00:00+00:00",
}


def reservation_request() -> Request[Reservation]:
    body = CreateReservationRequest(code=CODE, pin=PIN, amount=Decimal("10.00"), currency="EUR")
    return build(CREATE_RESERVATION, body, secrets=(CODE, PIN, None, ""))


def answer(body: object, status: int = 200, **known: Any) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers={"Content-Type": "application/json"}, body=content, **known)


def refused(request: Request[Any], response: Response) -> BadAnswer:
    with pytest.raises(BadAnswer) as caught:
        decode(request, response)
    error = caught.value
    assert error.fate is Fate.UNKNOWN
    assert error.status == response.status
    assert error.facts is not None
    assert error.facts.operation == request.operation.id
    return error


@pytest.mark.parametrize(
    ("id", "path"),
    [
        ("v-1", "v-1"),
        ("a/b", "a%2Fb"),
        ("../vouchers", "..%2Fvouchers"),
        ("...", "..."),
        (".hidden", ".hidden"),
        ("a?b=c", "a%3Fb%3Dc"),
        ("a#b", "a%23b"),
        ("%2e%2e", "%252e%252e"),
        ("%2F", "%252F"),
        ("a b", "a%20b"),
        ("a;b,c", "a%3Bb%2Cc"),
        ("a\\b", "a%5Cb"),
        ("über", "%C3%BCber"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("{charge_id}", "%7Bcharge_id%7D"),
        ("x" * MAX_ID, "x" * MAX_ID),
    ],
)
def test_an_id_is_one_safe_segment_of_the_path(id: str, path: str) -> None:
    assert build(GET_VOUCHER, ids={"id": id}).path == f"/vouchers/{path}"
    both = build(GET_CHARGE, ids={"id": id, "charge_id": "c-1"})
    assert both.path == f"/vouchers/{path}/charges/c-1"


@pytest.mark.parametrize(
    ("id", "rule"),
    [
        ("", "must have 1 to 255 characters"),
        ("x" * (MAX_ID + 1), "must have 1 to 255 characters"),
        (".", "dot segment"),
        ("..", "dot segment"),
        ("a\nb", "control characters"),
        ("a\r\nHost: evil", "control characters"),
        ("a\x00", "control characters"),
        ("\x7f", "control characters"),
        ("a\u2028b", "control characters"),
        ("a\u202eb", "control characters"),
        ("\ud800", "lone surrogates"),
    ],
)
def test_an_id_that_cannot_stand_in_a_path_is_refused(id: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule) as caught:
        build(GET_VOUCHER, ids={"id": id})
    assert caught.value.field == "id"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "id", [None, 5, 10**5000, b"v-1", ["v-1"], True], ids=lambda value: type(value).__name__
)
def test_an_id_of_another_type_is_refused(id: Any) -> None:
    with pytest.raises(InvalidInputType, match=r"^charge_id: must be a str, not"):
        build(GET_CHARGE, ids={"id": "v-1", "charge_id": id})


@given(st.text(max_size=300))
def test_any_text_is_one_segment_that_means_itself_or_is_refused(id: str) -> None:
    try:
        path = build(GET_VOUCHER, ids={"id": id}).path
    except InvalidInput:
        return
    assert path.isascii()
    assert not set(path) & set("?#\\ \r\n\x00")
    segments = path.split("/")
    assert segments[:2] == ["", "vouchers"]
    assert [unquote(segment) for segment in segments[2:]] == [id]
    assert segments[2] not in {".", ".."}
    assert check_id("id", id) == id


def test_a_query_is_encoded_so_that_an_offset_survives() -> None:
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).isoformat()
    query = [("page", "1"), ("filter[created_from]", moment), ("filter[order_number]", "A&B=1/ü +")]
    assert build(LIST_VOUCHERS, query=query).query == (
        "page=1&filter%5Bcreated_from%5D=2026-01-01T00%3A00%3A00%2B00%3A00"
        "&filter%5Border_number%5D=A%26B%3D1%2F%C3%BC%20%2B"
    )
    assert build(LIST_VOUCHERS).query == ""


def test_a_query_value_that_cannot_be_encoded_is_refused_by_name() -> None:
    query = [("page", "1"), ("filter[order_number]", "A\ud800")]
    with pytest.raises(InvalidInput, match=r"filter\[order_number\]: must not hold lone surrogates"):
        build(LIST_VOUCHERS, query=query)


def test_a_body_is_json_and_its_secrets_are_kept_apart() -> None:
    request = reservation_request()
    assert json.loads(request.body or b"") == {"code": CODE, "pin": PIN, "amount": "10.00", "currency": "EUR"}
    assert request.content_type == "application/json"
    assert request.secrets == (CODE, PIN)
    assert build(GET_VOUCHER, ids={"id": "v"}).body is None


def test_no_repr_shows_a_body_a_secret_or_a_header() -> None:
    request = reservation_request()
    response = Response(status=200, headers={"Set-Cookie": CODE}, body=PIN.encode(), secrets=(TOKEN,))
    shown = f"{request!r} {request} {response!r} {[response]}"
    for secret in (CODE, PIN, TOKEN):
        assert secret not in shown
    assert "createReservation" in shown


def test_a_request_tells_the_facts_of_its_call() -> None:
    request = build(GET_VOUCHER, ids={"id": "a/b"}, repeatable=False)
    assert request.facts() == CallFacts(operation="getVoucher", method="GET", path="/vouchers/a%2Fb")
    assert (request.repeatable, reservation_request().repeatable) == (False, True)


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_a_success_is_its_model_whatever_the_number_and_the_label(status: int) -> None:
    body = json.dumps({**RESERVATION, "new_field": [1]}).encode()
    response = Response(status=status, headers={"Content-Type": "text/html"}, body=body)
    reservation = decode(reservation_request(), response)
    assert (reservation.id, reservation.amount) == ("r-1", Decimal("10.00"))


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"<html>", b"\xff"])
@pytest.mark.parametrize("known", [{}, {"complete": False}])
def test_an_answer_without_content_is_none_whatever_came(body: bytes, known: dict[str, Any]) -> None:
    request = build(DELETE_VOUCHER, ids={"id": "v-1"})
    value: object = decode(request, answer(body, 204, **known))
    assert value is None


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", ""),
        (b"<html><title>502</title></html>", ""),
        (json.dumps(RESERVATION).encode()[:-20], ""),
        (b'{"id": "\xff"}', ""),
        (b"{}{}", ""),
        (b"NaN", ""),
        (b"[" * 100_000, ""),
        ([], ""),
        ([RESERVATION], ""),
        ("text", ""),
        (None, ""),
        (5, ""),
        ({}, ""),
        ({**RESERVATION, "amount": 10.0}, "amount: "),
        ({**RESERVATION, "amount": "10"}, "amount: "),
        ({**RESERVATION, "voucher_taxable": 1}, "voucher_taxable: "),
        ({**RESERVATION, "valid_until": "soon"}, "valid_until: "),
        ({**RESERVATION, "valid_until": "2026-01-01T12:30:00"}, "valid_until: "),
        ({**RESERVATION, "id": None}, "id: "),
        ({"data": RESERVATION}, ""),
    ],
)
def test_a_success_that_is_not_its_model_is_a_bad_answer_that_says_where(body: object, where: str) -> None:
    error = refused(reservation_request(), answer(body))
    assert error.problem.startswith(where)
    assert f"cannot be read: {error.problem} (application/json, " in str(error)


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    body = json.dumps(RESERVATION).encode()[:-1] + b', "id": "r-2"}'
    assert decode(reservation_request(), answer(body)).id == "r-2"


def test_an_incomplete_success_is_not_trusted_even_when_it_reads_well() -> None:
    error = refused(reservation_request(), answer(RESERVATION, complete=False))
    assert error.problem == "the body was cut off or is too large"


@pytest.mark.parametrize(
    "body",
    [
        {"code": CODE, "pin": PIN},
        {"echo": f"pin={PIN} and {CODE.lower()}"},
        {"echo": json.dumps({"code": CODE, "pin": PIN})},
        {"access_token": TOKEN, "secret": "whatever it is"},
        f"<p>{CODE}</p>{PIN} Bearer {TOKEN}".encode(),
        f'{{"pin": "{PIN}", "code": "{CODE[:-3]}'.encode(),
        f"no such voucher: {CODE[:-3]}".encode(),
        b" " * 65_530 + CODE.encode(),
    ],
)
def test_a_bad_answer_shows_no_secret(body: object) -> None:
    error = refused(reservation_request(), answer(body, secrets=(TOKEN,)))
    for secret in (CODE, CODE[:-3], CODE.lower(), PIN, TOKEN, "whatever it is"):
        assert secret not in f"{error} {error!r} {vars(error)}"


def test_the_code_and_pin_of_a_created_voucher_are_masked_though_nobody_knew_them() -> None:
    error = refused(
        build(GET_VOUCHER, ids={"id": "v"}), answer({"code": "FRESH.CODE", "pin": 1234, "id": "v"})
    )
    assert error.excerpt == '{"code": ***, "pin": ***, "id": "v"}'


def test_an_excerpt_and_a_content_type_are_trimmed() -> None:
    response = Response(status=200, headers={"Content-Type": "x" * 5000}, body=b"<p>\n\n  much</p>" * 100_000)
    error = refused(reservation_request(), response)
    assert error.excerpt.startswith("<p> much</p><p> much</p>")
    assert len(error.excerpt) == 203
    assert len(str(error)) < 600
    assert "1500000 bytes" in str(error)


def token_answer(**content: object) -> Token:
    return decode(build(REQUEST_TOKEN), answer({"access_token": TOKEN, **content}))


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (3600.9, 3600),
        ("3.6e3", 3600),
        (0, 0),
        (-5, -5),
        (10**18, 10**18),
        (None, None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        (True, None),
        ([3600], None),
        ({}, None),
    ],
)
def test_whatever_a_token_answer_says_about_its_life_the_token_is_taken(
    expires_in: object, seconds: object
) -> None:
    assert token_answer(expires_in=expires_in, token_type="bearer", scope="use").expires_in == seconds


def test_a_token_answer_may_leave_out_all_but_the_token() -> None:
    token = token_answer()
    assert (token.access_token, token.token_type, token.expires_in) == (TOKEN, "Bearer", None)
    assert TOKEN not in repr(token)


@pytest.mark.parametrize("kind", ["mac", "", None, 5, "Bearer ", ["Bearer"]])
def test_a_token_of_another_type_is_refused(kind: object) -> None:
    error = refused(build(REQUEST_TOKEN), answer({"access_token": TOKEN, "token_type": kind}))
    assert error.problem == "token_type: expected Bearer"
    assert TOKEN not in f"{error} {vars(error)}"


@pytest.mark.parametrize(
    "token", ["", " ", "a b", "a\nb", "a\r\nX: y", "tab\t", "\x00", "über", None, 5, ["a"]]
)
def test_a_token_that_cannot_stand_in_a_header_is_refused(token: object) -> None:
    error = refused(build(REQUEST_TOKEN), answer({"access_token": token, "token_type": "Bearer"}))
    assert error.problem.startswith("access_token: expected a token")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", [], None, {}, f"access_token={TOKEN}&token_type=Bearer".encode()]
)
def test_a_token_answer_that_is_none_is_refused_without_showing_what_it_holds(body: object) -> None:
    error = refused(build(REQUEST_TOKEN), answer(body))
    assert TOKEN not in f"{error} {vars(error)}"
