"""`voucher-async resolve`: an operator's verdict."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import Run, Window
from tests.cli.left import Shop
from tests.journals.records import done, opened, sent
from voucher_async.cli.exits import Exit
from voucher_async.payments.call import CHECKOUT, CallRecord

BY = ("--by", "Jane", "--why", "seen in the Admin UI")


def left_open(shop: Shop, **asked: str) -> CallRecord:
    """A record in doubt that is stored."""
    record = opened(sent(shop.begun("k", **asked), shop.voucher.id))
    shop.store(record)
    return record


def test_a_verdict_is_recorded_with_its_charge(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    record = left_open(shop)
    told = run("resolve", record.id[:6], "--done", charge, *BY, "--yes", "--json")
    assert told.status == Exit.DONE, told.err
    row = json.loads(told.out)
    assert (row["id"], row["state"], row["charge"], row["amount"]) == (record.id, "done", charge, "10.00")
    assert "its answer was lost" in told.err
    (stored,) = shop.records()
    assert stored.charge is not None
    assert (stored.charge.id, stored.state) == (charge, "done")
    assert (stored.transitions[-1].by, stored.transitions[-1].why) == ("Jane", "seen in the Admin UI")
    again = run("resolve", record.id, "--not-done", *BY, "--yes")
    assert (again.status, "has ended: it is done" in again.err) == (Exit.USAGE, True)


def test_a_denial_is_asked_for_in_a_terminal(shop: Shop, window: Callable[..., Window]) -> None:
    record = left_open(shop)
    shown = window("resolve", record.id[:8], "--not-done", *BY)
    shown.wait_for("Record for good that it was not carried out, in 127.0.0.1")
    shown.wait_for("[y/N] ")
    assert "redeem of 10.00 EUR for order A-1" in shown.text
    assert shop.records()[0].state == "open"
    shown.answer("y")
    assert shown.end() == Exit.DONE
    assert "an operator said so" in shown.text
    assert shop.records()[0].state == "not done"


def test_nobody_to_ask_is_no_verdict(shop: Shop, run: Run) -> None:
    record = left_open(shop)
    told = run("resolve", record.id, "--not-done", *BY)
    assert (told.status, told.out, "--yes" in told.err) == (Exit.USAGE, "", True)
    assert shop.records()[0].state == "open"


@pytest.mark.parametrize("answer", [[], ["--yes"]])
def test_what_speaks_against_a_verdict_is_said(shop: Shop, run: Run, answer: list[str]) -> None:
    charge = shop.redeem("7.00", "B-2")
    shop.journal.unlink()
    record = left_open(shop)
    told = run("resolve", record.id, "--done", charge, *BY, *answer)
    assert told.status == (Exit.DONE if answer else Exit.USAGE)
    assert "The call asked for 10.00 EUR, not 7.00." in told.err
    assert "The call is for order A-1, not B-2." in told.err


def test_a_charge_that_cannot_be_the_call_s_is_refused(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    refund = json.loads(run("refund", charge, "--json").out)["id"]
    shop.journal.unlink()
    record = left_open(shop)
    told = run("resolve", record.id, "--done", refund, *BY, "--yes")
    assert (told.status, "must be a charge, and is a refund" in told.err) == (Exit.USAGE, True)
    told = run("resolve", record.id, "--done", charge, "--voucher", "another", *BY, "--yes")
    assert (told.status, "must be that of the call" in told.err) == (Exit.USAGE, True)
    assert shop.records()[0].state == "open"


def test_the_charge_of_another_call_is_refused(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    record = left_open(shop)
    told = run("resolve", record.id, "--done", charge, *BY, "--yes")
    assert (told.status, "is the charge of another call" in told.err) == (Exit.USAGE, True)


def test_a_charge_that_is_not_there_is_refused(shop: Shop, run: Run) -> None:
    record = left_open(shop)
    assert run("resolve", record.id, "--done", "nothing", *BY, "--yes").status == Exit.REFUSED
    assert shop.records()[0].state == "open"


def test_a_voucher_that_the_journal_does_not_know_is_named(shop: Shop, run: Run) -> None:
    charge = shop.redeem("10.00", "A-1")
    shop.journal.unlink()
    record = opened(sent(shop.begun("k"), None))
    shop.store(record)
    told = run("resolve", record.id, "--done", charge, *BY, "--yes")
    assert (told.status, "voucher" in told.err) == (Exit.USAGE, True)
    assert run("resolve", record.id, "--done", charge, "--voucher", shop.voucher.id, *BY, "--yes").status == 0


def test_a_call_under_way_gets_no_verdict(shop: Shop, run: Run) -> None:
    record = sent(shop.begun("k"), shop.voucher.id)
    shop.store(record)
    shop.keep_alive(record.owner)
    told = run("resolve", record.id, "--not-done", *BY, "--yes")
    assert (told.status, "nothing was recorded" in told.err) == (Exit.OPEN, True)
    assert shop.records()[0].state == "sent"


@pytest.mark.parametrize("is_open", [True, False])
def test_a_checkout_with_a_charge_is_not_denied(shop: Shop, run: Run, *, is_open: bool) -> None:
    whole = opened(shop.begun("k", operation=CHECKOUT))
    part = sent(shop.begun("k/1", parent=whole.id), shop.voucher.id)
    part = opened(part) if is_open else done(part, "c-1")
    shop.store(whole, part)
    told = run("resolve", whole.id, "--not-done", *BY, "--yes")
    assert (told.status, (part.id if is_open else "charge c-1") in told.err) == (Exit.USAGE, True)
    told = run("resolve", whole.id, "--done", "c-1", *BY, "--yes")
    assert (told.status, "resolve the parts" in told.err) == (Exit.USAGE, True)
    assert {each.state for each in shop.records()} == {"open", part.state}
