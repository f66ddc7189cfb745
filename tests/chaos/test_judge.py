"""The judge finds each kind of lie, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.chaos.judge import Kind, Verdict, judge
from tests.chaos.records import Began, Doubt, Ended, Entry, Intent, Outcome, Record, Settled, Told, Word

CHARGED = Entry(id="c1", kind="charge", voucher="V", amount="5.00", order="O", reservation="r1")
AGAIN = Entry(id="c2", kind="charge", voucher="V", amount="5.00", order="O", reservation="r1")
OTHER = Entry(id="c3", kind="charge", voucher="W", amount="2.00", order="O", reservation="r2")
BACK = Entry(id="b1", kind="refund", voucher="V", amount="5.00", order="O", refund_of="c1")
BACK_AGAIN = Entry(id="b2", kind="refund", voucher="V", amount="5.00", order="O", refund_of="c2")


def began(call: str = "1", *, kind: str = "redeem", payment: str = "", **fields: Sequence[str]) -> Began:
    things, amounts = tuple(fields.get("things", ("V",))), tuple(fields.get("amounts", ("5.00",)))
    return Began(
        call=call, unit=0, payment=payment or call, kind=kind, order="O", things=things, amounts=amounts
    )


def intent(pending: str = "p1", call: str = "1", *, reservation: str = "r1", sends: int = 1) -> Intent:
    voucher, amount = ("V", "5.00") if reservation == "r1" else ("W", "2.00")
    return Intent(
        call=call,
        pending=pending,
        operation="chargeReservation",
        voucher=voucher,
        reservation=reservation,
        charge="",
        amount=amount,
        order="O",
        sends=sends,
        text="{}",
    )


def refunding(pending: str = "p2", call: str = "1", *, charge: str = "c1", amount: str = "5.00") -> Intent:
    return Intent(
        call=call,
        pending=pending,
        operation="refundCharge",
        voucher="V",
        reservation="",
        charge=charge,
        amount=amount,
        order="O",
        sends=1,
        text="{}",
    )


def told(what: str, call: str = "1", **fields: Sequence[object]) -> Told:
    return Told(call=call, what=what, **fields)  # type: ignore[arg-type]


def kinds(verdict: Verdict) -> list[Kind]:
    return [violation.kind for violation in verdict.violations]


DONE = told("done", charges=("c1",))
CHECKOUT = began(kind="checkout", things=("V", "W"), amounts=("5.00", "2.00"))


@pytest.mark.parametrize(
    ("records", "entries"),
    [
        pytest.param([began(), intent(), DONE], [CHARGED], id="told done"),
        pytest.param([began(), intent(), told("not done")], [], id="told not done"),
        pytest.param([began(), told("not done")], [], id="nothing was sent"),
        pytest.param(
            [
                began(),
                intent(),
                told("unknown", pendings=("p1",)),
                Settled(pending="p1", by="", state="not done"),
            ],
            [],
            id="unknown, settled as not done",
        ),
        pytest.param(
            [
                began(),
                intent(),
                told("unknown", pendings=("p1",)),
                Word(call="1", what="done", pending="p1", charge="c1"),
            ],
            [CHARGED],
            id="unknown, done in the background",
        ),
        pytest.param([began(), told("cancelled")], [], id="cancelled before money moved"),
        pytest.param(
            [began(), intent(), told("cancelled"), Word(call="1", what="done", pending="p1", charge="c1")],
            [CHARGED],
            id="cancelled, done all the same",
        ),
        pytest.param(
            [began(), intent(), Settled(pending="p1", by="stranger", state="done", charge="c1")],
            [CHARGED],
            id="killed, settled by another",
        ),
        pytest.param(
            [
                began(),
                intent(sends=2),
                DONE,
                refunding(charge="c2"),
                Word(call="1", what="surplus refunded", pending="p1", charge="c2"),
            ],
            [CHARGED, AGAIN, BACK_AGAIN],
            id="charged twice, and the surplus was refunded",
        ),
        pytest.param(
            [
                began(),
                intent(),
                told("cancelled"),
                Word(call="1", what="done", pending="p1", charge="c1"),
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
                        Outcome(voucher="W", state="not charged"),
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
                told("cancelled"),
                Word(call="1", what="refunded", charge="c1"),
                Word(call="1", what="not done", pending="p3"),
            ],
            [CHARGED, BACK],
            id="a checkout that was cancelled, refunded",
        ),
        pytest.param(
            [
                began("0"),
                intent(call="0"),
                told("done", "0", charges=("c1",)),
                began("1", kind="refund", things=("c1",), amounts=("2.00",)),
                began("2", kind="refund", things=("c1",), amounts=("2.00",)),
                refunding("p2", "1", amount="2.00"),
                refunding("p3", "2", amount="2.00"),
                told("done", "1", charges=("b1",)),
                told("not done", "2"),
            ],
            [CHARGED, Entry(id="b1", kind="refund", voucher="V", amount="2.00", order="O", refund_of="c1")],
            id="one of two equal refunds",
        ),
    ],
)
def test_the_truth_is_found_to_be_the_truth(records: list[Record], entries: list[Entry]) -> None:
    assert judge(records, entries).violations == ()


SURPLUS = Word(call="1", what="surplus refunded", pending="p1", charge="c2")


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
            [
                began(),
                intent(),
                told("unknown", pendings=("p1",)),
                Settled(pending="p1", by="", state="not done"),
            ],
            [CHARGED],
            Kind.OPEN,
            id="unknown, settled as not done, was done",
        ),
        pytest.param(
            [
                began(),
                intent(),
                told("unknown", pendings=("p1",)),
                Settled(pending="p1", by="", state="done", charge="c1"),
            ],
            [],
            Kind.OPEN,
            id="unknown, settled as done, was not done",
        ),
        pytest.param(
            [
                began(),
                intent(),
                told("unknown", pendings=("p1",)),
                Settled(pending="p1", by="", state="done", charge="c1"),
                Settled(pending="p1", by="another", state="not done"),
            ],
            [CHARGED],
            Kind.OPEN,
            id="two settlements, two answers",
        ),
        pytest.param(
            [began(), intent(), told("unknown", pendings=("p1",))], [], Kind.OPEN, id="unknown, never settled"
        ),
        pytest.param([began(), intent(), DONE, Ended(open=("p1",))], [CHARGED], Kind.OPEN, id="left open"),
        pytest.param(
            [began(), intent(), told("cancelled"), Word(call="1", what="not done", pending="p1")],
            [CHARGED],
            Kind.CANCELLED,
            id="cancelled, the hook denies it",
        ),
        pytest.param(
            [began(), intent(), told("cancelled"), Word(call="1", what="done", pending="p1", charge="c1")],
            [],
            Kind.CANCELLED,
            id="cancelled, the hook invents it",
        ),
        pytest.param(
            [began(), intent(), told("cancelled")], [], Kind.CANCELLED, id="cancelled without a word"
        ),
        pytest.param(
            [began(), intent(), Settled(pending="p1", by="stranger", state="not done")],
            [CHARGED],
            Kind.KILLED,
            id="killed, and denied by the heir",
        ),
        pytest.param([began(), intent()], [], Kind.KILLED, id="killed, and never settled"),
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
                told("not done", outcomes=(Outcome(voucher="W", state="not charged"),)),
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
    settled = Settled(pending="p1", by="worker", state="done", charge="c1")
    unknown = told("unknown", pendings=("p1",))
    word = Word(call="1", what="done", pending="p1", charge="c1")

    def share(*records: Record) -> float:
        verdict = judge([began(), intent(), doubt, *records], [CHARGED])
        assert verdict.violations == ()
        assert verdict.doubted == 1
        return verdict.share

    assert share(DONE) == 1.0
    assert share(unknown, word, settled) == 1.0
    assert share(unknown, settled) == 0.0


def test_killed_calls_count_neither_way() -> None:
    doubt = Doubt(call="1", operation="chargeReservation")
    settled = Settled(pending="p1", by="stranger", state="done", charge="c1")
    verdict = judge([began(), intent(), doubt, settled], [CHARGED])
    assert (verdict.killed, verdict.doubted, verdict.share) == (1, 0, 1.0)
