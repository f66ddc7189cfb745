"""What the model check has found, each in its smallest form."""

from __future__ import annotations

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.promise import run
from tests.settlement.story import (
    Checkout,
    Close,
    Intrude,
    Kill,
    Pay,
    Recharge,
    Redeem,
    Refund,
    Settle,
    Step,
    Wait,
)


def test_a_repeated_charge_does_not_take_back_what_an_equal_call_is_just_charging() -> None:
    run([Redeem(money=(Lot("lost"),)), Redeem(money=(Lot("answered", wait=2.0),))])


@pytest.mark.parametrize("way", ["answered", "lost answer"])
def test_an_open_charge_does_not_claim_what_an_equal_call_is_just_charging(way: str) -> None:
    run([Pay(money=(Lot("lost"),), timeout=0.2), Redeem(money=(Lot(way, wait=1.0),))])


@pytest.mark.parametrize(
    "story",
    [
        (
            Redeem(),
            Refund(amount="0.50", money=(Lot("lost"),), timeout=5.0),
            Refund(amount="0.50", money=(Lot("lost answer", wait=2.0),)),
        ),
        (Recharge(money=(Lot("lost"),), timeout=5.0), Recharge(money=(Lot("lost answer", wait=2.0),))),
    ],
)
def test_of_two_equal_calls_in_doubt_neither_is_sent_again_because_of_the_other(
    story: tuple[Step, ...],
) -> None:
    run(story)


def test_two_equal_calls_that_have_their_own_charges_do_not_wait_for_each_other_with_a_surplus() -> None:
    story = [Redeem(), Redeem(money=(Lot("lost"),)), Redeem(money=(Lot("late", late=1.0),))]
    run(story, double_charges=True)


def test_a_call_that_was_answered_does_not_wait_for_a_rival_that_stays_open() -> None:
    run([Redeem(), Redeem(), Refund(money=(Lot("lost"), Lot("lost")), alone=0.0), Refund(by_id=True)])


def test_a_charge_settled_while_its_cancelled_checkout_was_undone_keeps_its_end() -> None:
    money = (Lot("answered"), Lot("lost answer", wait=1.0), Lot("answered", wait=10.0))
    run([Checkout(money=money, cancel=(0.5, 0))])


@pytest.mark.parametrize(
    "story",
    [
        (
            Redeem(),
            Refund(amount="0.50", money=(Lot("lost"),) * 3),
            Refund(amount="0.50", money=(Lot("lost answer"),), by_id=True),
        ),
        (Recharge(money=(Lot("lost"),), timeout=5.0), Recharge(money=(Lot("lost answer"),), by_code=True)),
    ],
)
def test_a_call_in_doubt_whose_voucher_is_not_known_may_be_any_vouchers(story: tuple[Step, ...]) -> None:
    run(story)


def test_what_looks_like_somebody_elses_charge_is_no_surplus_and_stays_open() -> None:
    story = [
        Redeem(money=(Lot("lost"),)),
        Redeem(),
        Redeem(money=(Lot("late", late=1.0), Lot("lost answer"))),
    ]
    run(story, double_charges=True)


def test_the_surplus_of_a_killed_process_is_told_by_the_one_that_settles() -> None:
    money = (Lot("late", late=1.0), Lot("lost answer"), Lot("lost"))
    run([Checkout(money=money, cancel=(0.25, 12)), Kill()], double_charges=True)


def test_a_surplus_that_a_checkout_may_still_leave_when_its_client_is_closed_is_open() -> None:
    money = (Lot("late", late=1.0), Lot("lost answer"), Lot("lost"))
    run([Checkout(money=money, cancel=(0.25, 8)), Close()], double_charges=True)


def test_a_charge_whose_refund_is_open_is_told_by_the_refund() -> None:
    money = (Lot("answered"), Lot("lost"), Lot("lost"))
    run([Checkout(money=money, cancel=(0.0, 8))], may_read=False)


def test_an_equal_call_of_a_killed_process_may_be_taken_for_the_one_in_doubt() -> None:
    run([Redeem(), Refund(money=(Lot("hung"),)), Refund(), Kill(), Redeem(), Settle()])


def test_a_charge_that_a_killed_process_took_back_was_carried_out_all_the_same() -> None:
    run([Checkout(money=(Lot("lost"), Lot("lost answer"), Lot("refused 401"))), Kill()])


def test_a_checkout_that_is_charged_again_says_what_the_first_time_said_without_waiting_for_a_turn() -> None:
    money = (Lot("hung answer"), *[Lot("lost")] * 3)
    run([Checkout(money=money, timeout=12.0, alone=0.0, vouchers=(0,), again=True), Redeem()])


def test_which_of_two_charges_is_the_surplus_may_differ_from_one_process_to_another() -> None:
    slow = Lot("answered", wait=2.0)
    looks = (Lot(), Lot("not sent", wait=2.0), slow, Lot(), slow, *[Lot()] * 4, Lot("refused 403"))
    redeem = Redeem(money=(Lot("late", late=9.9), Lot("hung")), rest=looks, alone=4.0)
    run([redeem, Redeem(timeout=5.0, voucher=1), Settle()], double_charges=True)


@pytest.mark.parametrize(
    "habit",
    ["cached lists", "cached lists, query ignored", "cached lists, with age", "cached lists, new date"],
)
def test_a_list_that_comes_out_of_a_cache_is_no_proof_where_nothing_else_was_answered(habit: str) -> None:
    run([Redeem(money=(Lot("lost"), Lot("lost"), Lot("lost answer")))], habit=habit)


def test_who_joins_before_the_voucher_is_known_is_told_of_the_same_record() -> None:
    first = Redeem(rest=(Lot("answered", wait=7.0),), alone=0.0, amount="2.00")
    run([Kill(), first, Wait(seconds=0.1), Redeem(timeout=12.0, amount="2.00")])


def test_a_process_that_has_sent_nothing_else_settles_by_the_balance() -> None:
    run([Redeem(amount="2.00"), Redeem(money=(Lot("hung"),))])


def test_settling_what_somebody_joined_before_it_was_sent_waits_for_that_call() -> None:
    slow = Redeem(rest=(Lot("not sent", wait=2.0),), alone=0.0)
    run([Redeem(), slow, Wait(seconds=0.1), Redeem(timeout=0.5), Redeem(voucher=1), Settle()])


def test_what_a_proxy_makes_of_a_refund_whose_caller_has_left_nobody_can_tell() -> None:
    lost = Refund(money=tuple([Lot("lost")] * 4))
    story = [*[Redeem()] * 4, lost, Refund(cancel=(0.0, 0), amount="0.50")]
    run(story, habit="delivered twice")


def test_what_was_settled_at_the_moment_of_the_next_call_is_told_before_it() -> None:
    first, left = Redeem(money=(Lot("hung answer"),), order="B"), Redeem(cancel=(0.0, 0), order="B")
    again = Redeem(order="B")
    run([Intrude(), first, Wait(seconds=0.1), left, Redeem(), Settle(), again, Wait(seconds=0.1), again])


def test_who_leaves_after_others_were_told_of_their_charge_leaves_nothing_for_the_next_payment() -> None:
    both = [Redeem(alone=0.0), Redeem(alone=0.0)]
    run([*both, Refund(), Refund(), Redeem(cancel=(0.0, 0)), Wait(seconds=0.1), Redeem()])


def test_a_surplus_of_a_charge_that_was_told_is_not_that_of_the_next_payment() -> None:
    looks = (Lot(), Lot(lag=3.9), Lot(lag=1.0))
    left = Redeem(money=(Lot("lost answer"),), rest=looks, cancel=(0.0, 40), alone=0.0)
    refund = Refund(money=(Lot(), Lot("failed after")), alone=0.0)
    run([left, Redeem(rest=(Lot("hung answer"),)), refund, Redeem()], double_charges=True)


def test_an_entry_that_does_not_show_its_kind_may_be_that_of_another_kind_of_call() -> None:
    redeem = Redeem(money=(Lot("lost"), Lot("refused 409", wait=7.0), Lot("late")), alone=0.0)
    looks = (Lot("twice"), Lot("refused 409"), *[Lot()] * 4)
    others = [Refund(rest=looks), Refund(money=(Lot("hung answer"), Lot("lost")), rest=(Lot(), Lot(), Lot()))]
    left = Redeem(money=(Lot("lost"), Lot("lost"), Lot("lost")), rest=(Lot(),), cancel=(0.0, 23))
    refused = Redeem(money=(Lot("refused 401"),), rest=(Lot("lost"), Lot(), Lot()), timeout=5.0)
    slow = Redeem(rest=(Lot(late=1.0, lag=1.0), Lot(lag=3.9)), timeout=5.0, alone=1.0)
    recharge = Recharge(cancel=(0.75, 19), alone=1.0)
    story = [redeem, *others, left, Wait(seconds=0.1), refused, slow, recharge]
    run(story, habit="another type, in lists too", newest_first=True)


def test_a_lost_refund_and_the_twin_of_an_equal_one_nobody_can_tell_apart() -> None:
    lost = Refund(money=(Lot("lost"),), timeout=5.0, amount="0.50")
    run([Redeem(), lost, Refund(amount="0.50", by_id=True)], habit="delivered twice")


def test_a_wait_ends_up_to_a_hundredth_of_a_second_late_beside_another() -> None:
    paid = Pay(money=(Lot("hung answer"), Lot("garbage"), Lot("late"), Lot("lost")), by_id=True)
    settled = Settle(
        money=(Lot("lost"), Lot("failed"), Lot("garbage")), rest=(Lot("late"), Lot("late"), Lot()), fresh=True
    )
    slow = Lot(wait=0.3)
    short = Redeem(money=(Lot("lost"),), rest=(slow, Lot(), Lot(), Lot()), timeout=0.5)
    looks = (slow, slow, Lot("never connected"), Lot(), Lot())
    holds = Redeem(money=(Lot("lost", wait=0.3), Lot("lost"), Lot("lost")), rest=looks, alone=1.0)
    waits = Redeem(timeout=0.5, order="B")
    run([paid, settled, short, Wait(seconds=0.1), holds, waits], newest_first=True)
