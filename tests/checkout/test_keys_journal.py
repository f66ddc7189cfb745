"""A journal that fails at any of its calls: money moves once, or not at all, and no word is false."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest

from tests.checkout.journals import Failing
from tests.checkout.keyed import Shops, charged_in, opened
from tests.checkout.test_keys_taken_over import asked_until_told, calls_of, work_of
from voucher_async import CheckoutFailed
from voucher_async.errors import JournalFailed

Mode = Literal["before", "after", "from"]


def check_word(shops: Shops, told: Any, where: str) -> None:
    """What the caller was told is so."""
    if isinstance(told, JournalFailed):
        assert shops.count("chargeReservation") == 0, where
    elif isinstance(told, CheckoutFailed):
        assert shops.standing() == charged_in(told), where
    else:
        assert shops.standing() == [charge.id for charge in told], where


@pytest.mark.parametrize("mode", ["before", "after", "from"])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("is_same", [True, False])
async def test_whichever_call_of_the_journal_fails_the_next_run_ends_with_one_set_of_charges(
    *, mode: Mode, fails: bool, is_same: bool
) -> None:
    for at in range(1, await calls_of(fails=fails) + 1):
        async with opened() as shops:
            failing = Failing(shops.journal, at, mode)
            client, vouchers = shops.client(failing), shops.vouchers(3)
            where = f"{mode} call {at}"
            work = shops.during(work_of(shops, client, vouchers, fails=fails))
            check_word(shops, (await asyncio.gather(work, return_exceptions=True))[0], where)
            failing.at = 0
            shops.emulator.set_status(vouchers[-1].id, "active")
            if not is_same:
                shops.lease_ends()
            again = client if is_same else shops.client()
            charges = await shops.during(asked_until_told(shops, again, vouchers))
            await shops.check_paid_once(charges, where)
