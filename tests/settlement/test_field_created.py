"""Creating a voucher through a mesh: one voucher, and no word that its id does not prove."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from typing import Any

import pytest

from tests.proxy import Asked, Proxy, Reply, delivered, said
from tests.settlement.conftest import Shop
from tests.settlement.truth import outcome_of
from voucher_async import ApiError, NotFound, OutcomeUnknown, PendingOutcome, Proof, VoucherClient
from voucher_async.testing import habits

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
    meshed: Shop, mesh: Proxy, answer: Reply | None, times: int, given: dict[str, Any]
) -> None:
    mesh.rules[CREATE] = delivered(times, answer)
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, **given)))
    assert told.word == "done", told
    assert [told.value.id] == [voucher.id for voucher in meshed.emulator.vouchers()]


@pytest.mark.parametrize("hours", [-14, -1, 1, 14])
async def test_clocks_apart_never_make_it_somebody_elses(meshed: Shop, mesh: Proxy, hours: int) -> None:
    mesh.rules[CREATE] = delivered(2)

    async def shifted(asked: Asked) -> Reply:
        reply = await asked.deliver()
        made = dt.datetime.fromisoformat(reply.body["created_at"]) + dt.timedelta(hours=hours)
        return reply.saying({**reply.body, "created_at": made.isoformat()})

    mesh.rules[COMPLETE] = mesh.rules[VOUCHER] = shifted
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, id="V-1")))
    assert told.word == ("open" if hours < 0 else "done"), told


@pytest.mark.parametrize("days", [1, 2, 400])
async def test_a_date_that_is_days_ahead_does_not_make_it_somebody_elses(
    meshed: Shop, mesh: Proxy, days: int
) -> None:
    meshed.emulator.habits.clocks = habits.Clocks(date=days * 86_400.0)
    mesh.rules[CREATE] = delivered(2)
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, id="V-1")))
    assert told.word == "open", told


@pytest.mark.parametrize("days", [1, 2, 400])
async def test_one_that_was_there_days_before_by_both_clocks_is_somebody_elses(
    meshed: Shop, days: int
) -> None:
    meshed.emulator.add_voucher(id="V-1", **GIVEN)
    meshed.clock.advance(days * 86_400.0)
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, id="V-1")))
    assert told.word == "not done"
    assert told.error is not None
    assert told.error.proof is Proof.OTHER_VOUCHER


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
    meshed: Shop, mesh: Proxy, changes: dict[str, str]
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


async def test_a_refused_voucher_is_looked_for_twice_a_second_apart(meshed: Shop, mesh: Proxy) -> None:
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
    meshed: Shop, *, mesh: Proxy, page: Reply, made: bool
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


async def test_a_request_still_on_its_way_is_not_called_refused(meshed: Shop, mesh: Proxy) -> None:
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


KEPT = {"age": True, "date": False}


def cached(shop: Shop, mark: str) -> None:
    """Let a cache keep for two minutes that a voucher is not there."""
    shop.emulator.habits.cache = habits.Cache(
        operations=(VOUCHER, COMPLETE), missing=120.0, age=KEPT[mark], old_date=not KEPT[mark]
    )


async def settled(shop: Shop, client: VoucherClient, pending: PendingOutcome, timeout: float = 20.0) -> str:
    """Settle an outcome: its state, or "open"."""
    try:
        return str((await shop.during(client.settle(pending, timeout=timeout))).state)
    except OutcomeUnknown:
        return "open"


@pytest.mark.parametrize("mark", KEPT)
@pytest.mark.parametrize("known", [True, False], ids=["date known", "new process"])
async def test_absence_out_of_a_cache_is_no_proof(
    meshed: Shop, *, mesh: Proxy, mark: str, known: bool
) -> None:
    kept: list[Asked] = []

    async def held(asked: Asked) -> Reply:
        kept.append(asked)
        return said(502, HTML, Date=format_datetime(meshed.emulator.now(), usegmt=True))

    cached(meshed, mark)
    mesh.rules[CREATE] = held
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, id="V-1", timeout=5)))
    assert isinstance(told.error, OutcomeUnknown)
    pending = told.error.pending
    client = meshed.client if known else meshed.another(base_url=mesh.base_url)
    assert await settled(meshed, client, pending, 1.0) == "open"
    await kept[0].deliver()
    assert await settled(meshed, client, pending, 1.0) != "not done"
    await meshed.passes(130)
    assert await settled(meshed, client, pending) == "done"
    assert "not done" not in meshed.told.words
    await client.aclose()


@pytest.mark.parametrize("known", [True, False], ids=["date known", "new process"])
async def test_absence_is_proved_once_no_cache_keeps_it(meshed: Shop, *, mesh: Proxy, known: bool) -> None:
    async def lost(_: Asked) -> Reply:
        return said(502, HTML, Date=format_datetime(meshed.emulator.now(), usegmt=True))

    cached(meshed, "date")
    mesh.rules[CREATE] = lost
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, id="V-1", timeout=5)))
    assert isinstance(told.error, OutcomeUnknown)
    client = meshed.client if known else meshed.another(base_url=mesh.base_url)
    assert await settled(meshed, client, told.error.pending, 1.0) == "open"
    await meshed.passes(130)
    meshed.emulator.habits.cache = None
    assert await settled(meshed, client, told.error.pending) == "not done"
    await client.aclose()


@pytest.mark.parametrize("mark", KEPT)
async def test_a_refusal_beside_absence_out_of_a_cache_proves_nothing(
    meshed: Shop, mesh: Proxy, mark: str
) -> None:
    cached(meshed, mark)
    with pytest.raises(NotFound):
        await meshed.during(meshed.client.vouchers.get_complete("V-1"))
    await meshed.passes(10)
    mesh.rules[CREATE] = delivered(2, said(409))
    told = await meshed.during(outcome_of(meshed.client.vouchers.create(**GIVEN, id="V-1")))
    assert len(meshed.emulator.vouchers()) == 1
    assert isinstance(told.error, ApiError)
    assert (told.error.looked, told.error.proof) == (False, None)
    assert told.error.pending is not None
