"""Bodies that are broken as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.samples import example, problem, raw
from voucher_async import wire
from voucher_async.models import Charge, ChargePage, ConnectedClient, Reservation


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<html>",
        b"{",
        b'{"id": "a"',
        b'{"id": NaN}',
        b'{"id": Infinity}',
        b"{'id': 1}",
        b'{"id": "a",}',
        b"\xef\xbb\xbf{",
        b"\xff\xfe{\x00}",
        b'{"id": "\\ud800"}',
        b'{"id": "a\nb"}',
        b"//",
        b"\x00",
    ],
    ids=repr,
)
def test_what_is_no_json_is_refused_as_a_whole(body: bytes) -> None:
    for cls in (Charge, ChargePage, ConnectedClient):
        error = problem(cls, body)
        assert (error.path, error.reason) == ("", "not JSON, or cut off")
        assert str(error) == error.reason


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"5", b"true", b"[{}]"])
def test_what_is_no_object_is_refused_as_a_whole(body: bytes) -> None:
    for cls in (Charge, ChargePage, ConnectedClient):
        error = problem(cls, body)
        assert error.path == ""
        assert error.reason.startswith("expected `object`, got ")


def test_every_beginning_of_an_answer_is_refused() -> None:
    body = raw(example("Reservation"))
    for length in range(len(body)):
        problem(Reservation, body[:length])


@pytest.mark.parametrize("rest", [b" {}", b"x", b"]", b"\x00", b","])
def test_an_answer_with_something_behind_it_is_refused(rest: bytes) -> None:
    assert problem(Charge, raw(example("Charge")) + rest).reason == "not JSON, or cut off"


def test_what_is_no_utf8_is_refused() -> None:
    body = raw(example("Charge", order_number="@")).replace(b"@", b"\xff")
    assert problem(Charge, body).reason == "not UTF-8"


def test_a_body_that_is_nested_deeply_is_refused_not_crashed_on() -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    assert (
        problem(Charge, b'{"new":' + deep + b"," + raw(example("Charge"))[1:]).reason == "nested too deeply"
    )


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_body_leads_to_another_error(body: bytes) -> None:
    for cls in (Charge, ChargePage, ConnectedClient):
        problem(cls, body)


def test_json_of_any_form_can_be_read() -> None:
    assert wire.parse(b'{"a": [1, 2.5, null, "x"]}') == {"a": [1, 2.5, None, "x"]}
    for body in (b"", b"{", b"NaN", b'"\xff"', b"[" * 200_000):
        with pytest.raises(wire.WireError):
            wire.parse(body)
