"""Everything that the console's page shows and does, in a browser, with a real client beside it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.console.scenes import opened, row
from tests.processes import plain_environment
from voucher_async import ConnectionBroken, ManualClock, ReservationExpired, VoucherClient
from voucher_async.testing import VoucherEmulator, faults, habits

pytestmark = pytest.mark.asyncio(loop_scope="session")  # that of the browser

NASTY = "A-1  <img src=x onerror=alert(1)>"


async def add(page: Page, amount: str, code: str) -> None:
    await page.get_by_role("button", name="Add voucher").click()
    dialog = page.get_by_role("dialog", name="Add voucher")
    await dialog.get_by_label("Amount").fill(amount)
    await dialog.get_by_label("Code").fill(code)
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog).to_be_hidden()
    await expect(page.locator("#said")).to_have_text(f"{code} holds {amount} EUR.")


async def spoil(page: Page, fault: str, operation: str) -> None:
    form = page.locator("#fault")
    await form.get_by_label("Fault").select_option(label=fault)
    await form.get_by_label("Operation").select_option(operation)
    await form.get_by_role("button", name="Switch on").click()
    await expect(page.locator("#scripted")).to_contain_text(f"next on {operation}")


async def test_a_voucher_is_added_and_paid_with_while_the_page_stays(
    page: Page, emulator: VoucherEmulator, client: VoucherClient
) -> None:
    await page.evaluate("window.isTheSame = true")
    await add(page, "25.00", "GIFT")
    await expect(row(page, "vouchers", "GIFT", "25.00 EUR", "active")).to_have_count(1)
    reservation = await client.reservations.create(code="GIFT", amount="10.00", currency="EUR")
    await expect(row(page, "reservations", "GIFT", "10.00 EUR", "open 30:00")).to_have_count(1)
    await expect(row(page, "vouchers", "GIFT", "reserved", "10.00 EUR")).to_have_count(1)
    await client.reservations.charge(reservation, order_number=NASTY)
    await expect(row(page, "vouchers", "GIFT", "15.00 EUR", "of 25.00", "active")).to_have_count(1)
    await expect(row(page, "reservations", "GIFT", "charged")).to_have_count(1)
    line = row(page, "ledger", "charge", "\N{MINUS SIGN}10.00 EUR", "15.00")
    assert await line.locator("td").last.inner_text() == NASTY  # with both spaces
    await expect(row(page, "requests", "chargeReservation", "200")).to_have_count(1)
    assert await page.evaluate("window.isTheSame && document.images.length") == 0
    await page.get_by_role("button", name="Deactivate GIFT").click()
    await expect(row(page, "vouchers", "GIFT", "inactive")).to_have_count(1)
    await expect(page.get_by_role("button", name="Activate GIFT", exact=True)).to_be_focused()
    assert emulator.vouchers()[0].status == "inactive"


@pytest.mark.parametrize("fault", ["break after", "cut off", "bad gateway"])
async def test_the_answer_is_lost_and_the_client_finds_out(
    page: Page, emulator: VoucherEmulator, client: VoucherClient, fault: str
) -> None:
    emulator.add_voucher(amount="25.00", code="GIFT")
    await spoil(page, fault, "chargeReservation")
    charge = await client.redeem(code="GIFT", amount="10.00", currency="EUR", order_number="A-1", timeout=90)
    assert [found.id for found in emulator.charges("A-1")] == [charge.id]
    met = repr(emulator.faults.injected[0].fault)
    await expect(row(page, "requests", "chargeReservation", met)).to_have_count(1)
    await expect(row(page, "requests", "listCharges").first).to_be_visible()
    await expect(row(page, "vouchers", "GIFT", "15.00 EUR")).to_have_count(1)
    await expect(page.locator("#scripted")).to_have_text("No fault is waiting.")


async def test_a_request_that_breaks_before_is_shown_as_not_done(
    page: Page, emulator: VoucherEmulator, client: VoucherClient
) -> None:
    emulator.add_voucher(amount="25.00", code="GIFT")
    await spoil(page, "break before", "chargeReservation")
    with contextlib.suppress(ConnectionBroken):  # not charged, or charged by a second request: it knows which
        await client.redeem(code="GIFT", amount="10.00", currency="EUR", order_number="A-1", timeout=90)
    await expect(row(page, "requests", "chargeReservation", "not done", "BreakBefore()")).to_have_count(1)
    charged = len(emulator.charges("A-1"))
    await expect(row(page, "ledger", "A-1")).to_have_count(charged)


async def test_faults_by_chance_and_their_values(page: Page, emulator: VoucherEmulator) -> None:
    form = page.locator("#fault")
    await form.get_by_label("Fault").select_option(label="server error")
    await form.get_by_role("spinbutton", name="status").fill("503")
    await form.get_by_label("acted").check()
    await form.get_by_label("Happens to").select_option("share")
    await form.get_by_role("spinbutton", name="Share").fill("0.25")
    await form.get_by_role("button", name="Switch on").click()
    waiting = page.locator("#scripted")
    await expect(waiting).to_have_text("25 % of requests: ServerError(status=503, acted=True), seed 1")
    await page.get_by_role("button", name="No faults").click()
    await expect(waiting).to_have_text("No fault is waiting.")
    assert not emulator.faults.active


async def test_the_clock_is_moved_and_a_reservation_ends(
    page: Page, emulator: VoucherEmulator, client: VoucherClient, voucher_clock: ManualClock
) -> None:
    emulator.add_voucher(amount="25.00", code="GIFT")
    held = await client.reservations.create(code="GIFT", amount="10.00", currency="EUR")
    await expect(page.locator("#clock-text")).to_contain_text("This is not real time")
    await expect(row(page, "reservations", "open 30:00")).to_have_count(1)
    await page.get_by_role("button", name="+1 minute").click()
    await expect(row(page, "reservations", "open 29:00")).to_have_count(1)
    await page.get_by_role("button", name="+31 minutes").click()
    await expect(row(page, "reservations", "ended")).to_have_count(1)
    await expect(row(page, "vouchers", "GIFT", "active")).to_have_count(1)
    await expect(page.locator("#clock")).to_have_text(f"{voucher_clock.now():%Y-%m-%d %H:%M:%S} UTC")
    with pytest.raises(ReservationExpired):
        await client.reservations.charge(held, order_number="A-1")
    for _ in range(4):
        await page.get_by_role("button", name="+1 year").click()
    await expect(row(page, "vouchers", "GIFT", "expired")).to_have_count(1)


async def test_a_clock_that_goes_on_says_that_it_is_ahead(browser: Browser) -> None:
    with VoucherEmulator(console=True) as emulator:
        async with opened(browser, emulator) as page:
            await expect(page.locator("#clock-text")).to_contain_text("The machine's own clock")
            await page.get_by_role("button", name="+31 minutes").click()
            await expect(page.locator("#clock-text")).to_contain_text("31 minutes ahead of the machine's")
            await expect(page.locator("#clock-kind")).to_have_text("not real time")


def habit(page: Page, name: str) -> Locator:
    return page.locator("#habits").get_by_role("combobox", name=name, exact=True)


async def test_a_habit_is_taken_on_and_off(page: Page, emulator: VoucherEmulator) -> None:
    await habit(page, "order numbers").select_option("order numbers in capitals")
    await expect(page.locator("#said")).to_have_text("On: order numbers in capitals.")
    assert emulator.habits.on == habits.KINDS["order numbers in capitals"]
    emulator.habits.pages = habits.Pages(size=15)
    await expect(habit(page, "pages")).to_have_value("Pages(size=15)")
    await habit(page, "order numbers").select_option("off")
    await expect(page.locator("#said")).to_have_text("Off: order numbers.")
    assert emulator.habits.on.keys() == {"pages"}
    await page.get_by_role("button", name="No habits").click()
    await expect(habit(page, "pages")).to_have_value("")


async def test_a_pin_connects_a_client_and_the_dialog_says_so(
    page: Page, emulator: VoucherEmulator, tmp_path: Path
) -> None:
    await page.get_by_role("button", name="Connect a client").click()
    dialog = page.get_by_role("dialog", name="Connect a client")
    await dialog.get_by_label("Name of the client").fill("Till <b>7</b>")
    await dialog.get_by_label("manage").uncheck()
    await dialog.get_by_role("button", name="Show PIN").click()
    await expect(dialog).to_contain_text("waiting for the client good for 30:00")
    command = await dialog.locator("#command").inner_text()
    pin = await dialog.locator("#pin").inner_text()
    assert await dialog.locator("#pin > *").count() == 0  # no gap is shown that somebody would type
    assert command == f"voucher-async connect {pin} --base-url {emulator.base_url}"
    homes = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voucher_async", *command.split()[1:]), env={**plain_environment(), **homes}
    )
    assert await process.wait() == 0
    await expect(dialog).to_contain_text("Till <b>7</b> is connected")
    await dialog.get_by_role("button", name="Close").click()
    shown = row(page, "clients", "Till <b>7</b>", "connected")
    await expect(shown).to_contain_text("read, read-lists, read-secrets, use, update, recharge")


async def test_signs_that_nobody_sees_are_spelt_out(page: Page, emulator: VoucherEmulator) -> None:
    emulator.add_voucher(amount="5.00", code="A\u202eLTR\u200b")  # a browser would show it as ARTL
    await expect(row(page, "vouchers", "5.00 EUR").locator("td").first).to_have_text(r"A\u202eLTR\u200b")


async def test_what_is_wrong_is_told_where_it_is_entered(emulator: VoucherEmulator, browser: Browser) -> None:
    emulator.add_voucher(amount="5.00", code="GIFT")
    async with opened(browser, emulator, expected="status of 422") as page:
        await page.get_by_role("button", name="Add voucher").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Code").fill("GIFT")
        await dialog.get_by_role("button", name="Add").click()
        await expect(dialog.get_by_role("alert")).to_have_text(
            "The API refuses such a voucher: VOUCHER.CREATE.CODE.UNIQUE"
        )
        await dialog.get_by_label("Amount").fill("1,50")
        await expect(dialog.locator(":invalid[title*='a point']")).to_have_count(1)
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        form = page.locator("#fault")
        await form.get_by_label("Fault").select_option(label="server error")
        await form.get_by_role("spinbutton", name="status").fill("200")
        await form.get_by_role("button", name="Switch on").click()
        await expect(form.get_by_role("alert")).to_have_text("status must be from 500 to 599, not 200")
    assert len(emulator.vouchers()) == 1


async def test_a_page_comes_back_when_the_emulator_does(browser: Browser) -> None:
    emulator = VoucherEmulator(console=True)
    async with emulator, opened(browser, emulator, expected="Failed to load resource") as page:
        await emulator.stop()
        await expect(page.locator("#stream")).to_have_text("not connected, trying again")
        emulator.add_voucher(amount="5.00", code="MEANWHILE")
        emulator.faults.script("getVoucher", faults.BreakAfter())
        await emulator.start()
        await expect(page.locator("#stream")).to_have_text("live")
        await expect(row(page, "vouchers", "MEANWHILE")).to_have_count(1)
        await expect(page.locator("#scripted")).to_have_text("next on getVoucher: BreakAfter()")
