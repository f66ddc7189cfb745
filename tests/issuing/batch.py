"""A batch, and what the emulator says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from voucher_async import IssuedVoucher, VoucherClient, VoucherSpec
from voucher_async.testing import VoucherEmulator, VoucherRecord

__all__ = ["BATCH", "activations", "check_issued", "issue", "specs"]

BATCH: Final = "XMAS-2026"


def specs(count: int, amount: str = "25.00") -> Iterator[VoucherSpec]:
    """Descriptions, made when they are read."""
    return (VoucherSpec(amount=amount, currency="EUR") for _ in range(count))


async def issue(client: VoucherClient, given: Any, **options: Any) -> list[IssuedVoucher]:
    """Run the batch; its results in the order of their positions."""
    options = {"batch": BATCH, "activate": True, **options}
    cards = await client.vouchers.issue_many(given, **options).to_list()
    return sorted(cards, key=lambda card: card.position)


def activations(emulator: VoucherEmulator) -> Counter[str]:
    """Requests that were answered with an active voucher, by path."""
    patches = emulator.requests.of("setVoucherStatus")
    return Counter(entry.path for entry in patches if entry.status == 200)


def check_issued(emulator: VoucherEmulator, cards: list[IssuedVoucher], count: int) -> None:
    """Hold results against the server: each position once, each voucher active, its code the server's own."""
    made: dict[str, VoucherRecord] = {record.id: record for record in emulator.vouchers()}
    assert [card.error for card in cards if card.error] == []
    assert [card.position for card in cards] == list(range(1, count + 1))
    vouchers = [card.voucher for card in cards if card.voucher is not None]
    assert {voucher.id for voucher in vouchers} == set(made)
    assert len(vouchers) == len(made) == count
    for voucher in vouchers:
        record = made[voucher.id]
        assert (voucher.code, voucher.pin, voucher.status) == (record.code, record.pin, "active")
        assert (record.status, record.batch, voucher.valid_until) == ("active", BATCH, record.valid_until)
