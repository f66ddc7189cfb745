"""Vouchers: what each method sends, and what comes back as a model."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from tests.proxy import Proxy
from voucher_async import (
    Charge,
    CompleteVoucher,
    ManualClock,
    NotFound,
    ValidationFailed,
    ValidityInterval,
    VoucherClient,
    VoucherDetails,
    VoucherStatus,
    VoucherType,
)
from voucher_async.testing import VoucherEmulator


async def test_create_sends_every_field_and_answers_with_all_of_them(
    proxied: VoucherClient, proxy: Proxy, clock: ManualClock
) -> None:
    voucher = await proxied.vouchers.create(
        amount=Decimal("25.5"),
        currency="EUR",
        id="gift-1",
        code="GIFT-CODE-1",
        pin="4711",
        sku="SKU-1",
        batch="spring",
        validity_value=3,
        validity_interval=ValidityInterval.YEARS,
        type=VoucherType.PRINT,
        taxable=True,
        tax_rate="19",
        order_number="A-1",
        data='{"a": 1}',
    )
    (seen,) = proxy.of("POST")
    assert seen.path == "/v1/vouchers"
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.json == {
        "amount": "25.50",
        "currency": "EUR",
        "id": "gift-1",
        "code": "GIFT-CODE-1",
        "pin": "4711",
        "sku": "SKU-1",
        "batch": "spring",
        "validity_value": 3,
        "validity_interval": "years",
        "type": "print",
        "taxable": True,
        "tax_rate": "19",
        "order_number": "A-1",
        "data": '{"a": 1}',
    }
    assert (voucher.id, voucher.code, voucher.pin) == ("gift-1", "GIFT-CODE-1", "4711")
    assert (voucher.amount, voucher.currency) == (Decimal("25.50"), "EUR")
    assert (voucher.sku, voucher.batch, voucher.order_number) == ("SKU-1", "spring", "A-1")
    assert (voucher.validity_value, voucher.validity_interval) == (3, ValidityInterval.YEARS)
    assert (voucher.status, voucher.type) == (VoucherStatus.INACTIVE, VoucherType.PRINT)
    assert (voucher.taxable, voucher.tax_rate, voucher.data) == (True, "19", '{"a": 1}')
    assert voucher.valid_until is None
    assert voucher.created_at == voucher.updated_at == clock.now()


async def test_create_sends_nothing_but_what_it_was_given_and_a_made_up_id(
    proxied: VoucherClient, proxy: Proxy
) -> None:
    voucher = await proxied.vouchers.create(amount=0, currency="EUR")
    (seen,) = proxy.of("POST")
    assert seen.json == {"amount": "0.00", "currency": "EUR", "id": voucher.id}
    assert str(uuid.UUID(voucher.id)) == voucher.id
    assert voucher.amount == Decimal("0.00")
    assert voucher.code


async def test_create_leaves_the_id_to_the_server_when_told_to(proxied: VoucherClient, proxy: Proxy) -> None:
    voucher = await proxied.vouchers.create(amount="10", currency="EUR", id=None)
    (seen,) = proxy.of("POST")
    assert seen.json == {"amount": "10.00", "currency": "EUR"}
    assert voucher.id


async def test_create_names_the_fields_the_server_complains_about(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    emulator.add_voucher(amount="1.00", id="taken", code="TAKEN-CODE")
    with pytest.raises(ValidationFailed) as caught:
        await client.vouchers.create(amount="10", currency="ZZZ", id="taken", code="TAKEN-CODE")
    error = caught.value
    assert (error.status, error.code) == (422, "VOUCHER.CREATE.UNPROCESSABLE_ENTITY")
    assert {field.code for field in error.field_errors} == {
        "VOUCHER.CREATE.CUSTOM_ID.UNIQUE",
        "VOUCHER.CREATE.CODE.UNIQUE",
        "VOUCHER.CREATE.CURRENCY.VALID_CURRENCY",
    }
    assert {(field.property, field.rule) for field in error.field_errors} >= {
        ("currency", "valid_currency"),
        ("code", "unique"),
    }
    assert all(field.message for field in error.field_errors)
    assert error.has("custom_id", "unique")
    assert not error.has("custom_id", "max")
    field = error.field("currency")
    assert field is not None
    assert str(field.message) in str(error)
    assert error.facts is not None
    assert (error.facts.operation, error.facts.attempts, error.facts.in_doubt) == ("createVoucher", 1, 0)
    assert len(emulator.vouchers()) == 1


async def test_get_reads_a_voucher_with_what_is_left_on_it(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="25.00")
    await client.redeem(code=record.code, amount="10", currency="EUR", order_number="A-1")
    voucher = await client.vouchers.get(record.id)
    assert isinstance(voucher, VoucherDetails)
    assert (voucher.id, voucher.amount, voucher.remaining_amount) == (
        record.id,
        Decimal("25.00"),
        Decimal("15.00"),
    )
    assert voucher.deletable is False
    assert voucher.status is VoucherStatus.ACTIVE
    assert voucher.valid_until is not None
    assert voucher.valid_until.utcoffset() is not None
    assert not hasattr(voucher, "code")


async def test_get_complete_reads_the_secrets_too(client: VoucherClient, emulator: VoucherEmulator) -> None:
    record = emulator.add_voucher(amount="25.00", pin="4711")
    voucher = await client.vouchers.get_complete(record.id)
    assert isinstance(voucher, CompleteVoucher)
    assert (voucher.code, voucher.pin) == (record.code, "4711")
    assert emulator.requests[-1].operation_id == "getCompleteVoucher"


async def test_a_voucher_without_a_pin_has_none(client: VoucherClient, emulator: VoucherEmulator) -> None:
    record = emulator.add_voucher(amount="25.00")
    assert (await client.vouchers.get_complete(record.id)).pin is None


@pytest.mark.parametrize(
    "id", ["a/b", "a?b=c", "a#b", "a%2Fb", "ä ö", "a&b=c", "...", "%2e%2e", "a;b", "a\\b"]
)
async def test_an_id_with_special_characters_reaches_its_voucher(
    client: VoucherClient, emulator: VoucherEmulator, id: str
) -> None:
    created = await client.vouchers.create(amount="5", currency="EUR", id=id, sku="before")
    assert created.id == id
    assert (await client.vouchers.get(id)).id == id
    assert (await client.vouchers.get_complete(id)).code == created.code
    assert (await client.vouchers.update(id, sku="after")).sku == "after"
    assert (await client.vouchers.activate(id)).status is VoucherStatus.ACTIVE
    assert [charge async for charge in client.vouchers.list_charges(id)] == []
    await client.vouchers.deactivate(id)
    await client.vouchers.delete(id, comment="done")
    assert emulator.vouchers() == ()
    assert {entry.status for entry in emulator.requests} <= {200, 201, 204}


async def test_update_changes_what_it_is_given_and_leaves_the_rest(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="5.00", active=False, sku="old", batch="old")
    voucher = await proxied.vouchers.update(record.id, sku="new")
    assert (voucher.sku, voucher.batch) == ("new", "old")
    voucher = await proxied.vouchers.update(record.id, batch="b" * 30)
    assert (voucher.sku, voucher.batch) == ("new", "b" * 30)
    assert [seen.json for seen in proxy.of("PATCH")] == [{"sku": "new"}, {"batch": "b" * 30}]


async def test_update_clears_a_field_with_none(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="5.00", active=False, sku="old", batch="old")
    voucher = await proxied.vouchers.update(record.id, sku=None)
    assert (voucher.sku, voucher.batch) == (None, "old")
    assert proxy.of("PATCH")[0].json == {"sku": None}


async def test_activation_sets_the_end_of_validity_and_the_comment_goes_along(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    record = emulator.add_voucher(amount="5.00", active=False, validity_value=10, validity_interval="days")
    voucher = await proxied.vouchers.activate(record.id, comment="sold")
    assert voucher.status is VoucherStatus.ACTIVE
    assert voucher.valid_until is not None
    assert voucher.valid_until - clock.now() >= dt.timedelta(days=10)
    voucher = await proxied.vouchers.deactivate(record.id)
    assert (voucher.status, voucher.valid_until) == (VoucherStatus.INACTIVE, None)
    voucher = await proxied.vouchers.set_status(record.id, "active")
    assert voucher.status is VoucherStatus.ACTIVE
    assert [seen.json for seen in proxy.of("PATCH", "/status")] == [
        {"status": "active", "comment": "sold"},
        {"status": "inactive"},
        {"status": "active"},
    ]


async def test_delete_sends_its_comment_as_a_json_body(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="5.00", active=False)
    await proxied.vouchers.delete(record.id, comment="misprint")
    (seen,) = proxy.of("DELETE")
    assert seen.json == {"comment": "misprint"}
    assert seen.headers["Content-Type"] == "application/json"
    assert emulator.vouchers() == ()
    with pytest.raises(NotFound) as caught:
        await proxied.vouchers.get(record.id)
    assert caught.value.code == "VOUCHER.NOT_FOUND"


@pytest.mark.parametrize("by", ["id", "code"])
async def test_recharge_by_id_and_by_code(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, by: str
) -> None:
    record = emulator.add_voucher(amount="5.00")
    value = getattr(record, by)
    charge = await proxied.vouchers.recharge(amount="20", currency="EUR", order_number="R-1", **{by: value})
    assert proxy.of("POST")[0].json == {
        "amount": "20.00",
        "currency": "EUR",
        "order_number": "R-1",
        by: value,
    }
    assert (charge.type, charge.amount, charge.order_number) == ("recharge", Decimal("20.00"), "R-1")
    assert charge.voucher_id == record.id
    assert emulator.balance(record.id) == Decimal("25.00")


async def test_charges_are_listed_and_read_one_by_one(client: VoucherClient, charge: Charge) -> None:
    id, vouchers = charge.voucher_id, client.vouchers
    refund = await client.charges.refund(charge, "4", currency="EUR")
    recharge = await vouchers.recharge(amount="1", currency="EUR", order_number="R-1", id=id)
    listed = [item async for item in vouchers.list_charges(id)]
    assert sorted(item.id for item in listed) == sorted([charge.id, refund.id, recharge.id])
    assert {item.type for item in listed} == {"charge", "refund", "recharge"}
    read = await vouchers.get_charge(id, charge.id)
    assert (read.id, read.amount, read.order_number) == (charge.id, Decimal("10.00"), "A-1")
    assert [item.id async for item in vouchers.list_charges(id, order_number="R-1")] == [recharge.id]


async def test_unknown_ids_are_not_found_everywhere(client: VoucherClient, emulator: VoucherEmulator) -> None:
    record = emulator.add_voucher(amount="25.00")
    vouchers = client.vouchers
    calls = [
        vouchers.get("none"),
        vouchers.get_complete("none"),
        vouchers.update("none", sku="x"),
        vouchers.activate("none"),
        vouchers.delete("none", comment="x"),
        vouchers.recharge(amount="1", currency="EUR", order_number="R", id="none"),
        vouchers.list_charges("none").first_page(),
        vouchers.get_charge(record.id, "none"),
        client.reservations.create(code="none", amount="1", currency="EUR"),
        client.reservations.charge("none", order_number="A"),
        client.charges.refund("none", "1", currency="EUR"),
    ]
    for call in calls:
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.status == 404
    # one request per call, as a 404 is an answer; a recharge by id looks once before and twice afterwards;
    # the token request
    assert emulator.requests.count() == len(calls) + 4
