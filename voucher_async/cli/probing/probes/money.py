"""Reservations, charges and refunds: how often each can be made, and what its answer says."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from voucher_async.cli.probing.bench import CENT, Probe, id_of
from voucher_async.cli.probing.findings import Question
from voucher_async.cli.probing.line import Unfit

if TYPE_CHECKING:
    from voucher_async.cli.probing.bench import Bench, Entry, Made
    from voucher_async.cli.probing.line import Reply

__all__ = ["PROBES"]

_CHARGE_PLACE: Final = "/paths/~1reservations~1{id}~1charge/post"
_REFUND_PLACE: Final = "/paths/~1charges~1{id}~1refund/post"

_SECOND = Question("second-charge", "Can a reservation be charged only once?", (_CHARGE_PLACE,))
_REPLACED = Question("reservation-replaced", "Does a new reservation end the old one of its voucher?")
_HELD = Question("reservation-keeps-balance", "Does an open reservation leave `remaining_amount` as it is?")
_PARTIAL = Question(
    "partial-refunds", "Can a charge be refunded in parts, up to its whole amount?", (_REFUND_PLACE,)
)
_REFUND_ORDER = Question(
    "refund-order-number",
    "Does a refund have the order number of its charge?",
    ("/components/schemas/Charge/properties/order_number",),
)
_TRUE = Question("answers-true", "Do the answers to money calls say what was asked for?")
_LISTED = Question("lists-true", "Does the list say of charges, refunds and recharges what was asked for?")
_CLIENT = Question(
    "charge-client",
    "Is the `client_id` of a charge that of the reservation and of the credentials?",
)
_LIST_ORDER = Question("list-order-numbers", "Do entries of the list of charges have their order number?")


async def _second_charge(bench: Bench) -> None:
    """Charge one reservation twice; the list and the balance say what came of it."""
    voucher = await bench.voucher()
    reservation = (await bench.reserve(voucher)).fit()
    numbers = [f"{bench.batch}-first", f"{bench.batch}-second"]
    first, second = [await bench.charge_reservation(id_of(reservation), each) for each in numbers]
    count = len([each for each in await bench.settled(voucher.id) if each.get("type") != "refund"])
    spent = await _spent(bench, voucher)
    evidence = f"answers {first.said}, then {second.said}; {count} in the list, {spent} spent"
    if (count, spent) == (1, Decimal(CENT)) and first.ok and second.decides:
        bench.notes.say(_SECOND, evidence, holds=True)
    elif count > 1 or spent > Decimal(CENT):
        follows = (
            "no call that is open may be charged again: settle with `look_before_charge=True`, and report it"
        )
        bench.notes.say(_SECOND, evidence, holds=False, follows=follows)
    else:
        bench.notes.say(_SECOND, evidence, holds=None)


async def _spent(bench: Bench, voucher: Made) -> Decimal:
    details = (await bench.details(voucher.id)).fit()
    return Decimal(details.text("amount") or "0") - Decimal(details.text("remaining_amount") or "0")


async def _replaced(bench: Bench) -> None:
    """Reserve twice, and charge the older reservation."""
    voucher = await bench.voucher()
    before = (await bench.details(voucher.id)).fit().text("remaining_amount")
    old = (await bench.reserve(voucher)).fit()
    during = (await bench.details(voucher.id)).fit().text("remaining_amount")
    evidence = f"`remaining_amount` {before} before a reservation of {CENT}, {during} while it was open"
    bench.notes.say(
        _HELD, evidence, holds=before == during, follows="a balance that is read is what can still be spent"
    )
    (await bench.reserve(voucher)).fit()
    reply = await bench.charge_reservation(id_of(old), f"{bench.batch}-replaced")
    entries = await bench.settled(voucher.id)
    evidence = f"a charge of the older one was answered {reply.said}; {len(entries)} in the list"
    if reply.ok or entries:
        follows = "two tills can hold one voucher at once; `voucher_lock` alone keeps them apart"
        bench.notes.say(_REPLACED, evidence, holds=False, follows=follows)
    else:
        bench.notes.say(_REPLACED, evidence, holds=True if reply.refuses else None)


async def _refunds(bench: Bench) -> None:
    """Refund a charge of three cents in three parts, and a charge of one at once."""
    voucher = await bench.voucher()
    charged = await bench.charge(voucher, f"{bench.batch}-parts", "0.03")
    replies = [await bench.refund(charged.id) for _ in range(3)]
    whole = await bench.charge(voucher, f"{bench.batch}-whole")
    at_once = await bench.refund(whole.id)
    evidence = (
        f"three parts of a third: {', '.join(each.said for each in replies)}; all at once: {at_once.said}"
    )
    made = [reply for reply in (*replies, at_once) if reply.ok]
    refunds = [each for each in await bench.settled(voucher.id) if each.get("type") == "refund"]
    if len(refunds) > len(made):
        evidence = f"{evidence}; the list has {len(refunds)} refunds"
        bench.notes.say(_PARTIAL, evidence, holds=None)
    elif all(each.decides for each in (*replies, at_once)):
        everything = len(made) == len(replies) + 1
        follows = "refund whole charges, or less than them, as shown"
        bench.notes.say(_PARTIAL, evidence, holds=everything, follows=follows)
    else:
        bench.notes.say(_PARTIAL, evidence, holds=None)
    number = next((each.content.get("order_number") for each in replies if each.ok), Unfit)
    if number is not Unfit:
        same = number == charged.reply.content.get("order_number")
        evidence = f"the refund's order number is {'that of its charge' if same else _shown(number)}"
        bench.notes.say(
            _REFUND_ORDER, evidence, holds=same, follows="refunds cannot be looked for by order number"
        )


def _shown(value: object) -> str:
    return "missing" if value is None else "another one"


async def _answers(bench: Bench) -> None:
    """Charge, refund and recharge, and compare answers and list with what was asked for."""
    voucher = await bench.voucher()
    number = f"{bench.batch}-said"
    charged = await bench.charge(voucher, number, "0.03")
    refund = await bench.refund(charged.id, "0.02")
    recharge = await bench.recharge(voucher, number, "0.04")
    asked = {"charge": "0.03", "refund": "0.02", "recharge": "0.04"}
    replies = {"charge": charged.reply, "refund": refund, "recharge": recharge}
    wrong = [
        f"{kind}: {problem}"
        for kind, reply in replies.items()
        if reply.ok
        for problem in _wrong(reply.content.get, kind, asked[kind], number, voucher)
    ]
    evidence = "; ".join(wrong) or f"type, amount, voucher and order number of {_answered(replies)} agree"
    bench.notes.say(
        _TRUE, evidence, holds=not wrong, follows="such an answer is unreadable to the SDK, and is settled"
    )
    _say_client(bench, charged.reservation, charged.reply)
    entries = await bench.settled(voucher.id)
    _say_listed(bench, entries, {kind: asked[kind] for kind, reply in replies.items() if reply.ok}, voucher)
    numbers = [each.get("order_number") for each in entries]
    named = sum(each is not None for each in numbers)
    if numbers:
        evidence = f"{named} of {len(numbers)} entries have one"
        bench.notes.say(
            _LIST_ORDER,
            evidence,
            holds=named == len(numbers),
            follows="a lost answer is found by amount alone",
        )


def _answered(replies: dict[str, Reply]) -> str:
    return ", ".join(f"{kind} ({reply.said})" for kind, reply in replies.items())


def _wrong(get: Any, kind: str, amount: str, number: str | None, voucher: Made) -> list[str]:
    """Differences between what was asked for and what is said of it."""
    wanted = {"type": kind, "amount": amount, "voucher_id": voucher.id}
    if number is not None:
        wanted["order_number"] = number
    return [f"{name} {get(name)!r}"[:80] for name, value in wanted.items() if get(name) != value]


def _say_listed(bench: Bench, entries: list[Entry], asked: dict[str, str], voucher: Made) -> None:
    left, wrong = list(entries), list[str]()
    for kind, amount in asked.items():
        found = next((each for each in left if not _wrong(each.get, kind, amount, None, voucher)), None)
        if found is None:
            wrong.append(f"no {kind} of {amount} of this voucher")
        else:
            left.remove(found)
    seen = ", ".join(f"{each.get('type')} {each.get('amount')}"[:40] for each in entries)
    evidence = f"{'; '.join(wrong)} in a list of: {seen}" if wrong else f"the list has {seen}"
    bench.notes.say(
        _LISTED,
        evidence,
        holds=not wrong,
        follows="such entries prove nothing to the SDK: outcomes stay open",
    )


def _say_client(bench: Bench, reservation: Reply, charge: Reply) -> None:
    own = bench.line.settings.client_id
    ids = {"reservation": reservation.content.get("client_id"), "charge": charge.content.get("client_id")}
    said = {name: "the credentials'" if id == own else _shown(id) for name, id in ids.items()}
    evidence = ", ".join(f"{name}: {words}" for name, words in said.items())
    same = all(id == own for id in ids.values())
    bench.notes.say(
        _CLIENT, evidence, holds=same, follows="a charge of this client is not recognised by its `client_id`"
    )


PROBES: Final = (
    Probe("second charge", (_SECOND,), _second_charge),
    Probe("replaced", (_HELD, _REPLACED), _replaced),
    Probe("refunds", (_PARTIAL, _REFUND_ORDER), _refunds),
    Probe("answers", (_TRUE, _LISTED, _CLIENT, _LIST_ORDER), _answers),
)
