"""The judge finds each kind of lie, and nothing where there is none."""

from __future__ import annotations

import attrs
import pytest

from tests.chaos.judge import Kind, Verdict, judge
from tests.chaos.records import Doubt, Ended, Entry, Outcome, Record, Settled, Word
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
    SETTLED,
    SETTLED_NOT_DONE,
    SURPLUS,
    UNKNOWN,
    began,
    intent,
    refunding,
    told,
)


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


@pytest.mark.parametrize(
    ("records", "entries"),
    [
        pytest.param([began(), intent(), DONE], [CHARGED], id="told done"),
        pytest.param([began(), intent(), told("not done")], [], id="told not done"),
        pytest.param([began(), told("not done")], [], id="nothing was sent"),
        pytest.param(
            [began(), intent(sends=2), ONCE_MORE, UNKNOWN, attrs.evolve(HOOK_DONE, charge="c4")],
            [ELSEWHERE],
            id="refused, and another reservation was charged",
        ),
        pytest.param([began(), intent(), UNKNOWN, SETTLED_NOT_DONE], [], id="unknown, settled as not done"),
        pytest.param(
            [began(), intent(), UNKNOWN, HOOK_DONE], [CHARGED], id="unknown, done in the background"
        ),
        pytest.param([began(), CANCELLED], [], id="cancelled before money moved"),
        pytest.param([began(), intent(), CANCELLED, HOOK_DONE], [CHARGED], id="cancelled, done all the same"),
        pytest.param([began(), intent(), SETTLED], [CHARGED], id="killed, settled by another"),
        pytest.param(
            [began(), intent(sends=2), DONE, refunding(charge="c2"), SURPLUS],
            [CHARGED, AGAIN, BACK_AGAIN],
            id="charged twice, and the surplus was refunded",
        ),
        pytest.param(
            [
                began(),
                intent(),
                CANCELLED,
                HOOK_DONE,
                began("2", payment="1"),
                told("done", "2", charges=("c1",)),
            ],
            [CHARGED],
            id="asked again, and given what was charged before",
        ),
        pytest.param(
            [
                CHECKOUT,
                intent(),
                intent("p3", reservation="r2"),
                refunding(),
                told(
                    "not done",
                    outcomes=(
                        Outcome(voucher="V", state="refunded", charge="c1"),
                        Outcome(voucher="W", state="not charged", proof="REFUSED"),
                    ),
                ),
            ],
            [CHARGED, BACK],
            id="a checkout that failed, refunded",
        ),
        pytest.param(
            [
                CHECKOUT,
                intent(),
                intent("p3", reservation="r2"),
                refunding(),
                CANCELLED,
                Word(call="1", what="refunded", charge="c1"),
                Word(call="1", what="not done", pending="p3"),
            ],
            [CHARGED, BACK],
            id="a checkout that was cancelled, refunded",
        ),
        pytest.param(
            [
                *EQUAL_REFUNDS,
                told("not done", "2"),
            ],
            [CHARGED, attrs.evolve(BACK, amount="2.00")],
            id="one of two equal refunds",
        ),
        pytest.param(
            [
                *EQUAL_REFUNDS,
                told("unknown", "2", pendings=("p3",)),
                Settled(pending="p3", by="worker", state="unknown", answered=True),
                Ended(open=("p3",)),
            ],
            [CHARGED, attrs.evolve(BACK, amount="2.00")],
            id="one of two equal refunds, and nothing was done for the other's answer of 2xx",
        ),
        pytest.param(
            [
                CHECKOUT,
                intent(),
                intent("p3", reservation="r2"),
                told(
                    "not done",
                    outcomes=(
                        Outcome(voucher="V", state="charged", charge="c1"),
                        Outcome(voucher="W", state="not charged", proof="REFUSED"),
                    ),
                ),
            ],
            [CHARGED],
            id="a checkout that failed, and could not refund",
        ),
        pytest.param(
            [
                CHECKOUT,
                intent(),
                refunding(),
                SETTLED,
                Settled(pending="p2", by="stranger", state="done", charge="b1"),
            ],
            [CHARGED, BACK],
            id="a checkout that was killed while it refunded",
        ),
        pytest.param(
            [
                began(),
                intent(sends=2),
                UNKNOWN,
                refunding(charge="c2"),
                Settled(pending="p1", by="stranger", state="done", charge="c1", surplus=("c2",)),
                Settled(pending="p2", by="stranger", state="done", charge="b2"),
            ],
            [CHARGED, AGAIN, BACK_AGAIN],
            id="a surplus that a settlement refunded",
        ),
    ],
)
def test_the_truth_is_found_to_be_the_truth(records: list[Record], entries: list[Entry]) -> None:
    assert judge(records, entries).violations == ()


@pytest.mark.parametrize(
    ("records", "entries", "kind"),
    [
        pytest.param([began(), intent(), DONE], [CHARGED, AGAIN], Kind.TWICE, id="twice, told once"),
        pytest.param(
            [began(), intent(), DONE, SURPLUS],
            [CHARGED, AGAIN],
            Kind.TWICE,
            id="a surplus that is not refunded",
        ),
        pytest.param(
            [began(), intent(), DONE, refunding(charge="c2")],
            [CHARGED, AGAIN, BACK_AGAIN],
            Kind.UNREPORTED,
            id="a surplus that is refunded without a word",
        ),
        pytest.param([began(), intent(), told("not done")], [CHARGED], Kind.DENIED, id="told not done"),
        pytest.param([began(), intent(), DONE], [], Kind.INVENTED, id="told done"),
        pytest.param(
            [began(), intent(), told("done", charges=("c3",))],
            [OTHER],
            Kind.INVENTED,
            id="told another's charge",
        ),
        pytest.param(
            [began(), intent(), DONE, refunding(), Word(call="1", what="refunded", charge="c1")],
            [CHARGED, BACK],
            Kind.INVENTED,
            id="told done, and refunded behind the caller's back",
        ),
        pytest.param(
            [began(), intent(), DONE, began("2"), told("done", "2", charges=("c1",))],
            [CHARGED],
            Kind.INVENTED,
            id="one charge for two payments",
        ),
        pytest.param(
            [CHECKOUT, intent(), told("done", charges=("c1",))],
            [CHARGED],
            Kind.INVENTED,
            id="a checkout that gives one charge for two vouchers",
        ),
        pytest.param(
            [began(), intent(), UNKNOWN, SETTLED_NOT_DONE],
            [CHARGED],
            Kind.OPEN,
            id="unknown, settled as not done, was done",
        ),
        pytest.param(
            [began(), intent(), UNKNOWN, SETTLED],
            [],
            Kind.OPEN,
            id="unknown, settled as done, was not done",
        ),
        pytest.param(
            [began(), intent(), UNKNOWN, SETTLED, SETTLED_NOT_DONE],
            [CHARGED],
            Kind.OPEN,
            id="two settlements, two answers",
        ),
        pytest.param([began(), intent(), UNKNOWN], [], Kind.OPEN, id="unknown, never settled"),
        pytest.param([began(), intent(), DONE, Ended(open=("p1",))], [CHARGED], Kind.OPEN, id="left open"),
        pytest.param(
            [began(), intent(), CANCELLED, HOOK_NOT_DONE],
            [CHARGED],
            Kind.CANCELLED,
            id="cancelled, the hook denies it",
        ),
        pytest.param(
            [began(), intent(), CANCELLED, HOOK_DONE],
            [],
            Kind.CANCELLED,
            id="cancelled, the hook invents it",
        ),
        pytest.param([began(), intent(), CANCELLED], [], Kind.CANCELLED, id="cancelled without a word"),
        pytest.param(
            [began(), intent(), SETTLED_NOT_DONE],
            [CHARGED],
            Kind.KILLED,
            id="killed, and denied by the heir",
        ),
        pytest.param([began(), intent()], [], Kind.KILLED, id="killed, and never settled"),
        pytest.param(
            [began(), intent(), ONCE_MORE, told("done", charges=("c4",))],
            [CHARGED, ELSEWHERE],
            Kind.TWICE,
            id="another reservation was charged, and the first one, too",
        ),
        pytest.param(
            [began(), intent(), ONCE_MORE, UNKNOWN, attrs.evolve(HOOK_DONE, charge="c1")],
            [CHARGED],
            Kind.OPEN,
            id="another reservation was charged although the first one had been",
        ),
        pytest.param(
            [CHECKOUT, intent(), refunding(), CANCELLED, HOOK_DONE],
            [CHARGED],
            Kind.CANCELLED,
            id="cancelled, and no word of a refund that was tried",
        ),
        pytest.param(
            [intent(), SETTLED],
            [CHARGED],
            Kind.UNANNOUNCED,
            id="money moved for an order that nobody placed",
        ),
        pytest.param([began(), DONE], [CHARGED], Kind.UNANNOUNCED, id="money moved without an intent"),
        pytest.param([], [CHARGED], Kind.UNANNOUNCED, id="money moved without a call"),
        pytest.param(
            [began(), told("unknown", pendings=("p9",))], [], Kind.UNANNOUNCED, id="open without an intent"
        ),
        pytest.param(
            [
                CHECKOUT,
                intent(),
                refunding(),
                told("not done", outcomes=(Outcome(voucher="V", state="refunded", charge="c1"),)),
            ],
            [CHARGED],
            Kind.UNREPORTED,
            id="a checkout that says it refunded",
        ),
        pytest.param(
            [
                CHECKOUT,
                intent(),
                refunding(),
                told("not done", outcomes=(Outcome(voucher="V", state="charged", charge="c1"),)),
            ],
            [CHARGED, BACK],
            Kind.UNREPORTED,
            id="a checkout that denies its refund",
        ),
        pytest.param(
            [
                CHECKOUT,
                intent(),
                intent("p3", reservation="r2"),
                told("not done", outcomes=(Outcome(voucher="W", state="not charged", proof="REFUSED"),)),
            ],
            [OTHER],
            Kind.DENIED,
            id="a checkout that denies a charge",
        ),
        pytest.param(
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
            Kind.TWICE,
            id="refunded twice",
        ),
        pytest.param([began(), told("crashed")], [], Kind.CRASHED, id="crashed"),
    ],
)
def test_each_lie_is_found(records: list[Record], entries: list[Entry], kind: Kind) -> None:
    assert kind in kinds(judge(records, entries))


def test_doubt_that_was_settled_in_the_call_or_told_to_a_hook_was_settled_automatically() -> None:
    doubt = Doubt(call="1", operation="chargeReservation")

    def share(*records: Record) -> float:
        verdict = judge([began(), intent(), doubt, *records], [CHARGED])
        assert verdict.violations == ()
        assert verdict.doubted == 1
        return verdict.share

    assert share(DONE) == 1.0
    assert share(UNKNOWN, HOOK_DONE, SETTLED) == 1.0
    assert share(UNKNOWN, SETTLED) == 0.0
    assert share(DONE, Word(call="1", what="left open", pending="p1"), SETTLED) == 0.0


def test_a_refund_that_a_hook_was_told_of_says_that_the_charge_was_made() -> None:
    doubt = Doubt(call="1", operation="chargeReservation")
    records: list[Record] = [CHECKOUT, intent(), refunding(), CANCELLED, doubt]
    by_hook = [*records, Word(call="1", what="refunded", charge="c1")]
    by_hand = [*records, Settled(pending="p2", by="worker", state="done", charge="b1")]
    assert judge(by_hook, [CHARGED, BACK]).violations == judge(by_hand, [CHARGED, BACK]).violations == ()
    assert judge(by_hook, [CHARGED, BACK]).share == 1.0
    assert judge(by_hand, [CHARGED, BACK]).share == 0.0


def test_killed_calls_count_neither_way() -> None:
    doubt = Doubt(call="1", operation="chargeReservation")
    verdict = judge([began(), intent(), doubt, SETTLED], [CHARGED])
    assert (verdict.killed, verdict.doubted, verdict.share) == (1, 0, 1.0)


def test_a_surplus_is_counted_and_so_is_its_refund() -> None:
    records: list[Record] = [began(), intent(sends=2), DONE, SURPLUS]
    left = judge(records, [CHARGED, AGAIN])
    refunded = judge([*records, refunding(charge="c2")], [CHARGED, AGAIN, BACK_AGAIN])
    assert (left.surplus, left.taken_back) == (1, 0)
    assert (refunded.surplus, refunded.taken_back) == (1, 1)
