"""A payment from a thread without an event loop."""

from __future__ import annotations

from voucher_async import VoucherClient
from voucher_async.integrations.blocking import BlockingVouchers
from voucher_async.testing import VoucherEmulator

with VoucherEmulator() as emulator:
    code = emulator.add_voucher(amount="25.00").code
    vouchers = BlockingVouchers(lambda: VoucherClient(**emulator.settings()))
    charge = vouchers.redeem(code=code, amount="10.00", currency="EUR", order_number="A-1")
    assert [each.id for each in emulator.charges("A-1")] == [charge.id]
    vouchers.close()
