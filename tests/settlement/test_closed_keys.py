"""Clients that are closed while another worker may have paid with the key of their call."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.locks import Stuck
from tests.settlement.test_keys_taken_over import DEATHS, heir
from tests.settlement.town import Client, Town
from tests.virtual import virtually
from voucher_async.errors import ConfigurationError, VoucherError
from voucher_async.integrations.problems import problem_of

LEASE = 15.0


async def closed(client: Client) -> None:
    supervisor = client.core.joining._supervisor
    supervisor.close()
    await supervisor.end()


def proves_nothing(told: object) -> bool:
    assert isinstance(told, VoucherError), told
    return told.proof is None and problem_of(told).charged is not False


@virtually
async def test_of_what_a_dead_owner_has_sent_a_closed_client_says_nothing() -> None:
    town = await Town.build()
    client = await heir(town, "redeem", DEATHS["its charge was made"])
    object.__setattr__(client.core.lifecycle, "lock", Stuck())
    paying = client.begin("redeem", timeout=30.0)
    await asyncio.sleep(1.0)
    await closed(client)
    (told,) = await asyncio.gather(paying, return_exceptions=True)
    assert town.made("redeem")
    assert proves_nothing(told)


@virtually
async def test_of_a_record_that_another_worker_has_a_closed_client_says_nothing() -> None:
    town = await Town.build()
    first, second = town.client(), town.client()
    object.__setattr__(first.core.lifecycle, "lock", Stuck())
    paying = first.begin("redeem", timeout=50.0)
    await asyncio.sleep(0.5)
    await first.core.joining.ownership.heartbeat.end()  # as in a process that stands still
    await asyncio.sleep(LEASE + 5.0)
    charge = await second.redeem(timeout=28.0)
    assert town.made("redeem") == [charge.id]
    await closed(first)
    (told,) = await asyncio.gather(paying, return_exceptions=True)
    assert proves_nothing(told)


@virtually
async def test_of_a_checkout_that_another_worker_has_a_closed_client_says_nothing() -> None:
    town = await Town.build()
    first, second = town.client(), town.client()

    async def pay(client: Client) -> None:
        lifecycle, code = client.core.lifecycle, town.vouchers[0].code
        async with lifecycle.checkout(order_number="A-1", currency="EUR", idempotency_key="K-1") as checkout:
            await checkout.reserve(code=code, amount="4.00")
            if client is first:
                await closed(first)
                await asyncio.sleep(LEASE + 5.0)
                await pay(second)
            await checkout.charge()

    with pytest.raises(ConfigurationError) as caught:
        await pay(first)
    assert len(town.made("redeem")) == 1
    assert proves_nothing(caught.value)
