"""Creating a voucher through a mesh: one voucher, and no word that its id does not prove."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.settlement.conftest import Shop
from tests.settlement.mesh import Asked, Mesh, Reply, delivered, said
from tests.settlement.truth import outcome_of
from voucher_async import OutcomeUnknown, Proof

CREATE, COMPLETE, VOUCHER = "createVoucher", "getCompleteVoucher", "getVoucher"
HTML = b"<html><body>blocked</body></html>"
ANSWERS = [
    None,
    *(said(status) for status in (400, 403, 404, 409, 410, 422, 429)),
    said(405, HTML),
    said(404, HTML),
]
IDS = ["its own", "400", "403", "404", "409", "410", "422", "429", "405 HTML", "404 HTML"]
GIVEN: dict[str, Any] = {"amount": "50.00", "currency": "EUR"}
TEXTS: dict[str, Any] = {
    "code": "Gift-AB12-CD34",
    "pin": "0815",
    "sku": "card",
    "batch": "b-1",
    "order_number": "A-1",
}


@pytest.mark.parametrize("given", [{}, {"id": "V-1"}, {"id": "V-1", **TEXTS}], ids=["fresh", "own", "full"])
@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("answer", ANSWERS, ids=IDS)
async def test_a_voucher_that_a_first_delivery_made_is_the_one(
    meshed: Shop, mesh: Mesh, answer: Reply | None, times: int, given: dict[str, Any]
) -> None:
    mesh.rules[CREATE] = delivered(times, answer)
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, **given)))
    assert told.word == "done", told
    assert [told.value.id] == [voucher.id for voucher in meshed.emulator.vouchers()]


@pytest.mark.parametrize("hours", [-14, -1, 1, 14])
async def test_clocks_apart_never_make_it_somebody_elses(meshed: Shop, mesh: Mesh, hours: int) -> None:
    mesh.rules[CREATE] = delivered(2)

    async def shifted(asked: Asked) -> Reply:
        reply = await asked.deliver()
        made = dt.datetime.fromisoformat(reply.body["created_at"]) + dt.timedelta(hours=hours)
        return reply.saying({**reply.body, "created_at": made.isoformat()})

    mesh.rules[COMPLETE] = mesh.rules[VOUCHER] = shifted
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, id="V-1")))
    assert told.word == ("open" if hours < 0 else "done"), told


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "GIFTAB12CD34"},
        {"code": "GIFT-AB12-CD34"},
        {"sku": "CARD", "batch": "B-1"},
        {"order_number": None},
        {"pin": "815"},
    ],
)
async def test_a_voucher_whose_texts_the_server_rewrites_is_the_one(
    meshed: Shop, mesh: Mesh, changes: dict[str, str]
) -> None:
    mesh.rules[CREATE] = delivered(2)

    async def rewritten(asked: Asked) -> Reply:
        reply = await asked.deliver()
        return reply.saying({**reply.body, **changes})

    mesh.rules[COMPLETE] = rewritten
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, **TEXTS, id="V-1")))
    assert told.word == "done", told


@pytest.mark.parametrize("changes", [{"amount": "49.00"}, {"code": "GIFT-OTHER"}, {"sku": "other"}])
async def test_a_taken_id_is_told_with_its_proof(meshed: Shop, changes: dict[str, str]) -> None:
    meshed.emulator.add_voucher(id="V-1", **{**GIVEN, **TEXTS, **changes})
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, **TEXTS, id="V-1")))
    assert told.word == "not done"
    assert told.error is not None
    assert told.error.proof is Proof.OTHER_VOUCHER


async def test_a_refused_voucher_is_looked_for_twice_a_second_apart(meshed: Shop, mesh: Mesh) -> None:
    begun = meshed.clock.monotonic()
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(amount="5", currency="XXX")))
    assert told.word == "not done"
    assert told.error is not None
    assert told.error.proof is Proof.REFUSED
    assert mesh.count(COMPLETE) == 2
    assert meshed.clock.monotonic() - begun >= 1


@pytest.mark.parametrize("page", [said(404, HTML), said(404, b""), said(410, HTML), said(403, HTML)])
@pytest.mark.parametrize("made", [True, False])
async def test_a_page_of_a_proxy_is_no_missing_voucher(
    meshed: Shop, *, mesh: Mesh, page: Reply, made: bool
) -> None:
    async def given(_: Asked) -> Reply:
        return page

    async def lost(asked: Asked) -> Reply:
        if made:
            await asked.deliver()
        return said(502, HTML)

    mesh.rules[COMPLETE] = mesh.rules[VOUCHER] = given
    mesh.rules[CREATE] = lost
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN)))
    assert told.word == "open"
    assert isinstance(told.error, OutcomeUnknown)
    settled = await meshed.during(outcome_of(meshed.client.settle(told.error.pending, timeout=100)))
    assert settled.word == "open"
    mesh.rules.clear()
    settlement = await meshed.during(meshed.client.settle(told.error.pending, timeout=100))
    assert str(settlement.state) == ("done" if made else "not done")


async def test_a_request_still_on_its_way_is_not_called_refused(meshed: Shop, mesh: Mesh) -> None:
    kept: list[Asked] = []

    async def held(asked: Asked) -> Reply:
        kept.append(asked)
        mesh.once(CREATE, refused)
        return said(504, HTML)

    async def refused(_: Asked) -> Reply:
        return said(409)

    mesh.rules[CREATE] = held
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN)))
    await kept[0].deliver()
    assert len(meshed.emulator.vouchers()) == 1
    assert told.word == "open", told
