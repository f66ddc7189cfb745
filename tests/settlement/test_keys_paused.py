"""An owner that is paused after its record became durable, and before the first byte of its request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import attrs
import pytest
import pytest_asyncio

from tests.settlement.adversary import Lot
from tests.settlement.conftest import Shop, settings
from tests.settlement.test_field_clocks_apart import Sleeper
from tests.settlement.town import CHARGE, WINDOW, Client, JournalAt, Town, operations, said
from tests.virtual import virtually
from voucher_async import CallTimeout, Fate, Proof, StillRunning, VoucherClient, VoucherError
from voucher_async.clock import Clock
from voucher_async.models import Charge
from voucher_async.payments.beginning import ROUNDS
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.payments.memory import MemoryJournal
from voucher_async.sansio import Response
from voucher_async.transport.session import Session

unfenced = pytest.mark.parametrize("operation", ["refund", "recharge"])
LEASE = 15.0
MONEY = {"redeem": CHARGE, "charge": CHARGE, "refund": "refundCharge", "recharge": "rechargeVoucher"}


class Pause:
    """Holds each request of an operation back until it goes on."""

    def __init__(self, operation: str) -> None:
        self._operation = MONEY[operation]
        self.met = asyncio.Event()
        self.over = asyncio.Event()

    async def __call__(self, sent: str) -> None:
        if sent == self._operation:
            self.met.set()
            await self.over.wait()


def sent_states(record: CallRecord) -> int:
    return [step.state for step in record.transitions].count(CallState.SENT)


@operations
@virtually
async def test_an_owner_that_was_taken_over_before_its_first_byte_sends_nothing(
    operation: str, journal_at: JournalAt
) -> None:
    town = await Town.build(journal_at)
    first = town.client()
    first.wire.on_send = pause = Pause(operation)
    await _paid_once(town, first, operation, pause.over.set)


@operations
@virtually
async def test_a_pause_before_the_answer_of_the_journal_is_read_counts(operation: str) -> None:
    """Its record was durable all that time."""
    town, first = await Town.with_client()
    first.journal.pauses_after("save")
    await _paid_once(town, first, operation, first.journal.goes_on)


def note_begun(client: Client) -> list[str]:
    """The operations of what a client begins to write from now on."""
    begun: list[str] = []

    async def note(sent: str) -> None:
        begun.append(sent)

    client.wire.on_begin = note
    return begun


async def _paid_once(town: Town, first: Client, operation: str, wake: Callable[[], None]) -> None:
    second = town.client()
    one = first.begin(operation, timeout=200.0)
    await asyncio.sleep(1.0)
    (*_, record) = await first.records()
    assert record.state is CallState.SENT
    first.core.joining.ownership.heartbeat.stop()  # a paused process renews nothing
    await asyncio.sleep(LEASE)
    charge = await second.ask(operation, timeout=100.0)
    begun = note_begun(first)
    wake()
    told = await said(one)
    assert isinstance(told, StillRunning)
    assert "taken over" in str(told)
    assert (told.fate, told.proof) == (Fate.UNKNOWN, None)  # the other worker has paid meanwhile
    await asyncio.sleep(2 * WINDOW)
    assert MONEY[operation] not in begun
    assert town.made(operation) == [charge.id]
    assert (await first.ask(operation)).id == charge.id
    assert (await second.ask(operation)).id == charge.id


@operations
@pytest.mark.parametrize("key", ["K-1", None])
@virtually
async def test_an_owner_that_still_owns_its_record_pays_once(operation: str, key: str | None) -> None:
    """It was paused for less than a lease."""
    town, client = await Town.with_client()
    client.wire.on_send = pause = Pause(operation)
    one = client.begin(operation, key)
    await pause.met.wait()
    await asyncio.sleep(3.0)
    pause.over.set()
    charge = await one
    assert town.made(operation) == [charge.id]
    (*_, record) = await client.records()
    assert record.state is CallState.DONE
    assert sent_states(record) == 2
    assert client.told == []  # nothing was in doubt


@unfenced
@virtually
async def test_who_was_begun_in_time_writes_its_record_once(operation: str) -> None:
    client = (await Town.build()).client()
    client.wire.on_send = pause = Pause(operation)
    one = client.begin(operation)
    await pause.met.wait()
    await asyncio.sleep(2.0)
    pause.over.set()
    await one
    (*_, record) = await client.records()
    assert sent_states(record) == 1


@unfenced
@virtually
async def test_a_request_that_is_late_again_and_again_is_not_sent(operation: str) -> None:
    town, client = await Town.with_client()

    async def dawdle(sent: str) -> None:
        await asyncio.sleep(2.5 if sent == MONEY[operation] else 0.0)

    client.wire.on_send = dawdle
    told = await said(client.ask(operation, timeout=100.0))
    assert isinstance(told, CallTimeout)
    assert (told.fate, told.proof) == (Fate.NOT_SENT, Proof.NOT_SENT)
    (*_, record) = await client.records()
    assert (record.state, record.proof) == (CallState.NOT_DONE, Proof.NOT_SENT)
    assert sent_states(record) == ROUNDS
    client.wire.on_send = None
    charge = await client.ask(operation)  # the key is free
    assert town.made(operation) == [charge.id]


@unfenced
@virtually
async def test_nothing_is_begun_for_a_caller_that_left_during_the_pause(operation: str) -> None:
    town, client = await Town.with_client()
    client.wire.on_send = pause = Pause(operation)
    one = client.begin(operation, timeout=100.0)
    await pause.met.wait()
    one.cancel()
    await asyncio.sleep(3.0)
    pause.over.set()
    await asyncio.sleep(WINDOW)
    assert town.made(operation) == []
    (*_, record) = await client.records()
    assert (record.state, record.proof) == (CallState.NOT_DONE, Proof.NOT_SENT)
    charge = await client.ask(operation)
    assert town.made(operation) == [charge.id]


@virtually
async def test_a_repeat_whose_record_was_taken_over_before_its_first_byte_is_none() -> None:
    """The first request is in doubt; what became of it is looked for."""
    town = await Town.build()
    first, second = town.client(), town.client()
    town.script(Lot("lost"))
    pause = Pause("charge")

    async def hold_the_repeat(sent: str) -> None:
        if first.wire.sent.count(CHARGE) > 0:
            await pause(sent)

    first.wire.on_send = hold_the_repeat
    one = first.begin("redeem", timeout=200.0)
    await pause.met.wait()
    first.core.joining.ownership.heartbeat.stop()
    await asyncio.sleep(LEASE)
    charge = await second.redeem(timeout=100.0)
    begun = note_begun(first)
    pause.over.set()
    told = await said(one)
    assert CHARGE not in begun
    assert isinstance(told, Charge)
    assert told.id == charge.id  # found by a look: the charge of the record
    assert town.made("redeem") == [charge.id]


@attrs.define
class Paused:
    """A shop whose first client stands still before the body of a money request is begun."""

    shop: Shop
    first: VoucherClient
    second: VoucherClient
    gate: asyncio.Event
    met: asyncio.Event
    clock: Sleeper

    async def ask(
        self, client: VoucherClient, operation: str, of: Any, timeout: float | None = None
    ) -> Charge:
        if operation == "refund":
            return await client.charges.refund(
                of, "1.00", currency="EUR", idempotency_key="K-1", timeout=timeout
            )
        return await client.vouchers.recharge(
            id=of.voucher_id,
            amount="2.00",
            currency="EUR",
            order_number="A-2",
            idempotency_key="K-1",
            timeout=timeout,
        )

    def made(self, operation: str) -> list[str]:
        charges = self.shop.emulator.charges()
        return [each.id for each in charges if each.type == operation]


def standing_still(client: VoucherClient, gate: asyncio.Event, met: asyncio.Event) -> None:
    """Let a client pause between what it has recorded and the socket."""

    class Still(Session):
        async def send(self, exchange: Any, limit: Any) -> Response:
            if "X-Request-Id" in exchange.headers:  # the header of money requests
                met.set()
                await gate.wait()
            return await super().send(exchange, limit)

    client._transport.session.__class__ = Still


async def stand_still(shop: Shop, clock: Sleeper, how: str) -> None:
    """Let three seconds pass, which a machine that sleeps does not know by its monotonic clock."""
    if how == "asleep":
        clock.suspend(3.0)
    else:
        await shop.passes(3.0)


@contextlib.asynccontextmanager
async def two_clients(shop: Shop) -> AsyncGenerator[tuple[VoucherClient, VoucherClient, Sleeper]]:
    """Two clients that share a journal, and the clock of the first, which can sleep."""
    journal, clock = MemoryJournal(shop.clock), Sleeper(shop.clock)

    def client(clock: Clock) -> VoucherClient:
        return VoucherClient(settings=settings(shop.emulator), clock=clock, journal=journal)

    async with client(clock) as first, client(shop.clock) as second:
        yield first, second, clock
        for each in (first, second):
            await each.aclose(wait=0)


@pytest_asyncio.fixture
async def paused(shop: Shop) -> AsyncIterator[Paused]:
    async with two_clients(shop) as (first, second, clock):
        yield Paused(shop, first, second, asyncio.Event(), asyncio.Event(), clock)


async def charged(paused: Paused) -> Charge:
    """A charge to refund, of a voucher to recharge; then the first client's requests stand still."""
    shop, first = paused.shop, paused.first
    voucher = shop.voucher()
    charge = await shop.during(
        first.redeem(code=voucher.code, amount="4.00", currency="EUR", order_number="A-1")
    )
    standing_still(first, paused.gate, paused.met)
    return charge


@unfenced
async def test_over_the_wire_who_was_taken_over_writes_no_body(paused: Paused, operation: str) -> None:
    shop, of = paused.shop, await charged(paused)
    one = asyncio.create_task(paused.ask(paused.first, operation, of, timeout=300.0))
    await shop.until(paused.met.is_set)
    paused.first._joining.ownership.heartbeat.stop()
    await shop.passes(LEASE + 1.0)
    charge = await shop.during(paused.ask(paused.second, operation, of, timeout=100.0))
    paused.gate.set()
    told = await shop.during(said(one))
    await shop.passes(2 * WINDOW)
    assert paused.made(operation) == [charge.id]
    assert shop.count(MONEY[operation]) == 1
    assert isinstance(told, StillRunning)
    assert told.proof is None
    assert (await shop.during(paused.ask(paused.first, operation, of))).id == charge.id


@unfenced
@pytest.mark.parametrize("how", ["stopped", "asleep"])
async def test_over_the_wire_an_owner_that_still_is_one_pays_once(
    paused: Paused, operation: str, how: str
) -> None:
    """The machine that slept does not know by its monotonic clock that it did."""
    shop, of = paused.shop, await charged(paused)
    one = asyncio.create_task(paused.ask(paused.first, operation, of))
    await shop.until(paused.met.is_set)
    await stand_still(shop, paused.clock, how)
    paused.gate.set()
    charge = await shop.during(said(one))
    assert isinstance(charge, Charge)
    assert paused.made(operation) == [charge.id]
    assert shop.count(MONEY[operation]) == 1
    (record,) = [each async for each in paused.first.history(key="K-1")]
    assert sent_states(record) == 2


@unfenced
async def test_over_the_wire_no_record_is_written_anew_past_the_deadline(
    paused: Paused, operation: str
) -> None:
    shop, of = paused.shop, await charged(paused)
    one = asyncio.create_task(paused.ask(paused.first, operation, of, timeout=20.0))
    await shop.until(paused.met.is_set)
    await shop.passes(21.0)
    paused.gate.set()
    told = await shop.during(said(one))
    assert isinstance(told, VoucherError)
    assert told.fate is Fate.NOT_SENT
    await shop.passes(1.0)
    assert paused.made(operation) == []
    (record,) = [each async for each in paused.first.history(key="K-1")]
    assert (record.state, record.proof) == (CallState.NOT_DONE, Proof.NOT_SENT)
    assert sent_states(record) == 1
