"""Creating a voucher with a key: its body is begun while its record is young, and its doubts are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
import pytest_asyncio

from tests.recorder import Recorder
from tests.settlement.conftest import Shop
from tests.settlement.test_field_clocks_apart import Sleeper
from tests.settlement.test_keys_paused import sent_states, stand_still, standing_still, two_clients
from tests.settlement.town import said
from voucher_async import (
    ApiError,
    CallTimeout,
    CompleteVoucher,
    Fate,
    OutcomeUnknown,
    Proof,
    SettlementState,
    StillRunning,
    VoucherClient,
)
from voucher_async.payments.beginning import ROUNDS
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.sansio import Response
from voucher_async.testing import faults
from voucher_async.transport.session import Session

CREATE = "createVoucher"
LEASE = 15.0


async def create(client: VoucherClient, **changes: Any) -> CompleteVoucher:
    given = {"amount": "10.00", "currency": "EUR", "idempotency_key": "K-1"}
    return await client.vouchers.create(**{**given, **changes})


async def record_of(client: VoucherClient) -> CallRecord:
    (*_, record) = [each async for each in client.history(key="K-1")]
    return record


@attrs.define
class Standing:
    """A shop whose first client stands still before the body of a money request is begun."""

    shop: Shop
    first: VoucherClient
    second: VoucherClient
    clock: Sleeper
    gate: asyncio.Event = attrs.Factory(asyncio.Event)
    met: asyncio.Event = attrs.Factory(asyncio.Event)

    def begin(self, **changes: Any) -> asyncio.Task[CompleteVoucher]:
        standing_still(self.first, self.gate, self.met)
        return asyncio.create_task(create(self.first, **changes))


@pytest_asyncio.fixture
async def standing(shop: Shop) -> AsyncIterator[Standing]:
    async with two_clients(shop) as (first, second, clock):
        yield Standing(shop, first, second, clock)


async def test_who_was_taken_over_writes_no_body(standing: Standing) -> None:
    """It would make a voucher anew that was deleted meanwhile, or that was said not to be there."""
    shop = standing.shop
    one = standing.begin(timeout=300.0)
    await shop.until(standing.met.is_set)
    standing.first._joining.ownership.heartbeat.stop()
    await shop.passes(LEASE + 1.0)
    voucher = await shop.during(create(standing.second, timeout=100.0))
    standing.gate.set()
    told = await shop.during(said(one))
    assert isinstance(told, StillRunning)
    assert told.proof is None
    assert shop.count(CREATE) == 1
    assert (await shop.during(create(standing.first))).id == voucher.id


@pytest.mark.parametrize("how", ["stopped", "asleep"])
async def test_who_still_owns_its_record_writes_it_anew(standing: Standing, how: str) -> None:
    shop = standing.shop
    one = standing.begin()
    await shop.until(standing.met.is_set)
    await stand_still(shop, standing.clock, how)
    standing.gate.set()
    voucher = await shop.during(said(one))
    assert isinstance(voucher, CompleteVoucher)
    assert [each.id for each in shop.emulator.vouchers()] == [voucher.id]
    assert shop.count(CREATE) == 1
    assert sent_states(await record_of(standing.first)) == 2


async def test_a_body_that_is_late_again_and_again_is_not_written(standing: Standing) -> None:
    shop = standing.shop

    class Late(Session):
        async def send(self, exchange: Any, limit: Any) -> Response:
            if "X-Request-Id" in exchange.headers:  # the header of money requests
                await shop.clock.sleep(3.0)
            return await super().send(exchange, limit)

    standing.first._transport.session.__class__ = Late
    told = await shop.during(said(create(standing.first, timeout=300.0)))
    assert isinstance(told, CallTimeout)
    assert (told.fate, told.proof) == (Fate.NOT_SENT, Proof.NOT_SENT)
    assert shop.count(CREATE) == 0
    record = await record_of(standing.first)
    assert record.state is CallState.NOT_DONE
    assert sent_states(record) == ROUNDS


def repeating_late(shop: Shop) -> None:
    """Let more than two seconds pass before each request that follows the first."""
    session, sent = shop.client._transport.session, 0

    class Late(Session):
        async def send(self, exchange: Any, limit: Any) -> Response:
            nonlocal sent
            if "X-Request-Id" in exchange.headers:
                sent += 1
                if sent == 2:
                    shop.clock.advance(3.0)
            return await super().send(exchange, limit)

    session.__class__ = Late


async def test_a_repeat_that_is_late_is_sent_with_its_record_written_anew(shop: Shop) -> None:
    repeating_late(shop)
    shop.script(CREATE, faults.ServerError(acted=True))
    voucher = await shop.during(create(shop.client))
    assert [each.id for each in shop.emulator.vouchers()] == [voucher.id]
    assert shop.count(CREATE) == 2
    record = await record_of(shop.client)
    assert record.state is CallState.DONE
    assert sent_states(record) == 2


async def test_a_late_repeat_that_is_refused_does_not_deny_the_first_request(shop: Shop) -> None:
    """That one was not answered, and may be carried out yet."""
    await create(shop.client, id="G-1", idempotency_key=None, code="C-1")
    repeating_late(shop)
    shop.script(CREATE, faults.ServerError())
    error = await shop.during(said(create(shop.client, code="C-1")))
    assert isinstance(error, ApiError)
    assert (error.proof, error.fate) == (None, Fate.UNKNOWN)
    assert shop.count(CREATE) == 3
    assert (await record_of(shop.client)).state is CallState.OPEN


@pytest.fixture
def told(shop: Shop) -> Recorder:
    return shop.told


async def left_open(shop: Shop, fault: faults.Fault) -> OutcomeUnknown:
    shop.script(CREATE, *[fault] * 4)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(create(shop.client))
    return caught.value


@pytest.mark.parametrize("acted", [True, False])
async def test_a_creation_in_doubt_is_told_looked_after_and_its_end_told(
    shop: Shop, told: Recorder, *, acted: bool
) -> None:
    opened = await left_open(shop, faults.BreakAfter() if acted else faults.BreakBefore())
    assert [(each.operation, each.pending and each.pending.id) for each in told.doubts] == [
        (CREATE, opened.pending.id)
    ]
    await shop.until(lambda: told.settled)
    assert told.words == ["done" if acted else "not done"]
    assert shop.client.pending == ()
    state = CallState.DONE if acted else CallState.NOT_DONE
    assert (await record_of(shop.client)).state is state
    settlement = await shop.during(shop.client.settle(opened.pending))
    assert (settlement.state is SettlementState.DONE) == acted
    await shop.during(create(shop.client))
    assert len(shop.emulator.vouchers()) == 1


async def test_a_creation_that_is_left_open_is_pending_and_told_so(shop: Shop, told: Recorder) -> None:
    shop.script("getCompleteVoucher", *[faults.ServerError()] * 100)
    shop.script("getVoucher", *[faults.ServerError()] * 100)
    opened = await left_open(shop, faults.BreakAfter())
    assert [each.id for each in shop.client.pending] == [opened.pending.id]
    await shop.until(lambda: told.settled)
    assert told.words == ["left open"]
    assert (await record_of(shop.client)).state is CallState.OPEN


async def test_a_creation_whose_caller_left_is_told_to_the_hooks(shop: Shop, told: Recorder) -> None:
    shop.script(CREATE, faults.SlowHeaders(3.0))
    one = asyncio.create_task(create(shop.client))
    await shop.until(lambda: shop.count(CREATE))
    one.cancel()
    await shop.until(lambda: told.settled)
    assert told.words == ["done"]
    assert told.settled[0].operation == CREATE
    assert shop.client.pending == ()


async def test_a_creation_that_is_cut_off_is_left_open(shop: Shop, told: Recorder) -> None:
    shop.script(CREATE, faults.SlowHeaders(60.0))
    one = asyncio.create_task(create(shop.client))
    await shop.until(lambda: shop.count(CREATE))
    (pending,) = await shop.client.aclose(wait=0)
    error = await said(one)
    assert isinstance(error, OutcomeUnknown)
    assert pending.operation == CREATE
    assert pending.id == error.pending.id
    assert [each.pending and each.pending.id for each in told.doubts] == [pending.id]


async def test_a_creation_that_is_plainly_refused_tells_nothing(shop: Shop, told: Recorder) -> None:
    await create(shop.client, id="G-1", idempotency_key=None, code="C-1")
    error = await shop.during(said(create(shop.client, id="G-2", code="C-1")))
    assert isinstance(error, ApiError)
    assert error.proof is Proof.REFUSED
    assert (told.settled, told.doubts) == ([], [])
    assert (await record_of(shop.client)).state is CallState.NOT_DONE
