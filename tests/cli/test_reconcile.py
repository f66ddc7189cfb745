"""`voucher-async reconcile`: the journal and the API for a day, differences with reasons and grounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import attrs
import pytest

from tests.cli.conftest import Run, Window
from tests.cli.left import Shop
from tests.cli.test_order import refund_by_hand
from tests.journals.records import NOW, charge_of, done, not_done, opened, sent
from voucher_async import DifferenceGround, DifferenceReason, ManualClock, VoucherClient
from voucher_async.cli.exits import Exit
from voucher_async.testing import VoucherEmulator, faults

DAY: Final = ("--day", "2026-01-01", "--timezone", "UTC")
AFTER: Final = 86_400.0  # seconds: the day is over


@pytest.fixture
def emulator() -> Iterator[VoucherEmulator]:
    """An emulator at noon of the day of the records that are stored."""
    with VoucherEmulator(clock=ManualClock(NOW), token_lifetime=86_400) as emulator:
        yield emulator


def told(run: Run, *arguments: str) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """The exit status, the summary and the differences."""
    said = run("reconcile", *DAY, *arguments, "--json")
    *differences, summary = map(json.loads, said.out.splitlines())
    assert summary["kind"] == "summary"
    assert summary["differences"] == len(differences)
    assert {each["kind"] for each in differences} <= {"difference"}
    return said.status, summary, differences


def one(run: Run, *arguments: str) -> dict[str, Any]:
    """The only difference."""
    status, _, (difference,) = told(run, *arguments)
    assert status == Exit.REFUSED
    return difference


def test_both_say_the_same(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")

    async def refund(client: VoucherClient) -> None:
        await client.charges.refund(charge, "4.00")

    shop.do(refund)
    status, summary, differences = told(run)
    assert (status, differences, summary["is_final"]) == (Exit.DONE, [], False)
    assert [(each["kind"], each["listed"], each["recorded_amount"]) for each in summary["totals"]] == [
        ("charge", 1, "10.00"),
        ("refund", 1, "4.00"),
    ]
    shop.emulator.shift(AFTER)
    said = run("reconcile", *DAY)
    assert (said.status, "Both say the same." in said.out) == (Exit.DONE, True)
    assert "2026-01-01 in UTC: 1 list of charges read, from 2026-01-02" in said.err
    assert "more may show" not in said.err


def test_what_somebody_else_moved_is_unknown_to_the_journal(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    refund_by_hand(shop, charge, "4.00")
    difference = one(run)
    assert difference["reason"] == DifferenceReason.UNKNOWN
    assert "a refund of 4.00, and no record of the journal knows it" in difference["what"]
    assert difference["grounds"] == [DifferenceGround.LISTED, DifferenceGround.NO_RECORD]
    assert (difference["listed"], difference["recorded"]) == ("4.00", None)


def test_a_lost_journal_is_seen(shop: Shop, run: Run) -> None:
    charges = {shop.redeem("10.00", "A-1"), shop.redeem("3.00", "A-2")}
    shop.journal.unlink()
    _, summary, differences = told(run)
    assert {each["charge_id"] for each in differences} == charges
    assert {each["reason"] for each in differences} == {DifferenceReason.UNKNOWN}
    assert [(each["listed"], each["recorded"]) for each in summary["totals"]] == [(2, 0)]


def test_a_charge_that_the_api_does_not_know_is_named_with_both_proofs(shop: Shop, run: Run) -> None:
    shop.store(done(sent(shop.begun("k"), shop.voucher.id), "c-1"))
    difference = one(run)
    assert difference["reason"] == DifferenceReason.NOT_LISTED
    assert "neither in the list of its voucher nor by its id" in difference["what"]
    assert "not charged" not in json.dumps(difference)
    assert difference["grounds"] == [
        DifferenceGround.RECORD,
        DifferenceGround.NOT_IN_LIST,
        DifferenceGround.NOT_BY_ID,
        DifferenceGround.WITHIN_LAG,
    ]


def test_a_voucher_that_the_api_does_not_know_is_named(shop: Shop, run: Run) -> None:
    shop.store(done(sent(shop.begun("k"), "V-gone"), "c-1"))
    difference = one(run)
    assert difference["reason"] == DifferenceReason.NOT_LISTED
    assert difference["grounds"] == [DifferenceGround.RECORD, DifferenceGround.NO_VOUCHER]


def test_a_list_that_lags_is_no_loss(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.emulator.faults.list_lag = 300.0
    difference = one(run)
    assert (difference["reason"], difference["charge_id"]) == (DifferenceReason.NOT_LISTED_YET, charge)
    assert difference["grounds"] == [
        DifferenceGround.NOT_IN_LIST,
        DifferenceGround.BY_ID,
        DifferenceGround.WITHIN_LAG,
    ]


def test_another_amount_is_named(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    record = sent(shop.begun("k"), shop.voucher.id)
    wrong = attrs.evolve(charge_of(record, charge), amount=Decimal("20.00"), order_number="B-1")
    shop.store(done(record, charge=wrong))
    difference = one(run)
    assert difference["reason"] == DifferenceReason.AMOUNT
    assert (difference["listed"], difference["recorded"]) == ("10.00", "20.00")


def test_an_open_call_and_the_entry_that_it_may_have_made(shop: Shop, run: Run) -> None:
    record = opened(sent(shop.begun("k"), shop.voucher.id))
    shop.store(record)
    difference = one(run)
    assert (difference["reason"], difference["record_id"]) == (DifferenceReason.OPEN, record.id)
    assert "does not prove that it was not carried out" in difference["what"]
    assert difference["grounds"] == [DifferenceGround.RECORD_SAYS, DifferenceGround.NOT_IN_LIST]
    journal = shop.journal.rename(shop.journal.with_suffix(".kept"))
    charge = shop.redeem("10.00", "A-1")
    journal.replace(shop.journal)
    difference = one(run)
    assert (difference["reason"], difference["charge_id"]) == (DifferenceReason.OPEN_LISTED, charge)
    assert difference["record_id"] == record.id


def test_a_call_that_is_called_not_done_and_has_an_entry_like_it(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    record = not_done(sent(shop.begun("k"), shop.voucher.id))
    shop.store(record)
    difference = one(run)
    assert (difference["reason"], difference["charge_id"]) == (DifferenceReason.NOT_DONE_LISTED, charge)
    assert f"record {record.id}, a redeem of 10.00 like it, is not done" in difference["what"]


def test_a_charge_of_which_nobody_was_told(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    record = sent(shop.begun("k"), shop.voucher.id)
    shop.store(done(record, charge=charge_of(record, charge), told=False))
    difference = one(run)
    assert (difference["reason"], difference["charge_id"]) == (DifferenceReason.UNTOLD, charge)
    assert difference["grounds"] == [DifferenceGround.RECORD, DifferenceGround.LISTED]


def test_a_day_is_that_of_the_shop(shop: Shop, run: Run) -> None:
    shop.emulator.shift(11.75 * 3600)  # 23:45 in UTC, the next day in Berlin
    refund_by_hand(shop, shop.redeem("10.00", "A-1"), "4.00")
    assert len(told(run)[2]) == 1
    berlin = ("--day", "2026-01-01", "--timezone", "Europe/Berlin", "--json")
    assert run("reconcile", *berlin).status == Exit.DONE
    assert run("reconcile", "--day", "2026-01-02", *berlin[2:]).status == Exit.REFUSED


def test_one_voucher_alone(shop: Shop, run: Run) -> None:
    refund_by_hand(shop, shop.redeem("10.00", "A-1"), "4.00")
    other = shop.emulator.add_voucher(amount="5.00")
    assert told(run, "--voucher", other.id)[0] == Exit.DONE
    assert one(run, "--voucher", shop.voucher.id)["voucher_id"] == shop.voucher.id


def test_a_voucher_that_does_not_exist_is_not_called_right(shop: Shop, run: Run) -> None:
    difference = one(run, "--voucher", "typo")
    assert (difference["reason"], difference["voucher_id"]) == (DifferenceReason.UNREAD, "typo")
    assert difference["grounds"] == [DifferenceGround.NO_VOUCHER]


def test_a_missing_scope_compares_nothing(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    client = shop.emulator.add_client(scopes=["read"])
    monkeypatch.setenv("VOUCHER_CLIENT_ID", client.id)
    monkeypatch.setenv("VOUCHER_CLIENT_SECRET", client.secret or "")
    said = run("reconcile", *DAY)
    assert (said.status, said.out, "read-lists" in said.err) == (Exit.REFUSED, "", True)


@pytest.mark.parametrize(
    "wrong", [("--day", "27.11.2026"), ("--day", "2026-13-01"), ("--timezone", "Europe/Atlantis")]
)
def test_wrong_usage(shop: Shop, run: Run, wrong: tuple[str, str]) -> None:
    said = run("reconcile", *wrong)
    assert (said.status, "error:" in said.err, said.out) == (Exit.USAGE, True, "")


@pytest.mark.parametrize(
    ("day", "zone"),
    [
        ("0001-01-01", ()),
        ("0001-01-01", ("--timezone", "UTC")),
        ("0001-01-01", ("--timezone", "Asia/Tokyo")),
        ("9999-12-30", ("--timezone", "UTC")),
        ("9999-12-31", ()),
    ],
)
def test_a_day_at_an_end_of_the_calendar_is_wrong_usage(
    shop: Shop, run: Run, day: str, zone: tuple[str, ...]
) -> None:
    shop.store(opened(sent(shop.begun("k"), shop.voucher.id)))
    said = run("reconcile", "--day", day, *zone)
    assert (said.status, said.out) == (Exit.USAGE, "")
    assert "must be a day of the calendar" in said.err


def test_a_server_that_fails_is_no_difference(shop: Shop, run: Run) -> None:
    shop.redeem("10.00", "A-1")
    shop.emulator.faults.script("listCharges", *[faults.ServerError()] * 10)
    said = run("reconcile", *DAY, "--timeout", "5")
    assert (said.status, "Both say the same" in said.out) == (Exit.LATER, False)


def test_in_a_terminal(shop: Shop, window: Callable[..., Window]) -> None:
    refund_by_hand(shop, shop.redeem("10.00", "A-1"), "4.00")
    screen = window("reconcile", *DAY, columns=72)
    screen.wait_for("Differences: 1")
    assert screen.end() == Exit.REFUSED
    assert "recorded amount" in screen.text
    assert "* unknown to the journal: the API lists a refund of 4.00" in screen.text
    assert f"- {DifferenceGround.NO_RECORD}" in screen.text
    assert "The day is not over for long enough" in screen.text
    assert shop.voucher.code not in screen.text
