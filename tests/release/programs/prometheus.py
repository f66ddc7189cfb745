"""A payment counted for Prometheus."""

from __future__ import annotations

import asyncio

from voucher_async import VoucherClient
from voucher_async.integrations.prometheus import PrometheusHook
from voucher_async.testing import VoucherEmulator


async def main() -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    hook = PrometheusHook(registry=registry)
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings(), hooks=[hook]) as client:
        code = emulator.add_voucher(amount="25.00").code
        await client.redeem(code=code, amount="10.00", currency="EUR", order_number="A-1")
    assert b"redeem" in generate_latest(registry)


asyncio.run(main())
