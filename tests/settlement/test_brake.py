"""The brake: while too many of the latest money calls are in doubt, new ones are refused unsent."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.settlement.conftest import Shop, pay
from voucher_async import (
    Charge,
    ConfigurationError,
    ManualClock,
    Proof,
    Settings,
    TooManyInDoubt,
    VoucherClient,
)
from voucher_async.payments.brake import FEWEST, WINDOW, Brake
from voucher_async.testing import VoucherRecord, faults

CHARGE = "chargeReservation"


def noted(brake: Brake, count: int, *, in_doubt: bool) -> None:
    for _ in range(count):
        brake.note(in_doubt=in_doubt)


def is_on(brake: Brake) -> bool:
    try:
        brake.check()
    except TooManyInDoubt:
        return True
    return False


@pytest.mark.parametrize(
    ("good", "bad", "stops"),
    [(0, FEWEST - 1, False), (0, FEWEST, True), (10, 10, False), (10, 11, True), (1000, 0, False)],
)
def test_more_than_the_share_of_enough_calls_stops_new_ones(good: int, bad: int, *, stops: bool) -> None:
    brake = Brake(0.5, ManualClock())
    noted(brake, good, in_doubt=False)
    noted(brake, bad, in_doubt=True)
    assert is_on(brake) is stops


def test_a_call_counts_for_a_minute_and_the_error_says_how_long() -> None:
    clock = ManualClock()
    brake = Brake(0.5, clock)
    noted(brake, FEWEST, in_doubt=True)
    clock.advance(WINDOW - 1)
    with pytest.raises(TooManyInDoubt, match="20 of the latest 20 money calls are in doubt") as caught:
        brake.check()
    assert caught.value.proof is Proof.NOT_SENT
    assert caught.value.retry_after == pytest.approx(1)
    clock.advance(1)
    assert not is_on(brake)


def test_the_latest_thousand_count() -> None:
    brake = Brake(0.5, ManualClock())
    noted(brake, 600, in_doubt=True)
    noted(brake, 1000, in_doubt=False)
    noted(brake, 501, in_doubt=True)
    assert is_on(brake)


def test_it_is_said_once_that_it_is_on_and_that_it_is_off(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    brake = Brake(0.5, clock)
    noted(brake, FEWEST, in_doubt=True)
    with caplog.at_level(logging.INFO, "voucher_async"):
        assert [is_on(brake) for _ in range(3)] == [True] * 3
        clock.advance(WINDOW)
        assert not is_on(brake)
    assert [(each.levelname, each.getMessage()[:16]) for each in caplog.records] == [
        ("WARNING", "the brake is on:"),
        ("INFO", "the brake is off"),
    ]


@pytest.mark.parametrize("share", [0, -1, 1.5, "0.5", True])
def test_what_is_no_share_is_refused(share: object) -> None:
    with pytest.raises(ConfigurationError, match="brake_at must be a share above 0 and at most 1"):
        Settings.make(client_id="a", client_secret="b", environment="sandbox", brake_at=share)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def braked(shop: Shop) -> AsyncIterator[VoucherClient]:
    """A client of whose charges all but the first are in doubt, until they are found."""
    async with shop.another(brake_at=0.5) as client:
        yield client


async def paid(shop: Shop, client: VoucherClient, voucher: VoucherRecord, number: int) -> Charge:
    return await shop.during(pay(client, voucher, order_number=f"B-{number}", idempotency_key=f"B-{number}"))


async def test_new_calls_are_refused_unsent_and_answers_and_checkouts_under_way_are_not(
    shop: Shop, braked: VoucherClient
) -> None:
    voucher = shop.voucher("1000.00")
    for number in range(FEWEST):
        shop.script(CHARGE, faults.BreakAfter())
        await paid(shop, braked, voucher, number)
    sent = len(shop.emulator.requests)

    with pytest.raises(TooManyInDoubt):
        await paid(shop, braked, voucher, FEWEST)
    with pytest.raises(TooManyInDoubt):
        await pay(braked, voucher, order_number="C-1")
    assert len(shop.emulator.requests) == sent
    again = await paid(shop, braked, voucher, 0)
    assert again.order_number == "B-0"
    assert shop.count(CHARGE) == FEWEST

    checkout = braked.checkout(order_number="D-1", currency="EUR")
    await checkout.reserve(code=voucher.code, amount="1.00")
    with pytest.raises(TooManyInDoubt):
        await checkout.charge()
    assert shop.count(CHARGE) == FEWEST

    await shop.passes(WINDOW)
    assert (await checkout.charge())[0].order_number == "D-1"
    charge = await paid(shop, braked, voucher, FEWEST)  # its key was left free
    assert [each.id for each in shop.emulator.charges(f"B-{FEWEST}")] == [charge.id]
