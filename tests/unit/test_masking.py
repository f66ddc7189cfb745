"""Secrets are replaced wherever they stand, and what is no secret stays readable."""

from __future__ import annotations

import html
import json
import time
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async.masking import MASK, mask

CODE = "GIFT-7Q2X-99"
NAMES = [
    "access_token",
    "refresh_token",
    "client_secret",
    "authorization",
    "secret",
    "password",
    "code",
    "pin",
]


@pytest.mark.parametrize("name", [*NAMES, "PIN", "Client_Secret"])
def test_a_secret_member_is_masked_by_its_name(name: str) -> None:
    text = json.dumps({"a": 1, name: "s3cr3t", "b": "kept"})
    assert mask(text) == json.dumps({"a": 1, name: MASK, "b": "kept"}).replace(f'"{MASK}"', MASK)


@pytest.mark.parametrize(
    "value", ['quo"te', "back\\", "\\", "line\nbreak", "", "ü", "a,b}c", '\\"', "'", '","pin":"x', "\x00"]
)
def test_a_value_with_awkward_characters_is_masked_whole(value: str) -> None:
    for ascii_only in (True, False):
        text = json.dumps({"pin": value, "sku": "kept"}, ensure_ascii=ascii_only)
        assert mask(text) == f'{{"pin": {MASK}, "sku": "kept"}}'


@given(st.text(min_size=1), st.text())
def test_two_secret_members_in_a_row_are_both_masked(pin: str, code: str) -> None:
    text = json.dumps({"pin": pin, "code": code, "sku": "kept"})
    assert mask(text) == f'{{"pin": {MASK}, "code": {MASK}, "sku": "kept"}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"pin": 1234, "n": 5}', '{"pin": ***, "n": 5}'),
        ('{"pin":-1.5e3}', '{"pin":***}'),
        ('{"pin": null, "secret": true}', '{"pin": null, "secret": true}'),
        ("{'pin': '12\\'34', 'n': 1}", "{'pin': ***, 'n': 1}"),
        ('{"pin" :\n "1234"}', '{"pin" :\n ***}'),
        ('{"pin": "12', '{"pin": ***'),
        ('{"pin": "12\\\n34"}', '{"pin": ***}'),
        ('{"pins": "many", "shipping": "pin"}', '{"pins": "many", "shipping": "pin"}'),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("authorization:bearer abc.def", "authorization:bearer ***"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
        ("Authorization: abc", "Authorization: ***"),
        ('{"Authorization": "Bearer abc"}', '{"Authorization": ***}'),
        ("sent Bearer abc, refused", "sent Bearer ***, refused"),
        ("WWW-Authenticate: Bearer", "WWW-Authenticate: Bearer"),
    ],
)
def test_numbers_reprs_cut_off_values_and_tokens_are_masked_and_no_more(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize("value", ["1234", 'a"b', "back\\", "a,b"])
def test_json_inside_a_json_string_is_masked(value: str) -> None:
    once = json.dumps({"pin": value, "sku": "kept"})
    twice = json.dumps({"sent": once})
    thrice = json.dumps({"log": twice})
    assert json.loads(mask(twice))["sent"] == f'{{"pin": {MASK}, "sku": "kept"}}'
    assert json.dumps(value)[1:-1] not in mask(thrice).replace(MASK, "")
    assert "kept" in mask(thrice)


def test_json_inside_a_html_page_is_masked() -> None:
    page = f"<pre>{html.escape(json.dumps({'pin': 'p1', 'code': 7, 'sku': 'kept'}))}</pre>"
    assert (
        mask(page)
        == "<pre>{&quot;pin&quot;: ***, &quot;code&quot;: ***, &quot;sku&quot;: &quot;kept&quot;}</pre>"
    )


def test_a_form_body_is_masked_by_its_names() -> None:
    body = urlencode({"grant_type": "client_credentials", "client_id": "shop", "client_secret": "a b&c"})
    assert mask(body) == "grant_type=client_credentials&client_id=shop&client_secret=***"


@pytest.mark.parametrize(
    "secret",
    [
        CODE,
        "a.b*c+d?(e)[f]{g}|h^i$",
        'quo"te\\slash',
        "über/weg",
        "a b&c=d",
        "<tag>'",
        "100%",
        "\\d+\\1",
        "日本-コード",
    ],
)
def test_a_known_secret_is_masked_in_every_spelling(secret: str) -> None:
    spellings = [
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
    ]
    for spelling in spellings:
        assert mask(f"before {spelling} after", [secret]) == f"before {MASK} after"


def test_a_known_secret_is_masked_inside_words_and_in_whichever_case() -> None:
    assert mask(f"x{CODE}y, {CODE.lower()}", [CODE]) == f"x{MASK}y, {MASK}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the pin 12 is wrong", "the pin *** is wrong"),
        ("12", "***"),
        ("(12)", "(***)"),
        ("order 4123, 12a, a12, 1_12", "order 4123, 12a, a12, 1_12"),
    ],
)
def test_a_short_secret_is_masked_as_a_whole_word_only(text: str, expected: str) -> None:
    assert mask(text, ["12"]) == expected


def test_an_empty_secret_masks_nothing() -> None:
    assert mask("as it was", [""]) == "as it was"


@pytest.mark.parametrize("secrets", [["abcd", "abcdef"], ["abcdef", "abcd"]])
def test_a_secret_that_begins_like_another_leaves_no_rest(secrets: list[str]) -> None:
    assert mask("is abcdef here, abcd there", secrets) == f"is {MASK} here, {MASK} there"


def test_secrets_that_overlap_in_the_text_leave_no_rest() -> None:
    assert mask("-abcdefgh-", ["abcdef", "cdefgh"]) == f"-{MASK}-"
    assert mask("-abcdefgh-", ["abcdefgh", "cdef"]) == f"-{MASK}-"
    assert mask("-aaaaaaa-", ["aaaa"]) == f"-{MASK}-"
    assert mask("abcdwxyz", ["abcd", "wxyz"]) in {MASK, MASK * 2}


@given(st.text(st.characters(exclude_characters="*"), min_size=4), st.text(), st.text())
def test_a_long_secret_is_never_left_in_the_text(secret: str, before: str, after: str) -> None:
    masked = mask(f"{before}{secret}{after}", [secret])
    assert MASK in masked
    assert secret not in masked


@given(st.text(alphabet="\"\\{}:,=&pinode '12*", max_size=60))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once = mask(text, ["1212"])
    assert mask(once, ["1212"]) == once


@pytest.mark.parametrize(
    "code", ["VOUCHER.NOT_FOUND", "VOUCHER.CREATE.SKU.MAX:255", "CLIENT.CONNECT.PIN.REQUIRED", "A.B:1,2"]
)
def test_an_error_code_is_kept_when_asked_for(code: str) -> None:
    text = json.dumps({"status": 404, "code": code})
    assert mask(text, keep_error_codes=True) == text
    assert code not in mask(text)


@pytest.mark.parametrize("code", [CODE, "GIFT", "gift.card", "GIFT.7", "A.B\nX", "12.34", "", "A.B:", "A..B"])
def test_what_does_not_read_like_an_error_code_is_masked_even_then(code: str) -> None:
    text = json.dumps({"code": code})
    assert mask(text, keep_error_codes=True) == f'{{"code": {MASK}}}'


def test_a_known_secret_that_reads_like_an_error_code_is_masked() -> None:
    assert "GIFT.CARD" not in mask('{"code": "GIFT.CARD"}', ["GIFT.CARD"], keep_error_codes=True)


@pytest.mark.parametrize("length", range(4, len(CODE)))
def test_the_beginning_of_a_secret_at_a_cut_end_is_masked(length: int) -> None:
    text = f"no voucher {CODE[:length]}"
    assert mask(text, [CODE], cut=True) == f"no voucher {MASK}"
    assert mask(text, [CODE]) == text


def test_a_text_without_secrets_is_left_alone() -> None:
    text = "HTTP 422: the amount 10.00 EUR is too large for order A-1 (page=2&per_page=25)"
    assert mask(text, [CODE], keep_error_codes=True, cut=True) == text


@pytest.mark.parametrize(
    "unit", ['"pin":"', '\\"pin\\":\\"', "&quot;pin&quot;:&quot;", "code=", "Bearer ", "\\"]
)
def test_a_hostile_text_is_masked_in_no_time(unit: str) -> None:
    text = unit * (65_536 // len(unit))
    started = time.perf_counter()
    mask(text, [CODE], keep_error_codes=True, cut=True)
    assert time.perf_counter() - started < 2.0
