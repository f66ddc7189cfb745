"""A record belongs to one call at a time: what this client forgets, hands over and denies of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import attrs
import pytest

from tests.settlement.adversary import Lot
from tests.settlement.test_keys_cut_off import Loops, cut_off, hold
from tests.settlement.town import CHARGE, CREATE, Client, Town, operations, said
from tests.virtual import virtually
from voucher_async.api_errors import ApiError
from voucher_async.errors import JournalFailed, Proof
from voucher_async.models import Charge
from voucher_async.outcomes import OutcomeUnknown, SettlementState
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.payments.ownership import Ownership
from voucher_async.payments.recording import Recorder
from voucher_async.payments.resolving import Verdict, resolve

BEAT = 6.0  # seconds after which the lease has been renewed


@pytest.fixture
def loops() -> Iterator[Loops]:
    loops = Loops()
    yield loops
    loops.throw_away()


def owning(client: Client) -> Ownership:
    return client.core.joining.ownership


@virtually
async def test_a_refusal_of_what_was_never_recorded_is_told_by_a_client_declared_dead_meanwhile() -> None:
    town, client = await Town.with_client()
    await client.redeem("K-0", order_number="A-7")
    goes_on = hold(client, CREATE)
    task = client.begin("redeem", None, timeout=28.0)
    await asyncio.sleep(17.0)  # without a stored record the lease is not renewed
    assert await town.journal.bury(owning(client).owner)
    client.wire.on_send = None
    await client.recharge("K-5")  # from now on under another owner
    town.script(rest=(Lot("refused 409"),))
    goes_on.set()
    told = await said(task)
    assert isinstance(told, ApiError), told
    assert (told.status, told.proof) == (409, Proof.NOT_SENT)
    assert [each.key for each in await client.records()] == ["K-0", "K-5"]


@virtually
async def test_what_may_be_recorded_is_not_denied_by_a_client_declared_dead_meanwhile() -> None:
    client = (await Town.build()).client()
    await client.redeem()
    new = owning(client).new_record((await client.record()).parameters, None)
    recorder = Recorder(owning(client), new, is_stored=False)
    client.journal.fails = lambda _number, name: "after" if name == "claim" else None
    assert isinstance(await said(recorder.sent(new.view)), JournalFailed)
    owning(client).owner = "another"
    assert not await recorder.may_deny()


def used_up(client: Client, record: CallRecord) -> CallRecord:
    """A new record with an id that is there, as the finishing of a checkout claims it."""
    new = attrs.evolve(owning(client).new_record(record.parameters, None), id=record.id, version=0)
    ended = new.step(CallState.NOT_DONE, at=new.begun_at, by=new.owner, why="its checkout was finished")
    return attrs.evolve(ended, version=1)


async def check_handed_over(client: Client, key: str = "K-5") -> None:
    """Have another call renew the lease; with that the record belongs to others."""
    await asyncio.sleep(BEAT)
    await client.recharge(key)
    assert (await client.record()).owner != owning(client).owner


@operations
def test_a_claim_that_is_not_won_leaves_a_record_of_a_closed_loop_to_others(
    loops: Loops, operation: str
) -> None:
    client = cut_off(loops, operation, "hung")

    async def claim() -> None:
        record = await client.record()
        assert not (await owning(client).claim(used_up(client, record))).won
        assert not await owning(client).is_alive(record)
        await check_handed_over(client)

    loops.run(claim)


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_claim_that_fails_leaves_a_record_of_a_closed_loop_to_others(loops: Loops, how: str) -> None:
    client = cut_off(loops, "refund", "hung")

    async def claim() -> None:
        record = await client.record()
        client.journal.fails = lambda _number, name: how if name == "claim" else None
        told = await said(owning(client).claim(used_up(client, record)))
        assert told is not None
        client.journal.fails = lambda _number, _name: None
        assert not await owning(client).is_alive(record)
        await check_handed_over(client)

    loops.run(claim)


@contextlib.asynccontextmanager
async def refund_under_way() -> AsyncIterator[tuple[Client, CallRecord]]:
    """A call while its request is on its way; its record keeps its heartbeat, and it is carried out."""
    town, client = await Town.with_client()
    goes_on = hold(client, "refundCharge")
    task = client.begin("refund", timeout=60.0)
    await asyncio.sleep(0.5)
    yield client, await client.record()
    await asyncio.sleep(20.0)
    assert await town.journal.is_alive(owning(client).owner)
    goes_on.set()
    assert (await task).id in town.made("refund")


@virtually
async def test_a_claim_that_is_not_won_takes_no_call_under_way_off_the_heartbeat() -> None:
    async with refund_under_way() as (client, record):
        assert not (await owning(client).claim(used_up(client, record))).won


@virtually
async def test_a_claim_that_is_not_won_changes_nothing_of_a_call_that_is_written_meanwhile() -> None:
    async with refund_under_way() as (client, record):
        client.journal.pauses_at("claim")
        claiming = asyncio.create_task(owning(client).claim(used_up(client, record)))
        await asyncio.sleep(0.5)
        assert not await owning(client).save(record)  # the version of the call that has lost the record
    client.journal.goes_on()
    assert not (await claiming).won
    assert record.id not in owning(client)._driven


def test_what_another_call_took_over_while_it_was_read_is_not_handed_over(loops: Loops) -> None:
    client = cut_off(loops, "redeem", "hung")

    async def both() -> Charge:
        return await take_over(client, await standing_beat(client, client.journal.pauses_at, "get"))

    assert [loops.run(both).id] == client.town.made("redeem")


async def standing_beat(client: Client, pauses: Callable[[str], None], name: str) -> asyncio.Task[Charge]:
    """A call that renews the lease, and stands still at a method of the journal."""
    await asyncio.sleep(BEAT)
    pauses(name)
    beat = asyncio.create_task(client.recharge("K-5"))
    await asyncio.sleep(0.1)
    return beat


async def take_over(client: Client, beat: asyncio.Task[Charge]) -> Charge:
    """The charge of a call that takes a record over while a beat is about to hand it over."""
    goes_on = hold(client, CHARGE)
    task = client.begin("redeem", timeout=60.0)
    await asyncio.sleep(0.1)
    client.journal.pauses_at("")
    client.journal.goes_on()
    await beat
    assert (await client.record()).owner == owning(client).owner
    goes_on.set()
    return await task


def test_what_another_call_is_just_taking_over_is_not_handed_over(loops: Loops) -> None:
    """The journal has taken it over, and its answer is on the way."""
    client = cut_off(loops, "redeem", "hung")

    async def both() -> Charge:
        client.journal.pauses_after("save")
        task = client.begin("redeem", timeout=60.0)
        await asyncio.sleep(BEAT)
        client.journal.pauses_after("")
        await client.recharge("K-5")
        client.journal.goes_on()
        return await task

    assert [loops.run(both).id] == client.town.made("redeem")


def test_what_was_handed_over_and_taken_over_at_once_keeps_its_heartbeat(loops: Loops) -> None:
    client = cut_off(loops, "redeem", "hung")

    async def both() -> Charge:
        beat = await standing_beat(client, client.journal.pauses_after, "save")
        client.journal.pauses_after("")
        goes_on = hold(client, CHARGE)
        task = client.begin("redeem", timeout=60.0)
        await asyncio.sleep(0.1)
        client.journal.goes_on()
        await beat
        await asyncio.sleep(20.0)
        assert await client.town.journal.is_alive(owning(client).owner)
        goes_on.set()
        return await task

    assert [loops.run(both).id] == client.town.made("redeem")


def test_what_was_changed_while_it_was_handed_over_is_handed_over_with_the_next_beat(loops: Loops) -> None:
    client = cut_off(loops, "refund", "hung")

    async def write_late() -> None:
        beat = await standing_beat(client, client.journal.pauses_after, "get")
        client.journal.pauses_after("")
        record = await client.record()
        late = record.step(record.state, at=record.changed_at, by=record.owner, why="late")
        assert await client.town.journal.save(late)
        client.journal.goes_on()
        await beat
        assert (await client.record()).owner == owning(client).owner
        assert not await owning(client).is_alive(late)
        await check_handed_over(client, "K-6")

    loops.run(write_late)


@virtually
async def test_the_end_of_an_earlier_charge_clears_no_charge_in_doubt_since() -> None:
    town, client = await Town.with_client()
    earlier = await in_doubt(client, "K-1")
    record = await client.record()
    ended = record.step(CallState.NOT_DONE, at=record.changed_at, by="ann", proof=Proof.NOT_SENT)
    assert await town.journal.save(ended)
    client.journal.pauses_after("get")
    slow = client.begin("charge", "K-2")
    await asyncio.sleep(0.1)
    client.journal.pauses_after("")
    later = await in_doubt(client, "K-3")
    assert later.pending.id != earlier.pending.id
    before = len(client.wire.sent)
    client.journal.goes_on()
    told = await said(slow)
    assert isinstance(told, OutcomeUnknown), told
    assert told.pending.id == later.pending.id
    assert CHARGE not in client.wire.sent[before:]


async def in_doubt(client: Client, key: str) -> OutcomeUnknown:
    client.town.script(Lot("hung"))
    told = await said(client.charge(key, timeout=1.0))
    assert isinstance(told, OutcomeUnknown), told
    return told


@operations
def test_a_call_whose_loop_is_gone_is_resolved_by_an_operator_at_once(loops: Loops, operation: str) -> None:
    client = cut_off(loops, operation, "hung")
    (pending,) = client.core.supervisor.pending
    verdict = Verdict(charge=None, by="ann", why="not in the Admin UI")
    deadline = client.wire.deadline

    settlement = loops.run(
        lambda: resolve(client.core.supervisor, owning(client), pending, verdict, deadline(5.0))
    )
    assert (settlement.state, settlement.proof) == (SettlementState.NOT_DONE, Proof.RESOLVED)
    assert client.core.supervisor.pending == ()
    assert loops.run(client.record).state is CallState.NOT_DONE


@pytest.mark.parametrize("by", ["settle", "resolve", "redeem"])
def test_the_tasks_of_a_loop_that_is_gone_are_not_kept(loops: Loops, by: str) -> None:
    client = cut_off(loops, "refund", "hung")
    supervisor, deadline = client.core.supervisor, client.wire.deadline
    (pending,) = supervisor.pending
    assert len(supervisor._calls) == 1
    verdict = Verdict(charge=None, by="ann", why="not in the Admin UI")

    async def ask() -> None:
        if by == "settle":
            await said(supervisor.settle(pending, deadline(1.0)))
        elif by == "resolve":
            await resolve(supervisor, owning(client), pending, verdict, deadline(5.0))
        else:
            await client.redeem(None)

    loops.run(ask)
    assert not supervisor._calls
