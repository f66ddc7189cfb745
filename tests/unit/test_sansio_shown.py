"""What a server says is shown short, on one line and in visible characters, in no time."""

from __future__ import annotations

import functools
import json
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async.api_errors import ApiError
from voucher_async.errors import InvalidInput, VoucherError
from voucher_async.masking import visible
from voucher_async.masking.text import Masker
from voucher_async.models import CreateReservationRequest
from voucher_async.operations import CREATE_RESERVATION, GET_VOUCHER
from voucher_async.sansio import Request, Response, build, decode

CODE = "GIFT-7Q2X-99"
GET: Request[Any] = build(GET_VOUCHER, ids={"id": "v-1"})
RESERVE: Request[Any] = build(
    CREATE_RESERVATION,
    CreateReservationRequest(code=CODE, amount="1.00", currency="EUR"),
    secrets=(CODE,),
)


def error_of(status: int, body: bytes, request: Request[Any] = GET, **headers: str) -> ApiError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(ApiError) as caught:
        decode(request, Response(status=status, headers=named, body=body))
    return caught.value


def said_by(error: ApiError) -> list[str]:
    fields = [
        text for each in error.field_errors for text in (each.code, each.property, each.rule, each.message)
    ]
    texts = (str(error), repr(error), error.args[0], error.code, error.message, error.excerpt, *fields)
    return [text for text in texts if text]


HOSTILE = {
    "colours": "\x1b[31mred\x1b[0m",
    "a title": "\x1b]0;x\x07",
    "C1": "\x9b31m",
    "a forged line": "ok\n2026-01-01 INFO paid\r\n",
    "DEL and NUL": "\x7f\x00\x08",
    "right to left": "\u202eevil\u2066\u2069\u200f",
    "separators": "\u2028\u2029\x85\x0b\x0c",
    "zero width": "a\u200bb\u200d\u2060\ufeff\u00ad",
    "fillers": "\u115f\u3164\uffa0\u034f\ufe0f",
    "tags": "\U000e0041\U000e0001",
    "lone surrogates": "\ud800 \udfff",
    "private and unassigned": "\ue000\U0010ffff\u0378",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_that_steers_a_terminal_is_shown_as_it_is(kind: str) -> None:
    said = HOSTILE[kind]
    envelope = {
        "code": f"A{said}",
        "message": said,
        "errors": [dict.fromkeys(("code", "property", "rule", "message"), said)],
    }
    page = f"<p>{said}</p>".encode(errors="replace")
    problem = json.dumps({"id": said, "amount": said}).encode()
    errors = [
        error_of(422, json.dumps(envelope).encode()),
        error_of(422, json.dumps({"error": said, "error_description": said}).encode()),
        error_of(500, page, Content_Type=f"text/{said}"),
        error_of(200, page, Content_Type=f"text/{said}"),
        error_of(302, page),
        error_of(200, problem),
    ]
    for text in (text for error in errors for text in said_by(error)):
        assert all(
            unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"} for char in text
        )
        text.encode()
    message = errors[0].message
    if message is None:
        return  # lone surrogates cannot be JSON
    assert message.encode("ascii").decode("unicode_escape").encode(errors="surrogatepass") == said.encode(
        errors="surrogatepass"
    )


@pytest.mark.parametrize("text", ["", "plain", "10,00\u00a0€", "日本語", "naïve — “quoted”", "back\\slash"])
def test_what_can_be_read_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text


@given(st.text(st.characters()))
def test_making_visible_is_done_once(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert "\n" not in shown
    shown.encode()


def test_the_text_of_every_error_is_visible() -> None:
    assert str(VoucherError("a\x1b[31m\n\ud800")) == "a\\x1b[31m\\n\\ud800"
    str(InvalidInput("f\ud800", "r\n", "\ud800")).encode()


def test_a_message_is_cut_before_it_is_masked_and_no_secret_with_it() -> None:
    for length in range(1, len(CODE) + 1):
        said = "x" * (65_536 - length) + CODE + "y" * 1_000
        message = error_of(422, json.dumps({"message": said}).encode(), RESERVE).message or ""
        assert len(message) < 65_560
        assert message.endswith("...")
        assert CODE[:4] not in message
    page = f"{' ' * 16_380}{CODE}".encode()
    assert error_of(422, page, RESERVE).excerpt == "***"


def test_field_errors_without_end_are_left_out_and_counted() -> None:
    items = [{"property": "sku", "message": "no"}] * 1000
    errors = error_of(422, json.dumps({"errors": items}).encode()).field_errors
    assert len(errors) == 101
    assert errors[99].property == "sku"
    assert errors[100].message == "900 more were left out"
    large = [{"message": "x" * 5000, "rule": "y" * 5000}] * 99
    errors = error_of(422, json.dumps({"errors": large}).encode()).field_errors
    assert len(errors) < 50
    assert (errors[-1].message or "").endswith("more were left out")
    odd = error_of(422, json.dumps({"errors": [1, None, {"code": 5}, "x", {"code": "A"}]}).encode())
    assert [each.code for each in odd.field_errors] == [None, "A"]


UNITS = [
    *(
        '"pin":"',
        '\\"pin\\":\\"',
        "&quot;pin&quot;:&quot;",
        "code=",
        "Bearer ",
        "\\",
        "[",
        '"pin":[',
        '"pin":{',
        "[[{",
    ),
    *(
        "&#45;",
        "%2D",
        "\\u002d",
        "GIFT-7Q2X-99",
        "G-I-F-T",
        "=41",
        "<",
        "<a ",
        "é",
        "\u0301",
        "R0lGVC03UTJYLTk5",
    ),
    *(
        "[code] => ",
        "[code]",
        "<pin>",
        "<pin ",
        " ",
        "Authorization: ",
        "authorization:\n",
        "\x1b[31m",
        "&#",
        "%",
    ),
    *(
        "&amp;amp;quot;",
        '"pin"   ',
        "99",
        '\\\\"',
        "\\x",
        "\\u{",
        '["pin"]=>\n',
        "\u202e",
        "\ud800",
        "pin",
        "-",
        "=",
    ),
]


def seconds(unit: str) -> float:
    text = (unit * (65_536 // len(unit) + 1))[:65_536]
    masker = Masker([CODE, "4711", "12", "tok/en+12345678"])
    started = time.perf_counter()
    masker.shown(text, 65_536, most=65_536)
    return time.perf_counter() - started


@functools.cache
def seconds_of_plain_text() -> float:
    return max(seconds("lorem ipsum ") for _ in range(3))


@pytest.mark.parametrize("unit", UNITS)
def test_no_text_takes_much_longer_than_a_plain_one(unit: str) -> None:
    # another process may delay one of the runs
    assert any(seconds(unit) < 10 * seconds_of_plain_text() for _ in range(3))


def test_a_large_refusal_takes_no_longer_than_one_at_the_limit() -> None:
    def time_of(body: bytes) -> float:
        started = time.perf_counter()
        error_of(422, body, RESERVE)
        return time.perf_counter() - started

    limit = time_of(json.dumps({"message": "no " * 22_000}).encode())
    large = time_of(json.dumps({"message": f"no {CODE} " * 900_000}).encode())
    many = time_of(json.dumps({"errors": [{"code": CODE, "message": f"no {CODE}"}] * 200_000}).encode())
    assert large < 20 * limit
    assert many < 40 * limit
