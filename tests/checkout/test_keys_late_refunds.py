"""A refund that was refused and is carried out late, and a journal that fails while late copies are found."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.checkout.journals import Failing
from tests.checkout.keyed import KEY, Shops, Vouchers
from tests.checkout.late import REFUND, JournalAt, ids, refusing
from voucher_async import (
    CheckoutUnknown,
    Happened,
    OutcomeUnknown,
    StillRunning,
    VoucherClient,
)
from voucher_async.payments.call import CallState


async def told_by(shops: Shops, client: VoucherClient, vouchers: Vouchers) -> Any:
    work = shops.paid(client, vouchers)
    return (await asyncio.gather(work, return_exceptions=True))[0]


@pytest.mark.parametrize("status", [403, 422])
@pytest.mark.parametrize("is_same", [True, False])
async def test_a_refund_that_was_carried_out_late_is_found_before_another_is_sent(
    journal_at: JournalAt, *, status: int, is_same: bool
) -> None:
    async with refusing(journal_at) as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(2)
        late.refuse_undoing(status)
        await late.fails(client, vouchers)
        assert shops.told.words == [Happened.REFUND_FAILED]
        late.kept = late.kept[1:]  # the second charge stays refused
        await late.deliver()
        charges = await shops.paid(client if is_same else late.client(), vouchers)
        assert shops.standing() == ids(charges)
        assert shops.balances == ["1.00", "1.00"]
        assert late.mesh.count(REFUND) == 1
        assert shops.told.words == [Happened.REFUND_FAILED, Happened.REFUNDED]


async def test_recovery_finds_a_refund_that_was_carried_out_late() -> None:
    async with refusing() as late:
        shops, client = late.shops, late.client()
        late.refuse_undoing()
        await late.fails(client, shops.vouchers(2))
        late.kept = late.kept[1:]
        await late.deliver()
        shops.lease_ends()
        await client.aclose(wait=0)
        again = late.client()
        await shops.during(again.recover())
        assert [record.state async for record in again.history(key=KEY)] == [CallState.NOT_DONE]
        assert late.mesh.count(REFUND) == 1
        assert shops.told.words[:2] == [Happened.REFUND_FAILED, Happened.REFUNDED]


async def test_while_a_refund_is_unclear_no_other_is_sent(journal_at: JournalAt) -> None:
    async with refusing(journal_at) as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(2)
        late.refuse_undoing()
        await late.fails(client, vouchers)
        late.kept = late.kept[1:]
        await late.deliver()
        late.hide_lists()
        for again in (client, late.client()):
            with pytest.raises(CheckoutUnknown):
                await shops.paid(again, vouchers)
        late.show_lists()
        assert ids(await shops.paid(late.client(), vouchers)) == shops.standing()
        assert late.mesh.count(REFUND) == 1
        assert shops.balances == ["1.00", "1.00"]


@pytest.mark.parametrize("mode", ["before", "after", "from"])
@pytest.mark.parametrize(("number", "is_same"), [(1, True), (2, False), (0, True)])
async def test_whichever_call_of_the_journal_fails_meanwhile_it_is_charged_once(
    *, mode: Any, number: int, is_same: bool
) -> None:
    at = has_failed = 1
    while has_failed:
        async with refusing() as late:
            shops = late.shops
            vouchers = shops.vouchers(number or 2)
            if number:
                late.refuse(number)
            else:
                late.refuse_undoing()
            await late.fails(late.client(), vouchers)
            late.kept = late.kept[-1:]
            await late.deliver()
            failing = Failing(shops.journal, at, mode)
            client = late.client(failing)
            told = await told_by(shops, client, vouchers)
            has_failed = failing.calls >= at
            failing.at = 0
            where = f"{mode} call {at}: {told!r}"
            if isinstance(told, tuple):
                assert shops.standing() == ids(told), where
            if not is_same:
                shops.lease_ends()
            for _ in range(6):
                charges = await told_by(shops, client if is_same else late.client(), vouchers)
                if not isinstance(charges, (OutcomeUnknown, StillRunning)):
                    break
            assert isinstance(charges, tuple), where
            assert shops.standing() == ids(charges), where
            assert shops.balances == ["1.00"] * len(vouchers), where
        at += 1
