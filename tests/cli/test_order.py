"""`voucher-async order`: the journal and the API, side by side."""

from __future__ import annotations

import asyncio
import io
import json
from decimal import Decimal
from typing import Any

import attrs
import pytest
from rich.console import Console

from tests.cli.conftest import Run
from tests.cli.left import Shop
from tests.journals.records import charge_of, done, opened, sent
from voucher_async import VoucherClient
from voucher_async.cli.exits import Exit
from voucher_async.cli.terminal import Terminal
from voucher_async.testing import faults, habits


def told(run: Run, *arguments: str) -> dict[str, list[dict[str, Any]]]:
    """What a command tells of each kind."""
    said = run("order", *arguments, "--json")
    assert said.status == Exit.DONE, said.err
    kinds: dict[str, list[dict[str, Any]]] = {"record": [], "entry": [], "difference": []}
    for line in map(json.loads, said.out.splitlines()):
        kinds[line["kind"]].append(line)
    return kinds


def refund_by_hand(shop: Shop, charge: str, amount: str) -> None:
    """A refund that the journal of the shop knows nothing of."""

    async def refund() -> None:
        async with VoucherClient.from_env(shop.emulator.environ()) as other:
            await other.charges.refund(charge, amount, currency="EUR")

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(refund())


def test_both_say_the_same(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.redeem("3.00", "B-1")

    async def refund(client: VoucherClient) -> str:
        return (await client.charges.refund(charge, "4.00")).id

    refunded = shop.do(refund)
    said = told(run, "A-1")
    assert [each["charge"]["id"] for each in said["record"]] == [charge, refunded]
    assert [(each["charge"], each["type"], each["amount"]) for each in said["entry"]] == [
        (charge, "charge", "10.00"),
        (refunded, "refund", "4.00"),
    ]
    assert [each["record"] for each in said["entry"]] == [each["id"] for each in said["record"]]
    assert said["difference"] == []
    shown = run("order", "A-1").out
    assert "Both say the same." in shown
    assert all(word in shown for word in ("key of A-1", "10.00", "EUR", "4.00", charge, refunded, "yes"))
    assert shop.voucher.code not in shown


def test_a_refund_by_hand_is_named(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    refund_by_hand(shop, charge, "4.00")
    (entry,) = [each for each in told(run, "A-1")["entry"] if each["type"] == "refund"]
    (difference,) = told(run, "A-1")["difference"]
    assert (difference["charge_id"], difference["record_id"]) == (entry["charge"], None)
    assert "refund of 4.00" in difference["what"]
    assert "no record knows it" in difference["what"]


def test_a_refund_of_more_than_was_charged_is_named(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    refund_by_hand(shop, charge, "10.00")
    (refund,) = [each for each in shop.emulator.charges("A-1") if each.type == "refund"]
    shop.journal.unlink()
    less = sent(shop.begun("k", amount=Decimal("4.00")), shop.voucher.id)
    made = attrs.evolve(charge_of(less, charge), voucher_id=shop.voucher.id)
    shop.store(done(less, charge=made))
    said = told(run, "A-1")["difference"]
    assert len([each for each in said if refund.id in each["what"]]) == 1
    assert not [each for each in said if "was refunded to voucher" in each["what"]]  # the API's amount counts


def test_a_surplus_that_was_refunded_is_named_with_its_refund(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        shop.redeem("10.00", "A-1")
        shop.journal.unlink()
    shop.store(shop.twice())
    assert run("settle").status == Exit.DONE
    (difference,) = told(run, "A-1")["difference"]
    assert "its refund, is done" in difference["what"]


def test_a_charge_that_no_record_knows_is_named_beside_the_call_that_may_have_made_it(
    shop: Shop, run: Run
) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    record = opened(sent(shop.begun("k"), shop.voucher.id))
    shop.store(record)
    (difference,) = told(run, "A-1")["difference"]
    assert (difference["charge_id"], "no record knows it" in difference["what"]) == (charge, True)
    assert f"record {record.id} (redeem of 10.00 EUR for order A-1) is open" in difference["what"]


def test_a_charge_whose_number_the_server_has_dropped_is_named(shop: Shop, run: Run) -> None:
    shop.emulator.habits.set(**habits.KINDS["order numbers null"])
    unknown = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    shop.redeem("10.00", "A-1")
    told = run("order", "A-1")
    assert f"a charge of 10.00 ({unknown}), and no record knows it; it names no order" in told.out


@pytest.mark.parametrize("is_there", [True, False])
def test_a_charge_that_the_list_lacks_is_looked_for_by_its_id(
    shop: Shop, run: Run, *, is_there: bool
) -> None:
    if is_there:
        shop.redeem("10.00", "A-1")
        shop.emulator.faults.list_lag = 300.0
    record = done(sent(shop.begun("k"), shop.voucher.id), "c-1")
    if not is_there:
        shop.store(record)
    (difference,) = told(run, "A-1")["difference"]
    words = "is there, and not yet in the list" if is_there else "the API knows no such charge"
    assert words in difference["what"]
    assert "Both say the same" not in run("order", "A-1").out


def test_a_list_that_is_not_whole_is_not_called_right(shop: Shop, run: Run) -> None:
    shop.redeem("10.00", "A-1")
    shop.emulator.habits.set(**habits.KINDS["totals too high"])
    (difference,) = told(run, "A-1")["difference"]
    assert (difference["voucher_id"], difference["charge_id"]) == (shop.voucher.id, None)
    assert "could not be read whole" in difference["what"]
    assert "Both say the same" not in run("order", "A-1").out


def test_another_amount_is_named(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    record = sent(shop.begun("k"), shop.voucher.id)
    wrong = attrs.evolve(charge_of(record, charge), amount=Decimal("20.00"))
    shop.store(done(record, charge=wrong))
    (difference,) = told(run, "A-1")["difference"]
    assert "charge of 10.00 for the API, and a charge of 20.00 for the journal" in difference["what"]


def test_a_voucher_is_named_for_an_order_that_the_journal_does_not_know(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    said = run("order", "A-1")
    assert (said.status, "--voucher ID names one" in said.err) == (Exit.DONE, True)
    assert "The journal has no call of this order." in said.err
    found = told(run, "A-1", "--voucher", shop.voucher.id)
    assert [each["charge"] for each in found["entry"]] == [charge]
    assert len(found["difference"]) == 1
    nothing = run("order", "Z-9", "--voucher", shop.voucher.id)
    assert (nothing.status, "Neither has a charge of this order." in nothing.out) == (Exit.DONE, True)


def test_a_voucher_that_is_gone_is_a_difference(shop: Shop, run: Run) -> None:
    found = told(run, "A-1", "--voucher", "nothing-like-it")
    assert "is not there (404)" in found["difference"][0]["what"]


def test_a_list_that_cannot_be_read_leaves_the_journal_shown(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.emulator.faults.script("listCharges", *[faults.ServerError()] * 10)
    said = run("order", "A-1")
    assert (said.status, charge[:8] in said.out) == (Exit.LATER, True)
    assert "Both say the same" not in said.out


def test_a_refund_in_doubt_that_names_no_order_is_among_its_calls(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    asked = {"operation": "refundCharge", "order_number": None, "target": charge}
    refund = opened(sent(shop.begun("r", **asked), shop.voucher.id))
    shop.store(refund)
    assert refund.id in {each["id"] for each in told(run, "A-1")["record"]}
    assert "Open calls of this order: 1." in run("order", "A-1").err


def test_an_amount_stays_whole_on_a_narrow_screen() -> None:
    terminal, screen = Terminal(), io.StringIO()
    terminal.out = Console(file=screen, width=30)
    row = {"operation": "chargeReservation", "amount": "12345.00", "charge": "c" * 36, "key": "k" * 20}
    terminal.show([row], tuple(row))
    assert "12345.00" in screen.getvalue()
    assert max(map(len, screen.getvalue().splitlines())) <= 30
