"""What the judge makes of a server with habits: what it excuses, counts, and never forgives."""

from __future__ import annotations

import attrs
import pytest

from tests.chaos import report as reports
from tests.chaos.judge import Kind, Verdict, judge
from tests.chaos.records import Doubt, Ended, Entry, Intent, Outcome, Record, Settled, Turn, Word
from tests.chaos.samples import (
    BACK,
    CANCELLED,
    CHARGED,
    CHECKOUT,
    HOOK_DONE,
    HOOK_NOT_DONE,
    SENT,
    SETTLED,
    SETTLED_NOT_DONE,
    UNKNOWN,
    began,
    intent,
    refunding,
    told,
)
from tests.chaos.shares import UNTELLABLE, Share
from tests.chaos.turns import Turns
from voucher_async.testing.habits import KINDS

FOLDED = Turns([Turn(at=-1.0, habit="folded")])
STILL_OPEN = Settled(pending="p1", by="worker", state="unknown")
LIED_TO = attrs.evolve(STILL_OPEN, answered=True)
DOUBT = Doubt(call="1", operation="chargeReservation")
RECHARGED = Entry(id="a1", kind="recharge", voucher="V", amount="5.00", order="O")


def recharging(pending: str = "p1", call: str = "1") -> Intent:
    return attrs.evolve(intent(pending, call), operation="rechargeVoucher", reservation="")


def kinds(verdict: Verdict) -> set[Kind]:
    return {violation.kind for violation in verdict.violations}


def own(verdict: Verdict, habit: str) -> Share:
    (share,) = (share for share in verdict.shares if share.habit == habit)
    return share


class TestTurns:
    turns = Turns([Turn(at=3.0), Turn(at=1.0, habit="a"), Turn(at=5.0, habit="b"), Turn(at=6.0, habit="a")])

    @pytest.mark.parametrize(
        ("begin", "end", "names"),
        [
            (0.0, 0.9, ()),
            (0.0, 1.0, ("a",)),
            (2.0, 2.5, ("a",)),
            (3.0, 4.0, ()),
            (2.9, 5.0, ("a", "b")),
            (5.5, 9.0, ("b", "a")),
        ],
    )
    def test_the_habits_between_two_moments_come_in_their_order(
        self, begin: float, end: float, names: tuple[str, ...]
    ) -> None:
        assert self.turns.between(begin, end) == names


class TestWhatStaysOpen:
    def test_is_excused_and_counted_under_a_habit_alone(self) -> None:
        records: list[Record] = [*SENT, UNKNOWN, STILL_OPEN, Ended(open=("p1",))]
        made: tuple[list[Entry], ...] = ([], [CHARGED])
        for entries in made:
            excused = judge(records, entries, FOLDED)
            assert (excused.violations, excused.left_open) == ((), 1)
            assert own(excused, "folded").left_open == 1
            assert kinds(judge(records, entries)) == {Kind.OPEN}

    def test_is_excused_when_the_habit_began_a_moment_after_the_request(self) -> None:
        records: list[Record] = [*SENT, CANCELLED, STILL_OPEN]
        soon, later = (Turns([Turn(at=at, habit="folded")]) for at in (1.5, 2.5))
        assert judge(records, [CHARGED], soon).violations == ()
        assert kinds(judge(records, [CHARGED], later)) == {Kind.CANCELLED}

    def test_is_excused_for_the_refund_of_a_charge_that_a_habit_has_touched(self) -> None:
        early = attrs.evolve(began("0"), at=1.0), attrs.evolve(intent(call="0"), at=1.0)
        late = attrs.evolve(began("1", kind="refund", things=("c1",)), at=9.0)
        done = attrs.evolve(told("done", "0", charges=("c1",)), at=1.5)
        records: list[Record] = [early[0], early[1], done, late]
        records += [attrs.evolve(refunding("p2", "1"), at=9.0), told("unknown", "1")]
        turns = Turns([Turn(at=0.0, habit="folded"), Turn(at=4.0)])
        assert judge(records, [CHARGED], turns).violations == ()
        assert kinds(judge(records, [CHARGED])) == {Kind.OPEN}

    def test_is_excused_for_a_refund_that_is_tried_again_after_one_that_failed(self) -> None:
        failed = Word(call="1", what="refund failed", charge="c1", at=2.0)
        records: list[Record] = [CHECKOUT, intent(), attrs.evolve(refunding("p2"), at=1.0), failed, SETTLED]
        again = attrs.evolve(refunding("p4", "2"), at=3.0)
        run_again: list[Record] = [began("2", kind="checkout", payment="1"), again, told("cancelled", "2")]
        assert judge([*records, *run_again], [CHARGED, BACK], FOLDED).violations == ()
        assert judge(records, [CHARGED, BACK], FOLDED).violations

    def test_behind_a_success_with_nothing_done_is_excused_anywhere(self) -> None:
        records: list[Record] = [*SENT, DOUBT, UNKNOWN, LIED_TO, Ended(open=("p1",))]
        excused = judge(records, [])
        assert (excused.violations, excused.lied_to, excused.doubted) == ((), 1, 0)
        assert kinds(judge(records, [CHARGED])) == {Kind.OPEN}


class TestNoHabitExcuses:
    @pytest.mark.parametrize(
        ("records", "entries", "kind"),
        [
            pytest.param([*SENT, told("not done")], [CHARGED], Kind.DENIED, id="not done"),
            pytest.param([*SENT, UNKNOWN, SETTLED_NOT_DONE], [CHARGED], Kind.OPEN, id="settled"),
            pytest.param([*SENT, UNKNOWN, SETTLED], [], Kind.OPEN, id="settled as done"),
            pytest.param([*SENT, CANCELLED, HOOK_NOT_DONE], [CHARGED], Kind.CANCELLED, id="a hook"),
            pytest.param([*SENT, CANCELLED, HOOK_DONE], [], Kind.CANCELLED, id="a hook, done"),
            pytest.param([*SENT, told("done", charges=("c1",))], [], Kind.INVENTED, id="told done"),
        ],
    )
    def test_a_word_that_is_not_true(self, records: list[Record], entries: list[Entry], kind: Kind) -> None:
        verdict = judge(records, entries, FOLDED)
        assert kind in kinds(verdict)
        assert own(verdict, "folded").violations > 0

    def test_a_denial_beside_an_equal_refund_that_is_open_when_both_were_made(self) -> None:
        records: list[Record] = [began("0"), intent(call="0"), told("done", "0", charges=("c1",))]
        records += [began(call, kind="refund", things=("c1",)) for call in ("1", "2")]
        records += [refunding("p2", "1"), refunding("p3", "2"), told("unknown", "1"), told("not done", "2")]
        made = [
            Entry(id=id, kind="refund", voucher="V", amount="5.00", order="O", refund_of="c1")
            for id in ("b1", "b2")
        ]
        assert judge(records, [CHARGED, made[0]], FOLDED).violations == ()  # it may be the open call's
        assert kinds(judge(records, [CHARGED, *made], FOLDED)) == {Kind.DENIED}


class TestTwins:
    twin = attrs.evolve(RECHARGED, id="a2", twin_of="a1", told_well=True)

    @pytest.mark.parametrize("answer", ["a1", "a2"])
    def test_what_a_proxy_made_of_one_request_is_counted_by_itself(self, answer: str) -> None:
        records: list[Record] = [began(kind="recharge"), recharging(), told("done", charges=(answer,))]
        verdict = judge(records, [RECHARGED, self.twin], FOLDED)
        assert (verdict.violations, verdict.twins, verdict.hidden_twins) == ((), 1, 0)
        hidden = judge(records, [RECHARGED, attrs.evolve(self.twin, told_well=False)], FOLDED)
        assert (hidden.violations, hidden.twins, hidden.hidden_twins) == ((), 0, 1)

    def test_what_two_requests_made_is_a_violation(self) -> None:
        records: list[Record] = [began(kind="recharge"), recharging(), told("done", charges=("a1",))]
        again = attrs.evolve(RECHARGED, id="a3")
        assert kinds(judge(records, [RECHARGED, self.twin, again], FOLDED)) == {Kind.TWICE}

    def test_a_denial_is_one_all_the_same(self) -> None:
        records: list[Record] = [began(kind="recharge"), recharging(), told("not done")]
        assert kinds(judge(records, [RECHARGED, self.twin], FOLDED)) == {Kind.DENIED}


class TestProofs:
    def test_who_is_told_that_what_was_announced_was_not_done_is_told_why(self) -> None:
        unproved = attrs.evolve(told("not done"), proof="")
        assert kinds(judge([*SENT, unproved], [])) == {Kind.UNPROVED}
        assert judge([began(), unproved], []).violations == ()  # no money request was sent

    def test_so_is_whoever_settles_it(self) -> None:
        unproved = attrs.evolve(SETTLED_NOT_DONE, proof="")
        assert kinds(judge([*SENT, UNKNOWN, unproved], [])) == {Kind.UNPROVED}

    def test_so_is_a_checkout_of_each_voucher(self) -> None:
        outcomes = (Outcome(voucher="V", state="not charged"), Outcome(voucher="W", state="not charged"))
        failed = told("not done", outcomes=outcomes)
        assert kinds(judge([CHECKOUT, intent(), failed], [])) == {Kind.UNPROVED}
        assert judge([CHECKOUT, failed], []).violations == ()


class TestShares:
    def test_a_lost_charge_counts_when_its_reservation_lived_and_its_caller_stayed(self) -> None:
        calls = [began("1", things=("Own-0-1",)), began("2", things=("Common-1",)), began("3")]
        calls[0], calls[1] = (attrs.evolve(call, patient=True) for call in calls[:2])
        records: list[Record] = [*calls]
        records += [intent(f"p{call}", call, reservation=f"r{call}") for call in "123"]
        records += [attrs.evolve(DOUBT, call=call) for call in "123"]
        records += [attrs.evolve(told("unknown", call), at=5.0) for call in "123"]
        made = [attrs.evolve(CHARGED, id=f"c{call}", reservation=f"r{call}") for call in "123"]

        def share(*entries: Entry) -> tuple[int, ...]:
            it = own(judge(records, entries, FOLDED), "folded")
            return it.calls, it.doubted, it.lost, it.lost_and_open

        assert share(*made) == (3, 3, 1, 1)
        assert share(attrs.evolve(made[0], replaced=6.0), *made[1:]) == (3, 3, 1, 1)
        assert share(attrs.evolve(made[0], replaced=4.0), *made[1:]) == (3, 3, 0, 0)
        assert share(*made[1:]) == (3, 3, 0, 0)

    def test_a_call_that_met_two_habits_counts_for_the_one_that_lets_nothing_be_told(self) -> None:
        (untellable,) = UNTELLABLE
        turns = Turns([Turn(at=-1.0, habit="folded"), Turn(at=1.0, habit=untellable)])
        (share,) = judge([*SENT, UNKNOWN, STILL_OPEN], [], turns).shares
        assert share.habit == untellable

    def test_two_open_calls_are_no_share_of_a_habit_and_a_few_of_a_hundred_are(self) -> None:
        few = Share(habit="a", calls=9, doubted=9, left_open=2, lost=9, lost_and_open=2, violations=0)
        many = attrs.evolve(few, habit="b", lost=100, lost_and_open=3)
        fine = attrs.evolve(few, habit="c", lost=400, lost_and_open=1)
        excused = attrs.evolve(many, habit=next(iter(UNTELLABLE)))
        (problem,) = reports.too_open([few, many, fine, excused])
        assert problem.startswith("b: 3 of 100")
        assert reports.too_open([few, few]) == ["all: 4 of 18 lost charges are still open"]

    def test_the_table_has_a_row_for_each_habit_and_one_for_all(self) -> None:
        share = Share(habit="a", calls=9, doubted=5, left_open=1, lost=4, lost_and_open=1, violations=0)
        table = reports.table_of_habits([share, attrs.evolve(share, habit="b")]).splitlines()
        assert table[2] == "| a | 9 | 5 | 1 | 4 | 1 (25.0%) | 0 |"
        assert table[-1] == "| all | 18 | 10 | 2 | 8 | 2 (25.0%) | 0 |"

    def test_habits_that_let_nothing_be_told_are_habits(self) -> None:
        assert set(KINDS) >= UNTELLABLE
