"""Secrets as values: like any text or bytes, but for the repr."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import json
import pickle
from typing import Any

import pytest

from voucher_async import wire
from voucher_async.masking import (
    MASK,
    Members,
    Secret,
    SecretBytes,
    Variables,
    conceal,
    conceals,
    given,
    known,
)
from voucher_async.masking.memory import recall, record
from voucher_async.models import CreateReservationRequest

TEXT = "GIFT-AB12"


def test_a_secret_is_its_text_in_every_way_but_the_repr() -> None:
    secret = Secret(TEXT)
    assert (repr(secret), repr([secret]), f"{secret!r}") == (
        "'***'",
        "['***']",
        "'***'",
    )
    assert (secret, hash(secret), f"{secret}", type(str(secret))) == (TEXT, hash(TEXT), TEXT, str)
    assert {TEXT: 1}[secret] == 1
    assert json.loads(json.dumps({"x": secret})) == {"x": TEXT}
    assert secret.encode() == TEXT.encode()
    for twin in (pickle.loads(pickle.dumps(secret)), copy.deepcopy(secret)):
        assert (twin, type(twin)) == (TEXT, Secret)


def test_secret_bytes_do_not_show_themselves_nor_their_slices() -> None:
    content = SecretBytes(b"abcdef")
    assert (repr(content), repr(content[1:3]), repr(content[:])) == ("b'***'",) * 3
    assert (content, content[1:3], content[0], content.decode()) == (b"abcdef", b"bc", 97, "abcdef")


def test_concealing_keeps_texts_and_none_and_drops_the_rest() -> None:
    assert type(conceal(TEXT)) is Secret
    assert conceal(None) is None
    secret = Secret(TEXT)
    assert conceal(secret) is secret
    bad: Any = [TEXT]
    unfit: Any = conceal(bad)
    assert (repr(unfit), type(unfit).__name__) == (MASK, "list")
    assert conceal(unfit) is unfit
    assert not isinstance(unfit, list)


def test_a_class_that_conceals_sees_no_plain_argument() -> None:
    seen: list[object] = []

    @conceals("code")
    class Thing:
        def __init__(self, *, code: str = "", other: str = "") -> None:
            seen.extend((code, other))

    Thing(code=TEXT, other="x")
    Thing(other="y")
    assert repr(seen) == "['***', 'x', '', 'y']"


def test_a_request_is_written_with_its_secrets() -> None:
    body = CreateReservationRequest(code=TEXT, pin="12", amount="1.00", currency="EUR")
    assert json.loads(wire.encode(body)) == {"code": TEXT, "pin": "12", "amount": "1.00", "currency": "EUR"}
    with pytest.raises(TypeError, match="no complex can be written"):
        wire._plain(1j)


def test_members_and_variables_are_not_shown() -> None:
    members = Members({"a": TEXT})
    assert (members.are_some, members.get("a"), members.get("b", 7)) == (True, TEXT, 7)
    assert (Members([TEXT]).are_some, Members([TEXT]).get("a")) == (False, None)
    variables = Variables(Variables({"A": TEXT, "B": ""}))
    assert (variables.get("A"), variables.get("B"), variables.get("C")) == (TEXT, None, None)
    assert TEXT not in f"{members!r}{variables!r}{variables.get('A')!r}"


async def test_tasks_that_are_begun_inside_know_the_secrets_to_their_end() -> None:
    async def look() -> tuple[str, ...]:
        await asyncio.sleep(0)
        return given()

    with known(TEXT, TEXT):
        task = asyncio.create_task(look())
    assert given() == ()
    assert await task == (TEXT,)


def test_a_block_that_ends_in_another_context_forgets_nothing_and_does_not_fail() -> None:
    block = known(TEXT)
    contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    assert given() == ()
    known(TEXT).__exit__(None, None, None)


def test_secrets_are_found_by_the_ids_in_a_path() -> None:
    record(["a/b ü"], ["one"])
    record(["a/b ü"], ["two", "one"])
    record([None], ["three"])
    assert list(recall("/vouchers/a%2Fb%20%C3%BC/charges/x")) == ["one", "two"]
    for number in range(5000):
        record([f"v-{number}"], [str(number)])
    assert list(recall("/vouchers/a%2Fb%20%C3%BC")) == []
    assert list(recall("/vouchers/v-4999")) == ["4999"]
