"""What a list of charges proves about a money call, property by property."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.unit.samples import NOON, charge, seconds
from voucher_async import Charge, ChargeType, PendingOutcome
from voucher_async.payments.contradiction import contradiction
from voucher_async.payments.evidence import RULES, Finding, find, obstacle
from voucher_async.payments.lessons import Lessons

DAY = 86_400.0
KINDS = {"chargeReservation": "charge", "refundCharge": "refund", "rechargeVoucher": "recharge"}
CHARGE, REFUND, RECHARGE = (RULES[operation] for operation in KINDS)
OPERATIONS = pytest.mark.parametrize("operation", KINDS)
COUNTED = ["refundCharge", "rechargeVoucher"]  # told apart by the ids known before


def pending(operation: str = "chargeReservation", **changes: Any) -> PendingOutcome:
    values = {
        "voucher_id": "V",
        "amount": Decimal("5.00"),
        "order_number": "A-1",
        "since": NOON,
        "until": NOON + seconds(60),
        "known": None if operation == "chargeReservation" else (),
        "known_whole": operation != "chargeReservation",
        "reserved_by": "shop" if operation == "chargeReservation" else None,
        **changes,
    }
    return PendingOutcome(operation=operation, **values)


def entry(operation: str = "chargeReservation", id: str = "c", **changes: Any) -> Charge:
    return charge(id, **{"type": ChargeType(KINDS[operation]), **changes})


def weight(charge: Charge, outcome: PendingOutcome, **learnt: Any) -> str:
    """How an entry was sorted."""
    found = find(outcome, [charge], Lessons(**learnt))
    names = [name for name in ("certain", "recognised", "unclear") if getattr(found, name)]
    return names[0] if names else "not ours"


class TestAnEntryThatIsEqualInEverything:
    @OPERATIONS
    def test_is_ours_for_certain(self, operation: str) -> None:
        ours = entry(operation)
        assert find(pending(operation), [ours], Lessons()) == Finding(certain=(ours,))

    def test_the_oldest_comes_first(self) -> None:
        late = NOON + seconds(1)
        entries = [entry(id="b", created_at=late), entry(id="z"), entry(id="a", created_at=late)]
        assert [each.id for each in find(pending(), entries, Lessons()).certain] == ["z", "a", "b"]

    @OPERATIONS
    def test_is_not_ours_when_its_id_was_there_before(self, operation: str) -> None:
        assert weight(entry(operation), pending(operation, known=("c",), known_whole=True)) == "not ours"

    def test_comes_before_what_is_only_recognised(self) -> None:
        ours, like = entry(), entry(id="like", order_number="a1")
        found = find(pending(), [like, ours], Lessons())
        assert (found.ours, found.recognised) == ((ours,), (like,))
        assert find(pending(), [like], Lessons()).ours == (like,)


class TestTheClient:
    @pytest.mark.parametrize(
        ("shown", "learnt", "expected"),
        [
            ("shop", set(), "certain"),
            ("shop", {"shop"}, "certain"),
            ("other", set(), "unclear"),
            ("other", {"shop"}, "unclear"),
            ("other", {"shop", "worker"}, "unclear"),
            ("worker", {"shop", "worker"}, "certain"),
            (None, set(), "certain"),
            (None, {"shop"}, "unclear"),
            (None, {"shop", None}, "certain"),
        ],
    )
    def test_of_an_entry_of_the_order_is_ours_unclear_or_as_others_came_back(
        self, shown: str | None, learnt: set[str | None], expected: str
    ) -> None:
        clients = {"chargeReservation": learnt} if learnt else {}
        assert weight(entry(client_id=shown), pending(), clients=clients) == expected

    def test_of_what_is_only_like_the_order_is_anothers_once_charges_have_shown_ours(self) -> None:
        like, clients = entry(client_id="other", order_number="a1"), {"chargeReservation": {"shop"}}
        assert weight(like, pending(), clients=clients) == "not ours"

    @pytest.mark.parametrize(
        ("client_id", "learnt", "shown", "expected"),
        [
            (None, "shop", "other", "certain"),  # a client that is not known
            ("shop", None, "shop", "certain"),
            ("shop", None, "other", "unclear"),
            ("shop", "entity", "entity", "certain"),
            ("shop", "entity", "other", "unclear"),
        ],
    )
    def test_without_a_reservation_what_was_learnt_counts(
        self, client_id: str | None, learnt: str | None, shown: str, expected: str
    ) -> None:
        clients = {"rechargeVoucher": {learnt}} if learnt else {}
        outcome = pending("rechargeVoucher", reserved_by=None, client_id=client_id)
        assert weight(entry("rechargeVoucher", client_id=shown), outcome, clients=clients) == expected


class TestTheOrderNumber:
    @pytest.mark.parametrize(
        ("expected", "sent", "shown"),
        [
            *(("certain", *each) for each in [("A-1", " A-1 "), (" A-1 ", "A-1"), (None, None), ("", None)]),
            *(("recognised", "A-1", shown) for shown in ("a1", None, "")),
            ("recognised", "2026-000123", "2026-000"),
            ("recognised", "Bücher-1", "B?cher-1"),
            ("unclear", None, "A-1"),
        ],
    )
    @pytest.mark.parametrize("echoed", [set[str](), {"chargeReservation"}])
    def test_what_is_recognisably_ours_is_never_absent(
        self, expected: str, sent: str | None, shown: str | None, echoed: set[str]
    ) -> None:
        assert weight(entry(order_number=shown), pending(order_number=sent), echoed=echoed) == expected

    @OPERATIONS
    def test_another_one_is_unclear_until_the_server_has_shown_that_it_echoes_them(
        self, operation: str
    ) -> None:
        other = entry(operation, order_number="B-7")
        assert weight(other, pending(operation)) == "unclear"
        assert weight(other, pending(operation), echoed={"other"}) == "unclear"
        assert weight(other, pending(operation), echoed={operation}) == "not ours"
        earlier = attrs.evolve(other, created_at=NOON - seconds(1))
        assert weight(earlier, pending(operation, known=None)) == "unclear"

    def test_another_one_a_day_before_is_not_ours(self) -> None:
        old = entry(order_number="B-7", created_at=NOON - seconds(DAY + 1))
        assert weight(old, pending()) == "not ours"
        assert weight(attrs.evolve(old, created_at=NOON - seconds(DAY)), pending()) == "unclear"


class TestTheKind:
    @OPERATIONS
    @pytest.mark.parametrize("kind", ["charge", "refund", "recharge"])
    def test_another_known_kind_is_not_ours(self, operation: str, kind: str) -> None:
        shown = entry(operation, type=ChargeType(kind))
        assert weight(shown, pending(operation)) == ("certain" if KINDS[operation] == kind else "not ours")

    @OPERATIONS
    def test_a_kind_that_this_version_does_not_know_may_be_ours(self, operation: str) -> None:
        assert weight(entry(operation, type=ChargeType("transfer")), pending(operation)) == "recognised"


class TestTheAmount:
    def test_its_form_does_not_count(self) -> None:
        assert weight(entry(amount=Decimal("5.0")), pending()) == "certain"

    @OPERATIONS
    @pytest.mark.parametrize("order", ["A-1", "a1"])
    def test_another_one_is_not_ours_if_the_balance_agrees(self, operation: str, order: str) -> None:
        other = entry(operation, amount=Decimal("5.01"), order_number=order)
        found = find(pending(operation), [other], Lessons())
        assert (found.ours, found.unclear, found.misfits) == ((), (), (other,))


class TestTheVoucher:
    @OPERATIONS
    def test_another_id_in_the_list_of_ours_is_no_other_voucher(self, operation: str) -> None:
        assert weight(entry(operation, voucher_id="v"), pending(operation)) == "recognised"


class TestTheTime:
    @pytest.mark.parametrize(
        ("early", "expected"),
        [
            (0.0, "certain"),
            (0.5, "recognised"),
            (3.0, "recognised"),
            (3.5, "unclear"),
            (DAY, "unclear"),
            (DAY + 0.5, "not ours"),
        ],
    )
    def test_a_stamp_before_the_reservation(self, early: float, expected: str) -> None:
        shown = entry(created_at=NOON + seconds(0.25 - early))
        assert weight(shown, pending(since=NOON + seconds(0.25))) == expected

    @pytest.mark.parametrize(
        ("late", "expected"),
        [(0.0, "certain"), (0.5, "unclear"), (DAY, "unclear"), (DAY + 1, "not ours")],
    )
    def test_a_stamp_after_the_last_moment(self, late: float, expected: str) -> None:
        assert weight(entry(created_at=NOON + seconds(60 + late)), pending()) == expected

    def test_a_stamp_in_whole_seconds_is_of_any_moment_within_its_second(self) -> None:
        since = NOON + seconds(0.9)
        assert weight(entry(created_at=NOON), pending(since=since)) == "certain"
        assert weight(entry(created_at=NOON + seconds(0.1)), pending(since=since)) == "recognised"

    def test_how_far_stamps_have_been_seen_off_is_allowed_for(self) -> None:
        behind = entry(created_at=NOON - seconds(9))
        offsets = {"chargeReservation": (seconds(-9), seconds(9))}
        assert weight(behind, pending(), offsets=offsets) == "certain"
        ahead = entry(created_at=NOON + seconds(69))
        assert weight(ahead, pending(), offsets=offsets) == "certain"

    @pytest.mark.parametrize("operation", COUNTED)
    def test_no_stamp_is_too_early_where_the_ids_before_are_known(self, operation: str) -> None:
        old = entry(operation, created_at=NOON - seconds(2 * DAY))
        assert weight(old, pending(operation)) == "certain"

    @OPERATIONS
    def test_bounds_that_are_not_known_exclude_nothing(self, operation: str) -> None:
        outcome = pending(operation, since=None, until=None)
        for days in (-2, 2):
            assert weight(entry(operation, created_at=NOON + dt.timedelta(days)), outcome) == "certain"


class TestTheIdsKnownBefore:
    @pytest.mark.parametrize("operation", COUNTED)
    @pytest.mark.parametrize(("known", "whole"), [(None, False), ((), False), (None, True)])
    def test_without_all_of_them_a_look_alike_is_unclear(
        self, operation: str, known: tuple[str, ...] | None, *, whole: bool
    ) -> None:
        assert weight(entry(operation), pending(operation, known=known, known_whole=whole)) == "unclear"

    def test_a_charge_needs_none(self) -> None:
        assert weight(entry(), pending(known=None)) == "certain"


class TestAnAnswerOf2xxThatContradicts:
    @OPERATIONS
    def test_what_was_asked_for_contradicts_nothing(self, operation: str) -> None:
        assert contradiction(pending(operation), entry(operation), Lessons()) is None

    @OPERATIONS
    @pytest.mark.parametrize(
        "changes",
        [{"amount": Decimal("5.01")}, {"voucher_id": "W"}],
        ids=lambda changes: next(iter(changes)),
    )
    def test_another_amount_or_voucher_is_said(self, operation: str, changes: dict[str, Any]) -> None:
        answer = entry(operation, **changes)
        reason = contradiction(pending(operation), answer, Lessons())
        assert reason is not None
        assert str(next(iter(changes.values()))) in reason

    def test_another_kind_is_said_and_one_that_is_not_known_is_none(self) -> None:
        for kind in ("refund", "recharge"):
            said = contradiction(pending(), entry(type=ChargeType(kind)), Lessons())
            assert said == f"a charge was asked for, the answer is a {kind}"
        assert contradiction(pending(), entry(type=ChargeType("transfer")), Lessons()) is None

    def test_what_is_not_known_cannot_be_contradicted(self) -> None:
        blind = pending(amount=None, voucher_id=None, order_number=None)
        assert contradiction(blind, entry(amount=Decimal("9.99"), voucher_id="W"), Lessons()) is None

    def test_the_form_of_an_id_is_no_contradiction(self) -> None:
        assert contradiction(pending(), entry(voucher_id=" v "), Lessons()) is None

    @OPERATIONS
    def test_a_clearly_different_order_number_is_one_where_it_is_ours_for_sure(self, operation: str) -> None:
        answer = entry(operation, order_number="B-7")
        surely = operation != "refundCharge"
        assert (contradiction(pending(operation), answer, Lessons()) is not None) is surely
        assert contradiction(pending(operation), answer, Lessons(echoed={operation})) is not None

    @pytest.mark.parametrize("shown", ["a1", None, ""])
    def test_a_rewritten_order_number_is_none(self, shown: str | None) -> None:
        assert contradiction(pending(), entry(order_number=shown), Lessons()) is None


class TestWhatCanNeverBeSettled:
    def test_says_why(self) -> None:
        assert obstacle(pending()) is None
        assert obstacle(pending("createVoucher")) is None
        assert "looked at" in str(obstacle(pending("connectClient")))
        assert "voucher's id" in str(obstacle(pending(voucher_id=None)))
        assert "amount" in str(obstacle(pending(amount=None)))


def test_an_entry_of_another_order_and_amount_is_no_misfit() -> None:
    other = entry(order_number="B-7", amount=Decimal("1.00"))
    assert find(pending(), [other], Lessons()).misfits == ()


def test_each_operation_is_settled_by_its_own_rule() -> None:
    assert {operation: str(rule.kind) for operation, rule in RULES.items()} == KINDS
    assert [rule.by_order for rule in (CHARGE, REFUND, RECHARGE)] == [True, False, True]
    assert [rule.needs_known for rule in (CHARGE, REFUND, RECHARGE)] == [False, True, True]
    assert [rule.repeat_early for rule in (CHARGE, REFUND, RECHARGE)] == [True, False, False]
    assert [rule.take_back for rule in (CHARGE, REFUND, RECHARGE)] == [True, False, False]
