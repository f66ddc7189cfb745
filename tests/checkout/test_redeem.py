"""Paying with one voucher in one call."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.proxy import Proxy
from voucher_async import (
    ApiError,
    CallTimeout,
    ChargeType,
    Fate,
    InvalidInput,
    ManualClock,
    OutcomeUnknown,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator


async def test_redeem_charges_the_voucher(client: VoucherClient, emulator: VoucherEmulator) -> None:
    voucher = emulator.add_voucher(amount="25.00")
    charge = await client.redeem(code=voucher.code, amount="10.00", currency="EUR", order_number="A-1")
    assert (charge.type, charge.amount, charge.order_number) == (ChargeType.CHARGE, Decimal("10.00"), "A-1")
    assert emulator.balance(voucher.id) == Decimal("15.00")
    emulator.ledger.check()


async def test_redeem_makes_two_requests_and_no_token_request_when_warm(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="25.00")
    await client.redeem(code=voucher.code, amount=1, currency="EUR", order_number="A-1")
    emulator.requests.clear()
    await client.redeem(code=voucher.code, amount=1, currency="EUR", order_number="A-2")
    assert [entry.operation_id for entry in emulator.requests] == ["createReservation", "chargeReservation"]


async def test_concurrent_redeems_of_one_code_take_turns_and_all_succeed(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="50.00")
    charges = await asyncio.gather(
        *(
            client.redeem(code=voucher.code, amount="1.00", currency="EUR", order_number=f"A-{number}")
            for number in range(20)
        )
    )
    assert sorted(charge.order_number or "" for charge in charges) == sorted(f"A-{n}" for n in range(20))
    assert emulator.balance(voucher.id) == Decimal("30.00")
    assert emulator.requests.count("createReservation") == 20
    assert emulator.requests.count("chargeReservation") == 20


async def test_redeems_of_one_code_by_two_clients_of_one_process_take_turns(
    emulator: VoucherEmulator, clock: ManualClock
) -> None:
    voucher = emulator.add_voucher(amount="50.00")
    other = emulator.settings(emulator.add_client())
    async with (
        VoucherClient(**emulator.settings(), clock=clock) as one,
        VoucherClient(**other, clock=clock) as two,
    ):
        await asyncio.gather(
            *(
                client.redeem(code=voucher.code, amount="1.00", currency="EUR", order_number=f"A-{number}")
                for number, client in enumerate([one, two] * 10)
            )
        )
    assert emulator.balance(voucher.id) == Decimal("30.00")
    assert emulator.requests.count("createReservation") == 20


async def test_redeems_of_different_codes_do_not_wait_for_each_other(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    busy, free = emulator.add_voucher(amount="5.00"), emulator.add_voucher(amount="5.00")
    lifecycle = client._lifecycle
    async with lifecycle.lock.hold(lifecycle.key(busy.code, b"")):
        await client.redeem(code=free.code, amount=1, currency="EUR", order_number="A-1")
    assert emulator.balance(free.id) == Decimal("4.00")


async def test_a_deadline_that_passes_while_waiting_for_the_turn_sends_nothing(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    lifecycle = client._lifecycle
    async with lifecycle.lock.hold(lifecycle.key(voucher.code, b"")):
        with pytest.raises(CallTimeout) as caught:
            await client.redeem(code=voucher.code, amount=1, currency="EUR", order_number="A-1", timeout=0.02)
    assert caught.value.fate is Fate.NOT_SENT
    assert emulator.requests.count("createReservation") == 0


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("order_number", {"order_number": ""}),
        ("order_number", {"order_number": None}),
        ("amount", {"amount": 1.5}),
        ("amount", {"amount": "0.00"}),
        ("currency", {"currency": "EURO"}),
        ("code", {"code": ""}),
        ("pin", {"pin": "9" * 256}),
    ],
)
async def test_bad_input_is_refused_before_anything_is_sent(
    client: VoucherClient, emulator: VoucherEmulator, field: str, changes: dict[str, object]
) -> None:
    good = {"code": "CODE", "amount": "1.00", "currency": "EUR", "order_number": "A-1"}
    with pytest.raises(InvalidInput) as caught:
        await client.redeem(**{**good, **changes})  # type: ignore[arg-type]
    assert caught.value.field == field
    assert len(emulator.requests) == 0


async def test_a_voucher_that_holds_too_little_is_refused_and_nothing_is_charged(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    with pytest.raises(ApiError) as caught:
        await client.redeem(code=voucher.code, amount="5.01", currency="EUR", order_number="A-1")
    assert caught.value.fate is Fate.ANSWERED
    assert emulator.balance(voucher.id) == Decimal("5.00")
    assert emulator.requests.count("chargeReservation") == 0


async def test_a_lost_answer_that_cannot_be_looked_for_is_reported_open_and_not_repeated(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    proxy.lose("POST", "/charge")
    proxy.refuse("GET", "/charges", 403)
    with pytest.raises(OutcomeUnknown, match="read-lists") as caught:
        await proxied.redeem(code=voucher.code, amount="2.00", currency="EUR", order_number="A-1")
    pending = caught.value.pending
    assert (pending.operation, pending.voucher_id) == ("chargeReservation", voucher.id)
    assert (pending.amount, pending.order_number) == (Decimal("2.00"), "A-1")
    assert pending.sent_at == emulator.now()
    assert emulator.balance(voucher.id) == Decimal("3.00")
    assert emulator.requests.count("chargeReservation") == 1


async def test_a_lost_answer_to_a_reservation_is_repeated_and_charged_once(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxied._transport.clock = type(emulator.clock)(emulator.now(), skip_sleeps=True)  # type: ignore[call-arg]
    voucher = emulator.add_voucher(amount="5.00")
    proxy.lose("POST", "/reservations")
    await proxied.redeem(code=voucher.code, amount="2.00", currency="EUR", order_number="A-1")
    assert emulator.balance(voucher.id) == Decimal("3.00")
    assert emulator.requests.count("createReservation") == 2
    assert emulator.requests.count("chargeReservation") == 1
