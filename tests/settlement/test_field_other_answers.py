"""Answers that contradict, belong to another request, or are no answer at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.proxy import Asked, Proxy, Reply, rewritten, said
from tests.settlement.conftest import Shop, pay
from tests.settlement.truth import is_true, outcome_of
from voucher_async import CheckoutUnknown, HeldState
from voucher_async.testing import faults

CHARGE, REFUND, RECHARGE, RESERVE = (
    "chargeReservation",
    "refundCharge",
    "rechargeVoucher",
    "createReservation",
)
LIST, VOUCHER = "listCharges", "getVoucher"
HTML = b"<html><head><title>Welcome</title></head><body>It works!</body></html>"
BODIES: list[tuple[str, dict[str, str] | None, Reply | None]] = [
    ("new type", {"type": "partial_refund"}, None),
    ("known type", {"type": "refund"}, None),
    ("amount", {"amount": "9.99"}, None),
    ("voucher", {"voucher_id": "another"}, None),
    ("order", {"order_number": "Z-9"}, None),
    ("id of no charge", {"id": "none"}, None),
    ("new field", {"state": "settled"}, None),
    ("HTML", None, said(200, HTML)),
    ("empty 200", None, said(200, b"")),
    ("204", None, said(204, b"")),
    ("201 HTML", None, said(201, HTML)),
    ("a list", None, said(200, [])),
    ("an error in 200", None, said(200, {"status": 500, "code": "X", "message": "failed"})),
]
GIVEN = [each[1:] for each in BODIES]
IDS = [each[0] for each in BODIES]


def answering(mesh: Proxy, operation: str, changes: dict[str, str] | None, answer: Reply | None) -> None:
    """Carry the request out, and answer something else."""

    async def rule(asked: Asked) -> Reply:
        reply = await asked.deliver()
        if reply.status >= 300:
            return reply
        return answer or reply.saying({**reply.body, **(changes or {})})

    mesh.rules[operation] = rule


def hidden(mesh: Proxy) -> None:
    """Lists that never show anything, and a balance that fits."""

    async def empty(asked: Asked) -> Reply:
        reply = await asked.deliver()
        meta = {**reply.body["meta"], "total": 0, "from": None, "to": None}
        return reply.saying({**reply.body, "data": [], "meta": meta})

    async def full(asked: Asked) -> Reply:
        reply = await asked.deliver()
        return reply.saying({**reply.body, "remaining_amount": reply.body["amount"]})

    mesh.rules[LIST], mesh.rules[VOUCHER] = empty, full


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "hidden"])
@pytest.mark.parametrize(("changes", "answer"), GIVEN, ids=IDS)
async def test_a_charge_answered_with_2xx_is_not_sent_again_and_never_told_not_done(
    meshed: Shop, *, mesh: Proxy, changes: dict[str, str] | None, answer: Reply | None, shown: bool
) -> None:
    answering(mesh, CHARGE, changes, answer)
    if not shown:
        hidden(mesh)
    told = await meshed.during(outcome_of(pay(meshed.client, meshed.voucher())))
    assert (mesh.count(CHARGE), len(meshed.charged())) == (1, 1)
    assert is_true(meshed, told, 1)
    assert told.word == "done" or not shown
    await meshed.during(meshed.client.aclose(wait=130))
    assert "not done" not in meshed.told.words


@pytest.mark.parametrize("operation", [REFUND, RECHARGE])
@pytest.mark.parametrize("shown", [True, False], ids=["shown", "hidden"])
@pytest.mark.parametrize(("changes", "answer"), GIVEN, ids=IDS)
async def test_a_refund_or_recharge_answered_with_2xx_is_not_sent_again(
    meshed: Shop,
    *,
    mesh: Proxy,
    operation: str,
    changes: dict[str, str] | None,
    answer: Reply | None,
    shown: bool,
) -> None:
    voucher = meshed.voucher()
    charge = await meshed.during(pay(meshed.client, voucher))
    answering(mesh, operation, changes, answer)
    if not shown:
        hidden(mesh)
    if operation == REFUND:
        told = await meshed.during(outcome_of(meshed.client.charges.refund(charge, currency="EUR")))
        made = len(meshed.refunded())
    else:
        given: dict[str, Any] = {"id": voucher.id, "amount": "5.00", "currency": "EUR"}
        recharging = meshed.client.vouchers.recharge(**given, order_number="R-1")
        told = await meshed.during(outcome_of(recharging))
        made = len(meshed.emulator.charges("R-1"))
    assert (mesh.count(operation), made) == (1, 1)
    assert is_true(meshed, told, 1)
    assert told.word == "done" or not shown
    await meshed.during(meshed.client.aclose(wait=130))
    assert "not done" not in meshed.told.words


@pytest.mark.parametrize(("changes", "answer"), GIVEN, ids=IDS)
async def test_a_checkout_with_a_contradicting_answer_is_never_told_not_charged(
    meshed: Shop, mesh: Proxy, changes: dict[str, str] | None, answer: Reply | None
) -> None:
    answering(mesh, CHARGE, changes, answer)
    hidden(mesh)
    async with meshed.client.checkout(order_number="A-1", currency="EUR") as checkout:
        await meshed.during(checkout.reserve(code=meshed.voucher().code, amount="4.00"))
        told = await meshed.during(outcome_of(checkout.charge()))
    if told.word == "done":
        assert told.value[0].id in {*meshed.charged(), "none"}
        return
    assert isinstance(told.error, CheckoutUnknown)
    assert [outcome.state for outcome in told.error.outcomes] == [HeldState.UNKNOWN]


class Shifted:
    """A proxy that gives each client the answer to the request before, from some moment on."""

    def __init__(self, mesh: Proxy, first: Reply, operations: tuple[str, ...]) -> None:
        self.last = first
        for operation in operations:
            mesh.rules[operation] = self

    async def __call__(self, asked: Asked) -> Reply:
        answer, self.last = self.last, await asked.deliver()
        return answer


@pytest.mark.parametrize(
    "first",
    [
        said(404),
        said(409),
        said(422),
        said(403),
        said(429),
        said(200, {"data": []}),
        said(200, {"access_token": "t", "token_type": "Bearer"}),
    ],
    ids=lambda reply: f"{reply.status}{len(reply.content)}",
)
@pytest.mark.parametrize("operations", [(CHARGE,), (CHARGE, LIST), (CHARGE, LIST, VOUCHER, RESERVE)])
async def test_answers_that_are_late_by_one_request_make_no_false_word(
    meshed: Shop, mesh: Proxy, first: Reply, operations: tuple[str, ...]
) -> None:
    voucher = meshed.voucher()
    await meshed.during(pay(meshed.client, voucher, order_number="A-0"))
    reserving = meshed.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    reservation = await meshed.during(reserving)
    Shifted(mesh, first, operations)
    charging = meshed.client.reservations.charge(reservation, order_number="A-1")
    told = await meshed.during(outcome_of(charging))
    assert is_true(meshed, told, len(meshed.charged()))
    assert len(meshed.charged()) <= 1
    mesh.rules.clear()
    again = await meshed.during(outcome_of(pay(meshed.client, voucher, order_number="A-2")))
    assert is_true(meshed, again, len(meshed.charged("A-2"))) or again.word == "open"


async def test_the_answer_of_the_order_before_is_not_told_as_this_ones(meshed: Shop, mesh: Proxy) -> None:
    voucher = meshed.voucher()
    earlier = await meshed.during(pay(meshed.client, voucher, order_number="A-0"))
    body = {
        "id": earlier.id,
        "voucher_id": voucher.id,
        "client_id": earlier.client_id,
        "type": "charge",
        "amount": "4.00",
        "order_number": "A-0",
        "created_at": earlier.created_at.isoformat(),
        "updated_at": earlier.updated_at.isoformat(),
    }
    Shifted(mesh, said(200, body), (CHARGE,))
    charge = await meshed.during(pay(meshed.client, voucher))
    assert charge.id != earlier.id
    assert [charge.id] == meshed.charged()
    same = await meshed.during(pay(meshed.client, voucher))  # the next equal payment gets this charge
    assert [charge.id, same.id] == meshed.charged()


async def test_a_reservation_that_was_made_before_is_not_charged_for_another(
    meshed: Shop, mesh: Proxy
) -> None:
    first, second = meshed.voucher(), meshed.voucher()
    kept: list[Reply] = []

    async def keep(asked: Asked) -> Reply:
        kept.append(await asked.deliver())
        return kept[-1]

    mesh.rules[RESERVE] = keep
    await meshed.during(pay(meshed.client, first, order_number="A-0"))
    mesh.once(RESERVE, lambda _: _given(kept[0]))
    charge = await meshed.during(pay(meshed.client, second))
    assert charge.voucher_id == second.id
    assert meshed.emulator.balance(first.id) == meshed.emulator.balance(second.id) == 21


async def _given(reply: Reply) -> Reply:
    return reply


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_lost_charges_with_a_list_of_before_are_not_told_not_done(
    meshed: Shop, mesh: Proxy, status: int
) -> None:
    """Each list is one that was read before the charge, by its date as well."""
    voucher = meshed.voucher()
    await meshed.during(pay(meshed.client, voucher, order_number="A-0"))
    kept: list[Reply] = []

    async def keep(asked: Asked) -> Reply:
        kept.append(await asked.deliver())
        return kept[-1]

    mesh.rules[LIST] = keep
    await meshed.during(meshed.client.vouchers.list_charges(voucher.id).first_page())
    mesh.rules[LIST] = lambda _: _given(kept[0])

    async def refused(asked: Asked) -> Reply:
        await asked.deliver()
        return said(status)

    mesh.rules[CHARGE] = refused
    await meshed.passes(5)
    told = await meshed.during(outcome_of(pay(meshed.client, voucher)))
    assert is_true(meshed, told, len(meshed.charged()))
    assert told.word != "not done"


@pytest.mark.parametrize("page", [said(404, HTML), said(404, b""), said(410, HTML), said(200, HTML)])
async def test_pages_of_a_proxy_in_place_of_looks_prove_nothing(
    meshed: Shop, mesh: Proxy, page: Reply
) -> None:
    mesh.rules[LIST] = mesh.rules[VOUCHER] = lambda _: _given(page)

    async def refused(asked: Asked) -> Reply:
        await asked.deliver()
        return said(404)

    mesh.rules[CHARGE] = refused
    told = await meshed.during(outcome_of(pay(meshed.client, meshed.voucher())))
    assert told.word == "open"
    await meshed.during(meshed.client.aclose(wait=130))
    assert "not done" not in meshed.told.words


async def test_json_of_a_word_in_the_wrong_place_is_unreadable(meshed: Shop, mesh: Proxy) -> None:
    mesh.rules[CHARGE] = rewritten(json.dumps)
    told = await meshed.during(outcome_of(pay(meshed.client, meshed.voucher())))
    assert told.word == "done"


async def test_a_lost_answer_after_a_made_up_reservation_is_the_charges_own(
    meshed: Shop, mesh: Proxy
) -> None:
    meshed.script(RESERVE, faults.BreakAfter())
    meshed.script(CHARGE, faults.CutOff())
    charge = await meshed.during(pay(meshed.client, meshed.voucher()))
    assert [charge.id] == meshed.charged()
