"""`voucher-async redeem`, `recharge`, `refund`, `charges`: what each does, says and refuses."""

from __future__ import annotations

import io
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, Told
from voucher_async.cli.exits import Exit
from voucher_async.testing import VoucherEmulator, VoucherRecord, faults, habits

CODE, PIN = "GIFT-7", "PIN-4711"
REDEEM = ("redeem", CODE, "10.00", "EUR", "--order", "A-1", "--pin", PIN)


def line(told: Told) -> dict[str, Any]:
    assert told.status == Exit.DONE, told.err
    return json.loads(told.out)  # type: ignore[no-any-return]


@pytest.fixture
def card(connected: VoucherEmulator) -> VoucherRecord:
    return connected.add_voucher(amount="25.00", currency="EUR", code=CODE, pin=PIN)


def moved(emulator: VoucherEmulator) -> list[tuple[str, str | None, str]]:
    return [(str(each.type), each.order_number, str(each.amount)) for each in emulator.charges()]


def test_an_order_is_charged_once_however_often_it_is_asked_for(
    connected: VoucherEmulator, run: Run, card: VoucherRecord
) -> None:
    first, second = run(*REDEEM), run(*REDEEM)
    assert (first.status, second.status) == (Exit.DONE, Exit.DONE)
    assert first.out == second.out
    assert "10.00" in first.out
    assert first.err == ""
    assert "Made before at 20" in second.err
    assert "nothing was charged now" in second.err
    again = line(run("redeem", CODE, "10", "EUR", "--order", "A-1", "--pin", PIN, "--json"))
    assert (again["amount"], again["currency"], again["made_before"]) == ("10.00", "EUR", True)
    told = run("redeem", CODE, "11.00", "EUR", "--order", "A-1", "--pin", PIN)
    assert (told.status, "another amount" in told.err, "--key" in told.err) == (Exit.REFUSED, True, True)
    assert moved(connected) == [("charge", "A-1", "10.00")]
    other = line(run(*REDEEM, "--key", "A-1/2", "--json"))
    assert other["made_before"] is False
    assert connected.balance(card.id) == Decimal("5.00")


@pytest.mark.parametrize("amount", ["10,00", "1e1", "10.001", "NaN", "-1", "0", "1000000", "٣.00"])
def test_an_amount_is_read_as_the_library_reads_it(connected: VoucherEmulator, run: Run, amount: str) -> None:
    told = run("redeem", CODE, amount, "EUR", "--order", "A-1")
    assert (told.status, told.out) == (Exit.USAGE, "")
    assert "amount: must" in told.err
    assert len(connected.requests) == 0


@pytest.mark.parametrize(
    "command",
    [
        ["recharge", "card", "10,00", "EUR", "--order", "A-1"],
        ["refund", "--order", "A-1", "--amount", "10,00"],
        ["refund", "a-charge", "--amount", "10,00"],
        ["voucher", "create", "10,00", "EUR"],
    ],
)
def test_a_comma_is_no_point(connected: VoucherEmulator, run: Run, command: list[str]) -> None:
    told = run(*command)
    assert (told.status, 'such as "10.00"' in told.err) == (Exit.USAGE, True)
    assert len(connected.requests) == 0


@pytest.mark.parametrize(
    "words",
    [
        [CODE, CODE, "EUR"],
        [CODE, "10.00", CODE],
        [CODE, "10.00"],
        [CODE],
        ["10.00", CODE, "EUR"],
        [CODE, "10.00", "EUR", "--currency"],
    ],
)
def test_a_code_in_the_wrong_place_is_shown_nowhere(
    connected: VoucherEmulator, run: Run, words: list[str]
) -> None:
    told = run("redeem", *words, "--order", "A-1")
    assert told.status == Exit.USAGE
    assert CODE not in told.out + told.err
    assert len(connected.requests) == 0


def test_a_code_that_nobody_can_be_asked_for_is_wrong_usage(connected: VoucherEmulator, run: Run) -> None:
    told = run("redeem", "10.00", "EUR", "--order", "A-1")
    assert (told.status, "code" in told.err) == (Exit.USAGE, True)
    assert len(connected.requests) == 0


def test_refusals_are_status_1_and_free_the_order(
    connected: VoucherEmulator, run: Run, card: VoucherRecord
) -> None:
    for words in (["redeem", CODE, "30.00", "EUR", "--pin", PIN], ["redeem", "NOTHING", "1.00", "EUR"]):
        told = run(*words, "--order", "A-1")
        assert (told.status, told.out) == (Exit.REFUSED, "")
    assert run(*REDEEM).status == Exit.DONE
    assert moved(connected) == [("charge", "A-1", "10.00")]


def test_a_recharge_is_made_once_for_an_order(
    connected: VoucherEmulator, run: Run, card: VoucherRecord
) -> None:
    told = [run("recharge", card.id, amount, "EUR", "--order", "A-2") for amount in ("5", "5.00")]
    assert [each.status for each in told] == [Exit.DONE, Exit.DONE]
    assert "nothing was added now" in told[1].err
    assert moved(connected) == [("recharge", "A-2", "5.00")]
    by_code = line(run("recharge", "1.00", "EUR", "--order", "A-3", "--code", CODE, "--json"))
    assert (by_code["type"], by_code["voucher_id"]) == ("recharge", card.id)
    assert connected.balance(card.id) == Decimal("31.00")


def test_a_charge_is_refunded_once_for_each_amount(
    connected: VoucherEmulator, run: Run, card: VoucherRecord
) -> None:
    charge = line(run(*REDEEM, "--json"))["id"]
    told = [run("refund", charge, "--amount", amount) for amount in ("2", "2.00")]
    assert [each.status for each in told] == [Exit.DONE, Exit.DONE]
    assert "nothing was given back now" in told[1].err
    rest = [line(run("refund", charge, "--json")) for _ in range(2)]
    assert [(each["amount"], each["currency"], each["made_before"]) for each in rest] == [
        ("8.00", "EUR", False),
        ("8.00", "EUR", True),
    ]
    assert connected.balance(card.id) == Decimal("25.00")
    assert run(*REDEEM).status == Exit.REFUSED  # taken back: it is not charged again unasked
    assert len(connected.charges("A-1")) == 3


def test_an_order_is_refunded_over_all_its_vouchers(
    connected: VoucherEmulator, run: Run, card: VoucherRecord
) -> None:
    other = connected.add_voucher(amount="5.00", code="SECOND")
    assert run(*REDEEM).status == Exit.DONE
    assert run("redeem", "SECOND", "5.00", "EUR", "--order", "A-1", "--key", "A-1/2").status == Exit.DONE
    part = [run("refund", "--order", "A-1", "--amount", "7.00") for _ in range(2)]
    assert "Given back for order A-1 with the key 'refund/A-1/7.00': 7.00 EUR" in part[0].err
    assert "nothing was given back now" in part[1].err
    assert part[0].out == part[1].out
    assert (connected.balance(card.id), connected.balance(other.id)) == (Decimal("17.00"), Decimal("5.00"))
    rest = line(run("refund", "--order", "A-1", "--json"))
    assert (rest["amount"], rest["made_before"]) == ("8.00", False)
    told = run("refund", "--order", "A-1")
    assert (told.status, told.out) == (Exit.DONE, "")
    assert "Nothing that is left of order A-1 was found" in told.err
    assert "A refund of it ended at 20" in told.err
    assert connected.balance(card.id) == Decimal("25.00")


def test_what_was_left_of_an_order_once_says_nothing_of_later(
    connected: VoucherEmulator, run: Run, card: VoucherRecord, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    other = connected.add_voucher(amount="5.00")
    assert run(*REDEEM).status == Exit.DONE
    monkeypatch.setenv("VOUCHER_JOURNAL", f"sqlite:///{home}/another.db")
    for voucher, amount in ((other.id, "0.00"), (card.id, "10.00"), (card.id, "0.00")):  # first a mistake
        made = line(run("refund", "--order", "A-1", "--voucher", voucher, "--json"))
        assert (made["amount"], made["made_before"]) == (amount, False)
        assert made["key"].startswith("refund/A-1/all")
    assert run("redeem", CODE, "4.00", "EUR", "--order", "A-1", "--pin", PIN).status == Exit.DONE
    assert line(run("refund", "--order", "A-1", "--json"))["amount"] == "4.00"
    assert connected.balance(card.id) == Decimal("25.00")


def test_a_long_order_number_leaves_the_amount_in_the_key(
    connected: VoucherEmulator, run: Run, card: VoucherRecord
) -> None:
    order = "A" * 252
    assert run("redeem", CODE, "10.00", "EUR", "--order", order, "--pin", PIN).status == Exit.DONE
    for amount in ("1.00", "2.00", "2.00"):
        assert run("refund", "--order", order, "--amount", amount).status == Exit.DONE
    assert connected.balance(card.id) == Decimal("18.00")


def test_a_charge_of_another_journal_needs_its_voucher(
    connected: VoucherEmulator, run: Run, card: VoucherRecord, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    charge = line(run(*REDEEM, "--json"))["id"]
    monkeypatch.setenv("VOUCHER_JOURNAL", f"sqlite:///{home}/another.db")
    for words in (["refund", charge], ["refund", "--order", "A-1"]):
        told = run(*words)
        assert (told.status, "--voucher ID" in told.err) == (Exit.USAGE, True)
    made = line(run("refund", charge, "--voucher", card.id, "--amount", "1.00", "--json"))
    assert (made["amount"], made["currency"]) == ("1.00", "EUR")
    monkeypatch.delenv("VOUCHER_JOURNAL")
    told = run("refund", charge)  # this journal knows nothing of the refund
    assert (told.status, "Others may have given back a part" in told.err) == (Exit.REFUSED, True)
    monkeypatch.setenv("VOUCHER_JOURNAL", f"sqlite:///{home}/another.db")
    made = line(run("refund", "--order", "A-1", "--voucher", card.id, "--json"))
    assert (made["amount"], made["currency"]) == ("9.00", "EUR")
    assert connected.balance(card.id) == Decimal("25.00")


def test_a_part_of_an_order_that_was_not_refunded_is_shown(
    connected: VoucherEmulator, run: Run, card: VoucherRecord
) -> None:
    connected.add_voucher(amount="5.00", code="SECOND")
    assert run(*REDEEM).status == Exit.DONE
    assert run("redeem", "SECOND", "5.00", "EUR", "--order", "A-1", "--key", "A-1/2").status == Exit.DONE
    connected.faults.script("refundCharge", None, *[faults.TooMany(0)] * 20)
    told = run("refund", "--order", "A-1", "--timeout", "3")
    assert told.status == Exit.PARTLY, told.err
    assert "gives back the rest" in told.err
    assert sorted(word for word in told.out.split() if word in {"refunded", "not"}) == [
        "not",
        "refunded",
        "refunded",
    ]
    connected.faults.clear()
    shown = [run("pending").out, run("settle").out]  # neither waits for what only the same command can end
    assert all("voucher-async refund --order A-1 --key refund/A-1/all" in each for each in shown)
    assert line(run("refund", "--order", "A-1", "--json"))["amount"] == "15.00"
    assert sum(each.amount for each in connected.charges("A-1", type="refund")) == Decimal("15.00")


def test_charges_tell_what_each_is(connected: VoucherEmulator, run: Run, card: VoucherRecord) -> None:
    charge = line(run(*REDEEM, "--json"))["id"]
    run("refund", charge, "--amount", "0.01")
    run("recharge", card.id, "5.00", "EUR", "--order", "A-2")
    told = run("charges", card.id)
    assert "Balance 20.01 EUR, created with 25.00 EUR, active." in told.err
    rows = [row.split()[2:6] for row in told.out.splitlines()[1:]]
    assert rows == [
        ["charge", "10.00", "EUR", "A-1"],
        ["refund", "0.01", "EUR", "A-1"],
        ["recharge", "5.00", "EUR", "A-2"],
    ]
    shown = run("charges", card.id, "--order", "A-2", "--json")
    assert (line(shown)["amount"], line(shown)["currency"]) == ("5.00", "EUR")
    told = run("charges", card.id, "--order", "A-9")
    assert (told.status, told.out) == (Exit.DONE, "")
    assert "Nothing on this voucher names the order A-9" in told.err
    assert run("charges", "nothing-like-it").status == Exit.REFUSED


@pytest.mark.parametrize("kind", ["order numbers in capitals", "order numbers null"])
def test_a_charge_is_listed_under_its_order_whatever_the_server_makes_of_the_number(
    connected: VoucherEmulator, run: Run, card: VoucherRecord, kind: str
) -> None:
    connected.habits.set(**habits.KINDS[kind])
    assert run("redeem", CODE, "10.00", "EUR", "--order", "a-1", "--pin", PIN).status == Exit.DONE
    assert line(run("charges", card.id, "--order", "a-1", "--json"))["amount"] == "10.00"


def test_no_command_shows_a_secret(
    connected: VoucherEmulator, run: Run, card: VoucherRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = line(run(*REDEEM, "--json"))["id"]
    commands = [
        [*REDEEM],
        ["redeem", CODE, "90.00", "EUR", "--order", "A-9", "--pin", PIN],
        ["redeem", CODE, "1.00", "CHF", "--order", "A-9", "--pin", PIN],
        ["redeem", "-", "1.00", "EUR", "--order", "A-8", "--pin", "-"],
        ["recharge", "1.00", "EUR", "--order", "A-2", "--code", CODE],
        ["recharge", card.id, "1.00", "EUR", "--order", "A-3", "--code", CODE],
        ["refund", charge, "--amount", "1.00"],
        ["refund", "--order", "A-1"],
        ["charges", card.id],
        ["voucher", "create", "1.00", "EUR", "--code", CODE, "--pin", PIN],
        ["voucher", "list"],
        ["voucher", "show", card.id],
        ["voucher", "deactivate", card.id],
        ["voucher", "update", card.id, "--sku", "X"],
        ["voucher", "delete", card.id, "--comment", "a mistake"],
        ["voucher", "activate", card.id],
    ]
    commands += [[*each, "--json"] for each in (REDEEM, ["voucher", "show", card.id], commands[9])]
    for command in commands:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{CODE}\n{PIN}\n"))
        told = run(*command)
        for secret in (CODE, PIN, connected.client_secret):
            assert secret not in told.out + told.err, command
        assert "Traceback" not in told.err


def test_a_journal_that_cannot_be_written_sends_nothing(
    connected: VoucherEmulator, run: Run, card: VoucherRecord, home: Path
) -> None:
    (home / "state").write_text("a file where a folder has to be")
    for words in (
        REDEEM,
        ("recharge", card.id, "1.00", "EUR", "--order", "A-2"),
        ("refund", "--order", "A-1"),
    ):
        told = run(*words)
        assert (told.status, told.out) == (Exit.LATER, ""), told.err
    assert moved(connected) == []
    assert run("voucher", "show", card.id).status == Exit.DONE


@pytest.mark.parametrize("fault", [faults.ServerError(), faults.BadGateway(), faults.Unavailable(0)])
def test_a_server_that_answers_5xx_charges_nothing_that_is_not_told(
    connected: VoucherEmulator, run: Run, card: VoucherRecord, fault: faults.Fault
) -> None:
    connected.faults.script("createReservation", *[fault] * 30)
    told = run(*REDEEM, "--timeout", "1")
    assert (told.status, told.out) == (Exit.LATER, ""), told.err
    connected.faults.clear()
    assert run(*REDEEM).status == Exit.DONE
    assert moved(connected) == [("charge", "A-1", "10.00")]
