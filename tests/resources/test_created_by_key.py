"""Vouchers that are created with an idempotency key."""

from __future__ import annotations

import pytest

from voucher_async import (
    CallState,
    Fate,
    IdempotencyMismatch,
    InvalidInput,
    MemoryJournal,
    OutcomeUnknown,
    Proof,
    VoucherClient,
    VoucherError,
    is_joined,
)
from voucher_async.testing import VoucherEmulator, faults


@pytest.fixture
def emulator(voucher_emulator: VoucherEmulator) -> VoucherEmulator:
    return voucher_emulator


def created(emulator: VoucherEmulator) -> int:
    return sum((request.method, request.path) == ("POST", "/v1/vouchers") for request in emulator.requests)


async def test_a_key_names_one_voucher(emulator: VoucherEmulator) -> None:
    async with VoucherClient(**emulator.settings()) as client:
        first = await client.vouchers.create(amount="10.00", currency="EUR", idempotency_key="A-1/line-2")
        second = await client.vouchers.create(amount="10.00", currency="EUR", idempotency_key="A-1/line-2")
    assert second == first
    assert is_joined(second)
    assert not is_joined(first)
    assert created(emulator) == 1


async def test_a_key_names_the_same_voucher_in_a_process_that_knows_nothing_of_it(
    emulator: VoucherEmulator,
) -> None:
    async with VoucherClient(**emulator.settings()) as client:
        first = await client.vouchers.create(amount="10.00", currency="EUR", idempotency_key="L")
    emulator.advance(86_400)
    async with VoucherClient(**emulator.settings()) as other:
        second = await other.vouchers.create(amount="10.00", currency="EUR", idempotency_key="L")
        with pytest.raises(IdempotencyMismatch):
            await other.vouchers.create(amount="10.01", currency="EUR", idempotency_key="L")
    assert second == first
    assert len(emulator.vouchers()) == 1


async def test_another_voucher_that_has_the_id_is_not_taken_for_the_key_s(emulator: VoucherEmulator) -> None:
    async with VoucherClient(**emulator.settings()) as client:
        await client.vouchers.create(amount="10.00", currency="EUR", sku="a", idempotency_key="L")
    async with VoucherClient(**emulator.settings()) as other:
        with pytest.raises(IdempotencyMismatch, match="another voucher") as caught:
            await other.vouchers.create(amount="10.00", currency="EUR", sku="b", idempotency_key="L")
    assert (caught.value.fate, caught.value.proof) == (Fate.NOT_DONE, Proof.OTHER_VOUCHER)


async def test_a_voucher_that_is_shown_otherwise_may_be_that_of_a_lost_answer(
    emulator: VoucherEmulator,
) -> None:
    async with VoucherClient(**emulator.settings()) as client:
        await client.vouchers.create(amount="10.00", currency="EUR", sku="a", idempotency_key="L")
    async with VoucherClient(**emulator.settings()) as other:
        emulator.faults.script("createVoucher", faults.BreakBefore())
        with pytest.raises(VoucherError) as caught:
            await other.vouchers.create(amount="10.00", currency="EUR", sku="b", idempotency_key="L")
        assert (caught.value.proof, len(other.pending)) == (None, 1)


@pytest.mark.parametrize("key", ["K", "k", "k ", "k\u0301", "ḱ"])
async def test_keys_are_compared_byte_for_byte(emulator: VoucherEmulator, key: str) -> None:
    async with VoucherClient(**emulator.settings()) as client:
        ids = {
            (await client.vouchers.create(amount="1.00", currency="EUR", idempotency_key=each)).id
            for each in (key, "another")
        }
    assert len(ids) == 2


@pytest.mark.parametrize("fault", [faults.BreakAfter(), faults.CutOff(), faults.SlowHeaders(0.1)])
async def test_a_lost_answer_leaves_one_voucher(emulator: VoucherEmulator, fault: faults.Fault) -> None:
    async with VoucherClient(**emulator.settings()) as client:
        emulator.faults.script("createVoucher", fault)
        first = await client.vouchers.create(amount="10.00", currency="EUR", idempotency_key="L")
        assert await client.vouchers.create(amount="10.00", currency="EUR", idempotency_key="L") == first
        assert [record.state async for record in client.history(key="L")] == [CallState.DONE]
    assert len(emulator.vouchers()) == 1


async def test_a_key_that_was_left_open_is_settled_first(emulator: VoucherEmulator) -> None:
    async with VoucherClient(**emulator.settings(), timeout=0.4) as client:
        emulator.faults.script("createVoucher", faults.SlowHeaders(0.8))
        with pytest.raises(OutcomeUnknown) as caught:
            await client.vouchers.create(amount="10.00", currency="EUR", idempotency_key="L")
        voucher = await client.vouchers.create(
            amount="10.00", currency="EUR", idempotency_key="L", timeout=10.0
        )
        assert caught.value.pending.voucher_id == voucher.id
    assert len(emulator.vouchers()) == 1


async def test_a_key_needs_an_id_of_its_own(emulator: VoucherEmulator) -> None:
    async with VoucherClient(**emulator.settings()) as client:
        with pytest.raises(InvalidInput, match="idempotency key"):
            await client.vouchers.create(amount="10.00", currency="EUR", id=None, idempotency_key="L")
        own = await client.vouchers.create(amount="10.00", currency="EUR", id="mine", idempotency_key="L")
        assert own.id == "mine"
        with pytest.raises(IdempotencyMismatch) as caught:
            await client.vouchers.create(amount="10.00", currency="EUR", id="other", idempotency_key="L")
        assert caught.value.differences == ("target",)


async def test_clients_of_one_journal_scope_share_their_keys(emulator: VoucherEmulator) -> None:
    journal = MemoryJournal()
    ids = []
    for _ in range(2):
        async with VoucherClient(**emulator.settings(), journal=journal, journal_scope="shop") as client:
            voucher = await client.vouchers.create(amount="10.00", currency="EUR", idempotency_key="L")
            ids.append(voucher.id)
    assert len(set(ids)) == 1
    assert created(emulator) == 1
