"""Scopes, revoked tokens, connecting and disconnecting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from voucher_async import (
    AuthenticationError,
    ConfigurationError,
    ConnectedClient,
    ManualClock,
    MissingScope,
    NotFound,
    ValidationFailed,
    VoucherClient,
    connect,
)
from voucher_async.testing import ALL_SCOPES, VoucherEmulator

Call = Callable[[VoucherClient], Awaitable[object]]

CALLS: dict[str, tuple[str | None, Call]] = {
    "createVoucher": ("manage", lambda c: c.vouchers.create(amount="1", currency="EUR")),
    "listVouchers": ("read-lists", lambda c: c.vouchers.list().first_page()),
    "getVoucher": ("read", lambda c: c.vouchers.get("v-1")),
    "updateVoucher": ("update", lambda c: c.vouchers.update("v-1", sku="s")),
    "deleteVoucher": ("manage", lambda c: c.vouchers.delete("v-1", comment="c")),
    "getCompleteVoucher": ("read-secrets", lambda c: c.vouchers.get_complete("v-1")),
    "setVoucherStatus": ("use", lambda c: c.vouchers.activate("v-1")),
    "listCharges": ("read-lists", lambda c: c.vouchers.list_charges("v-1").first_page()),
    "getCharge": ("read", lambda c: c.vouchers.get_charge("v-1", "c-1")),
    "rechargeVoucher": (
        "recharge",
        lambda c: c.vouchers.recharge(amount="1", currency="EUR", order_number="R", code="c"),
    ),
    "createReservation": (
        "use",
        lambda c: c.reservations.create(code="code-1", amount="1", currency="EUR"),
    ),
    "chargeReservation": ("use", lambda c: c.reservations.charge("r-1", order_number="A")),
    "refundCharge": ("use", lambda c: c.charges.refund("c-1", "1", currency="EUR")),
    "disconnectClient": (None, lambda c: c.clients.disconnect()),
}
SCOPED = [name for name, (scope, _) in CALLS.items() if scope]


def test_every_operation_with_a_token_is_in_the_table() -> None:
    public = {"connectClient", "requestToken"}
    assert set(CALLS) == {route.operation_id for route in VoucherEmulator.routes} - public


@pytest.mark.parametrize("name", SCOPED)
async def test_a_missing_scope_is_named_and_asked_for_once(
    emulator: VoucherEmulator, clock: ManualClock, name: str
) -> None:
    scope, call = CALLS[name]
    record = emulator.add_client(scopes=[other for other in ALL_SCOPES if other != scope])
    async with VoucherClient(**emulator.settings(record), clock=clock) as client:
        with pytest.raises(MissingScope) as caught:
            await call(client)
    assert caught.value.scope == scope
    assert repr(scope) in str(caught.value)
    assert name in str(caught.value)
    assert caught.value.status == 403
    assert emulator.requests.count(name) == 1
    assert emulator.requests.count("requestToken") == 1


@pytest.mark.parametrize("name", CALLS)
async def test_a_revoked_token_costs_one_repeat_and_one_token_request(
    emulator: VoucherEmulator, client: VoucherClient, name: str
) -> None:
    await client.vouchers.list().first_page()
    emulator.revoke_tokens()
    emulator.requests.clear()
    with contextlib.suppress(NotFound):
        await CALLS[name][1](client)
    statuses = [entry.status for entry in emulator.requests.of(name)]
    assert len(statuses) == 2
    assert statuses[0] == 401 != statuses[1]
    assert emulator.requests.count("requestToken") == 1


async def test_fifty_callers_with_a_revoked_token_make_one_token_request_a_revocation(
    emulator: VoucherEmulator, client: VoucherClient
) -> None:
    record = emulator.add_voucher(amount="1.00")
    await client.vouchers.get(record.id)
    for _ in range(3):
        emulator.revoke_tokens()
        emulator.requests.clear()
        found = await asyncio.gather(*(client.vouchers.get(record.id) for _ in range(50)))
        assert {voucher.id for voucher in found} == {record.id}
        assert emulator.requests.count("requestToken") == 1
        assert emulator.requests.count("getVoucher") <= 100


async def test_a_token_that_is_refused_twice_is_an_authentication_error(
    emulator: VoucherEmulator, clock: ManualClock
) -> None:
    record = emulator.add_client()
    async with VoucherClient(**emulator.settings(record), clock=clock) as client:
        await client.clients.disconnect()
        emulator.requests.clear()
        with pytest.raises(AuthenticationError) as caught:
            await client.vouchers.list().first_page()
    assert emulator.requests.count("listVouchers") == 1
    assert emulator.requests.count("requestToken") == 1
    assert caught.value.code == "invalid_client"


async def test_disconnect_ends_the_credentials(emulator: VoucherEmulator, clock: ManualClock) -> None:
    record = emulator.add_client()
    async with VoucherClient(**emulator.settings(record), clock=clock) as client:
        await client.clients.disconnect()
    assert [entry.status for entry in emulator.requests.of("disconnectClient")] == [204]
    async with VoucherClient(**emulator.settings(record), clock=clock) as client:
        with pytest.raises(AuthenticationError):
            await client.vouchers.get("x")


async def test_connect_turns_a_pin_into_credentials_that_work(emulator: VoucherEmulator) -> None:
    pin = emulator.new_connect_pin(scopes=["read", "manage"], name="Till 4", type="pos")
    credentials = await connect(pin, base_url=emulator.base_url)
    assert isinstance(credentials, ConnectedClient)
    assert (credentials.name, credentials.type) == ("Till 4", "pos")
    assert set(credentials.scopes) == {"read", "manage"}
    assert credentials.connected_at is not None
    assert credentials.client_group_id
    assert [entry.operation_id for entry in emulator.requests] == ["connectClient"]
    async with VoucherClient(credentials.id, credentials.secret, base_url=emulator.base_url) as client:
        voucher = await client.vouchers.create(amount="1", currency="EUR")
        assert voucher.client_id == credentials.id


async def test_connect_by_a_client_sends_no_token(
    emulator: VoucherEmulator, client: VoucherClient, clock: ManualClock
) -> None:
    credentials = await client.clients.connect(emulator.new_connect_pin())
    assert credentials.secret
    assert [entry.operation_id for entry in emulator.requests] == ["connectClient"]


async def test_a_pin_works_once_and_names_its_field(emulator: VoucherEmulator) -> None:
    pin = emulator.new_connect_pin()
    await connect(pin, base_url=emulator.base_url)
    with pytest.raises(ValidationFailed) as caught:
        await connect(pin, base_url=emulator.base_url)
    assert [field.property for field in caught.value.field_errors] == ["pin"]
    assert emulator.requests.count("connectClient") == 2


async def test_connect_needs_to_know_where() -> None:
    with pytest.raises(ConfigurationError):
        await connect("1234")
