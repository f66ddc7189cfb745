"""The judge finds each kind of lie, and nothing where there is none."""

from __future__ import annotations

import attrs
import pytest

from tests.chaos.judge import Kind, Verdict, judge
from tests.chaos.records import Doubt, Ended, Entry, Outcome, Record, Settled, Turn, Word
from tests.chaos.samples import (
    AGAIN,
    BACK,
    BACK_AGAIN,
    CANCELLED,
    CHARGED,
    CHECKOUT,
    DONE,
    ELSEWHERE,
    HOOK_DONE,
    HOOK_NOT_DONE,
    ONCE_MORE,
    OTHER,
    SENT,
    SETTLED,
    SETTLED_NOT_DONE,
    SURPLUS,
    UNKNOWN,
    began,
    intent,
    refunding,
    told,
)
from tests.chaos.turns import Turns

BOTH: list[Record] = [CHECKOUT, intent(), intent("p3", reservation="r2")]
REFUNDED = Outcome(voucher="V", state="refunded", charge="c1")
STILL_CHARGED = Outcome(voucher="V", state="charged", charge="c1")
NOT_CHARGED = Outcome(voucher="W", state="not charged", proof="REFUSED")
REFUNDING: list[Record] = [CHECKOUT, intent(), refunding()]


def kinds(verdict: Verdict) -> list[Kind]:
    return [violation.kind for violation in verdict.violations]


# one of the two was made, and reported as done
EQUAL_REFUNDS: list[Record] = [
    began("0"),
    intent(call="0"),
    told("done", "0", charges=("c1",)),
    began("1", kind="refund", things=("c1",), amounts=("2.00",)),
    began("2", kind="refund", things=("c1",), amounts=("2.00",)),
    refunding("p2", "1", amount="2.00"),
    refunding("p3", "2", amount="2.00"),
    told("done", "1", charges=("b1",)),
]


TRUTHS: dict[str, tuple[list[Record], list[Entry]]] = {
    "told done": ([*SENT, DONE], [CHARGED]),
    "told not done": ([*SENT, told("not done")], []),
    "nothing was sent": ([began(), told("not done")], []),
    "refused, and another reservation was charged": (
        [began(), intent(sends=2), ONCE_MORE, UNKNOWN, attrs.evolve(HOOK_DONE, charge="c4")],
        [ELSEWHERE],
    ),
    "unknown, settled as not done": ([*SENT, UNKNOWN, SETTLED_NOT_DONE], []),
    "unknown, done in the background": ([*SENT, UNKNOWN, HOOK_DONE], [CHARGED]),
    "cancelled before money moved": ([began(), CANCELLED], []),
    "cancelled, done all the same": ([*SENT, CANCELLED, HOOK_DONE], [CHARGED]),
    "killed, settled by another": ([*SENT, SETTLED], [CHARGED]),
    "charged twice, and the surplus was refunded": (
        [began(), intent(sends=2), DONE, refunding(charge="c2"), SURPLUS],
        [CHARGED, AGAIN, BACK_AGAIN],
    ),
    "asked again, and given what was charged before": (
        [*SENT, CANCELLED, HOOK_DONE, began("2", payment="1"), told("done", "2", charges=("c1",))],
        [CHARGED],
    ),
    "a checkout that failed, refunded": (
        [*BOTH, refunding(), told("not done", outcomes=(REFUNDED, NOT_CHARGED))],
        [CHARGED, BACK],
    ),
    "a checkout that was cancelled, refunded": (
        [
            *BOTH,
            refunding(),
            CANCELLED,
            Word(call="1", what="refunded", charge="c1"),
            Word(call="1", what="not done", pending="p3"),
        ],
        [CHARGED, BACK],
    ),
    "one of two equal refunds": (
        [*EQUAL_REFUNDS, told("not done", "2")],
        [CHARGED, attrs.evolve(BACK, amount="2.00")],
    ),
    "one of two equal refunds, and nothing was done for the other's answer of 2xx": (
        [
            *EQUAL_REFUNDS,
            told("unknown", "2", pendings=("p3",)),
            Settled(pending="p3", by="worker", state="unknown", answered=True),
            Ended(open=("p3",)),
        ],
        [CHARGED, attrs.evolve(BACK, amount="2.00")],
    ),
    "a checkout that failed, and could not refund": (
        [*BOTH, told("not done", outcomes=(STILL_CHARGED, NOT_CHARGED))],
        [CHARGED],
    ),
    "a checkout that could not refund, and another run of it that could": (
        [
            *BOTH,
            attrs.evolve(told("not done", outcomes=(STILL_CHARGED, NOT_CHARGED)), at=5.0),
            refunding(),
            Word(call="", what="refunded", charge="c1", at=9.0),
        ],
        [CHARGED, BACK],
    ),
    "a checkout that was killed while it refunded": (
        [*REFUNDING, SETTLED, Settled(pending="p2", by="stranger", state="done", charge="b1")],
        [CHARGED, BACK],
    ),
    "a surplus that a settlement refunded": (
        [
            began(),
            intent(sends=2),
            UNKNOWN,
            refunding(charge="c2"),
            Settled(pending="p1", by="stranger", state="done", charge="c1", surplus=("c2",)),
            Settled(pending="p2", by="stranger", state="done", charge="b2"),
        ],
        [CHARGED, AGAIN, BACK_AGAIN],
    ),
}


@pytest.mark.parametrize(("records", "entries"), TRUTHS.values(), ids=TRUTHS)
def test_the_truth_is_found_to_be_the_truth(records: list[Record], entries: list[Entry]) -> None:
    assert judge(records, entries).violations == ()


LIES: dict[Kind, dict[str, tuple[list[Record], list[Entry]]]] = {
    Kind.TWICE: {
        "twice, told once": ([*SENT, DONE], [CHARGED, AGAIN]),
        "a surplus that is not refunded": ([*SENT, DONE, SURPLUS], [CHARGED, AGAIN]),
        "another reservation was charged, and the first one, too": (
            [*SENT, ONCE_MORE, told("done", charges=("c4",))],
            [CHARGED, ELSEWHERE],
        ),
        "refunded twice": (
            [
                began("0"),
                intent(call="0"),
                told("done", "0", charges=("c1",)),
                began("1", kind="refund", things=("c1",)),
                refunding("p2", "1"),
                told("done", "1", charges=("b1",)),
            ],
            [
                CHARGED,
                BACK,
                Entry(id="b3", kind="refund", voucher="V", amount="5.00", order="O", refund_of="c1"),
            ],
        ),
    },
    Kind.UNREPORTED: {
        "a surplus that is refunded without a word": (
            [*SENT, DONE, refunding(charge="c2")],
            [CHARGED, AGAIN, BACK_AGAIN],
        ),
        "a checkout that says it refunded": (
            [*REFUNDING, told("not done", outcomes=(REFUNDED,))],
            [CHARGED],
        ),
        "a checkout that denies its refund": (
            [*REFUNDING, told("not done", outcomes=(STILL_CHARGED,))],
            [CHARGED, BACK],
        ),
    },
    Kind.DENIED: {
        "told not done": ([*SENT, told("not done")], [CHARGED]),
        "a checkout that denies a charge": ([*BOTH, told("not done", outcomes=(NOT_CHARGED,))], [OTHER]),
    },
    Kind.INVENTED: {
        "told done": ([*SENT, DONE], []),
        "told another's charge": ([*SENT, told("done", charges=("c3",))], [OTHER]),
        "told done, and refunded behind the caller's back": (
            [*SENT, DONE, refunding(), Word(call="1", what="refunded", charge="c1")],
            [CHARGED, BACK],
        ),
        "one charge for two payments": (
            [*SENT, DONE, began("2"), told("done", "2", charges=("c1",))],
            [CHARGED],
        ),
        "a checkout that gives one charge for two vouchers": (
            [CHECKOUT, intent(), told("done", charges=("c1",))],
            [CHARGED],
        ),
    },
    Kind.OPEN: {
        "unknown, settled as not done, was done": ([*SENT, UNKNOWN, SETTLED_NOT_DONE], [CHARGED]),
        "unknown, settled as done, was not done": ([*SENT, UNKNOWN, SETTLED], []),
        "two settlements, two answers": ([*SENT, UNKNOWN, SETTLED, SETTLED_NOT_DONE], [CHARGED]),
        "unknown, never settled": ([*SENT, UNKNOWN], []),
        "left open": ([*SENT, DONE, Ended(open=("p1",))], [CHARGED]),
        "another reservation was charged although the first one had been": (
            [*SENT, ONCE_MORE, UNKNOWN, attrs.evolve(HOOK_DONE, charge="c1")],
            [CHARGED],
        ),
    },
    Kind.CANCELLED: {
        "cancelled, the hook denies it": ([*SENT, CANCELLED, HOOK_NOT_DONE], [CHARGED]),
        "cancelled, the hook invents it": ([*SENT, CANCELLED, HOOK_DONE], []),
        "cancelled without a word": ([*SENT, CANCELLED], []),
        "cancelled, and no word of a refund that was tried": ([*REFUNDING, CANCELLED, HOOK_DONE], [CHARGED]),
    },
    Kind.KILLED: {
        "killed, and denied by the heir": ([*SENT, SETTLED_NOT_DONE], [CHARGED]),
        "killed, and never settled": ([*SENT], []),
    },
    Kind.UNANNOUNCED: {
        "money moved for an order that nobody placed": ([intent(), SETTLED], [CHARGED]),
        "money moved without an intent": ([began(), DONE], [CHARGED]),
        "money moved without a call": ([], [CHARGED]),
        "open without an intent": ([began(), told("unknown", pendings=("p9",))], []),
    },
    Kind.CRASHED: {
        "crashed": ([began(), told("crashed")], []),
    },
}


def test_who_is_told_of_a_charge_after_it_was_refunded_is_told_a_lie() -> None:
    late = attrs.evolve(told("not done", outcomes=(STILL_CHARGED, NOT_CHARGED)), at=9.0)
    refunded = Word(call="", what="refunded", charge="c1", at=5.0)
    assert Kind.UNREPORTED in kinds(judge([*BOTH, refunding(), refunded, late], [CHARGED, BACK]))


@pytest.mark.parametrize(
    ("kind", "records", "entries"),
    [pytest.param(kind, *lies[name], id=name) for kind, lies in LIES.items() for name in lies],
)
def test_each_lie_is_found(kind: Kind, records: list[Record], entries: list[Entry]) -> None:
    assert kind in kinds(judge(records, entries))


def test_doubt_that_was_settled_in_the_call_or_told_to_a_hook_was_settled_automatically() -> None:
    doubt = Doubt(call="1", operation="chargeReservation")

    def share(*records: Record) -> float:
        verdict = judge([*SENT, doubt, *records], [CHARGED])
        assert verdict.violations == ()
        assert verdict.doubted == 1
        return verdict.share

    assert share(DONE) == 1.0
    assert share(UNKNOWN, HOOK_DONE, SETTLED) == 1.0
    assert share(UNKNOWN, SETTLED) == 0.0
    assert share(DONE, Word(call="1", what="left open", pending="p1"), SETTLED) == 0.0


def test_a_refund_that_a_hook_was_told_of_says_that_the_charge_was_made() -> None:
    doubt = Doubt(call="1", operation="chargeReservation")
    records: list[Record] = [*REFUNDING, CANCELLED, doubt]
    by_hook = [*records, Word(call="1", what="refunded", charge="c1")]
    by_hand = [*records, Settled(pending="p2", by="worker", state="done", charge="b1")]
    assert judge(by_hook, [CHARGED, BACK]).violations == judge(by_hand, [CHARGED, BACK]).violations == ()
    assert judge(by_hook, [CHARGED, BACK]).share == 1.0
    assert judge(by_hand, [CHARGED, BACK]).share == 0.0


@pytest.mark.parametrize("is_odd", [True, False])
def test_a_refund_of_a_recovery_may_stay_open_under_a_habit(*, is_odd: bool) -> None:
    records: list[Record] = [
        *BOTH,
        attrs.evolve(told("not done", outcomes=(STILL_CHARGED, NOT_CHARGED)), at=5.0),
        attrs.evolve(refunding(call=""), at=9.0),
        Word(call="", what="refund failed", charge="c1", at=8.0),
        Ended(open=("p2",)),
    ]
    turns = Turns([Turn(at=6.0, habit="another amount, in lists too")] if is_odd else [])
    assert bool(judge(records, [CHARGED, BACK], turns).violations) is not is_odd


def test_killed_calls_count_neither_way() -> None:
    doubt = Doubt(call="1", operation="chargeReservation")
    verdict = judge([*SENT, doubt, SETTLED], [CHARGED])
    assert (verdict.killed, verdict.doubted, verdict.share) == (1, 0, 1.0)


def test_a_surplus_is_counted_and_so_is_its_refund() -> None:
    records: list[Record] = [began(), intent(sends=2), DONE, SURPLUS]
    left = judge(records, [CHARGED, AGAIN])
    refunded = judge([*records, refunding(charge="c2")], [CHARGED, AGAIN, BACK_AGAIN])
    assert (left.surplus, left.taken_back) == (1, 0)
    assert (refunded.surplus, refunded.taken_back) == (1, 1)
