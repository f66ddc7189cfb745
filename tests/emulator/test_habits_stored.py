"""Habits of databases and frameworks, over a socket: what is written down, and what codes name."""

from __future__ import annotations

import datetime as dt
import unicodedata
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from voucher_async.testing import ManualClock, habits

ZERO_WIDTH, MARK, LEFT_TO_RIGHT = "\u200b", "\ufeff", "\u200e"
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "B\u00fccher-1") for form in ("NFC", "NFD"))


def stamp(answer: Any, name: str = "created_at") -> dt.datetime:
    assert answer.status == 200, answer.body
    return dt.datetime.fromisoformat(answer.body[name])


@pytest.mark.parametrize(
    ("habit", "sent", "stored"),
    [
        (habits.OrderNumbers(trim=True), f" {ZERO_WIDTH}{MARK}A 1{LEFT_TO_RIGHT}\t", "A 1"),
        (habits.OrderNumbers(fold="lower"), "A-1", "a-1"),
        (habits.OrderNumbers(fold="upper"), "a-1", "A-1"),
        (habits.OrderNumbers(fold="fold"), "STRASSE-\u00df", "strasse-ss"),
        (habits.OrderNumbers(normalise="NFC"), DECOMPOSED, COMPOSED),
        (habits.OrderNumbers(normalise="NFD"), COMPOSED, DECOMPOSED),
        (habits.OrderNumbers(normalise="NFKC"), "\uff21-\u2460", "A-1"),
        (habits.OrderNumbers(cut=8), "2026-11-000017", "2026-11-"),
        (habits.OrderNumbers(null=True), "A-1", None),
        (habits.OrderNumbers(trim=True), ZERO_WIDTH, None),
        (habits.OrderNumbers(trim=True, fold="lower", normalise="NFKC", cut=3), " \uff21-12", "a-1"),
    ],
)
async def test_an_order_number_is_rewritten_and_shown_so_everywhere_but_in_the_books(
    wire: Any, habit: habits.OrderNumbers, sent: str, stored: str | None
) -> None:
    wire.emulator.habits.order_numbers = habit
    voucher = wire.emulator.add_voucher(amount=25)
    charge = (await wire.charge(voucher, sent)).body
    refund = (await wire.refund(charge["id"])).body
    recharge = (await wire.recharge(sent, id=voucher.id)).body
    shown = [charge["order_number"], refund["order_number"], recharge["order_number"]]
    assert shown == await wire.orders(voucher) == [stored] * 3
    assert [found.id for found in wire.emulator.charges(sent)] == [charge["id"], refund["id"], recharge["id"]]
    assert {found.order_number for found in wire.emulator.charges(sent)} == {stored}
    assert [movement.order_number for movement in wire.emulator.ledger.of(voucher.id)][1:] == [sent] * 3
    if stored is not None:
        assert await wire.orders(voucher, stored) == [stored] * 3
        assert await wire.orders(voucher, f"no {sent}") == []


async def test_an_order_number_may_be_echoed_as_it_was_sent_and_listed_as_it_is_stored(wire: Any) -> None:
    wire.emulator.habits.order_numbers = habits.OrderNumbers(fold="lower", echo_as_sent=True)
    voucher = wire.emulator.add_voucher(amount=25)
    charge = (await wire.charge(voucher, "A-1")).body
    refund = (await wire.refund(charge["id"])).body
    assert (charge["order_number"], refund["order_number"]) == ("A-1", "A-1")
    assert await wire.orders(voucher) == ["a-1", "a-1"]
    read = await wire("GET", f"/vouchers/{voucher.id}/charges/{charge['id']}")
    assert read.body["order_number"] == "a-1"


@pytest.mark.parametrize(("echo", "told"), [(False, "a-1"), (True, "A-1")])
async def test_the_order_number_of_a_voucher_is_rewritten_as_well(
    wire: Any, told: str, *, echo: bool
) -> None:
    wire.emulator.habits.order_numbers = habits.OrderNumbers(fold="lower", echo_as_sent=echo)
    body = {"id": "V-1", "amount": "5.00", "currency": "EUR", "order_number": "A-1"}
    assert (await wire("POST", "/vouchers", json=body)).body["order_number"] == told
    assert (await wire("GET", "/vouchers/V-1")).body["order_number"] == "a-1"
    assert wire.emulator.ledger.of("V-1")[0].order_number == "A-1"


async def test_the_stamps_of_reservations_and_charges_come_from_two_clocks(
    wire: Any, clock: ManualClock
) -> None:
    wire.emulator.habits.clocks = habits.Clocks(
        reservations=-90, charges=3600, refunds=5, recharges=-5, vouchers=1
    )
    voucher = wire.emulator.add_voucher(amount=25)
    now = clock.now()
    assert wire.emulator.voucher(voucher.id).created_at - now == dt.timedelta(seconds=1)
    reservation = await wire.reserve(voucher.code)
    assert stamp(reservation) - now == dt.timedelta(seconds=-90)
    assert stamp(reservation, "valid_until") - stamp(reservation) == dt.timedelta(minutes=30)
    charge = await wire.charge(voucher)
    refund = await wire.refund(charge.body["id"])
    recharge = await wire.recharge(id=voucher.id)
    offsets = [(stamp(answer) - now).total_seconds() for answer in (charge, refund, recharge)]
    assert offsets == [3600, 5, -5]
    assert {found.made_at for found in wire.emulator.charges()} == {now}
    assert {movement.at for movement in wire.emulator.ledger} == {now}


async def test_filters_of_time_go_by_the_stamps_and_the_end_of_a_reservation_by_the_true_time(
    wire: Any, clock: ManualClock
) -> None:
    wire.emulator.habits.clocks = habits.Clocks(reservations=-3600, charges=3600)
    wire.emulator.faults.list_lag = 0.5
    voucher = wire.emulator.add_voucher(amount=25)
    assert (await wire.charge(voucher)).status == 200
    clock.advance(1)
    later = (clock.now() + dt.timedelta(minutes=30)).isoformat()
    assert len(await wire.listed(voucher, **{"filter[created_from]": later})) == 1
    reservation = (await wire.reserve(voucher.code)).body["id"]
    clock.advance(1800)
    late = await wire("POST", f"/reservations/{reservation}/charge", json={"order_number": "A-2"})
    assert late.body["code"] == "RESERVATION.CHARGE.EXPIRED"


async def test_a_clock_jumps_between_two_requests(wire: Any, clock: ManualClock) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    jump_at = clock.now() + dt.timedelta(seconds=10)
    wire.emulator.habits.clocks = habits.Clocks(jump=-60, jump_at=jump_at)
    before = await wire.recharge(id=voucher.id)
    clock.advance(10)
    after = await wire.recharge(id=voucher.id)
    assert (stamp(after) - stamp(before)).total_seconds() == -50
    assert await wire.listed(voucher) == [before.body, after.body]
    dates = [parsedate_to_datetime(answer.headers["Date"]) for answer in (before, after)]
    assert (dates[1] - dates[0]).total_seconds() == -50


async def test_a_proxy_writes_the_date_by_its_own_clock(wire: Any, clock: ManualClock) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.clocks = habits.Clocks(date=-300)
    wire.emulator.faults.date_offset = 20
    answer = await wire.recharge(id=voucher.id)
    assert stamp(answer) == clock.now()
    assert (parsedate_to_datetime(answer.headers["Date"]) - clock.now()).total_seconds() == -280


async def test_stamps_have_fractions_of_a_second_on_some_records_only(wire: Any, clock: ManualClock) -> None:
    clock.advance(0.987654)
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.resolution = habits.Resolution(reservations="microseconds", refunds="milliseconds")
    reservation = await wire.reserve(voucher.code)
    charge = await wire.charge(voucher)
    refund = await wire.refund(charge.body["id"])
    assert [stamp(answer).microsecond for answer in (reservation, charge, refund)] == [987654, 0, 987000]


@pytest.mark.parametrize(("rounded", "ahead"), [(False, -0.5), (True, 0.5)])
async def test_a_database_rounds_stamps_or_cuts_them(
    wire: Any, clock: ManualClock, ahead: float, *, rounded: bool
) -> None:
    clock.advance(0.5)
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.resolution = habits.Resolution(rounded=rounded)
    charge = await wire.charge(voucher)
    assert (stamp(charge) - clock.now()).total_seconds() == ahead


async def test_another_spelling_of_a_code_names_the_same_voucher(wire: Any) -> None:
    wire.emulator.habits.tolerant_codes = True
    voucher = wire.emulator.add_voucher(amount=25, code="ABCD-EF-1")
    wire.emulator.add_voucher(amount=25, code="ABCD-EF-2")
    for spelling in ("ABCD-EF-1", "abcdef1", "ABCD EF 1", " a-b-c-d-e-f-1"):
        answer = await wire.reserve(spelling)
        assert answer.body["voucher_id"] == voucher.id, answer.body
        assert (await wire.recharge(code=spelling)).body["voucher_id"] == voucher.id
    assert (await wire.reserve("ABCD-EF-3")).status == 404
    wire.emulator.habits.clear()
    assert (await wire.reserve("abcdef1")).status == 404


async def test_the_spellings_of_a_deleted_voucher_are_gone(wire: Any) -> None:
    wire.emulator.habits.tolerant_codes = True
    voucher = wire.emulator.add_voucher(amount=25, code="AB-1", active=False)
    assert (await wire("DELETE", f"/vouchers/{voucher.id}", json={"comment": "x"})).status == 204
    assert (await wire.reserve("ab1")).status == 404
