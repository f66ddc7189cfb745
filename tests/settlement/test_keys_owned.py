"""A record belongs to one call at a time: what this client forgets, hands over and denies of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.test_keys_cut_off import Loops, hold
from tests.settlement.town import CREATE, OPERATIONS, Client, Town, said
from tests.virtual import virtually
from voucher_async.errors import ApiError, Proof
from voucher_async.payments.call import CallRecord
from voucher_async.payments.ownership import Ownership

BEAT = 6.0  # seconds after which the lease is renewed for certain
operations = pytest.mark.parametrize("operation", OPERATIONS)


@pytest.fixture
def loops() -> Iterator[Loops]:
    loops = Loops()
    yield loops
    loops.throw_away()


def owning(client: Client) -> Ownership:
    return client.core.joining.ownership


async def record_of(client: Client) -> CallRecord:
    (record,) = [each for each in await client.records() if each.key == "K-1"]
    return record


@virtually
async def test_a_refusal_of_what_was_never_recorded_is_told_by_a_client_declared_dead_meanwhile() -> None:
    town = await Town.build()
    client = town.client()
    await client.redeem("K-0", order_number="A-7")
    goes_on = hold(client, CREATE)
    task = client.begin("redeem", None, timeout=28.0)
    await asyncio.sleep(17.0)  # nothing is stored of it, so nothing keeps the lease
    assert await town.journal.bury(owning(client).owner)
    client.wire.on_send = None
    await client.recharge("K-5")  # by another owner from now on
    town.script(rest=(Lot("refused 409"),))
    goes_on.set()
    told = await said(task)
    assert isinstance(told, ApiError), told
    assert (told.status, told.proof) == (409, Proof.NOT_SENT)
    assert [each.key for each in await client.records()] == ["K-0", "K-5"]
