"""`voucher-async reconcile` of checkouts and refunds of orders, whose parts have records of their own."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.cli.conftest import Run
from tests.cli.left import CHECKOUT, REFUND, Shop
from tests.journals.records import NOW, begun, charge_of, done, opened, sent
from voucher_async import DifferenceGround, DifferenceReason, ManualClock, VoucherClient
from voucher_async.cli.exits import Exit
from voucher_async.models import Charge
from voucher_async.payments.call import CallRecord
from voucher_async.testing import VoucherEmulator

DAY: Final = NOW.date()
LONG_AGO: Final = NOW - dt.timedelta(days=9)


def reconciled(run: Run, day: dt.date, *arguments: str) -> list[dict[str, Any]]:
    """The differences of a day."""
    said = run("reconcile", "--day", str(day), "--timezone", "UTC", "--json", *arguments)
    *differences, _ = map(json.loads, said.out.splitlines())
    assert said.status == (Exit.REFUSED if differences else Exit.DONE), said.err
    return differences


def recover(run: Run) -> None:
    """End what dead processes left."""
    told = run("settle")
    assert told.status == Exit.DONE, told.err
    assert run("pending").err == "Nothing is open.\n"


def untold(run: Run) -> set[str]:
    """The calls that `untold` lists."""
    return {json.loads(line)["id"] for line in run("untold", "--json").out.splitlines()}


async def pay(client: VoucherClient, codes: tuple[str, ...]) -> None:
    asked: dict[str, Any] = {"order_number": "A-1", "currency": "EUR", "idempotency_key": "A-1"}
    async with client.checkout(**asked) as checkout:
        for code in codes:
            await checkout.reserve(code=code, amount="10.00")
        await checkout.charge()


async def give_back(client: VoucherClient) -> None:
    await client.refund_order("A-1", "20.00", idempotency_key="refund of A-1")


class TestKilled:
    """Processes that were killed, on the day on which this runs."""

    @pytest.fixture
    def codes(self, shop: Shop) -> tuple[str, ...]:
        return tuple(shop.emulator.add_voucher(amount="50.00", currency="EUR").code for _ in range(2))

    def _check_is_untold(self, shop: Shop, run: Run, operation: str, parts: list[bool]) -> None:
        """Look at the only difference, which is told of the whole, whatever its parts' records say."""
        (whole,) = [each for each in shop.records() if each.parameters.operation == operation]
        children = [each for each in shop.records() if each.parent == whole.id and each.charge]
        assert sorted(each.told for each in children) == parts
        (difference,) = reconciled(run, self._today(shop))
        assert (difference["reason"], difference["record_id"]) == (DifferenceReason.UNTOLD, whole.id)
        assert all(each.charge and each.charge.id in difference["what"] for each in children)
        assert (difference["listed"], difference["recorded"]) == ("20.00", "20.00")
        assert difference["order_number"] == "A-1"
        assert difference["grounds"] == [DifferenceGround.RECORD, DifferenceGround.LISTED]
        assert whole.id in untold(run)

    def _check_is_told(self, shop: Shop, run: Run) -> None:
        async def agrees(client: VoucherClient) -> bool:
            return (await client.reconcile(self._today(shop), timezone="UTC")).agrees

        assert shop.do(agrees)
        assert (reconciled(run, self._today(shop)), untold(run)) == ([], set())

    @staticmethod
    def _today(shop: Shop) -> dt.date:
        return shop.emulator.charges("A-1")[-1].created_at.date()

    @pytest.mark.parametrize("is_found", [False, True])
    def test_a_checkout_is_untold_once_until_its_caller_asks_again(
        self, shop: Shop, run: Run, codes: tuple[str, ...], *, is_found: bool
    ) -> None:
        if is_found:
            shop.kill_in_a_checkout("A-1", *codes)
        else:
            shop.die_before_telling(CHECKOUT, "A-1", *codes)
        recover(run)
        self._check_is_untold(shop, run, "checkout", [not is_found, True])
        shop.do(lambda client: pay(client, codes))
        self._check_is_told(shop, run)

    @pytest.mark.parametrize("is_found", [False, True])
    def test_the_refund_of_an_order_is_untold_once_until_its_caller_asks_again(
        self, shop: Shop, run: Run, codes: tuple[str, ...], *, is_found: bool
    ) -> None:
        shop.do(lambda client: pay(client, codes))
        if is_found:
            shop.kill_in_a_refund("A-1", "20.00")
        else:
            shop.die_before_telling(REFUND, "A-1", "20.00")
        recover(run)
        self._check_is_untold(shop, run, "refundOrder", [not is_found, True])
        shop.do(give_back)
        self._check_is_told(shop, run)


class TestStored:
    """Records that are stored as they are, at noon of their day."""

    @pytest.fixture
    def emulator(self) -> Iterator[VoucherEmulator]:
        with VoucherEmulator(clock=ManualClock(NOW), token_lifetime=86_400) as emulator:
            yield emulator

    def _charge(self, shop: Shop) -> Charge:
        """A charge that no record knows yet."""
        charge = shop.redeem("10.00", "A-1")
        shop.journal.unlink()
        return charge_of(sent(begun(), shop.voucher.id), charge)

    def _whole(self, shop: Shop, operation: str = "checkout", **changes: Any) -> CallRecord:
        changes = {"at": LONG_AGO, "amount": None, **changes}
        return sent(shop.begun("k", operation=operation, **changes), None, sent_at=LONG_AGO)

    def _part(self, shop: Shop, whole: CallRecord, charge: Charge, *, told: bool) -> CallRecord:
        asked = shop.begun("k of a part", operation="chargeReservation", parent=whole.id)
        return done(sent(asked, shop.voucher.id), charge=charge, told=told)

    @pytest.mark.parametrize("is_told", [True, False])
    def test_a_whole_of_another_day_tells_of_its_parts(self, shop: Shop, run: Run, *, is_told: bool) -> None:
        charge = self._charge(shop)
        whole = self._whole(shop)
        part = self._part(shop, whole, charge, told=not is_told)
        shop.store(done(whole, charge=None, told=is_told), part)
        differences = reconciled(run, DAY)
        expected = [] if is_told else [(DifferenceReason.UNTOLD, whole.id)]
        assert [(each["reason"], each["record_id"]) for each in differences] == expected
        assert reconciled(run, DAY, "--voucher", shop.voucher.id) == differences
        assert reconciled(run, LONG_AGO.date()) == []

    def test_a_part_of_what_is_open_is_not_untold_and_the_whole_is_named(self, shop: Shop, run: Run) -> None:
        charge = self._charge(shop)
        whole = opened(self._whole(shop))
        shop.store(whole, self._part(shop, whole, charge, told=False))
        (difference,) = reconciled(run, DAY)
        assert (difference["reason"], difference["record_id"]) == (DifferenceReason.OPEN, whole.id)

    def test_a_part_whose_whole_was_purged_speaks_for_itself(self, shop: Shop, run: Run) -> None:
        charge = self._charge(shop)
        part = self._part(shop, self._whole(shop), charge, told=False)
        shop.store(part)
        (difference,) = reconciled(run, DAY)
        assert (difference["reason"], difference["record_id"]) == (DifferenceReason.UNTOLD, part.id)
