"""Order numbers as servers give them back: equal, recognisably the same, or clearly another."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from voucher_async.payments.likeness import Likeness, compare, confusable, fold

INVISIBLE = " \t\u00a0\u00ad\u200b\u200d\u2060\ufeff"
LETTERS = "ABCXYZabcxyz0123456789-_/#.:&<'äöüÄÖÜßéñÅŁıﬁＡ７注文番"

texts = st.text(st.sampled_from(LETTERS), min_size=1, max_size=20).filter(fold)
numbers = st.builds(
    "{}{}{}".format,
    st.text(st.sampled_from(INVISIBLE), max_size=2),
    texts,
    st.text(st.sampled_from(INVISIBLE), max_size=2),
)


def question_marks(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")


def visible(text: str) -> str:
    return "".join(letter for letter in text if letter not in INVISIBLE)


REWRITINGS: dict[str, Callable[[str], str]] = {
    "trimmed": str.strip,
    "without invisible characters": visible,
    "case folded": str.casefold,
    "capitals": str.upper,
    "small letters": str.lower,
    "NFC": lambda text: unicodedata.normalize("NFC", text),
    "NFD": lambda text: unicodedata.normalize("NFD", text),
    "NFKC": lambda text: unicodedata.normalize("NFKC", text),
    "entities": html.escape,
    "question marks": question_marks,
    "question marks beyond Latin-1": latin,
    "letters dropped": lambda text: text.encode("ascii", "ignore").decode(),
}
ONCE: dict[str, Callable[[str], str]] = {
    "percent signs": lambda text: quote(text, safe=""),
    "numeric entities": lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
    "replacement characters": lambda text: text.encode("ascii", "replace").decode().replace("?", "\ufffd"),
    "accents dropped": lambda text: "".join(
        letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter)
    ),
    "null": lambda text: "",
}


@given(numbers, st.lists(st.sampled_from(sorted(REWRITINGS)), max_size=4))
def test_whatever_a_server_makes_of_an_order_number_it_is_recognised(number: str, chain: list[str]) -> None:
    shown = number
    for name in chain:
        shown = REWRITINGS[name](shown)
    assert compare(number, shown) is not Likeness.OTHER


@given(
    numbers,
    st.lists(st.sampled_from(sorted(REWRITINGS)), max_size=2),
    st.integers(8, 24),
    st.lists(st.sampled_from(["trimmed", "case folded", "capitals", "NFC", "NFKC"]), max_size=2),
)
def test_an_order_number_that_was_cut_is_recognised(
    number: str, before: list[str], length: int, after: list[str]
) -> None:
    shown = number
    for name in before:
        shown = REWRITINGS[name](shown)
    shown = shown[:length]
    for name in after:
        shown = REWRITINGS[name](shown)
    assert compare(number, shown) is not Likeness.OTHER


@pytest.mark.parametrize("number", ["A-1", "Bücher-17", "Ä-1", "R&D-7", "注文-1", "2026-000123", "straße 4"])
@pytest.mark.parametrize("name", [*REWRITINGS, *ONCE])
def test_each_rewriting_alone_is_recognised(number: str, name: str) -> None:
    assert compare(number, {**REWRITINGS, **ONCE}[name](number)) is not Likeness.OTHER


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("A-1", "A-2"),
        ("A-1", "A-11"),
        ("A-11", "A-1"),
        ("2026-000123", "2026-000124"),
        ("2026-000123", "2026-00"),
        ("A&B-1", "A&B-2"),
        ("A&B-12", "A&B-1"),
        ("ORDER-1", "ORDER-12"),
        ("100", "1000"),
        ("WEB-7", "POS-7"),
        ("Ä-1", "Ä-2"),
        ("Ä-1", "?-2"),
        ("注文-1", "注意-1"),
        ("A-1", "something else"),
    ],
)
def test_another_order_of_the_same_shop_is_another(sent: str, shown: str) -> None:
    assert compare(sent, shown) is Likeness.OTHER


@given(
    st.sampled_from(["", "A-", "2026-", "WEB/", "Bestellung ", "注文-", "R&D-"]),
    st.integers(1, 999_999),
    st.integers(1, 999_999),
    st.sampled_from([0, 6, 10]),
)
def test_two_numbers_of_one_series_are_two_orders(prefix: str, one: int, other: int, width: int) -> None:
    left, right = f"{prefix}{one:0{width}d}", f"{prefix}{other:0{width}d}"
    assume(one != other)
    assume(len(left) == len(right))
    assert compare(left, right) is Likeness.OTHER


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_no_order_number_is_that_of_a_call_without_one_and_may_be_any(blank: str | None) -> None:
    assert compare(None, blank) is Likeness.EQUAL
    assert compare("", blank) is Likeness.EQUAL
    assert compare("A-1", blank) is Likeness.RECOGNISABLE
    assert compare(None, "A-1") is Likeness.RECOGNISABLE


@pytest.mark.parametrize(
    ("sent", "shown", "likeness"),
    [
        pytest.param(" A-1", "A-1 ", Likeness.EQUAL, id="spaces around make no difference"),
        pytest.param("A-1", "a-1", Likeness.RECOGNISABLE, id="another case does"),
        pytest.param("000123", "123", Likeness.RECOGNISABLE, id="a server that stores numbers loses zeros"),
        pytest.param("000123", "124", Likeness.OTHER, id="another number"),
        pytest.param("20260001", "shop 20260001", Likeness.RECOGNISABLE, id="something put before it"),
        pytest.param("20260001", "20260001 (web)", Likeness.LONGER, id="something put after it"),
        pytest.param("20260001", "shop 20260001 (web)", Likeness.LONGER, id="in other text"),
        pytest.param("AU-2024-1001", "AU-2024-1001-1", Likeness.LONGER, id="a part of the order"),
        pytest.param("AU-2024-1001", "AU-2024-10010", Likeness.LONGER, id="an order ten times later"),
        pytest.param("2024-1001", "12024-1001", Likeness.LONGER, id="a digit before the first one"),
        pytest.param("A-1", "shop A-1 (web)", Likeness.OTHER, id="too short in other text"),
        pytest.param("ORDER12 345", "ORDER12", Likeness.RECOGNISABLE, id="a cut that falls on a space"),
        pytest.param("ORDER123345", "ORDER12", Likeness.OTHER, id="a cut that is too short"),
    ],
)
def test_what_a_server_does_to_a_number_is_recognised(sent: str, shown: str, likeness: Likeness) -> None:
    assert compare(sent, shown) is likeness


def test_a_cut_within_an_entity_is_recognised() -> None:
    for length in range(8, 20):
        assert compare("A & B < C 17", html.escape("A & B < C 17")[:length]) is Likeness.RECOGNISABLE


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (None, "A-1", True),
        ("A-1", None, True),
        ("A-1", "a1", True),
        ("A-1", "A-2", False),
        ("2026-11-1", "2026-11-2", True),
        ("2026-000123", "2026-000124", True),
        ("000123", "123", True),
        ("Ä-1", "Ö-1", True),
        ("Ä-1", "Ö-2", False),
        ("Bücher", "bucher", True),
        ("bucher", "Bücher", True),
        ("WEB-7", "POS-7", False),
    ],
)
def test_calls_are_confusable_when_one_text_may_be_what_is_left_of_both(
    one: str | None, other: str | None, *, expected: bool
) -> None:
    assert confusable(one, other) is expected


@given(numbers, numbers, st.sampled_from(sorted(REWRITINGS)))
def test_two_numbers_that_a_server_makes_equal_are_confusable(one: str, other: str, name: str) -> None:
    rewrite = REWRITINGS[name]
    if rewrite(one).strip() == rewrite(other).strip() != "":
        assert confusable(one, other)


@given(numbers, numbers, st.integers(8, 12), texts)
def test_two_numbers_that_are_equal_up_to_a_cut_are_confusable(
    begin: str, end: str, length: int, tail: str
) -> None:
    one = begin + end + "0123456789AB"  # long enough for every cut, as a filter would reject most draws
    assert confusable(one, one[:length] + tail)


def test_texts_that_differ_in_case_normal_form_or_punctuation_fold_to_one() -> None:
    folded = {fold(text) for text in ("Ä-ﬁ１", "A\u0308fi1", "ä/fi 1", "Ä\u200bFI1")}
    assert len(folded) == 1


def test_what_was_escaped_once_more_by_each_of_three_is_recognised() -> None:
    assert compare("A&B-1", html.escape(html.escape(html.escape("A&B-1")))) is Likeness.RECOGNISABLE


@pytest.mark.parametrize(
    ("shown", "likeness"), [("A &amp;", Likeness.RECOGNISABLE), ("A &am", Likeness.OTHER)]
)
def test_a_column_that_is_too_short_cuts_what_was_escaped(shown: str, likeness: Likeness) -> None:
    assert compare("A & B 12345", shown) is likeness


def test_two_are_confusable_where_one_looks_like_the_other_rewritten() -> None:
    assert confusable("A-1", "A%2D1")
    assert confusable("A%2D1", "A-1")
    assert not confusable("A-1", "A%2D2")


@pytest.mark.parametrize("times", [1, 4, 9, 40, 200])
@pytest.mark.parametrize("escape", [html.escape, lambda text: quote(text, safe="")], ids=["HTML", "URL"])
def test_what_was_escaped_again_and_again_is_recognised(escape: Callable[[str], str], times: int) -> None:
    shown = "R&D 0'"
    for _ in range(times):
        shown = escape(shown)
    assert compare("R&D 0'", shown) is Likeness.RECOGNISABLE


def test_another_number_is_another_however_it_is_escaped() -> None:
    assert compare("R&D 0'", html.escape(html.escape(quote("B-77 & Co")))) is Likeness.OTHER
