"""`voucher-async pending`, `settle` and `untold`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Run, Told, Window
from tests.cli.left import Shop
from tests.journals.records import NOW, done, opened, sent
from voucher_async.cli import awaiting, common
from voucher_async.cli.exits import Exit
from voucher_async.payments.call import CallState
from voucher_async.testing import faults


def lines(told: Told) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.out.splitlines()]


def settled(run: Run, *arguments: str) -> dict[str, Any]:
    told = run("settle", *arguments, "--json")
    assert told.status == Exit.DONE, told.err
    (row,) = lines(told)
    return row


def test_nothing_open_is_said(shop: Shop, run: Run) -> None:
    for command in (["pending"], ["settle"]):
        told = run(*command)
        assert (told.status, told.out, told.err) == (Exit.DONE, "", "Nothing is open.\n")
    assert run("pending", "--json").out == ""
    assert len(shop.emulator.requests) == 0


def test_a_charge_of_a_killed_process_is_listed_found_told_and_acknowledged(shop: Shop, run: Run) -> None:
    shop.kill_while_charging("10.00", "A-1")
    (charge,) = shop.emulator.charges("A-1")
    (row,) = lines(run("pending", "--json"))
    assert (row["state"], row["amount"], row["currency"], row["order_number"]) == (
        "sent",
        "10.00",
        "EUR",
        "A-1",
    )
    assert row["why"] == "its process is gone; its request may have been carried out"
    assert f"settle {row['id'][:8]}" in row["settled_by"]
    told = run("settle", row["id"][:6])
    assert told.status == Exit.DONE, told.err
    assert charge.id in told.out
    assert f"redeem of 10.00 EUR for order A-1: done, charge {charge.id} of 10.00" in told.err
    assert run("pending").err == "Nothing is open.\n"
    (left,) = lines(run("untold", "--json"))
    assert (left["charge"], left["id"], left["told"]) == (charge.id, row["id"], False)
    assert run("untold", row["id"][:6], "--acknowledge").status == Exit.DONE
    assert run("untold").err == "There is no charge of which nobody was told.\n"
    again = run("settle", row["id"])  # once more: it says how it ended
    assert (again.status, charge.id in again.out) == (Exit.DONE, True)
    assert len(shop.emulator.charges("A-1")) == 1
    assert shop.voucher.code not in told.out + told.err


def test_a_checkout_of_a_killed_process_is_finished(shop: Shop, run: Run) -> None:
    others = [shop.emulator.add_voucher(amount="50.00", currency="EUR") for _ in range(3)]
    shop.kill_in_a_checkout("A-1", *(each.code for each in others))
    rows = lines(run("pending", "--json"))
    (whole,) = [row for row in rows if row["parent"] is None]
    assert {row["parent"] for row in rows} == {None, whole["id"]}
    told = run("settle")
    assert told.status == Exit.DONE, told.err
    assert "process is gone" not in told.out
    assert run("pending").err == "Nothing is open.\n"
    kinds = [each.type for each in shop.emulator.charges("A-1")]
    left = kinds.count("charge") - kinds.count("refund")
    assert left in {0, 3}
    (state,) = [each.state for each in shop.records() if each.id == whole["id"]]
    assert state == ("done" if left else "not done")
    if left:  # whoever knows of the whole knows of its parts
        assert run("untold", whole["id"], "--acknowledge").status == Exit.DONE
        assert run("untold").out == ""


@pytest.mark.parametrize("is_alive", [True, False])
def test_what_was_charged_once_too_often_is_refunded_or_named(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch, *, is_alive: bool
) -> None:
    monkeypatch.setattr(awaiting, "OVER", 0.0)
    for _ in range(2):
        shop.redeem("10.00", "A-1")
        shop.journal.unlink()
    record = shop.twice()
    shop.store(record)
    if is_alive:
        shop.keep_alive(record.owner)
    told = run("settle", "--json")
    (row,) = lines(told)
    both = {each.id for each in shop.emulator.charges("A-1") if each.type == "charge"}
    (surplus,) = both - {row["charge"]}
    refunds = [each.refund_of for each in shop.emulator.charges("A-1") if each.type == "refund"]
    if is_alive:  # it may belong to an equal payment of that process
        assert (told.status, row["surplus"], refunds) == (Exit.PARTLY, [surplus], [])
        assert "Make sure that it is no other payment" in told.err
    else:
        assert (told.status, row["surplus"], refunds) == (Exit.DONE, [], [surplus])
        assert f"10.00 EUR (charge {surplus}); refunded." in told.err


def test_a_call_that_was_not_carried_out_is_proved(shop: Shop, run: Run) -> None:
    record = sent(shop.begun("k"), shop.voucher.id)
    shop.store(record)
    row = settled(run)
    assert (row["id"], row["state"], row["charge"]) == (record.id, "not done", None)
    assert "does not show it" in row["proof"]
    assert shop.emulator.charges("A-1") == ()


def test_a_call_that_had_sent_nothing_ends_at_once(shop: Shop, run: Run) -> None:
    shop.store(shop.begun("k"))
    (row,) = lines(run("pending", "--json"))
    assert row["why"] == "its process is gone; nothing that moves money was sent"
    assert settled(run, row["id"])["proof"] == "not a byte of its body was written"


def test_a_voucher_that_was_created_untold_is_named(shop: Shop, run: Run) -> None:
    record = shop.begun("k", operation="createVoucher", target="card-7")
    shop.store(record.step(CallState.DONE, at=NOW, by=record.owner))
    assert "voucher card-7" in run("untold").out


def test_who_left_before_the_answer_came_is_told_in_words(shop: Shop, run: Run) -> None:
    record = sent(shop.begun("k"), shop.voucher.id)
    shop.store(record.step(CallState.OPEN, at=NOW, by=record.owner, why="CancelledError"))
    assert "its caller left before the answer came" in run("pending").out


def test_an_outcome_that_a_live_process_has_given_up_is_found(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    record = opened(sent(shop.begun("k"), shop.voucher.id))
    shop.store(record)
    shop.keep_alive(record.owner)
    assert "its answer was lost" in run("pending").out
    assert settled(run)["charge"] == charge


def test_a_call_that_is_under_way_elsewhere_stays_open(shop: Shop, run: Run) -> None:
    record = sent(shop.begun("k"), shop.voucher.id)
    shop.store(record)
    shop.keep_alive(record.owner)
    assert "a process is at it; its request may have been carried out" in run("pending").out
    told = run("settle", "--wait", "0.3", "--json")
    assert told.status == Exit.OPEN
    (row,) = lines(told)
    assert (row["state"], "a process is at it" in row["why"]) == ("sent", True)
    assert "Still open: 1." in told.err


@pytest.mark.parametrize(
    ("operation", "fault"), [("listCharges", faults.ServerError()), ("requestToken", faults.BreakBefore())]
)
def test_without_an_answer_it_stays_open(
    shop: Shop, run: Run, operation: str, fault: faults.ServerError | faults.BreakBefore
) -> None:
    shop.store(sent(shop.begun("k"), shop.voucher.id))
    shop.emulator.faults.script(operation, *[fault] * 100)
    told = run("settle", "--wait", "2")
    assert (told.status, "Traceback" in told.err) == (Exit.OPEN, False)
    assert "client is closed" not in told.out + told.err
    assert operation == "requestToken" or "the outcome of chargeReservation is still open" in told.out
    assert lines(run("pending", "--json"))[0]["state"] in {"sent", "open"}


def test_what_nothing_can_settle_is_said_at_once(shop: Shop, run: Run) -> None:
    record = opened(sent(shop.begun("k", operation="rechargeVoucher"), None))
    shop.store(record)
    begun = time.monotonic()
    told = run("settle", "--wait", "300")
    assert told.status == Exit.OPEN
    assert time.monotonic() - begun < 100
    assert f"voucher-async resolve {record.id[:8]}" in told.out
    assert "the voucher's id is not known" in run("pending").out


def test_what_another_client_has_sent_is_left_to_it(shop: Shop, run: Run) -> None:
    record = opened(sent(shop.begun("k"), shop.voucher.id))
    assert record.pending is not None
    foreign = {**record.to_dict(), "pending": {**record.pending.to_dict(), "client_id": "another"}}
    shop.store(type(record).from_dict(foreign))
    told = run("settle", "--wait", "300")
    assert (told.status, "belongs to the client another" in told.out) == (Exit.OPEN, True)


def test_settling_asks_first_where_money_is_real(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.store(sent(shop.begun("k"), shop.voucher.id))
    monkeypatch.setattr(common, "is_real", lambda _: True)
    told = run("settle")
    assert (told.status, "Settle 1 calls" in told.err, "--yes" in told.err) == (Exit.USAGE, True, True)
    assert len(shop.emulator.requests) == 0
    assert settled(run, "--yes")["state"] == "not done"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["settle", "abc"], "at least its first 6 characters"),
        (["settle", "abcdef"], "no call in this journal"),
        (["settle", "--wait", "-1"], "wait"),
        (["untold", "--acknowledge"], "`untold` lists the ids"),
        (["untold", "abcdef"], "nobody was told"),
        (["resolve", "abcdef", "--by", "me", "--why", "so"], "--not-done"),
        (["resolve", "abcdef", "--not-done", "--by", "me", "--why", "so"], "no call in this journal"),
        (["resolve", "abcdef", "--not-done"], "--by"),
    ],
)
def test_wrong_usage(shop: Shop, run: Run, arguments: list[str], words: str) -> None:
    told = run(*arguments)
    assert (told.status, told.out, words in told.err) == (Exit.USAGE, "", True), told.err


def test_one_beginning_of_two_ids_is_refused(shop: Shop, run: Run) -> None:
    one, two = (sent(shop.begun(key), shop.voucher.id) for key in ("k", "l"))
    alike = [type(one).from_dict({**each.to_dict(), "id": f"abcdef{n}"}) for n, each in enumerate((one, two))]
    shop.store(*alike)
    told = run("settle", "abcdef")
    assert (told.status, "abcdef0, abcdef1" in told.err) == (Exit.USAGE, True)


def test_a_journal_that_cannot_be_opened_is_said(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOUCHER_JOURNAL", "sqlite:////nowhere/at/all/journal.db")
    for command in (["pending"], ["settle"], ["untold"], ["order", "A-1"]):
        told = run(*command)
        assert (told.status, told.out, "Traceback" in told.err) == (Exit.LATER, "", False), told.err


def test_ctrl_c_leaves_a_settlement_that_goes_on_next_time(
    shop: Shop, run: Run, window: Callable[..., Window]
) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    record = sent(shop.begun("k"), shop.voucher.id)
    shop.store(record)
    shop.emulator.faults.script("listCharges", faults.SlowHeaders(300.0))
    shown = window("settle", "--timeout", "300")
    shown.wait_for("Settling 1 call")
    shown.interrupt()
    assert shown.end() == Exit.INTERRUPTED
    assert "Traceback" not in shown.text
    shop.emulator.faults.clear()
    shop.end_leases()
    assert settled(run)["charge"] == charge


SCREENS = """
import sys
from voucher_async.cli import main
for command in sys.argv[1:]:
    assert main(command.split()) == 0
"""


def test_a_screen_shows_all_of_it(
    shop: Shop, window: Callable[..., Window], monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = shop.redeem("10.00", "A-1")
    left, untold = shop.begun("another key"), done(shop.begun("nobody"), "charge-1", told=False)
    shop.store(sent(left, shop.voucher.id), untold)
    monkeypatch.setenv("NO_COLOR", "1")
    shown = window("pending", "untold", "order A-1", program=("-c", SCREENS))
    assert shown.end() == Exit.DONE
    screen = [line.split() for line in shown.text.splitlines()]
    assert ["call", "redeem", "of", "10.00", "EUR", "for", "order", "A-1"] in screen
    assert [untold.id[:8], "redeem", "10.00", "EUR", "A-1", "charge-1"] in [line[:6] for line in screen]
    assert [left.id[:8], "redeem", "sent", "10.00", "EUR", "another", "key", "-", "-", "no"] in screen
    assert [charge, "charge", "10.00"] in [line[:3] for line in screen]
    assert "Differences:" in shown.text


@pytest.mark.parametrize("form", [[], ["--json"], ["--show-secrets"], ["--json", "--show-secrets"]])
def test_no_secret_is_told(shop: Shop, run: Run, form: list[str]) -> None:
    shop.redeem("10.00", "A-1")
    record = opened(sent(shop.begun("k"), shop.voucher.id))
    shop.store(record)
    verdict = ["resolve", record.id, "--not-done", "--by", "me", "--why", "so", "--yes"]
    for command in (["pending"], ["order", "A-1"], verdict, ["settle", record.id], ["untold"]):
        told = run(*command, *form)
        assert told.status == Exit.DONE, told.err
        assert shop.voucher.code not in told.out + told.err
        assert shop.emulator.client_secret not in told.out + told.err
