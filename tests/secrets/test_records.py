"""Neither a code nor a pin is in what a journal keeps, what is logged or raised for those who ask again."""

from __future__ import annotations

import asyncio
import logging

import pytest

from voucher_async import VoucherClient, VoucherError
from voucher_async.payments.memory import MemoryJournal
from voucher_async.payments.stored import to_json
from voucher_async.testing import VoucherEmulator, faults

CODE, PIN = "Gift-4712-Of-Somebody", "pin-4711-of-nobody"


@pytest.mark.parametrize("way", ["well", "refused", "lost"])
@pytest.mark.parametrize("key", ["K-1", None])
async def test_no_record_line_or_error_has_a_code_or_pin(
    key: str | None, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    journal = MemoryJournal()
    said: list[str] = []
    async with VoucherEmulator() as emulator:
        settings = emulator.settings()
        async with (
            VoucherClient(**settings, journal=journal) as one,
            VoucherClient(**settings, journal=journal) as two,
        ):
            voucher = emulator.add_voucher(amount="1.00" if way == "refused" else "25.00", code=CODE)
            other = emulator.add_voucher(amount="25.00")
            if way == "lost":
                emulator.faults.script("chargeReservation", faults.BreakAfter())

            async def ask(client: VoucherClient, code: str, pin: str | None) -> None:
                try:
                    charge = await client.redeem(
                        code=code,
                        pin=pin,
                        amount="4.00",
                        currency="EUR",
                        order_number="A-1",
                        idempotency_key=key,
                        timeout=3.0,
                    )
                    said.append(repr(charge))
                except VoucherError as error:
                    said.extend((str(error), repr(error), repr(vars(error))))

            await asyncio.gather(*(ask(client, voucher.code, PIN) for client in (one, one, two)))
            await ask(one, other.code, "another-pin-0815")  # a call about another voucher
            await one.vouchers.recharge(
                code=voucher.code, amount="1.00", currency="EUR", order_number="R-1", idempotency_key="R"
            )
            scope = f"{one.settings.base_url} {one.settings.client_id}"
            records = [to_json(record) async for record in journal.history(scope)]
    assert records
    texts = [*records, *said, caplog.text, *(repr(record.args) for record in caplog.records)]
    for secret in (voucher.code, other.code, PIN, "another-pin-0815", CODE.replace("-", "")):
        assert not any(secret.lower() in text.lower() for text in texts)
