"""Recovering what a dead worker left: each state of each money call, and who is told."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.test_keys_taken_over import LEASE
from tests.settlement.town import LIST, WINDOW, Client, JournalAt, Town, said
from tests.virtual import virtually
from voucher_async.errors import JournalFailed, Proof
from voucher_async.models import Charge, CompleteVoucher
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.call import CallState
from voucher_async.payments.recovery import Recovered

OPERATIONS = ["redeem", "refund", "recharge", "charge", "create"]
everything = pytest.mark.parametrize("operation", OPERATIONS)
LOST, MADE = Lot("hung"), Lot("hung answer")
SECONDS = 300.0


async def ask(client: Client, operation: str, **changes: Any) -> Charge | CompleteVoucher:
    if operation == "create":
        given = {"amount": "7.00", "currency": "EUR", "idempotency_key": "K-1", **changes}
        return await client.core.vouchers.create(**given)
    return await client.ask(operation, **changes)


async def die(client: Client, *calls: asyncio.Task[Any]) -> None:
    """Let a client die, which may be about to write."""
    client.journal.dead = True
    client.journal.goes_on()
    await client.die()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def left(town: Town, operation: str, state: CallState, lot: Lot = LOST) -> Client:
    """A client that has died, its lease over, and has left its record in a state."""
    first = town.client()
    town.script(*() if operation == "create" else (lot,), rest=(lot,) if operation == "create" else ())
    if state is CallState.BEGUN:
        first.journal.pauses_at("save")
    timeout = 3.0 if state is CallState.OPEN else SECONDS
    call = asyncio.create_task(said(ask(first, operation, timeout=timeout)))
    await asyncio.sleep(1.0)
    town.script(rest=(Lot("failed"),) * 99)  # its looks show nothing
    await asyncio.sleep(3.0)
    (*_, record) = await first.records()
    assert record.state is state
    await die(first, call)
    town.script()
    await asyncio.sleep(LEASE)
    return first


def made(town: Town, operation: str) -> int:
    """How often something was carried out."""
    if operation == "create":
        return len(town.adversary.emulator.vouchers()) - len(town.vouchers)
    return len(town.made(operation))


@everything
@pytest.mark.parametrize("state", [CallState.SENT, CallState.OPEN])
@pytest.mark.parametrize("lot", [LOST, MADE], ids=["lost", "made"])
@virtually
async def test_a_call_that_was_sent_is_looked_for_and_ended(
    operation: str, state: CallState, lot: Lot, journal_at: JournalAt, caplog: pytest.LogCaptureFixture
) -> None:
    town = await Town.build(journal_at)
    await left(town, operation, state, lot)
    caplog.set_level(logging.INFO, logger="voucher_async")
    caplog.clear()
    second = town.client()
    began = town.clock.monotonic()
    recovered = await second.recover()
    took = town.clock.monotonic() - began
    (record,) = (*recovered.done, *recovered.not_done)
    assert recovered.open == ()
    assert [record] == [each for each in await second.records() if each.id == record.id]
    count = int(lot is MADE)
    assert made(town, operation) == count
    if count:
        assert record.state is CallState.DONE
        assert operation == "create" or record.charge is not None
        assert took < WINDOW
    else:
        assert (record.state, record.charge) == (CallState.NOT_DONE, None)
        assert record.proof is (Proof.NO_VOUCHER if operation == "create" else Proof.ABSENT)
        assert took >= WINDOW + 2.0  # a paused owner may have recorded a request just before
    (event,) = second.told
    assert event.what == ("recovered" if count else "not done")
    assert (event.order_number, event.proof) == (record.order_number, record.proof)
    (line,) = [each.getMessage() for each in caplog.records]
    assert "was recovered, and was" in line
    assert record.id in line
    assert not {each.code for each in town.vouchers} & {*line.split()}
    last = record.transitions[-1]
    assert (last.by, last.proof) == (second.core.joining.ownership.owner, record.proof)
    if state is CallState.SENT:
        assert (record.transitions[-2].state, record.transitions[-2].why) == (
            CallState.OPEN,
            "its owner is dead",
        )
    assert {*second.wire.sent} <= {LIST, "getVoucher"}
    assert await second.recover() == Recovered()


@everything
@virtually
async def test_a_call_that_was_not_sent_ends_at_once_and_frees_its_key(
    operation: str, journal_at: JournalAt
) -> None:
    town = await Town.build(journal_at)
    await left(town, operation, CallState.BEGUN)
    second = town.client()
    began = town.clock.monotonic()
    (record,) = (await second.recover()).not_done
    assert town.clock.monotonic() - began < 1.0
    assert (record.state, record.proof) == (CallState.NOT_DONE, Proof.NOT_SENT)
    assert record.transitions[-1].why == "its owner is dead"
    assert second.wire.sent == []
    assert [event.what for event in second.told] == ["not done"]
    await ask(second, operation)
    assert made(town, operation) == 1


@virtually
async def test_a_doubt_that_an_earlier_call_left_stays_with_the_key() -> None:
    """A copy of its refused recharge comes after the next owner of the key has died."""
    town = await Town.build()
    first = town.client()
    town.script(Lot("refused 409"))
    assert getattr(await said(first.recharge()), "proof", None) is Proof.REFUSED
    other = town.client()
    looks = asyncio.Event()

    async def stop(_: str) -> None:
        await looks.wait()

    other.wire.on_send = stop  # the key is claimed, and the doubt not looked into
    call = other.begin("recharge")
    await asyncio.sleep(1.0)
    await die(other, call)
    await asyncio.sleep(LEASE)
    second = town.client()
    assert [each.proof for each in (await second.recover()).not_done] == [Proof.NOT_SENT]
    late = town.client(scope="the copy that a proxy made")
    copy = await late.recharge(None)
    assert (await second.recharge()).id == copy.id
    assert town.made("recharge") == [copy.id]


@everything
@virtually
async def test_a_worker_that_lives_keeps_its_call(operation: str, journal_at: JournalAt) -> None:
    town = await Town.build(journal_at)
    first, second = town.client(), town.client()
    town.script(Lot(wait=40.0))
    call = asyncio.create_task(ask(first, operation, timeout=SECONDS))
    for _ in range(4):
        await asyncio.sleep(LEASE)
        assert await second.recover() == await first.recover() == Recovered()
    await call
    assert made(town, operation) == 1


@virtually
async def test_who_has_no_time_for_the_window_is_told_what_is_open_and_it_goes_on() -> None:
    town = await Town.build()
    await left(town, "refund", CallState.SENT)
    second = town.client()
    recovered = await second.recover(timeout=3.0)
    (record,) = recovered.open
    assert (recovered.done, recovered.not_done) == ((), ())
    assert [each.id for each in second.core.supervisor.pending] == [record.id]
    await asyncio.sleep(2 * WINDOW)
    assert (await second.record()).state is CallState.NOT_DONE
    assert second.core.supervisor.pending == ()


@virtually
async def test_the_window_counts_from_two_seconds_after_the_take_over() -> None:
    town = await Town.build()
    await left(town, "recharge", CallState.SENT)
    second = town.client()
    taken_at = town.clock.monotonic()
    (record,) = (await second.recover(timeout=3.0)).open
    money_call = second.core.settler.registry.money_call(record.id)
    assert money_call is not None
    assert money_call.last == taken_at + 2.0


@virtually
async def test_a_caller_with_the_key_waits_for_the_look_and_goes_on() -> None:
    town = await Town.build()
    await left(town, "refund", CallState.SENT)
    second = town.client()
    recovery = asyncio.create_task(second.recover())
    await asyncio.sleep(1.0)
    refund = await second.refund(timeout=60.0)
    assert town.made("refund") == [refund.id]
    assert [each.state for each in (await recovery).not_done] == [CallState.NOT_DONE]


@pytest.mark.parametrize("fails", ["left", "bury", "save", "get"])
@pytest.mark.parametrize("how", ["before", "after"])
@virtually
async def test_a_journal_that_fails_leaves_the_record_for_the_next_recovery(fails: str, how: str) -> None:
    town = await Town.build()
    await left(town, "refund", CallState.SENT, MADE)
    second = town.client()
    second.journal.fails = lambda _, name: how if name == fails else None
    told = await said(second.recover())
    if fails == "left":
        assert isinstance(told, JournalFailed)
    else:
        assert isinstance(told, Recovered)
    second.journal.fails = lambda *_: None
    await second.recover()
    await asyncio.sleep(LEASE)
    await town.client().recover()
    record = await second.record()
    assert (record.state, record.charge and record.charge.id) == (CallState.DONE, town.made("refund")[0])


@virtually
async def test_an_end_that_this_client_could_not_write_is_recovered_while_its_lease_runs() -> None:
    town, client = await Town.with_client()
    client.journal.fails = lambda _, name: "before" if name == "save" and town.made("refund") else None
    refund = await client.refund()
    client.journal.fails = lambda *_: None
    assert (await client.record()).state is CallState.SENT
    town.script(Lot(wait=40.0))
    busy = client.begin("recharge", "K-2", timeout=SECONDS)  # its lease is renewed
    await asyncio.sleep(LEASE)
    assert await town.client().recover() == Recovered()
    (record,) = (await client.recover()).done
    assert record.charge is not None
    assert record.charge.id == refund.id
    await busy


@virtually
async def test_nothing_is_sent_for_what_cannot_be_looked_for_and_it_is_written_once() -> None:
    """A recharge by code alone: nobody knows the voucher's id."""
    town = await Town.build()
    first = town.client()
    town.script(MADE)
    call = first.begin("recharge", id=None, code=town.vouchers[0].code, timeout=SECONDS)
    await asyncio.sleep(1.0)
    await die(first, call)
    town.script()
    await asyncio.sleep(LEASE)
    second, third = town.client(), town.client()
    (record,) = (await second.recover()).open
    assert record.state is CallState.OPEN
    await asyncio.sleep(LEASE)
    for each in (second, third, second):
        assert (await each.recover()).open == (record,)
        assert each.wire.sent == []
    # an equal recharge whose answer is lost must not take its entry
    town.script(LOST)
    assert isinstance(await said(second.recharge("K-2", timeout=30.0)), OutcomeUnknown)
