"""What the heirs of killed workers read in their journal: how the calls ended that were cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.chaos.records import Journal, Record, Settled, Told, read
from tests.chaos.samples import began, intent
from tests.chaos.settling import read_orders
from voucher_async import MemoryJournal, Settings, VoucherClient, VoucherError
from voucher_async.testing import VoucherEmulator, faults

PAYMENT: dict[str, Any] = {"amount": "2.00", "currency": "EUR"}


async def test_the_ends_of_calls_that_were_cut_off_are_read_and_no_others(
    voucher_emulator: VoucherEmulator, tmp_path: Path
) -> None:
    code = voucher_emulator.add_voucher(amount="10.00").code
    killed, heir = tmp_path / "killed.jsonl", tmp_path / "heir.jsonl"
    calls = [attrs.evolve(began(str(number)), order=f"A-{number}") for number in range(4)]
    sent_nothing = attrs.evolve(intent("unknown to the journal", call="3"), order="A-3")
    written: list[Record] = [
        *calls,
        Told(call="1", what="done"),
        Told(call="2", what="cancelled"),
        sent_nothing,
    ]
    with Journal(killed) as journal:
        for record in written:
            journal.write(record)
    settings = attrs.evolve(
        Settings.make(**voucher_emulator.settings(), timeout=10.0), settle_window=0.5, list_lag=0.1
    )
    async with VoucherClient(settings=settings, journal=MemoryJournal()) as client:
        made = [await client.redeem(code=code, order_number=f"A-{number}", **PAYMENT) for number in range(2)]
        voucher_emulator.faults.script("chargeReservation", *[faults.BreakBefore()] * 3)
        with pytest.raises(VoucherError):
            await client.redeem(code=code, order_number="A-2", **PAYMENT)
        with Journal(heir) as journal:
            await read_orders(client, [killed], journal)
        (done,) = [each async for each in client.history(order_number="A-0")]
        (refused,) = [each async for each in client.history(order_number="A-2")]
    found = {each.pending: each for each in read(heir) if isinstance(each, Settled)}
    assert found == {
        done.id: Settled(pending=done.id, by="heir", state="done", charge=made[0].id),
        refused.id: Settled(pending=refused.id, by="heir", state="not done", proof="ABSENT"),
        sent_nothing.pending: Settled(
            pending=sent_nothing.pending, by="heir", state="not done", proof="NOT_SENT"
        ),
    }
