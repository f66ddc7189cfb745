"""Whose an entry is, by its order number and the reference in it."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.unit.samples import NOON, charge
from voucher_async import Charge, ChargeType, InvalidInput, PendingOutcome
from voucher_async.payments.attribution import (
    Mark,
    are_confusable,
    is_as_sent,
    likeness_of,
    looks_of,
    mark_of,
)
from voucher_async.payments.contradiction import contradiction
from voucher_async.payments.evidence import RULES, Evidence, Finding, Move, decide, find
from voucher_async.payments.lessons import Lessons
from voucher_async.payments.likeness import Likeness
from voucher_async.references import make_reference

FORMAT = "{order}~{ref}"
OURS, THEIRS = make_reference(), make_reference()
LONG = "ORDER-2026-0001"


def pending(operation: str = "chargeReservation", **changes: Any) -> PendingOutcome:
    outcome = PendingOutcome(
        operation=operation,
        voucher_id="V",
        amount=Decimal("5.00"),
        order_number="A-1",
        since=NOON,
        until=NOON + dt.timedelta(seconds=60),
        client_id="shop",
        order_number_format=FORMAT,
        reference=OURS,
    )
    return attrs.evolve(outcome, **changes)


def entry(order_number: str | None, **changes: Any) -> Charge:
    values = {"id": "c1", "created_at": NOON + dt.timedelta(seconds=1), **changes}
    return charge(order_number=order_number, **values)


def echoing(operation: str = "chargeReservation") -> Lessons:
    return Lessons(echoed={operation})


@pytest.mark.parametrize(
    ("shown", "mark"),
    [
        (f"A-1~{OURS}", Mark.OURS),
        (f"a-1~{OURS.lower()}", Mark.OURS),
        (f"anything~{OURS}", Mark.OURS),
        (f"A-1~{THEIRS}", Mark.ANOTHERS),
        (f"A-1~{THEIRS[:8]}", Mark.NONE),
        ("A-1", Mark.NONE),
        (None, Mark.NONE),
    ],
)
def test_a_call_knows_its_own_reference_and_that_of_another(shown: str | None, mark: Mark) -> None:
    assert mark_of(pending(), shown) is mark
    assert mark_of(pending(reference=None), shown) is Mark.NONE


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "another"},
        {"created_at": NOON - dt.timedelta(hours=5)},
        {"created_at": NOON + dt.timedelta(hours=5)},
        {"order_number": f"REWRITTEN~{OURS}"},
    ],
)
def test_an_entry_with_our_reference_is_ours_whatever_else_it_shows(changes: dict[str, Any]) -> None:
    charge = attrs.evolve(entry(f"A-1~{OURS}"), **changes)
    assert find(pending(), [charge], Lessons()).certain == (charge,)


@pytest.mark.parametrize("operation", ["chargeReservation", "rechargeVoucher"])
def test_an_entry_with_another_reference_is_not_ours_before_anything_was_learnt(operation: str) -> None:
    charge = entry(f"A-1~{THEIRS}", type=RULES[operation].kind)
    found = find(pending(operation), [charge], Lessons())
    assert found == Finding()
    assert found.misfits == ()


def test_a_recharge_knows_its_entry_also_where_nothing_was_read_before_it() -> None:
    recharge = entry(f"A-1~{OURS}", type=ChargeType.RECHARGE)
    assert find(pending("rechargeVoucher"), [recharge], Lessons()).certain == (recharge,)
    without = pending("rechargeVoucher", order_number_format=None, reference=None)
    assert find(without, [entry("A-1", type=ChargeType.RECHARGE)], Lessons()).certain == ()


def test_an_entry_with_our_reference_and_another_amount_is_never_absent() -> None:
    charge = entry(f"A-1~{OURS}", amount=Decimal("0.01"))
    assert find(pending(), [charge], echoing()).recognised == (charge,)


def test_the_refund_of_our_charge_is_not_our_charge() -> None:
    assert find(pending(), [entry(f"A-1~{OURS}", type=ChargeType.REFUND)], echoing()) == Finding()


@pytest.mark.parametrize("shown", ["A-1", "a-1", None, f"A-1~{OURS[:4]}", f"A-1%7E{OURS}"])
def test_an_entry_that_lost_its_reference_is_never_certain_and_never_absent(shown: str | None) -> None:
    found = find(pending(), [entry(shown)], echoing())
    assert found.certain == ()
    assert found.recognised


@pytest.mark.parametrize("shown", ["A-2", "B-1", f"A-12~{THEIRS[:4]}", f"{LONG}~{THEIRS[:4]}"])
def test_a_clearly_different_number_is_another_as_before(shown: str) -> None:
    assert likeness_of(pending(), shown) is Likeness.OTHER
    assert find(pending(), [entry(shown)], echoing()) == Finding()


def test_a_cut_column_tells_two_calls_of_one_order_by_what_is_left_or_not_at_all() -> None:
    one, other = pending(order_number=LONG), pending(order_number=LONG, reference=THEIRS)
    cut = (one.sent_order_number or "")[:18]
    assert likeness_of(one, cut) is Likeness.RECOGNISABLE
    assert likeness_of(other, cut) is Likeness.OTHER
    assert likeness_of(one, LONG) is likeness_of(other, LONG) is Likeness.RECOGNISABLE
    assert are_confusable(one, other)
    assert are_confusable(pending(), pending(reference=THEIRS))  # 8 characters hold neither reference
    assert are_confusable(pending(), pending(reference=None))
    assert are_confusable(pending(reference=None), pending())
    assert not are_confusable(pending(), pending(order_number="B-1", reference=THEIRS))


REFUND: dict[str, Any] = {"reference": None, "known": (), "known_whole": True}


@pytest.mark.parametrize(
    ("shown", "likeness"),
    [
        (f"A-1~{THEIRS}", Likeness.EQUAL),
        ("A-1", Likeness.EQUAL),
        (f"a-1~{THEIRS}", Likeness.RECOGNISABLE),
        (f"A-1~{THEIRS[:4]}", Likeness.RECOGNISABLE),
        (f"A-1~{THEIRS[:3]}", Likeness.OTHER),  # a shorter cut than any column's
        (f"A1{THEIRS}", Likeness.RECOGNISABLE),
        (None, Likeness.RECOGNISABLE),
        (f"A-12~{THEIRS}", Likeness.OTHER),
        (f"1~{THEIRS}", Likeness.OTHER),
        ("A-12", Likeness.OTHER),
    ],
)
def test_a_refund_is_compared_without_the_reference_of_its_charge(
    shown: str | None, likeness: Likeness
) -> None:
    assert likeness_of(pending("refundCharge", **REFUND), shown) is likeness


def test_an_order_number_that_is_the_end_of_another_is_not_like_it() -> None:
    refund = pending("refundCharge", **REFUND, order_number="1")
    assert likeness_of(refund, f"21~{THEIRS}") is Likeness.OTHER


def test_without_a_format_references_are_just_characters() -> None:
    plain = pending(order_number_format=None, reference=None)
    assert likeness_of(plain, f"A-1~{THEIRS}") is Likeness.OTHER
    assert mark_of(plain, f"A-1~{OURS}") is Mark.NONE
    assert likeness_of(plain, "A-1") is Likeness.EQUAL


def test_an_answer_with_another_reference_is_the_answer_to_another_call() -> None:
    assert contradiction(pending(), entry(f"A-1~{THEIRS}"), Lessons())
    assert contradiction(pending(), entry(f"A-1~{OURS}"), Lessons()) is None
    refund = entry(f"A-1~{THEIRS}", type=ChargeType.REFUND)
    assert contradiction(pending("refundCharge", **REFUND), refund, echoing("refundCharge")) is None


def test_what_was_sent_is_learnt_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    lessons = Lessons()
    lessons.learn(pending(), entry(f"A-1~{OURS}"), None)
    lessons.learn(pending("refundCharge", **REFUND), entry(f"A-1~{THEIRS}", type=ChargeType.REFUND), None)
    assert lessons.echoed == {"chargeReservation", "refundCharge"}
    assert caplog.text == ""
    assert not is_as_sent(pending(), "A-1")
    lessons.learn(pending(), entry("A-1"), None)
    assert "does not echo order numbers" in caplog.text


def test_a_call_that_does_not_know_its_reference_is_found_beside_all_of_its_order() -> None:
    marked, unmarked = pending(), pending(reference=None)
    assert looks_of(unmarked)[0] in looks_of(marked)
    assert looks_of(marked)[0] != looks_of(unmarked)[0]
    assert len(looks_of(unmarked)) == 1


def test_more_entries_than_requests_are_ours_where_each_carries_our_reference() -> None:
    finding = Finding(certain=(entry(f"A-1~{OURS}"), entry(f"A-1~{OURS}", id="c2")))
    rule = RULES["chargeReservation"]
    facts: dict[str, Any] = {"sends": 1, "absences": 0, "quiet": 1.0, "window": 60.0, "lag": 10.0}
    assert decide(rule, Evidence(finding=finding, **facts)) is Move.OPEN
    assert decide(rule, Evidence(finding=finding, **facts, marked=True)) is Move.DONE


def test_an_outcome_with_a_reference_survives_json() -> None:
    for outcome in (pending(), pending("refundCharge", **REFUND)):
        assert PendingOutcome.from_json(outcome.to_json()) == outcome


def test_what_an_older_reader_compares_with_is_what_was_sent_or_nothing() -> None:
    stored = json.loads(pending().to_json())
    assert (stored["version"], stored["order_number"]) == (2, f"A-1~{OURS}")
    refund = json.loads(pending("refundCharge", **REFUND).to_json())
    assert refund["order_number"] is None
    plain = json.loads(pending(order_number_format=None, reference=None).to_json())
    assert not {"reference", "order_number_format", "own_order_number"} & plain.keys()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reference": "7KQ2MXW9"}, "pending.reference"),
        ({"reference": 5}, "pending.reference"),
        ({"order_number_format": "{order}"}, "pending.order_number_format"),
        ({"order_number_format": None}, "pending.reference"),
    ],
)
def test_a_stored_reference_that_cannot_be_one_is_refused(changes: dict[str, Any], field: str) -> None:
    stored = json.loads(pending().to_json())
    with pytest.raises(InvalidInput) as caught:
        PendingOutcome.from_json(json.dumps({**stored, **changes}))
    assert caught.value.field == field
