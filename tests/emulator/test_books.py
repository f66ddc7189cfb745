"""What tests ask an emulator afterwards: its request log, its ledger, its records."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from voucher_async.testing._engine import Call

if TYPE_CHECKING:
    from voucher_async.testing import ManualClock, VoucherEmulator


def test_the_log_tells_what_was_asked_and_answered(api: Any, clock: ManualClock) -> None:
    voucher = api.emulator.add_voucher(amount=25)
    log = api.emulator.requests
    log.clear()
    clock.advance(5)
    api("GET", f"/vouchers/{voucher.id}")
    api("GET", "/vouchers/nobody's")
    api("PUT", "/vouchers")
    assert [(entry.operation_id, entry.path, entry.status) for entry in log] == [
        ("getVoucher", f"/v1/vouchers/{voucher.id}", 200),
        ("getVoucher", "/v1/vouchers/***", 404),
        (None, "***", 405),
    ]
    assert (log[0].at, log[0].client_id) == (api.emulator.now(), api.emulator.client_id)
    assert (len(log), log.count(), log.count("getVoucher"), log.count("listVouchers")) == (3, 3, 2, 0)
    assert log.of("getVoucher") == (log[0], log[1])
    assert repr(log) == "<RequestLog: 3 requests>"


def test_an_operation_that_deletes_is_logged_with_the_id_it_deleted(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=5, active=False)
    api("DELETE", f"/vouchers/{voucher.id}", {"comment": "x"})
    assert api.emulator.requests[-1].path == f"/v1/vouchers/{voucher.id}"


def test_no_secret_reaches_the_log_a_repr_or_an_error(api: Any) -> None:
    emulator: VoucherEmulator = api.emulator
    pin = emulator.new_connect_pin()
    voucher = emulator.add_voucher(amount=25, code="PLANTED-CODE", pin="PLANTED-PIN")
    same = emulator.add_voucher(amount=25, id="PLANTED-ID", code="PLANTED-ID")
    planted = ["PLANTED", pin, api.token, emulator.client_secret]
    answers = [
        api("POST", "/clients/connect", {"pin": pin, "extra": "PLANTED"}),
        api("GET", "/vouchers/PLANTED-ID"),
        api("GET", "/vouchers/PLANTED-PIN"),
        api("PLANTED", "/PLANTED-CODE"),
        api("GET", f"/vouchers/{api.token}"),
        api.reserve(voucher, pin="PLANTED-WRONG"),
        api.recharge("1.00", code="PLANTED-CODE", currency="USD"),
        api.reserve(voucher, code={"PLANTED": 1}),
    ]
    secret = answers[0].body["secret"]
    api.charged(voucher)
    shown = [
        repr(part)
        for part in (
            emulator,
            list(emulator.requests),
            emulator.ledger.of(voucher.id),
            emulator.charges(),
            emulator.reservations(),
            [v for v in emulator.vouchers() if v != same],
            emulator._client,
            api.engine.decide(Call(method="GET", raw_path="/v1/PLANTED", authorization="PLANTED")),
            Call(method="GET", raw_path="/v1/PLANTED", authorization="PLANTED", body=b"PLANTED"),
            [attrs.evolve(record) for record in api.engine.state.pins.values()],
            [attrs.evolve(record) for record in api.engine.state.tokens.values()],
            [attrs.evolve(record) for record in api.engine.state.clients.values()],
            [answer.body for answer in answers if answer.status >= 400],
        )
    ]
    shown = [text.replace("method='PLANTED'", "") for text in shown]
    assert [(text, word) for text in shown for word in (*planted, secret) if word in text] == []


def test_the_ledger_tells_every_movement(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    charge = api.charged(voucher, "10.00", "A-1")
    api.refund(charge, "4.00")
    api.recharge("1.00", id=voucher.id)
    spare = api.emulator.add_voucher(amount="3.00", active=False)
    api("DELETE", f"/vouchers/{spare.id}", {"comment": "x"})
    ledger = api.emulator.ledger
    ledger.check()
    assert [(line.kind, line.amount, line.balance) for line in ledger] == [
        ("issue", Decimal("25.00"), Decimal("25.00")),
        ("charge", Decimal("10.00"), Decimal("15.00")),
        ("refund", Decimal("4.00"), Decimal("19.00")),
        ("recharge", Decimal("1.00"), Decimal("20.00")),
        ("issue", Decimal("3.00"), Decimal("3.00")),
        ("delete", Decimal("3.00"), Decimal("0.00")),
    ]
    assert ledger[2].refund_of == ledger[1].charge_id == charge
    assert len(ledger.of(voucher.id)) == 4
    assert repr(ledger) == "<Ledger: 6 movements>"


@pytest.mark.parametrize(
    ("place", "change", "complaint"),
    [
        (1, {"balance": Decimal("14.00")}, "held 14.00 after a charge"),
        (1, {"amount": Decimal("30.00"), "balance": Decimal("-5.00")}, "left -5.00"),
        (2, {"amount": Decimal("11.00")}, "was refunded by 11.00"),
        (2, {"kind": "charge", "reservation_id": "again"}, "charge records stand against"),
        (0, {"amount": Decimal("26.00"), "balance": Decimal("26.00")}, "holds 19.00 instead of 20.00"),
    ],
)
def test_a_ledger_that_does_not_add_up_says_why(
    api: Any, place: int, change: dict[str, Any], complaint: str
) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    api.refund(api.charged(voucher, "10.00"), "4.00")
    movements = api.engine.state.movements
    movements[place] = attrs.evolve(movements[place], **change)
    with pytest.raises(AssertionError, match=complaint):
        api.emulator.ledger.check()


def test_a_reservation_charged_twice_is_noticed(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    api.charged(voucher, "10.00")
    movements = api.engine.state.movements
    movements.append(movements[-1])
    with pytest.raises(AssertionError, match="was charged 2 times"):
        api.emulator.ledger.check()


def test_charges_and_reservations_can_be_asked_for(api: Any) -> None:
    one, two = api.emulator.add_voucher(amount=25), api.emulator.add_voucher(amount=25)
    first, second = api.charged(one, "1.00", "A"), api.charged(two, "2.00", "B")
    refund = api.refund(first, "1.00").body["id"]

    def found(*arguments: str, **wanted: str) -> list[str]:
        return [charge.id for charge in api.emulator.charges(*arguments, **wanted)]

    assert found() == [first, second, refund]
    assert found("A") == [first, refund]
    assert found("A", type="refund") == [refund]
    assert found(voucher_id=two.id) == [second]
    assert len(api.emulator.reservations()) == 2
    assert [reservation.amount for reservation in api.emulator.reservations(two.id)] == [Decimal("2.00")]


def test_a_seeded_voucher_obeys_the_rules_of_the_api(emulator: VoucherEmulator) -> None:
    with pytest.raises(ValueError, match=r"CREATE\.BATCH\.MAX:30, VOUCHER\.CREATE\.CURRENCY"):
        emulator.add_voucher(amount=Decimal(5), currency="nix", batch="x" * 31)
    assert emulator.vouchers() == ()


def test_an_unknown_voucher_is_a_key_error(emulator: VoucherEmulator) -> None:
    with pytest.raises(KeyError):
        emulator.balance("none")
