"""What follows from what a list of charges proves, step by step."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.unit.samples import charge
from voucher_async.errors import Proof
from voucher_async.payments.evidence import RULES, Evidence, Finding, Move, Rule, decide

CHARGE, REFUND, RECHARGE = RULES.values()
WINDOW, LAG = 60.0, 10.0


def finding(certain: int = 0, recognised: int = 0, unclear: int = 0) -> Finding:
    return Finding(
        certain=tuple(charge(f"c-{number}") for number in range(certain)),
        recognised=tuple(charge(f"r-{number}") for number in range(recognised)),
        unclear=tuple(charge(f"u-{number}") for number in range(unclear)),
    )


def evidence(found: Finding | None = None, **changes: Any) -> Evidence:
    values = {"sends": 1, "absences": 0, "quiet": 0.0, "window": WINDOW, "lag": LAG, **changes}
    return Evidence(finding=found or Finding(), **values)


EACH = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
COUNTING = pytest.mark.parametrize("rule", [REFUND, RECHARGE], ids=["refund", "recharge"])


class TestWhatIsCertain:
    @EACH
    def test_was_done_whatever_else_is_there(self, rule: Rule) -> None:
        for found in (finding(1), finding(1, 1), finding(1, 0, 1), finding(1, 2, 3)):
            for quiet in (0.0, WINDOW):
                assert decide(rule, evidence(found, quiet=quiet, repeatable=True, answered=True)) is Move.DONE
        assert decide(rule, evidence(finding(2), sends=2)) is Move.DONE

    @EACH
    def test_more_than_was_sent_is_never_guessed(self, rule: Rule) -> None:
        assert decide(rule, evidence(finding(2), quiet=99.0, repeatable=True)) is Move.OPEN

    def test_what_may_be_a_rivals_is_waited_for(self) -> None:
        assert decide(CHARGE, evidence(finding(1), rivals=1, quiet=99.0, repeatable=True)) is Move.WAIT
        assert decide(CHARGE, evidence(finding(2), sends=2, rivals=1, told=1)) is Move.WAIT
        assert decide(CHARGE, evidence(finding(1), rivals=1, told=1)) is Move.DONE


@pytest.mark.parametrize("found", [finding(0, 1), finding(0, 0, 1), finding(0, 2), finding(0, 1, 1)])
class TestWhatIsUnclear:
    def test_while_the_reservation_lives_it_is_charged_again_after_two_looks(self, found: Finding) -> None:
        assert decide(CHARGE, evidence(found, absences=1, repeatable=True)) is Move.WAIT
        assert decide(CHARGE, evidence(found, absences=2, repeatable=True)) is Move.REPEAT

    @COUNTING
    def test_a_refund_or_recharge_is_not_sent_again(self, rule: Rule, found: Finding) -> None:
        assert decide(rule, evidence(found, absences=9, quiet=0.0, repeatable=True)) is Move.WAIT
        assert decide(rule, evidence(found, absences=9, quiet=99.0, repeatable=True)) is Move.OPEN

    @EACH
    def test_is_never_absent(self, rule: Rule, found: Finding) -> None:
        given = evidence(found, absences=9, quiet=999.0, fenced=999.0, balanced=True)
        assert decide(rule, given) is Move.OPEN
        assert decide(rule, attrs.evolve(given, refused=True)) is Move.OPEN

    def test_is_waited_for_as_long_as_more_may_show(self, found: Finding) -> None:
        assert decide(CHARGE, evidence(found, quiet=LAG - 0.1)) is Move.WAIT
        assert decide(CHARGE, evidence(found, quiet=LAG)) is Move.OPEN

    def test_after_a_refused_repeat_the_one_that_is_recognised_is_ours(self, found: Finding) -> None:
        given = evidence(found, absences=2, quiet=0.5, repeat_refused=True)
        one = len(found.recognised) == 1
        assert decide(CHARGE, given) is (Move.DONE if one else Move.WAIT)
        assert decide(CHARGE, attrs.evolve(given, confusable=True)) is Move.WAIT
        assert decide(CHARGE, attrs.evolve(given, quiet=LAG, confusable=True)) is Move.OPEN

    def test_after_an_answer_of_2xx_nothing_is_sent_again(self, found: Finding) -> None:
        given = evidence(found, absences=9, quiet=0.0, repeatable=True, answered=True)
        # an effect exists, so one recognised entry is it
        assert decide(CHARGE, given) is (Move.DONE if len(found.recognised) == 1 else Move.WAIT)


class TestAbsence:
    @EACH
    def test_takes_the_settle_window(self, rule: Rule) -> None:
        assert decide(rule, evidence(absences=9, quiet=WINDOW - 0.1)) is Move.WAIT
        assert decide(rule, evidence(absences=1, quiet=WINDOW)) is Move.NOT_DONE
        assert evidence(quiet=WINDOW).absence is Proof.ABSENT

    @EACH
    def test_takes_the_lag_past_a_fence(self, rule: Rule) -> None:
        assert decide(rule, evidence(absences=1, fenced=LAG - 0.1)) is Move.WAIT
        assert decide(rule, evidence(absences=1, fenced=LAG)) is Move.NOT_DONE
        assert evidence(fenced=LAG).absence is Proof.FENCED

    @EACH
    def test_takes_a_list_that_is_fresh_whole_and_unfiltered(self, rule: Rule) -> None:
        given = evidence(absences=9, quiet=999.0, fenced=999.0, whole=False)
        assert given.absence is None
        assert decide(rule, given) is Move.WAIT

    @EACH
    def test_is_none_after_an_answer_of_2xx(self, rule: Rule) -> None:
        given = evidence(absences=9, quiet=999.0, fenced=999.0, answered=True, repeatable=True)
        assert given.absence is None
        assert decide(rule, given) is Move.WAIT

    def test_a_charge_is_repeated_early_after_two_looks_and_nothing_else_is(self) -> None:
        assert decide(CHARGE, evidence(absences=1, repeatable=True)) is Move.WAIT
        assert decide(CHARGE, evidence(absences=2, repeatable=True)) is Move.REPEAT
        assert decide(CHARGE, evidence(absences=2)) is Move.WAIT
        for rule in (REFUND, RECHARGE):
            assert decide(rule, evidence(absences=9, repeatable=True)) is Move.WAIT
            assert decide(rule, evidence(absences=1, quiet=WINDOW, repeatable=True)) is Move.REPEAT


class TestARefusedRepeatAndNothingFound:
    GIVEN = evidence(absences=2, repeat_refused=True)

    @pytest.mark.parametrize("balanced", [True, None])
    def test_is_not_done_past_the_window_when_the_balance_adds_up_or_cannot_be_read(
        self, *, balanced: bool | None
    ) -> None:
        given = attrs.evolve(self.GIVEN, balanced=balanced)
        assert decide(CHARGE, attrs.evolve(given, quiet=WINDOW - 0.1)) is Move.WAIT
        late = attrs.evolve(given, quiet=WINDOW)
        assert (decide(CHARGE, late), late.absence) == (Move.NOT_DONE, Proof.REPEAT_REFUSED)

    def test_stays_open_when_the_balance_does_not_add_up(self) -> None:
        given = attrs.evolve(self.GIVEN, quiet=999.0, fenced=999.0, balanced=False)
        assert given.absence is None
        assert decide(CHARGE, given) is Move.WAIT

    def test_takes_the_lag_alone_when_the_reservation_is_gone(self) -> None:
        given = attrs.evolve(self.GIVEN, gone=True, balanced=True)
        assert attrs.evolve(given, quiet=LAG - 0.1).absence is None
        assert attrs.evolve(given, quiet=LAG).absence is Proof.REPEAT_REFUSED


class TestARefusalOfTheOnlyDelivery:
    GIVEN = evidence(refused=True, absences=2, quiet=1.0)

    @EACH
    def test_takes_two_looks(self, rule: Rule) -> None:
        agreed = attrs.evolve(self.GIVEN, balanced=True)
        assert decide(rule, attrs.evolve(agreed, absences=1)) is Move.WAIT
        assert decide(rule, agreed) is Move.REFUSED

    @EACH
    @pytest.mark.parametrize("balanced", [None, False])
    def test_waits_for_the_lag_where_the_balance_does_not_agree(
        self,
        rule: Rule,
        balanced: bool | None,  # noqa: FBT001
    ) -> None:
        given = attrs.evolve(self.GIVEN, balanced=balanced)
        assert decide(rule, given) is Move.WAIT
        assert decide(rule, attrs.evolve(given, quiet=10.0)) is Move.REFUSED

    @EACH
    def test_is_open_when_the_list_is_not_whole(self, rule: Rule) -> None:
        assert decide(rule, attrs.evolve(self.GIVEN, whole=False)) is Move.WAIT
        assert decide(rule, attrs.evolve(self.GIVEN, whole=False, quiet=10.0)) is Move.OPEN

    @EACH
    def test_by_who_limits_the_rate_is_sent_again_in_time(self, rule: Rule) -> None:
        limited = attrs.evolve(self.GIVEN, patience=2.0, repeatable=True)
        assert decide(rule, limited) is Move.WAIT
        assert decide(rule, attrs.evolve(limited, quiet=2.0)) is Move.REPEAT
        assert decide(rule, attrs.evolve(limited, quiet=2.0, whole=False)) is Move.WAIT
        once = attrs.evolve(limited, quiet=2.0, repeatable=False, balanced=True)
        assert decide(rule, once) is Move.REFUSED

    @EACH
    def test_beside_an_answer_of_2xx_proves_nothing(self, rule: Rule) -> None:
        for patience in (None, 0.5):
            given = attrs.evolve(self.GIVEN, answered=True, repeatable=True, patience=patience, quiet=999.0)
            assert decide(rule, given) is Move.WAIT

    def test_with_an_entry_that_may_be_ours_is_open(self) -> None:
        for found in (finding(0, 1), finding(0, 0, 1)):
            assert decide(CHARGE, attrs.evolve(self.GIVEN, finding=found)) is Move.OPEN
        assert decide(CHARGE, attrs.evolve(self.GIVEN, finding=finding(1))) is Move.DONE


class TestAnEntryWithAnotherAmount:
    MISFIT = Finding(misfits=(charge(),))

    def test_proves_nothing_by_itself(self) -> None:
        assert Finding() == self.MISFIT

    @pytest.mark.parametrize(("balanced", "absence"), [(True, Proof.ABSENT), (False, None), (None, None)])
    def test_keeps_absence_from_being_proved_unless_the_balance_agrees(
        self, absence: Proof | None, *, balanced: bool | None
    ) -> None:
        assert evidence(self.MISFIT, quiet=WINDOW, balanced=balanced).absence is absence

    @pytest.mark.parametrize(
        ("balanced", "moves"),
        [
            (True, (Move.REFUSED, Move.REFUSED)),
            (False, (Move.WAIT, Move.OPEN)),
            (None, (Move.WAIT, Move.OPEN)),
        ],
    )
    def test_keeps_a_refusal_open_unless_the_balance_agrees(
        self, moves: tuple[Move, Move], *, balanced: bool | None
    ) -> None:
        early = evidence(self.MISFIT, refused=True, absences=2, quiet=1.0, balanced=balanced)
        assert (decide(CHARGE, early), decide(CHARGE, attrs.evolve(early, quiet=LAG))) == moves


@pytest.mark.parametrize(
    ("facts", "needed"),
    [
        ({}, False),
        ({"refused": True}, True),
        ({"refused": True, "absences": 1}, False),
        ({"refused": True, "quiet": LAG - 0.1}, True),
        ({"refused": True, "quiet": LAG}, False),  # by now the list shows every effect
        ({"repeat_refused": True}, False),
        ({"repeat_refused": True, "quiet": WINDOW}, True),
        ({"quiet": WINDOW}, False),
        ({"found": Finding(misfits=(charge(),))}, True),
    ],
)
def test_the_balance_is_read_where_it_decides(facts: dict[str, Any], *, needed: bool) -> None:
    assert evidence(**{"absences": 2, "quiet": 1.0, **facts}).needs_balance is needed
