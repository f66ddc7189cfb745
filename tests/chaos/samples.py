"""Records of one payment by a voucher, and of what else may happen to it, for the tests of the judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from tests.chaos.records import Began, Entry, Intent, Record, Settled, Told, Word
from voucher_async import PendingOutcome

CHARGED = Entry(id="c1", kind="charge", voucher="V", amount="5.00", order="O", reservation="r1")
AGAIN = Entry(id="c2", kind="charge", voucher="V", amount="5.00", order="O", reservation="r1")
OTHER = Entry(id="c3", kind="charge", voucher="W", amount="2.00", order="O", reservation="r2")
ELSEWHERE = Entry(id="c4", kind="charge", voucher="V", amount="5.00", order="O", reservation="r3")
BACK = Entry(id="b1", kind="refund", voucher="V", amount="5.00", order="O", refund_of="c1")
BACK_AGAIN = Entry(id="b2", kind="refund", voucher="V", amount="5.00", order="O", refund_of="c2")


def began(call: str = "1", *, kind: str = "redeem", payment: str = "", **fields: Sequence[str]) -> Began:
    things, amounts = tuple(fields.get("things", ("V",))), tuple(fields.get("amounts", ("5.00",)))
    return Began(
        call=call, unit=0, payment=payment or call, kind=kind, order="O", things=things, amounts=amounts
    )


def _announced(operation: str, pending: str, call: str, **fields: Any) -> Intent:
    made = {"voucher": "V", "reservation": "", "charge": "", "amount": "5.00", "sends": 1, **fields}
    text = PendingOutcome(id=pending, operation=operation, sends=made["sends"]).to_json()
    return Intent(call=call, pending=pending, operation=operation, order="O", text=text, **made)


def intent(pending: str = "p1", call: str = "1", *, reservation: str = "r1", **fields: Any) -> Intent:
    other = {} if reservation == "r1" else {"voucher": "W", "amount": "2.00"}
    return _announced("chargeReservation", pending, call, reservation=reservation, **other, **fields)


def refunding(pending: str = "p2", call: str = "1", *, charge: str = "c1", **fields: Any) -> Intent:
    return _announced("refundCharge", pending, call, charge=charge, **fields)


def told(what: str, call: str = "1", **fields: Sequence[object]) -> Told:
    proof = "REFUSED" if what == "not done" else ""
    return Told(call=call, what=what, proof=proof, **fields)  # type: ignore[arg-type]


DONE = told("done", charges=("c1",))
CHECKOUT = began(kind="checkout", things=("V", "W"), amounts=("5.00", "2.00"))
SENT: list[Record] = [began(), intent()]


# charged again after a refusal, with another reservation
ONCE_MORE = attrs.evolve(intent(), reservation="r3", at=1.0)
UNKNOWN = told("unknown", pendings=("p1",))
CANCELLED = told("cancelled")
HOOK_DONE = Word(call="1", what="done", pending="p1", charge="c1")
HOOK_NOT_DONE = Word(call="1", what="not done", pending="p1")
SURPLUS = Word(call="1", what="surplus refunded", pending="p1", charge="c2")
SETTLED = Settled(pending="p1", by="worker", state="done", charge="c1")
SETTLED_NOT_DONE = Settled(pending="p1", by="worker", state="not done", proof="ABSENT")
