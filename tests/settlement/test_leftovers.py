"""A client leaves its block with outcomes that are open, or is thrown away unclosed."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
import warnings

import pytest

from tests.settlement.conftest import Shop, pay
from voucher_async import ConfigurationError, OutcomeUnknown, PendingOutcome, VoucherClient
from voucher_async.testing import VoucherEmulator, faults

CODE = "GIFT-1234-SECRET"


async def leave_open(shop: Shop, client: VoucherClient, order_number: str = "A-1") -> PendingOutcome:
    """Lose the answer to a charge that cannot be looked for."""
    voucher = shop.emulator.add_voucher(amount="25.00", code=CODE, pin="4711-pin")
    shop.script("chargeReservation", faults.BreakAfter())
    shop.emulator.faults.script("listCharges", *[faults.ServerError()] * 200)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(pay(client, voucher, pin="4711-pin", order_number=order_number, timeout=5.0))
    return caught.value.pending


def warned_of(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records if "the client is closed" in record.getMessage()]


async def test_each_open_outcome_is_logged_once_when_the_block_is_left(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    client = shop.another(close_wait=0.01)
    async with client:
        pending = await leave_open(shop, client)
        assert warned_of(caplog.records) == []
    (line,) = warned_of(caplog.records)
    assert line.startswith("chargeReservation of 4.00 EUR, order A-1, id ")
    assert pending.id in line
    assert all(secret not in caplog.text for secret in (CODE, "4711-pin", client.settings.client_secret))
    assert [record.levelno for record in caplog.records if "the client is closed" in record.getMessage()] == [
        logging.WARNING
    ]


async def test_an_order_number_cannot_write_a_line_of_its_own(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop.another(close_wait=0.01) as client:
        await leave_open(shop, client, "A-1\nvoucher_async: all is well")
    assert "order A-1\\nvoucher_async" in warned_of(caplog.records)[0]


async def test_nothing_is_logged_when_nothing_is_open(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    async with shop.another() as client:
        await shop.during(pay(client, shop.voucher()))
    assert warned_of(caplog.records) == []


async def test_it_is_logged_also_when_leaving_is_cancelled(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    client = shop.another(close_wait=0.2)
    await leave_open(shop, client)
    leaving = asyncio.create_task(client.__aexit__(None, None, None))
    await asyncio.sleep(0.05)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert len(warned_of(caplog.records)) == 1


def thrown_away(made: list[VoucherClient]) -> list[str]:
    """The warnings of this package when nothing holds the clients any more."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made.clear()
        gc.collect()
    own = [each for each in caught if "VoucherClient" in str(each.message)]
    for each in own:  # with tracemalloc on, Python adds to a warning where the object was made
        assert (each.category, type(each.source)) == (ResourceWarning, VoucherClient)
    return [str(each.message) for each in own]


async def test_a_client_that_is_thrown_away_unclosed_warns(shop: Shop) -> None:
    made = [shop.another()]
    await shop.during(made[0].vouchers.get(shop.voucher().id))
    (text,) = thrown_away(made)
    assert text.startswith("unclosed <VoucherClient ")
    assert "use `async with`, or await its aclose()" in text
    await asyncio.sleep(0)  # asyncio closes the session


async def test_the_warning_counts_the_open_outcomes_and_is_given_without_a_session_of_its_own(
    shop: Shop,
) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        made = [shop.another(session=session, settle_for=0.1)]
        await leave_open(shop, made[0])
        await shop.passes(20.0)  # no task looks after it any more
        assert made[0].pending
        (text,) = thrown_away(made)
    assert "with 1 open outcome: use" in text


async def test_no_warning_for_one_that_was_closed_or_never_used(shop: Shop) -> None:
    closed = shop.another()
    await shop.during(closed.vouchers.get(shop.voucher().id))
    await closed.aclose()
    made = [closed, shop.another()]
    del closed
    with pytest.raises(ConfigurationError):
        VoucherClient("shop", "secret", environment="sandbox", hooks=[object()])
    assert thrown_away(made) == []


async def test_no_warning_in_a_child_that_was_forked(shop: Shop) -> None:
    made = [shop.another()]
    await shop.during(made[0].vouchers.get(shop.voucher().id))
    leftovers = made[0]._leftovers
    own = leftovers._process
    leftovers._process = own + 1  # as in a forked child
    assert thrown_away(made) == []
    assert own == os.getpid()
    await asyncio.sleep(0)


SCRIPT = """
import asyncio, sys
from voucher_async import VoucherClient

async def use():
    client = VoucherClient("{client_id}", "{client_secret}", base_url="{base_url}", token_url="{token_url}")
    [_ async for _ in client.vouchers.list()]
    return client

loop = asyncio.new_event_loop()
client = loop.run_until_complete(use())
print("used", client._transport.session.is_open)
"""


async def test_an_interpreter_that_ends_with_an_unclosed_client_raises_nothing(shop: Shop) -> None:
    script = SCRIPT.format(**VoucherEmulator.settings(shop.emulator))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "ignore::ResourceWarning",
        "-c",
        script,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (0, b"used True\n")
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
