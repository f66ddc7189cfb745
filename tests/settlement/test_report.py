"""What the hooks and the log are told of money: each word once, at its level, to those who need it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import attrs
import pytest

from tests.settlement.conftest import Shop, pay, redeem
from tests.settlement.test_elsewhere import lost
from voucher_async import (
    CheckoutFailed,
    Conflict,
    Happened,
    Hook,
    OutcomeUnknown,
    PendingOutcome,
    Proof,
    Settled,
    Timeout,
    VoucherClient,
    VoucherError,
)
from voucher_async.testing import VoucherRecord, faults, habits

CHARGE = "chargeReservation"
LIST = "listCharges"
REFUND = "refundCharge"


@attrs.define
class Log:
    """The lines about money."""

    caplog: pytest.LogCaptureFixture

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self._records()]

    @property
    def levels(self) -> list[str]:
        return [record.levelname for record in self._records()]

    def _records(self) -> Iterator[logging.LogRecord]:
        return (each for each in self.caplog.records if each.name == "voucher_async")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level(logging.INFO, logger="voucher_async")
    return Log(caplog)


def words(shop: Shop) -> list[str]:
    """All that the hooks were told, doubts first."""
    return [event.what for event in (*shop.told.doubts, *shop.told.settled)]


def charge_of(shop: Shop) -> str:
    (charge,) = shop.charged()
    return charge


async def closed(shop: Shop) -> None:
    """Close the client: nothing that was told is told once more."""
    await shop.client.aclose(wait=0)
    await shop.client.aclose(wait=0)


@pytest.mark.parametrize("fault", [faults.BreakAfter(), faults.CutOff(), faults.BadGateway(acted=True)])
async def test_a_lost_answer_that_is_found(shop: Shop, log: Log, fault: faults.Fault) -> None:
    shop.script(CHARGE, fault)
    charge = await redeem(shop, shop.voucher())
    await closed(shop)
    assert (words(shop), log.levels) == (["in doubt"], ["WARNING", "INFO"])
    (doubt,) = shop.told.doubts
    assert doubt.pending is not None
    which = f"chargeReservation of 4.00 EUR, order A-1, id {doubt.pending.id}"
    assert log.lines[0].startswith(f"{which} is in doubt: ")
    assert log.lines[1] == f"{which} was in doubt, and was carried out: charge {charge.id}"


async def test_a_doubt_says_what_is_needed_to_look_for_it(shop: Shop) -> None:
    shop.script(CHARGE, faults.BreakAfter())
    await redeem(shop, shop.voucher())
    (doubt,) = shop.told.doubts
    (intent,) = shop.told.intents
    assert (doubt.what, doubt.operation, str(doubt.amount)) == (Happened.IN_DOUBT, CHARGE, "4.00")
    assert (doubt.order_number, doubt.proof, doubt.charge) == ("A-1", None, None)
    assert doubt.pending == intent
    assert isinstance(doubt.error, VoucherError)


async def test_a_doubt_is_told_at_once_and_not_when_it_is_over(shop: Shop) -> None:
    shop.script(CHARGE, faults.BreakAfter())
    shop.emulator.faults.list_lag = 5.0
    charging = asyncio.create_task(pay(shop.client, shop.voucher()))
    await shop.until(lambda: shop.told.doubts)
    assert not charging.done()
    await shop.until(charging.done)
    assert charging.result().id == charge_of(shop)


async def test_one_call_whose_requests_are_all_lost_is_in_doubt_once(shop: Shop, log: Log) -> None:
    shop.script(CHARGE, *[faults.BreakBefore()] * 3)
    with pytest.raises(VoucherError) as caught:
        await redeem(shop, shop.voucher())
    await closed(shop)
    assert (words(shop), log.levels) == (["in doubt"], ["WARNING", "INFO"])
    assert caught.value.proof is not None
    assert log.lines[1].endswith(f"was in doubt, and was not carried out: {caught.value.proof}")


async def test_an_answer_that_contradicts_is_a_doubt(shop: Shop, log: Log) -> None:
    shop.emulator.habits.contradiction = habits.Contradiction({"amount": "3.00"}, kinds=["charge"])
    charge = await redeem(shop, shop.voucher())
    assert charge.id == charge_of(shop)
    assert (words(shop), log.levels) == (["in doubt"], ["WARNING", "INFO"])


async def test_a_refusal_is_a_doubt_until_it_was_looked_into(shop: Shop, log: Log) -> None:
    voucher = shop.voucher()
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.emulator.set_status(voucher.id, "inactive")
    with pytest.raises(Conflict):
        await shop.during(shop.client.reservations.charge(reservation, order_number="A-1"))
    await closed(shop)
    assert (words(shop), log.levels) == (["in doubt"], ["WARNING", "INFO"])
    assert "is in doubt: HTTP 409" in log.lines[0]
    assert log.lines[1].endswith(str(Proof.REFUSED))


async def test_a_payment_that_is_answered_at_once_or_after_a_new_token_is_not_told(
    shop: Shop, log: Log
) -> None:
    await redeem(shop, shop.voucher())
    shop.script(CHARGE, faults.Revoked())
    await redeem(shop, shop.voucher())
    await closed(shop)
    assert shop.count(CHARGE) == 3
    assert (words(shop), log.levels) == ([], [])


async def left_open(shop: Shop, voucher: VoucherRecord) -> PendingOutcome:
    """A charge that was carried out, and that cannot be looked for."""
    shop.script(CHARGE, faults.BreakAfter())
    shop.emulator.faults.chance(1.0, seed=1, operations=[LIST], kinds=[faults.ServerError()])
    with pytest.raises(OutcomeUnknown) as caught:
        await redeem(shop, voucher, timeout=2.0)
    await shop.passes(70.0)
    return caught.value.pending


async def test_a_lost_answer_that_is_left_open_and_asked_for_again(shop: Shop, log: Log) -> None:
    pending = await left_open(shop, shop.voucher())
    assert (words(shop), log.levels) == (["in doubt", "left open"], ["WARNING", "WARNING"])
    assert "is left open: looking for it failed (HTTP 500" in log.lines[1]
    with pytest.raises(OutcomeUnknown):
        await shop.during(shop.client.settle(pending, timeout=80.0))
    assert len(log.levels) == 2
    shop.emulator.faults.clear()
    settlements = [await shop.during(shop.client.settle(pending)) for _ in range(2)]
    assert settlements[0].charge is not None
    await closed(shop)
    assert words(shop) == ["in doubt", "left open", "done"]
    assert log.levels == ["WARNING", "WARNING", "INFO"]
    assert log.lines[2].endswith(f"was carried out: charge {settlements[0].charge.id}")


async def test_what_can_never_be_looked_for_is_left_open_at_once(shop: Shop, log: Log) -> None:
    shop.script("rechargeVoucher", faults.BreakAfter())
    recharge = shop.client.vouchers.recharge(
        amount="1", currency="EUR", order_number="R-1", code=shop.voucher().code
    )
    with pytest.raises(OutcomeUnknown):
        await shop.during(recharge)
    assert (words(shop), log.levels) == (["in doubt"], ["WARNING", "WARNING"])
    assert "rechargeVoucher of 1.00 EUR, order R-1, id" in log.lines[1]
    assert "is left open: the voucher's id is not known" in log.lines[1]


async def test_a_client_that_is_closed_says_what_it_leaves_open_once_each(shop: Shop, log: Log) -> None:
    pendings = [await left_open(shop, shop.voucher()) for _ in range(2)]
    before = len(log.lines)
    await closed(shop)
    assert log.levels[before:] == ["WARNING"] * 2
    for pending, line in zip(pendings, log.lines[before:], strict=True):
        assert line.endswith(f"order A-1, id {pending.id} is open, and the client is closed")
    assert words(shop).count("left open") == 2


async def test_a_call_that_closing_cuts_short_is_left_open_once(shop: Shop, log: Log) -> None:
    shop.script(CHARGE, faults.SlowHeaders(60.0))
    charging = asyncio.create_task(pay(shop.client, shop.voucher()))
    await shop.until(lambda: shop.count(CHARGE))
    await closed(shop)
    with pytest.raises(OutcomeUnknown):
        await charging
    assert log.levels == ["WARNING", "WARNING"]
    assert [line.partition(" is ")[2].split(":")[0] for line in log.lines] == ["in doubt", "left open"]
    assert words(shop) == ["in doubt", "left open"]


async def test_a_call_whose_caller_left_is_told_as_done_once(shop: Shop, log: Log) -> None:
    shop.script(CHARGE, faults.SlowHeaders(1.0))
    charging = asyncio.create_task(pay(shop.client, shop.voucher()))
    await shop.until(lambda: shop.count(CHARGE))
    charging.cancel()
    await shop.until(lambda: shop.told.words)
    await closed(shop)
    assert (words(shop), log.levels) == (["done"], ["INFO"])


async def test_a_call_in_doubt_whose_caller_left_is_told_as_not_done_with_its_proof(
    shop: Shop, log: Log
) -> None:
    shop.script(CHARGE, faults.BreakBefore())
    charging = asyncio.create_task(pay(shop.client, shop.voucher()))
    await shop.until(lambda: shop.count(CHARGE))
    charging.cancel()
    await shop.until(lambda: shop.told.words)
    await closed(shop)
    assert (words(shop), log.levels) == (["in doubt", "not done"], ["WARNING", "INFO"])
    (event,) = shop.told.settled
    assert (event.proof, event.operation) == (Proof.ABSENT, CHARGE)
    assert log.lines[1].endswith(f"was not carried out: {Proof.ABSENT}")


@pytest.mark.parametrize("fault", [faults.BreakAfter(), faults.BreakBefore()])
async def test_the_outcome_of_a_killed_process_is_recovered_once(
    shop: Shop, log: Log, fault: faults.Fault
) -> None:
    pending = await lost(shop, shop.voucher(), fault)
    before = len(log.lines)
    settlements = [await shop.during(shop.client.settle(pending)) for _ in range(2)]
    is_done = isinstance(fault, faults.BreakAfter)
    assert words(shop) == ["recovered" if is_done else "not done"]
    assert log.levels[before:] == ["INFO"]
    assert f"id {pending.id} was " in log.lines[-1]
    (event,) = shop.told.settled
    assert (event.charge, event.proof) == (settlements[0].charge, settlements[0].proof)


async def failing_checkout(shop: Shop, client: VoucherClient) -> None:
    """A checkout whose second voucher is refused."""
    first, second = shop.voucher(), shop.voucher()
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in (first, second):
            await checkout.reserve(code=voucher.code, amount="4")
        shop.emulator.set_status(second.id, "inactive")
        with pytest.raises(CheckoutFailed):
            await shop.during(checkout.charge())


def of_checkout(log: Log) -> list[tuple[str, str]]:
    lines = zip(log.levels, log.lines, strict=True)
    return [(level, line) for level, line in lines if line.startswith("checkout of ")]


async def test_a_checkout_that_takes_back_what_it_charged(shop: Shop, log: Log) -> None:
    await failing_checkout(shop, shop.client)
    await closed(shop)
    assert words(shop) == ["in doubt", "refunded"]
    assert (shop.told.settled[0].operation, shop.told.settled[0].order_number) == ("checkout", "A-1")
    assert of_checkout(log) == [
        ("INFO", f"checkout of 4.00 EUR, order A-1, charge {charge_of(shop)} was refunded")
    ]


async def test_a_checkout_that_cannot_take_back_what_it_charged(shop: Shop, log: Log) -> None:
    shop.emulator.faults.chance(1.0, seed=1, operations=[REFUND], kinds=[faults.TooMany(0)])
    await failing_checkout(shop, shop.client)
    await closed(shop)
    assert words(shop) == ["in doubt", "in doubt", "refund failed"]
    which = f"checkout of 4.00 EUR, order A-1, charge {charge_of(shop)}"
    why = f"(HTTP 429, TOO_MANY_REQUESTS, id {shop.emulator.requests.of(REFUND)[0].request_id})"
    assert of_checkout(log) == [
        (
            "ERROR",
            f"{which} could not be refunded {why}; the customer is still charged",
        )
    ]
    assert log.levels.count("ERROR") == 1


async def test_a_refund_that_the_background_finds_not_made_is_an_error(shop: Shop, log: Log) -> None:
    charge = await redeem(shop, shop.voucher())
    shop.script(REFUND, *[faults.BreakBefore()] * 3)
    shop.emulator.faults.list_lag = 8.0
    client = shop.another(hooks=[shop.told], timeout=Timeout(total=2.0))
    with pytest.raises(OutcomeUnknown):
        await shop.during(client.charges.refund(charge, currency="EUR"))
    await shop.until(lambda: shop.told.words)
    await client.aclose(wait=0)
    assert (words(shop), log.levels) == (["in doubt", "not done"], ["WARNING", "ERROR"])
    assert log.lines[1].endswith("; the customer is still charged")


@pytest.mark.parametrize("allow_double_charge", [True])
@pytest.mark.parametrize("refused", [True, False])
async def test_a_surplus(shop: Shop, log: Log, *, refused: bool) -> None:
    shop.script(CHARGE, faults.CommitLate(1.0))
    if refused:
        shop.emulator.faults.chance(1.0, seed=1, operations=[REFUND], kinds=[faults.TooMany(0)])
    client = shop.another(hooks=[shop.told], settle_for=600.0)
    charge = await shop.during(pay(client, shop.voucher()))
    await shop.until(lambda: shop.told.words)
    await client.aclose(wait=0)
    (surplus,) = set(shop.charged()) - {charge.id}
    assert shop.told.words == ["surplus left" if refused else "surplus refunded"]
    lines = zip(log.levels, log.lines, strict=True)
    ((level, line),) = [each for each in lines if "once too often" in each[1]]
    assert (level, f"charge {surplus}" in line) == ("ERROR" if refused else "INFO", True)
    assert line.endswith("; the customer is still charged") == refused
    doubted = [event.pending.id for event in shop.told.doubts if event.pending]
    assert len(doubted) == len(set(doubted))


async def test_what_a_checkout_renews_is_told_with_its_operation(shop: Shop) -> None:
    async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
        await checkout.reserve(code=shop.voucher().code, amount="4", renew=True)
        shop.clock.advance(1600.0)
        await shop.until(lambda: shop.told.settled)
    (event,) = shop.told.settled
    assert (event.what, event.operation) == (Happened.RENEWED, "createReservation")


async def test_an_order_number_cannot_forge_a_line(shop: Shop, log: Log) -> None:
    shop.script(CHARGE, faults.BreakAfter())
    order = "A-1\u2028ERROR \u202e\x85 done"
    await shop.during(pay(shop.client, shop.voucher(), order_number=order))
    assert len(log.lines) == 2
    for line in log.lines:
        assert r", order A-1\u2028ERROR \u202e\x85 done, id " in line


async def test_a_log_that_is_broken_breaks_no_payment(
    shop: Shop, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: logging.LogRecord) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(logging.getLogger("voucher_async"), "filters", [broken])
    shop.script(CHARGE, faults.BreakAfter())
    charge = await redeem(shop, shop.voucher())
    assert (charge.id, log.lines) == (charge_of(shop), [])
    assert words(shop) == ["in doubt"]


async def test_a_hook_that_is_broken_breaks_no_payment(shop: Shop) -> None:
    class Broken(Hook):
        def on_settled(self, event: Settled) -> None:
            raise RuntimeError(event.what)

    shop.script(CHARGE, faults.BreakAfter())
    async with shop.another(hooks=[Broken(), shop.told]) as client:
        charge = await shop.during(pay(client, shop.voucher()))
    assert (charge.id, words(shop)) == (charge_of(shop), ["in doubt"])


@pytest.mark.parametrize("word", Happened)
def test_a_word_is_equal_to_its_text(word: Happened) -> None:
    assert word == str(word) == word.value
    assert f"{word}" == word.value
