"""A success that cannot be read says that something was done: what is recognisably ours is what was."""

from __future__ import annotations

import pytest

from tests.settlement.conftest import Shop, pay, redeem
from voucher_async import OutcomeUnknown
from voucher_async.testing import faults
from voucher_async.testing.habits import KINDS

CHARGE = "chargeReservation"


@pytest.mark.parametrize("habit", ["order numbers folded", "lists with null order numbers"])
async def test_the_one_entry_that_is_recognisably_ours_is_what_was_done(shop: Shop, habit: str) -> None:
    voucher = shop.voucher()
    shop.emulator.habits.set(**KINDS[habit])
    shop.script(CHARGE, faults.WrongContentType())
    charge = await redeem(shop, voucher)
    assert [charge.id] == shop.charged()
    assert shop.count(CHARGE) == 1


async def test_of_two_nobody_knows_which_is_ours(shop: Shop) -> None:
    voucher = shop.voucher()
    async with shop.another() as another:
        await shop.during(pay(another, voucher))
    shop.emulator.habits.set(**KINDS["lists with null order numbers"])
    shop.script(CHARGE, faults.WrongContentType())
    with pytest.raises(OutcomeUnknown):
        await redeem(shop, voucher)
    assert shop.count(CHARGE) == 2
