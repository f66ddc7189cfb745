"""The journal in memory and the one in SQLite, asked the same: they answer the same at every step."""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

import attrs
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.journals.postgres import DatabaseClock, Server
from tests.journals.records import begun, charge_of, done, not_done, opened, sent
from voucher_async import ManualClock, MemoryJournal
from voucher_async.journals import connections
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.call import CHECKOUT, REDEEM, CallRecord, CallState
from voucher_async.payments.journal import HistoryByEnd, Journal

T = TypeVar("T")

SCOPES = st.sampled_from(["scope-1", "scope-2"])
KEYS = st.sampled_from(["A", "a", "A-1"]) | st.none()
OWNERS = st.sampled_from(["owner-1", "owner-2", "owner-3"])
ORDERS = st.sampled_from(["A-1", "A-2"]) | st.none()
MAYBE = st.none() | st.booleans()
VOUCHERS = st.sampled_from(["v-1", "v-2"]) | st.none()
AMOUNTS = st.sampled_from([Decimal("10.00"), Decimal("5.00")]) | st.none()
OPERATIONS = st.sampled_from([REDEEM, "chargeReservation", "refundCharge", CHECKOUT])
CHARGES = st.sampled_from(["c-1", "c-2", "c-3", "c-4"])
_PATIENCE = 60.0  # seconds
AHEAD = {
    CallState.BEGUN: list(CallState),
    CallState.SENT: list(CallState)[1:],
    CallState.OPEN: [CallState.OPEN, CallState.DONE, CallState.NOT_DONE],
    CallState.NOT_DONE: [CallState.DONE, CallState.NOT_DONE],
    CallState.DONE: [CallState.DONE],
}


class Journals(RuleBasedStateMachine):
    """Two journals with one digest key and one clock."""

    records = Bundle("records")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock, self.durable = self.opened()
        self.memory = MemoryJournal(self.clock)
        self.memory._digest_key = self.loop.run_until_complete(self.durable.digest_key())

    def opened(self) -> tuple[ManualClock, SqlJournal]:
        """An empty durable journal, and the clock that it measures leases by."""
        clock = ManualClock()
        self.folder = tempfile.TemporaryDirectory()
        return clock, SqlJournal(f"sqlite:///{self.folder.name}/journal.db", clock=clock)

    def teardown(self) -> None:
        self.loop.run_until_complete(self.durable.aclose())
        self.loop.close()
        self.folder.cleanup()

    def both(self, ask: Callable[[Journal], Awaitable[T]]) -> T:
        """Ask both; the answer that they agree in."""

        async def answers() -> tuple[T, T]:
            return await ask(self.memory), await ask(self.durable)

        one, other = self.loop.run_until_complete(answers())
        assert one == other
        return one

    def stored(self, record: CallRecord) -> CallRecord | None:
        return self.both(lambda journal: journal.get(record.scope, record.id))

    @rule(
        target=records,
        key=KEYS,
        scope=SCOPES,
        owner=OWNERS,
        asked=st.fixed_dictionaries({"order_number": ORDERS, "amount": AMOUNTS, "operation": OPERATIONS}),
        state=st.sampled_from([CallState.BEGUN, CallState.BEGUN, CallState.SENT, CallState.DONE]),
        charge_id=CHARGES,
    )
    def claim(  # noqa: PLR0917 - Hypothesis names them
        self, key: str | None, scope: str, owner: str, asked: dict[str, Any], state: CallState, charge_id: str
    ) -> CallRecord:
        record = begun(key, scope=scope, owner=owner, at=self.clock.now(), **asked)
        if state is not CallState.BEGUN:
            record = attrs.evolve(self.stepped(record, state, charge_id, "v-1"), version=1)
        claim = self.both(lambda journal: journal.claim(record))
        assert claim.won is (claim.record == record)
        return record

    @rule(record=records)
    def claim_again(self, record: CallRecord) -> None:
        self.both(lambda journal: journal.claim(record))

    @rule(record=records, key=st.none() | st.just("child"))
    def claim_a_child(self, record: CallRecord, key: str | None) -> None:
        child = begun(key, scope=record.scope, parent=record.id, at=self.clock.now())
        self.both(lambda journal: journal.claim(child))
        self.both(lambda journal: journal.children(record.scope, record.id))

    def stepped(
        self, record: CallRecord, state: CallState, charge_id: str, voucher_id: str | None
    ) -> CallRecord:
        if state is CallState.SENT:
            changed = sent(record, voucher_id)
        elif state is CallState.OPEN:
            changed = opened(record)
        elif state is CallState.DONE:
            charge = None if record.parameters.operation == CHECKOUT else charge_of(record, charge_id)
            changed = done(record, charge=charge, told=voucher_id is None)
        elif state is CallState.NOT_DONE:
            changed = not_done(record)
        else:
            changed = record.step(state, at=self.clock.now(), by="owner-2", owner="owner-2")
        return attrs.evolve(changed, changed_at=self.clock.now())

    @rule(record=records, choice=st.integers(0, 4), charge_id=CHARGES, voucher_id=VOUCHERS)
    def save(self, record: CallRecord, choice: int, charge_id: str, voucher_id: str | None) -> None:
        stored = self.stored(record)
        if stored is not None:
            states = AHEAD[stored.state]
            changed = self.stepped(stored, states[choice % len(states)], charge_id, voucher_id)
            self.both(lambda journal: journal.save(changed, durable=choice == 0))

    @rule(record=records, version=st.integers(0, 5))
    def save_what_may_be_stale(self, record: CallRecord, version: int) -> None:
        stored = self.stored(record)
        state = CallState.OPEN if stored is None or not stored.ended else stored.state
        changed = attrs.evolve(record, version=version, state=state)
        self.both(lambda journal: journal.save(changed))

    @rule(record=records)
    def acknowledge(self, record: CallRecord) -> None:
        self.both(lambda journal: journal.acknowledge(record.scope, record.id))

    @rule(record=records)
    def alike(self, record: CallRecord) -> None:
        async def found(journal: Journal) -> Sequence[CallRecord]:
            stored = await journal.get(record.scope, record.id)
            return sorted(await journal.alike(stored or record), key=lambda each: each.id)

        self.both(found)

    @rule(scope=SCOPES, key=KEYS, charge_id=CHARGES)
    def find(self, scope: str, key: str | None, charge_id: str) -> None:
        self.both(lambda journal: journal.find(scope, key or "child"))
        self.both(lambda journal: journal.owner_of(scope, charge_id))

    @rule(owner=OWNERS, lease=st.sampled_from([1.0, 15.0, 600.0]))
    def beat(self, owner: str, lease: float) -> None:
        self.both(lambda journal: journal.beat(owner, lease))

    @rule(owner=OWNERS)
    def bury(self, owner: str) -> None:
        is_alive = self.both(lambda journal: journal.is_alive(owner))
        assert self.both(lambda journal: journal.bury(owner)) is not is_alive

    @rule(scope=SCOPES, limit=st.sampled_from([1, 100]))
    def left(self, scope: str, limit: int) -> None:
        self.both(lambda journal: journal.left(scope, limit))

    @rule(seconds=st.sampled_from([1, 10, 100_000]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(order=ORDERS)
    def erase(self, order: str | None) -> None:
        self.both(lambda journal: journal.erase(order or "A-1"))

    @rule(shrink=st.integers(0, 4), drop=st.integers(2, 6))
    def purge(self, shrink: int, drop: int) -> None:
        now, day = self.clock.now(), dt.timedelta(days=1)
        self.both(lambda journal: journal.purge(now - shrink * day, now - drop * day))

    @rule(scope=SCOPES, order=ORDERS, key=KEYS, told=MAYBE, ended=MAYBE)
    def history(
        self, scope: str, order: str | None, key: str | None, *, told: bool | None, ended: bool | None
    ) -> None:
        async def read(journal: Journal) -> list[CallRecord]:
            by_end = cast("HistoryByEnd", journal)
            read = by_end.history(scope, order_number=order, key=key, told=told, ended=ended)
            return [each async for each in read]

        self.both(read)

    @invariant()
    def they_hold_the_same(self) -> None:
        async def read(journal: Journal) -> list[CallRecord]:
            return [each for scope in ("scope-1", "scope-2") async for each in journal.history(scope)]

        held = self.both(read)
        charges = [(each.scope, each.charge.id) for each in held if each.charge is not None]
        assert len(set(charges)) == len(charges)


class JournalsInPostgresql(Journals):
    """The journals in memory and in PostgreSQL."""

    server: Server
    database: str

    def opened(self) -> tuple[ManualClock, SqlJournal]:
        self.folder = tempfile.TemporaryDirectory()  # not used
        self.server.run("DROP SCHEMA IF EXISTS frozen CASCADE", self.database)
        clock = DatabaseClock(self.server, self.database)
        return clock, SqlJournal(self.server.url(self.database), lock_timeout=_PATIENCE)


def ask_the_same(machine: type[Journals], **how: Any) -> None:
    run_state_machine_as_test(machine, settings=settings(stateful_step_count=40, deadline=None, **how))


def test_memory_and_sqlite_answer_the_same_at_every_step() -> None:
    ask_the_same(Journals, max_examples=25)


@pytest.mark.timeout(600)
def test_memory_and_postgresql_answer_the_same_at_every_step(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # answers are compared here, and a machine that stands still for seconds changes none of them
    monkeypatch.setattr(connections, "_CONNECTING", _PATIENCE)
    monkeypatch.setattr(connections, "_STANDSTILL", _PATIENCE)
    bound = type("Bound", (JournalsInPostgresql,), {"server": server, "database": database})
    # a failure is told as it was: repeating it to make it smaller takes longer than a test may
    ask_the_same(bound, max_examples=15, phases=[Phase.explicit, Phase.reuse, Phase.generate])
