"""A process that is interrupted in the middle of a call with a key, and goes on with the same client."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from tests.settlement.test_field_never_forgotten import Alarm, _interrupting, server
from voucher_async import CallState, Charge, VoucherClient
from voucher_async.testing import VoucherEmulator, faults

__all__ = ["server"]

CHARGE = "chargeReservation"


async def states(client: VoucherClient) -> list[CallState]:
    return [record.state async for record in client.history(key="K-1")]


def pay(client: VoucherClient, code: str) -> Any:
    payment: dict[str, Any] = {"code": code, "amount": "4.00", "currency": "EUR", "order_number": "A-1"}
    return client.redeem(**payment, idempotency_key="K-1")


@pytest.mark.parametrize("fault", [faults.SlowHeaders(1.0), faults.BreakAfter()], ids=["slow", "lost"])
def test_the_key_tells_the_one_charge_on_the_next_loop(server: VoucherEmulator, fault: faults.Fault) -> None:
    client = VoucherClient(**server.settings(), hooks=[Alarm()], settle_window=1.0, list_lag=0.2)
    voucher = server.add_voucher(amount="25.00")
    server.faults.script(CHARGE, fault)
    if fault == faults.BreakAfter():
        server.faults.script("listCharges", faults.SlowHeaders(1.0))
    paying = pay(client, voucher.code)
    _interrupting(KeyboardInterrupt(), lambda: asyncio.run(paying))
    signal.signal(signal.SIGALRM, signal.SIG_IGN)

    async def again() -> Charge:
        async with client:
            charge: Charge = await pay(client, voucher.code)
            assert (await states(client))[-1] is CallState.DONE
            return charge

    charge = asyncio.run(again())
    assert [charge.id] == [made.id for made in server.charges("A-1")]
    assert client.pending == ()
