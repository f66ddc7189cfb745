"""The switches of the console: each takes effect, and a new fault or habit has one by itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, get_args

import attrs
import pytest

from tests.emulator.conftest import Connection, Shop, connected, request
from tests.emulator.consoles import Page, page_of
from tests.processes import plain_environment
from voucher_async import ManualClock, connect
from voucher_async.testing import VoucherEmulator, faults, habits

KINDS: list[type[Any]] = list(get_args(faults.Fault))


@pytest.fixture
async def page(clock: ManualClock) -> AsyncIterator[Page]:
    async with page_of(VoucherEmulator(clock=clock, console=True)) as page:
        yield page


async def test_an_emulator_has_no_console_unless_it_is_asked_for() -> None:
    async with page_of(VoucherEmulator()) as page:
        with pytest.raises(RuntimeError, match="console=True"):
            _ = page.emulator.console_url
        async with page.session.get(f"{page.emulator.url}/console") as answer:
            assert answer.status == 404
        assert page.emulator.requests.count() == 1


def test_nothing_of_it_is_loaded_where_it_is_off() -> None:
    code = (
        "import sys; from voucher_async.testing import VoucherEmulator\n"
        "with VoucherEmulator(): assert 'voucher_async.testing.console' not in sys.modules\n"
        "with VoucherEmulator(console=True): assert 'voucher_async.testing.console' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=plain_environment())


async def test_the_console_s_own_requests_are_no_requests_of_the_api(page: Page) -> None:
    page.emulator.faults.chance(1, seed=1, kinds=[faults.BreakBefore()])
    assert (await page.get())[0] == 200
    assert (await page.get("/forms"))[0] == 200
    assert (await page.get("/nothing"))[0] == 404
    assert page.emulator.requests.count() == 0
    async with page.session.get(f"{page.emulator.url}/consoles") as answer:
        assert answer.status == 404
    assert [entry.path for entry in page.emulator.requests] == ["***"]


async def test_a_voucher_is_added(page: Page) -> None:
    made = await page.done("vouchers", amount="25", currency="CHF", code="GIFT", type="print", batch="")
    voucher = page.emulator.voucher(made["id"])
    assert (voucher.code, voucher.balance, voucher.currency) == ("GIFT", Decimal("25.00"), "CHF")
    assert (voucher.status, voucher.batch, made["pin"]) == ("active", None, voucher.pin)
    made = await page.done("vouchers", amount="5.00", active=False)
    assert page.emulator.voucher(made["id"]).status == "inactive"
    made = await page.done("vouchers/status", id=made["id"], status="active")
    assert page.emulator.voucher(made["id"]).status == made["status"] == "active"


async def test_a_pin_connects_a_client_with_the_scopes_that_were_chosen(page: Page) -> None:
    made = await page.done("pins", name="Till", scopes=["use", "read"])
    client = await connect(made["pin"], base_url=page.emulator.base_url)
    assert client.id == made["client_id"]
    shown = {row["id"]: row for row in (await page.state())["clients"]}
    assert shown[made["client_id"]]["connected_at"]
    assert shown[made["client_id"]]["scopes"] == ["use", "read"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_each_fault_can_be_switched_on(page: Page, kind: type[Any]) -> None:
    forms = json.loads((await page.get("/forms"))[1])
    (form,) = (form for form in forms["faults"] if form["name"] == kind.__name__)
    assert form["text"]
    fields = {field["name"]: field["value"] for field in form["fields"]}
    assert fields == attrs.asdict(kind())
    emulator = page.emulator
    await page.done("faults", kind=form["name"], operation="rechargeVoucher", count=1, fields=fields)
    (waiting,) = (await page.state())["switches"]["faults"]["scripted"]
    assert waiting == {"operation": "rechargeVoucher", "faults": [[repr(kind()), 1]], "count": 1}
    shop = Shop(emulator, page.session, emulator.add_voucher(amount="5.00"), "")
    async with connected(shop) as connection:
        await met(connection, shop)
    assert [each.fault for each in emulator.faults.injected] == [kind()]
    assert (await page.state())["switches"]["faults"]["scripted"] == []


async def met(connection: Connection, shop: Shop) -> None:
    """Send a request, and have it meet the fault; how it ends is for other tests."""
    connection.writer.write(request(shop))
    async with asyncio.timeout(20):
        while not shop.emulator.faults.injected:
            await asyncio.sleep(0)


async def test_a_fault_has_the_values_that_were_given(page: Page) -> None:
    await page.done("faults", kind="ServerError", count=2, fields={"status": 503, "acted": True})
    await page.done("faults", kind="CommitLate", fields={"seconds": 5})
    scripted = page.emulator.faults.scripted["*"]
    assert scripted == (*[faults.ServerError(status=503, acted=True)] * 2, faults.CommitLate(seconds=5))
    await page.done("faults/clear")
    assert not page.emulator.faults.scripted


@pytest.mark.parametrize(("kind", "chosen"), [("*", faults.KINDS), ("BreakAfter", (faults.BreakAfter(),))])
async def test_faults_come_by_chance(page: Page, kind: str, chosen: tuple[faults.Fault, ...]) -> None:
    await page.done("faults/chance", kind=kind, operation="getVoucher", share=0.3, seed=7)
    chance = page.emulator.faults.chances
    assert chance is not None
    assert (chance.share, chance.seed, chance.kinds) == (0.3, 7, chosen)
    shown = (await page.state())["switches"]["faults"]["chance"]
    assert (shown["operations"], shown["kinds"]) == (["getVoucher"], [repr(each) for each in chosen])
    met = [page.emulator.faults.next("getVoucher") is not None for _ in range(200)]
    assert 30 < sum(met) < 90
    assert page.emulator.faults.next("listVouchers") is None


async def test_dates_and_lists_are_put_off(page: Page) -> None:
    await page.done("faults/delay", date_offset=3600, list_lag=2.5)
    assert (page.emulator.faults.date_offset, page.emulator.faults.list_lag) == (3600, 2.5)
    await page.done("faults/delay", list_lag=0)
    assert (page.emulator.faults.date_offset, page.emulator.faults.list_lag) == (3600, 0)


async def test_each_habit_can_be_switched_on_and_off(page: Page) -> None:
    forms = json.loads((await page.get("/forms"))[1])
    offered = {name: form["name"] for form in forms["habits"] for name in form["kinds"]}
    assert offered.keys() == habits.KINDS.keys()
    for name, kind in habits.KINDS.items():
        await page.done("habits", kind=name)
        assert page.emulator.habits.on == kind, name
        shown = (await page.state())["switches"]["habits"]
        assert shown[offered[name]]["kind"] == name
        await page.done("habits/off", habit=offered[name])
        assert page.emulator.habits.on == {}, name


async def test_habits_combine_and_those_made_by_hand_are_shown(page: Page) -> None:
    page.emulator.habits.pages = habits.Pages(size=15)
    await page.done("habits", kind="tolerant codes")
    assert (await page.state())["switches"]["habits"] == {
        "pages": {"kind": None, "text": "Pages(size=15)"},
        "tolerant_codes": {"kind": "tolerant codes", "text": "True"},
    }
    await page.done("habits/clear")
    assert page.emulator.habits.on == {}


async def test_the_clock_is_moved(page: Page, clock: ManualClock) -> None:
    before = clock.now()
    await page.done("clock", seconds=1860)
    assert clock.now() - before == dt.timedelta(minutes=31)
    state = await page.state()
    assert state["switches"]["clock"]["by_hand"]
    assert dt.datetime.fromisoformat(state["now"]) == clock.now()


async def test_a_clock_that_goes_on_is_moved_ahead() -> None:
    async with page_of(VoucherEmulator(console=True)) as page:
        await page.done("clock", seconds=60)
        ahead = page.emulator.now() - page.emulator.clock.now()
        assert round(ahead.total_seconds()) == 60
        assert (await page.state())["switches"]["clock"] == {"by_hand": False, "ahead": 60}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("vouchers", {"amount": "much"}, "AMOUNT"),
        ("vouchers", {"amount": 5}, "amount has to be a text"),
        ("vouchers", {}, "amount has to be a text"),
        ("vouchers", {"amount": "5", "currency": "Euro"}, "CURRENCY"),
        ("vouchers/status", {"id": "none", "status": "active"}, "no such voucher"),
        ("pins", {"scopes": ["everything"]}, "scopes has to be"),
        ("pins", {"scopes": []}, "scopes has to be"),
        ("pins", {"scopes": "use"}, "a list"),
        ("faults", {"kind": "Fire"}, "there are Refuse, BreakBefore"),
        ("faults", {"kind": "BreakAfter", "operation": "payTwice"}, "no operation"),
        ("faults", {"kind": "BreakAfter", "count": 1.5}, "whole number"),
        ("faults", {"kind": "BreakAfter", "count": 10**6}, "from 1 to 100"),
        ("faults", {"kind": "BreakAfter", "count": True}, "from 1 to 100"),
        ("faults", {"kind": "BreakAfter", "fields": []}, "an object"),
        ("faults", {"kind": "BreakAfter", "fields": {"seconds": 1}}, "no seconds"),
        ("faults", {"kind": "ServerError", "fields": {"acted": 1}}, "no acted"),
        ("faults", {"kind": "ServerError", "fields": {"status": 200}}, "from 500 to 599"),
        ("faults/chance", {"share": 2}, "from 0 to 1"),
        ("faults/delay", {"list_lag": -1}, "list_lag has to be"),
        ("habits", {"kind": "none such"}, "no habit"),
        ("habits/off", {"habit": "guard"}, "no habit"),
        ("clock", {"seconds": -1}, "from 0 to"),
        ("clock", {"seconds": 1e12}, "from 0 to"),
        ("clock", b"NaN", "no JSON"),
        ("clock", b"[1]", "a JSON object"),
    ],
)
async def test_what_cannot_be_done_is_told(page: Page, path: str, body: object, said: str) -> None:
    before = page.emulator.now()
    status, answer = await page.post(path, body)
    assert 400 <= status < 500
    assert said in answer["message"]
    assert page.emulator.now() == before
    assert page.emulator.vouchers() == ()
    assert not page.emulator.faults.active
    assert not page.emulator.habits.on


async def test_the_calendar_does_not_end(page: Page) -> None:
    page.emulator.advance(7000 * 366 * 86400)
    assert (await page.post("clock", {"seconds": 60}))[0] == 422
    assert (await page.state())["now"].startswith("90")


async def test_a_row_of_a_request_has_nothing_that_a_client_made_up_but_known_ids(page: Page) -> None:
    headers = {"X-Request-Id": "a-secret-of-a-client", "User-Agent": "another-secret"}
    async with page.session.get(f"{page.emulator.url}/v1/vouchers/a-code", headers=headers) as answer:
        assert answer.status == 401
    state = await page.state()
    assert [row["path"] for row in state["requests"]] == ["/v1/vouchers/***"]
    assert "secret" not in json.dumps(state["requests"])


async def test_a_code_that_no_answer_could_hold_is_refused(page: Page) -> None:
    status, said = await page.post("vouchers", b'{"amount": "5.00", "code": "X\\ud800Y"}')
    assert (status, said["message"]) == (422, "code has half a sign of two (a surrogate).")
    assert page.emulator.vouchers() == ()
