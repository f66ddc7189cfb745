"""References in order numbers: what is put in comes out again, and nothing else is taken for one."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voucher_async.references import OrderNumberFormat, format_of, is_reference, make_reference

FORMATS = ["{order}~{ref}", "{order}-{ref}", "web/{order} [{ref}]", "{order}x~1{ref}Z", "R{order}--{ref}"]
REFERENCE = make_reference()

orders = st.text() | st.text(string.printable) | st.sampled_from(FORMATS)
formats = st.sampled_from(FORMATS).map(format_of)
references = st.builds(make_reference)


def test_a_reference_is_short_unique_and_without_look_alikes() -> None:
    made = {make_reference() for _ in range(5_000)}
    assert len(made) == 5_000
    assert {len(reference) for reference in made} == {10}
    assert not set("".join(made)) & set("01ILOU" + string.ascii_lowercase)
    assert all(map(is_reference, made))


def test_no_seed_gives_a_reference_twice() -> None:
    random.seed(7)
    one = make_reference()
    random.seed(7)
    assert make_reference() != one


@given(orders, formats, references)
@example("A-1~7KQ2MXW9T4", format_of(FORMATS[0]), REFERENCE)
@example("~", format_of(FORMATS[0]), REFERENCE)
@example("", format_of(FORMATS[0]), REFERENCE)
def test_the_shops_own_number_comes_back(order: str, template: OrderNumberFormat, reference: str) -> None:
    sent = template.fill(order, reference)
    assert template.split(sent) == (order, reference)
    assert template.strip(sent) == order


@given(st.sampled_from(FORMATS).map(format_of), references, references)
def test_an_order_number_may_hold_a_reference_itself(
    template: OrderNumberFormat, first: str, second: str
) -> None:
    inner = template.fill("A-1", first)
    assert template.strip(template.fill(inner, second)) == inner


@given(st.text(string.ascii_letters + string.digits + "~-/ "), formats, references)
def test_case_that_was_folded_on_the_way_hides_no_reference(
    order: str, template: OrderNumberFormat, reference: str
) -> None:
    sent = template.fill(order, reference)
    assert template.split(sent.lower()) == (order.lower(), reference)
    assert template.split(sent.upper()) == (order.upper(), reference)


@given(st.text(string.digits + "-~"), formats, references, st.integers(1, 9))
def test_a_reference_that_was_cut_is_none(
    order: str, template: OrderNumberFormat, reference: str, left: int
) -> None:
    end = len(template.beginning(order)) + left
    cut = template.fill(order, reference)[:end]
    assert template.split(cut) is None
    assert template.strip(cut) == cut


@given(references, st.integers(0, 9), st.sampled_from("23456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_a_reference_in_which_one_character_changed_is_hardly_ever_one(
    reference: str, index: int, other: str
) -> None:
    changed = reference[:index] + other + reference[index + 1 :]
    assert is_reference(changed) == (changed == reference) or index < 8  # 1 of 900 keeps its checksum


@pytest.mark.parametrize(
    "shown",
    [None, "", "A-1", "A-1~", "~", f"A-1{REFERENCE}", f"A-1 {REFERENCE}", f"A-1~{REFERENCE}x", REFERENCE],
)
def test_an_order_number_without_a_reference_stays_as_it_is(shown: str | None) -> None:
    template = format_of("{order}~{ref}")
    assert template.split(shown) is None
    assert template.strip(shown) == shown


def test_letters_that_fold_to_ascii_are_not_taken_for_it() -> None:
    template = format_of("{order}~k{ref}")
    assert template.split(f"A-1~\u212a{REFERENCE}") is None  # the Kelvin sign
