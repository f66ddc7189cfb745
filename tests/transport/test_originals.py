"""Answers that tell the date of the API's server: no cache keeps them, and they come from its host."""

from __future__ import annotations

import pytest

from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_a_token_tells_the_date_of_the_api_where_it_comes_from_its_host(*, is_elsewhere: bool) -> None:
    async with VoucherEmulator() as emulator:
        settings = emulator.settings()
        if is_elsewhere:
            host = settings["base_url"].rpartition(":")[2].partition("/")[0]
            settings["token_url"] = f"http://localhost:{host}/oauth/token"
        voucher = emulator.add_voucher(amount="5.00")
        async with VoucherClient(**settings) as client:
            clock = client._transport.server_clock
            await client.vouchers.get(voucher.id)
            assert clock.known
            assert (clock.at_least(0.0) is None) is is_elsewhere
            await client.reservations.create(code=voucher.code, amount="1.00", currency="EUR")
            assert clock.at_least(0.0) is not None
