"""Each error names the call, the request that failed and what is known, once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxy import Asked, Proxy, Reply, said
from tests.settlement.conftest import Shop, pay
from voucher_async import Fate, OutcomeUnknown, Proof, VoucherError
from voucher_async.testing import faults

CHARGE, REFUND, RECHARGE, LIST = "chargeReservation", "refundCharge", "rechargeVoucher", "listCharges"
RESERVE = "createReservation"
HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>"
NEVER: list[faults.Fault] = [faults.BreakBefore()] * 9


async def error_of(shop: Shop, work: Any) -> VoucherError:
    with pytest.raises(VoucherError) as caught:
        await shop.during(work)
    return caught.value


@pytest.mark.parametrize("kinds", [NEVER, [faults.ServerError()] * 9, [faults.BadGateway()] * 9])
async def test_a_redeem_whose_charge_was_never_sent_is_not_sent(
    shop: Shop, kinds: list[faults.Fault]
) -> None:
    shop.script(RESERVE, *kinds)
    error = await error_of(shop, pay(shop.client, shop.voucher(), timeout=5))
    assert (error.fate, error.proof) == (Fate.NOT_SENT, Proof.NOT_SENT)
    assert not isinstance(error, OutcomeUnknown)
    assert "createReservation" in str(error)
    assert CHARGE not in str(error)
    assert (shop.count(CHARGE), shop.client.pending) == (0, ())


@pytest.mark.parametrize("kinds", [NEVER, [faults.ServerError()] * 9])
@pytest.mark.parametrize("operation", [RECHARGE, REFUND])
async def test_what_reading_beforehand_stopped_does_not_say_that_it_may_have_been_carried_out(
    shop: Shop, kinds: list[faults.Fault], operation: str
) -> None:
    voucher = shop.voucher()
    charge = await shop.during(pay(shop.client, voucher))
    shop.script(LIST, *kinds)
    given: dict[str, Any] = {"id": voucher.id, "amount": "5.00", "currency": "EUR", "order_number": "R-1"}
    work: Any = (
        shop.client.vouchers.recharge(**given, timeout=5)
        if operation == RECHARGE
        else shop.client.charges.refund(charge, currency="EUR", timeout=5)
    )
    error = await error_of(shop, work)
    assert (error.fate, error.proof) == (Fate.NOT_SENT, Proof.NOT_SENT)
    assert f"{operation} was not sent" in str(error)
    assert "may have been" not in str(error)
    assert shop.count(operation) == 0


@pytest.mark.parametrize("status", [404, 405, 500, 502])
async def test_no_page_and_no_second_calls_facts_stand_in_an_open_outcome(
    meshed: Shop, mesh: Proxy, status: int
) -> None:
    async def broken(_: Asked) -> Reply:
        return said(status, HTML)

    mesh.rules[CHARGE] = mesh.rules[LIST] = mesh.rules["getVoucher"] = broken
    error = await error_of(meshed, pay(meshed.client, meshed.voucher(), timeout=5))
    text = str(error)
    assert isinstance(error, OutcomeUnknown)
    assert "<" not in text
    assert "nginx" not in text
    assert text.count("[") == 1  # the facts of one call, in brackets
    assert text.count("attempt") == 1
    assert text.startswith(CHARGE)
    assert error.facts is not None
    assert error.facts.operation == CHARGE
    assert len(text) < 600


async def test_the_refusal_of_a_charge_is_the_charges_own(meshed: Shop, mesh: Proxy) -> None:
    async def refused(_: Asked) -> Reply:
        return said(422)

    mesh.rules[CHARGE] = refused
    error = await error_of(meshed, pay(meshed.client, meshed.voucher()))
    assert error.facts is not None
    assert (error.facts.operation, error.facts.attempts) == (CHARGE, 1)
    assert str(error).count("[") == 1


@pytest.mark.parametrize("wait", [5.0, 20.0])
async def test_a_newer_reservation_settles_an_open_charge_within_the_lists_lag(
    shop: Shop, wait: float
) -> None:
    other = shop.another([shop.told], settle_window=60.0, settle_for=120.0)
    voucher = shop.voucher()
    shop.script(CHARGE, *NEVER)
    error = await error_of(shop, pay(other, voucher, timeout=wait))
    shop.emulator.faults.clear()
    if isinstance(error, OutcomeUnknown):
        begun = shop.clock.monotonic()
        await shop.during(other.reservations.create(code=voucher.code, amount="1", currency="EUR"))
        await shop.until(lambda: not other.pending)
        assert shop.clock.monotonic() - begun <= 10 + 8 + 1  # the lag, and one pause of the background task
    assert shop.told.words[-1:] == ["not done"] or error.proof is Proof.FENCED
    assert shop.charged() == []
    await other.aclose(wait=0)
