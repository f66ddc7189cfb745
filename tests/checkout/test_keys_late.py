"""A charge that was refused, and is carried out by a copy that comes late: the key's next run finds it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checkout.keyed import KEY
from tests.checkout.late import CHARGE, LATE, RESERVE, JournalAt, ids, refusing
from tests.proxy import Asked, Reply, said
from voucher_async import (
    Charge,
    CheckoutFailed,
    CheckoutUnknown,
    Happened,
    IdempotencyMismatch,
    VoucherError,
)
from voucher_async.payments.call import CallState


@pytest.mark.parametrize("status", [403, 422])
@pytest.mark.parametrize("is_same", [True, False])
@pytest.mark.parametrize("gap", [0.0, 600.0])
async def test_a_charge_that_was_carried_out_late_is_the_next_runs(
    journal_at: JournalAt, *, status: int, is_same: bool, gap: float
) -> None:
    async with refusing(journal_at) as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(1)
        late.refuse(status=status)
        await late.fails(client, vouchers)
        await late.deliver()
        await shops.passes(gap)
        again = client if is_same else late.client()
        charges = await shops.paid(again, vouchers)
        assert shops.standing() == ids(charges)
        assert await shops.paid(late.client(), vouchers) == charges
        assert (shops.balances, shops.count(CHARGE)) == (["1.00"], 1)
        assert await shops.states() == []  # behind the proxy is another scope
        assert [record.state async for record in again.history(key=KEY)][-1] is CallState.DONE


async def test_where_a_part_was_carried_out_late_it_is_taken_back_before_all_is_charged(
    journal_at: JournalAt,
) -> None:
    async with refusing(journal_at) as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(2)
        late.refuse(2)
        await late.fails(client, vouchers)
        await late.deliver()
        charges = await shops.paid(late.client(), vouchers)
        assert shops.standing() == ids(charges)
        assert shops.balances == ["1.00", "1.00"]
        assert shops.told.words.count(Happened.REFUNDED) == 2  # that of the first run, and the late one


async def test_a_run_with_one_more_voucher_is_told_that_the_first_is_charged() -> None:
    async with refusing() as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(2)
        late.refuse()
        await late.fails(client, vouchers[:1])
        await late.deliver()
        with pytest.raises(IdempotencyMismatch) as caught:
            await shops.paid(late.client(), vouchers)
        assert caught.value.differences == ("code",)
        assert ids(await shops.paid(client, vouchers[:1])) == shops.standing()
        assert shops.count(CHARGE) == 1


async def test_a_part_that_was_carried_out_late_and_cannot_be_taken_back_is_named() -> None:
    async with refusing() as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(2)
        late.refuse(2)
        await late.fails(client, vouchers)
        await late.deliver()

        async def refuse(_: Asked) -> Reply:
            return said(403)

        late.mesh.rules["refundCharge"] = refuse
        for _ in range(2):
            with pytest.raises(CheckoutFailed) as caught:
                await shops.paid(late.client(), vouchers)
            assert [each.charge.id for each in caught.value.outcomes if each.charge] == shops.standing()
        del late.mesh.rules["refundCharge"]
        assert shops.standing() != ids(await shops.paid(late.client(), vouchers))
        assert len(shops.standing()) == 2


@pytest.mark.parametrize(
    ("changes", "differences"),
    [({"amount": "3.00"}, ("amount",)), ({"order_number": "A-2"}, ("order_number",))],
)
async def test_a_run_with_other_parameters_is_told_of_it_and_sends_nothing(
    journal_at: JournalAt, changes: dict[str, Any], differences: tuple[str, ...]
) -> None:
    async with refusing(journal_at) as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(1)
        late.refuse()
        await late.fails(client, vouchers)
        await late.deliver()
        with pytest.raises(IdempotencyMismatch) as caught:
            await shops.paid(client, vouchers, **changes)
        assert caught.value.differences == differences
        assert shops.count(CHARGE) == 1
        assert ids(await shops.paid(late.client(), vouchers)) == shops.standing()
        assert shops.count(CHARGE) == 1


async def test_the_charge_of_a_redeem_with_the_key_is_named_and_the_redeem_gets_it(
    journal_at: JournalAt,
) -> None:
    async with refusing(journal_at) as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(1)
        late.refuse(status=403)
        with pytest.raises(VoucherError):
            await shops.during(late.redeem(client, vouchers[0]))
        await late.deliver()
        with pytest.raises(IdempotencyMismatch, match=shops.standing()[0]):
            await shops.paid(client, vouchers)
        assert [(await shops.during(late.redeem(client, vouchers[0]))).id] == shops.standing()
        assert shops.count(CHARGE) == 1


async def test_late_charges_of_two_runs_are_no_runs_payment(journal_at: JournalAt) -> None:
    async with refusing(journal_at) as late:
        shops, client = late.shops, late.client()
        first, second = shops.vouchers(2)
        for voucher in (first, second):
            late.refuse()
            await late.fails(client, (voucher,))
        await late.deliver()
        assert len(shops.standing()) == 2
        charges = await shops.paid(late.client(), (second,))
        assert shops.standing() == ids(charges)
        assert shops.balances == ["5.00", "1.00"]


async def test_a_redeem_that_is_unclear_keeps_the_key_and_is_taken_back_when_it_is_found() -> None:
    async with refusing() as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(1)
        late.refuse(status=403)
        with pytest.raises(VoucherError):
            await shops.during(late.redeem(client, vouchers[0]))
        await late.deliver()
        late.hide_lists()
        with pytest.raises(CheckoutUnknown):
            await shops.paid(client, vouchers)
        late.show_lists()
        charges = await shops.paid(late.client(), vouchers)
        assert shops.standing() == ids(charges)
        assert shops.balances == ["1.00"]


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("lag", [0.0, 3.0])
async def test_a_second_try_in_one_block_finds_it_too(*, key: str | None, lag: float) -> None:
    async with refusing() as late:
        shops = late.shops
        (voucher,) = (shops.emulator.add_voucher(amount="25.00"),)
        shops.emulator.faults.list_lag = lag

        async def run() -> tuple[Charge, ...]:
            order: dict[str, Any] = {"order_number": "A-1", "currency": "EUR", "idempotency_key": key}
            async with late.client().checkout(**order) as checkout:
                late.refuse()
                await checkout.reserve(code=voucher.code, amount="4.00")
                with pytest.raises(CheckoutFailed):
                    await checkout.charge()
                await shops.clock.sleep(LATE)
                assert (await late.kept[0].deliver()).status == 200
                await checkout.reserve(code=voucher.code, amount="4.00")
                charges = await checkout.charge()
                assert await checkout.charge() == charges
                return charges

        assert ids(await shops.during(run())) == shops.standing()


@pytest.mark.parametrize("amount", ["4.00", "3.00"])
async def test_what_arrives_after_the_key_was_claimed_is_found_behind_the_reservation(amount: str) -> None:
    async with refusing() as late:
        shops, client = late.shops, late.client()
        (voucher,) = vouchers = (shops.emulator.add_voucher(amount="25.00"),)
        late.refuse()
        await late.fails(client, vouchers)

        async def run() -> tuple[Charge, ...]:
            order = {"order_number": "A-1", "currency": "EUR", "idempotency_key": KEY}
            async with client.checkout(**order) as checkout:
                assert (await late.kept[0].deliver()).status == 200
                await checkout.reserve(code=voucher.code, amount=amount)
                if amount != "4.00":
                    with pytest.raises(IdempotencyMismatch):
                        await checkout.charge()
                return await checkout.charge()

        assert ids(await shops.during(run())) == shops.standing()
        assert len(shops.standing()) == 1


async def test_while_it_is_unclear_the_key_stays_used_and_nothing_is_sent(journal_at: JournalAt) -> None:
    async with refusing(journal_at) as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(1)
        late.refuse()
        await late.fails(client, vouchers)
        await late.deliver()
        late.hide_lists()
        reserved = late.mesh.count(RESERVE)
        for again in (client, late.client()):
            with pytest.raises(CheckoutUnknown):
                await shops.paid(again, vouchers)
        assert late.mesh.count(RESERVE) == reserved
        late.show_lists()
        assert ids(await shops.paid(late.client(), vouchers)) == shops.standing()
        assert shops.count(CHARGE) == 1


async def test_what_never_arrives_is_charged_and_looked_for_by_each_run_alone() -> None:
    async with refusing() as late:
        shops, client = late.shops, late.client()
        vouchers = shops.vouchers(1)
        for _ in range(3):
            late.refuse()
            await late.fails(client, vouchers)
        charges = await shops.paid(client, vouchers)
        assert shops.standing() == ids(charges)
        assert shops.balances == ["1.00"]
