"""The code asks the machine: with another machine, it does something else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import voucher_async
from tests.payments.small_world import may_begin
from tests.settlement.adversary import Lot
from tests.settlement.town import Client, Town, said, under_way
from tests.virtual import virtually
from voucher_async.clock import Deadline, ManualClock, uptime_of
from voucher_async.errors import IdempotencyMismatch
from voucher_async.outcomes import ChargeRefunded, OutcomeUnknown, SettlementState, StillRunning
from voucher_async.payments import machine as theory
from voucher_async.payments.call import DRIVEN
from voucher_async.payments.facts import (
    OPERATIONS,
    Asked,
    Call,
    CallState,
    Event,
    Facts,
    Limits,
    Step,
    call_of,
)
from voucher_async.payments.machine import GUARDS, Machine
from voucher_async.payments.recording import Recorder
from voucher_async.payments.resolving import Verdict, resolve
from voucher_async.transport.watched import NotBegunError, Watched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voucher_async.outcomes import Settlement
    from voucher_async.payments.call import CallRecord
    from voucher_async.payments.machine import Guard
    from voucher_async.sansio import Request

LEASE = 15.0
SOURCES = Path(voucher_async.__file__).parent
RARE = {Event.REFUND_SEEN}  # never raised by the driver: its docstring says why


def guards_without(name: str) -> Mapping[str, Guard]:
    return {each: guard for each, guard in GUARDS.items() if each != name}


def drive_by(client: Client, limits: Limits | None = None, without: str = "") -> None:
    """Give a client another machine."""
    settler = client.core.settler
    settler.machine = Machine(limits or settler.machine.limits, guards_without(without))


@pytest.mark.parametrize("operation", ["redeem", "charge"])
@virtually
async def test_the_machine_says_how_old_a_charge_may_be_to_be_handed_out_unread(operation: str) -> None:
    town, client = await Town.with_client()
    charge = await client.ask(operation)
    await town.client(scope="an Admin UI").refund(None, of=charge, amount=None)
    drive_by(client, Limits(fresh=5.0))
    assert (await client.ask(operation)).id == charge.id
    await asyncio.sleep(6.0)
    assert isinstance(await said(client.ask(operation)), ChargeRefunded)


@virtually
async def test_the_machine_says_that_a_charge_taken_back_is_not_handed_out() -> None:
    client = (await Town.build()).client()
    charge = await client.redeem()
    await client.refund(None, of=charge, amount=None)
    assert isinstance(await said(client.redeem()), ChargeRefunded)
    drive_by(client, without="stands")
    assert (await client.redeem()).id == charge.id


@virtually
async def test_the_machine_says_that_a_key_belongs_to_its_parameters() -> None:
    client = (await Town.build()).client()
    charge = await client.redeem()
    assert isinstance(await said(client.redeem(order_number="A-2")), IdempotencyMismatch)
    drive_by(client, without="same_parameters")
    assert (await client.redeem(order_number="A-2")).id == charge.id


class Hurried(Machine):
    """A machine that has no time."""

    def next_for(self, call: Call | None, asked: Asked) -> Step:
        return super().next_for(call, asked._replace(is_late=True))


@virtually
async def test_the_machine_says_who_is_told_that_a_call_still_runs() -> None:
    first, second, running = await under_way("redeem", "elsewhere")
    second.core.settler.machine = Hurried()
    began = first.town.clock.monotonic()
    assert isinstance(await said(second.redeem()), StillRunning)
    assert first.town.clock.monotonic() == began
    await running


class Apart(Machine):
    """A machine by which nothing joins."""

    def joins(self, call: Call, *, is_same: bool = True) -> bool:
        assert (call.state in DRIVEN, is_same) == (True, True)
        return False


@virtually
async def test_the_machine_says_who_joins_without_a_key() -> None:
    town, client = await Town.with_client()
    client.core.settler.machine = Apart()
    charges = await asyncio.gather(client.redeem(None), client.redeem(None))
    assert len({charge.id for charge in charges}) == len(town.made("redeem")) == 2
    keyed = await asyncio.gather(client.redeem(), client.redeem())
    assert len({charge.id for charge in keyed}) == 1


@pytest.mark.parametrize("state", CallState)
@pytest.mark.parametrize("is_lost", [False, True])
@virtually
async def test_not_done_is_told_as_the_machine_says_of_what_is_written(
    state: CallState, *, is_lost: bool
) -> None:
    town = await Town.build()
    record = await record_of(town, state)
    recorder = Recorder(town.client().core.joining.ownership, record, is_stored=True)
    recorder.is_lost = is_lost
    denied = Call(OPERATIONS["redeem"], CallState.NOT_DONE, "A")
    is_written = state is CallState.NOT_DONE  # another owner may go on with any other record
    assert await recorder.may_deny() is Machine().may_tell(denied, is_written=is_written)


async def record_of(town: Town, state: CallState) -> CallRecord:
    """A stored record in a state."""
    client = town.client()
    await client.redeem()
    (record,) = await client.records()
    changed = record.step(state, at=town.clock.now(), by="A")
    assert await town.journal.save(changed)
    return changed


@virtually
async def test_what_the_machine_does_not_let_be_told_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "may_tell", lambda *_, **__: False)
    town = await Town.build()
    town.script(Lot("refused 409"))
    assert isinstance(await said(town.client().charge()), StillRunning)


@virtually
async def test_the_body_of_a_request_is_begun_when_the_machine_says_so() -> None:
    town = await Town.build()
    client, begun_by = town.client(), list[float]()
    send = client.wire.send

    async def note(request: Request[object], *rest: object) -> object:
        if request.begin_by is not None:
            begun_by.append(request.begin_by - uptime_of(town.clock))
        return await send(request, *rest)  # type: ignore[arg-type]  # passed on unchanged

    client.wire.send = note  # type: ignore[method-assign,assignment]  # observes every request
    await client.redeem()
    assert begun_by == [client.core.settler.machine.limits.begin]
    for late in (0.0, 1.0, 1.999, 2.0, 2.001, 3.0, 3600.0):
        await _begin(client.core.settler.machine, begun_by[0], late)


async def _begin(machine: Machine, begin_by: float, late: float) -> None:
    body = Watched()
    clock = ManualClock()
    body.uptime, body.begin_by = clock.uptime, clock.uptime() + begin_by
    sent = Call(OPERATIONS["redeem"], CallState.SENT, "A", sent_at=uptime_of(clock), under_way=True)
    clock.advance(late)
    try:
        await body.begin(object())
    except NotBegunError:
        assert not may_begin(machine, sent, uptime_of(clock))
    else:
        assert may_begin(machine, sent, uptime_of(clock))


class Listening(Machine):
    """A machine that tells the events it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Event] = []

    def advance(self, call: Call, event: Event, facts: Facts) -> Call:
        self.heard.append(event)
        return super().advance(call, event, facts)


@pytest.mark.parametrize(
    ("operation", "events"),
    [
        ("redeem", [Event.TAKEN_OVER]),
        ("charge", [Event.TAKEN_OVER, Event.LEFT_OPEN]),
        ("recharge", [Event.TAKEN_OVER, Event.LEFT_OPEN]),
    ],
)
@virtually
async def test_the_machine_is_told_of_a_take_over(operation: str, events: list[Event]) -> None:
    town = await Town.build()
    await _left_by_the_dead(town, operation)
    second = town.client()
    second.core.settler.machine = machine = Listening()
    await said(second.ask(operation))
    assert machine.heard[: len(events)] == events


async def _left_by_the_dead(town: Town, operation: str) -> None:
    first = town.client()
    town.script(Lot("hung"))
    task = first.begin(operation)
    await asyncio.sleep(0.5)
    await first.die()
    await asyncio.gather(task, return_exceptions=True)
    town.script()
    await asyncio.sleep(LEASE + 1.0)


@virtually
async def test_an_operator_ends_no_call_that_another_process_drives() -> None:
    first, second, running = await under_way("redeem", "elsewhere")
    (record,) = await first.records()
    assert record.state is CallState.SENT
    error = await said(_denied(second, record))
    assert isinstance(error, OutcomeUnknown)
    assert "under way" in str(error)
    await running


@virtually
async def test_an_operator_ends_the_call_of_a_dead_process() -> None:
    town = await Town.build()
    await _left_by_the_dead(town, "recharge")
    second = town.client()
    (record,) = await second.records()
    assert record.state is CallState.SENT
    settlement = await _denied(second, record)
    assert settlement.state is SettlementState.NOT_DONE
    (record,) = await second.records()
    assert record.state is CallState.NOT_DONE


async def _denied(client: Client, record: CallRecord) -> Settlement:
    verdict = Verdict(charge=None, by="ann", why="not in the list")
    core = client.core
    deadline = Deadline(client.town.clock, 10.0)
    return await resolve(core.supervisor, core.joining.ownership, record.view, verdict, deadline)


def test_every_event_is_raised_by_the_code_or_named_with_the_reason_why_not() -> None:
    own = {"machine.py", "facts.py"}
    text = "".join(each.read_text("utf-8") for each in SOURCES.rglob("*.py") if each.name not in own)
    assert {event for event in Event if f"Event.{event.name}" not in text} == RARE
    assert [event.name for event in RARE if f"`{event.name}`" not in (theory.__doc__ or "")] == []


@virtually
async def test_a_record_says_by_its_refunds_what_the_event_says() -> None:
    town = await Town.build()
    client, machine = town.client(), Machine()
    charge = await client.redeem()
    (record,) = await client.records()
    await client.refund(None, of=charge, amount="1.00")
    assert not call_of(await one_of(client, record)).refunded
    await client.refund(None, of=charge, amount="3.00")
    taken_back = await one_of(client, record)
    assert len(taken_back.refunds) == 2
    seen = machine.advance(call_of(record), Event.REFUND_SEEN, Facts(0.0))
    assert call_of(taken_back) == seen


async def one_of(client: Client, record: CallRecord) -> CallRecord:
    found = await client.town.journal.get(record.scope, record.id)
    assert found is not None
    return found
