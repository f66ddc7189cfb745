"""What each event adds to the instruments, whatever system of metrics they are in."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from voucher_async import PendingOutcome, VoucherClient
from voucher_async.api_errors import ServerError
from voucher_async.errors import Fate, Proof
from voucher_async.events import (
    AttemptEnded,
    CallEnd,
    CallEnded,
    Closed,
    DoubtEnd,
    DoubtEnded,
    Happened,
    Repeating,
    Settled,
    TokenRefresh,
    TurnWaited,
)
from voucher_async.facts import CallFacts
from voucher_async.integrations.measures import INSTRUMENTS, Instrument, Kind, Label, Measures, Record
from voucher_async.payments.call import CallRecord, CallState, Parameters

HERE = {"method": "GET", "path": "/vouchers/V-1", "template": "/vouchers/{id}", "attempt": 1}
SENT = {**HERE, "operation": "getVoucher", "server_address": "api.example", "server_port": 443}
WHERE = ("GET", "api.example", 443, "/vouchers/{id}")


class Kept:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.all: list[tuple[str, float, tuple[Label, ...]]] = []
        self.hook = Measures(self._make)
        self.zeros = list(self.all)
        self.all.clear()

    def _make(self, instrument: Instrument) -> Record:
        def record(amount: float, /, *labels: Label) -> None:
            assert len(labels) == len(instrument.labels)
            self.all.append((instrument.name, amount, labels))

        return record

    def of(self, name: str) -> list[tuple[float, tuple[Label, ...]]]:
        return [(amount, labels) for each, amount, labels in self.all if each == name]


@pytest.fixture
def kept() -> Kept:
    return Kept()


def attempt(status: int | None, error_type: str | None = None, **more: Any) -> AttemptEnded:
    fate = Fate.UNKNOWN if status is None else Fate.ANSWERED
    return AttemptEnded(**{**SENT, **more}, fate=fate, status=status, elapsed=0.5, error_type=error_type)


@pytest.mark.parametrize(
    ("status", "error_type", "error"),
    [
        (200, None, None),
        (200, "BadAnswer", "BadAnswer"),
        (404, "NotFound", "404"),
        (503, "ServerError", "503"),
        (None, "CallTimeout", "CallTimeout"),
    ],
)
def test_a_request_has_the_attributes_of_the_convention(
    kept: Kept, status: int | None, error_type: str | None, error: str | None
) -> None:
    kept.hook.on_attempt_ended(attempt(status, error_type))
    assert kept.all == [("http.client.request.duration", 0.5, (*WHERE, status, error, "getVoucher"))]


def repeating(operation: str = "getVoucher", call_id: str | None = "c-1") -> Repeating:
    return Repeating(operation=operation, attempt=1, pause=0.1, reason="500 of V-1", call_id=call_id)


@pytest.mark.parametrize(
    ("status", "error_type", "event", "reason"),
    [
        (503, "ServerError", repeating(), "503"),
        (None, "ConnectFailed", repeating(), "ConnectFailed"),
        (503, "ServerError", repeating("listVouchers"), "_OTHER"),
        (503, "ServerError", repeating(call_id="c-2"), "_OTHER"),
    ],
)
def test_a_repeat_is_counted_by_the_end_of_its_own_request(
    kept: Kept, status: int | None, error_type: str, event: Repeating, reason: str
) -> None:
    kept.hook.on_attempt_ended(attempt(status, error_type, call_id="c-1"))
    kept.hook.on_repeating(event)
    assert kept.of("voucher.repeats") == [(1, (event.operation, reason))]


def test_a_call_is_counted_by_its_end(kept: Kept) -> None:
    ended: dict[str, Any] = {"call_id": "c-1", "name": "redeem", "order_number": "A-1", "elapsed": 2.0}
    kept.hook.on_call_ended(CallEnded(**ended, how=CallEnd.DONE))
    kept.hook.on_call_ended(CallEnded(**ended, how=CallEnd.OPEN, error_type="OutcomeUnknown"))
    assert kept.of("voucher.call.duration") == [
        (2.0, ("redeem", "done", None)),
        (2.0, ("redeem", "open", "OutcomeUnknown")),
    ]


def test_a_turn_is_counted_by_what_it_waited_for(kept: Kept) -> None:
    kept.hook.on_turn_waited(
        TurnWaited(call_id="c", name="redeem", behind="voucher", seconds=1.0, taken=True)
    )
    waited = TurnWaited(call_id="c", name="charges.refund", behind="equal call", seconds=2.0, taken=False)
    kept.hook.on_turn_waited(waited)
    assert kept.of("voucher.turn.duration") == [
        (1.0, ("redeem", "voucher", "taken")),
        (2.0, ("charges.refund", "equal_call", "not_taken")),
    ]


def test_a_token_refresh_is_counted_by_its_end(kept: Kept) -> None:
    facts = CallFacts(operation="requestToken", method="POST", path="/oauth/token")
    error = ServerError("no", status=500, facts=facts)
    kept.hook.on_token_refreshed(TokenRefresh(succeeded=True, background=True, elapsed=0.1, lifetime=60.0))
    kept.hook.on_token_refreshed(TokenRefresh(succeeded=False, background=False, elapsed=0.2, error=error))
    assert kept.of("voucher.token.refresh.duration") == [
        (0.1, ("background", None)),
        (0.2, ("foreground", "ServerError")),
    ]


COUNTED = {
    Happened.IN_DOUBT: ("voucher.doubts", ("chargeReservation",)),
    Happened.DONE: ("voucher.untold", ("chargeReservation",)),
    Happened.NOT_DONE: None,  # of a doubt that is counted when it ends, or of what was never sent
    Happened.LEFT_OPEN: None,  # it stays in doubt
    Happened.RECOVERED: ("voucher.recovered", ("chargeReservation",)),
    Happened.SURPLUS_REFUNDED: ("voucher.surplus", ("chargeReservation", "refunded")),
    Happened.SURPLUS_LEFT: ("voucher.surplus", ("chargeReservation", "left")),
    Happened.REFUNDED: ("voucher.checkout.refunds", ("refunded",)),
    Happened.REFUND_FAILED: ("voucher.checkout.refunds", ("failed",)),
    Happened.RENEWED: ("voucher.checkout.renewals", ("renewed",)),
    Happened.RENEWAL_FAILED: ("voucher.checkout.renewals", ("failed",)),
}


@pytest.mark.parametrize("what", Happened, ids=str)
def test_each_kind_of_settled_event_is_counted_once_or_not_at_all(kept: Kept, what: Happened) -> None:
    kept.hook.on_settled(Settled(what=what, operation="chargeReservation", order_number="A-1"))
    counted = COUNTED[what]
    found = [(name, labels) for name, amount, labels in kept.all if name != "voucher.doubts.open"]
    assert found == ([] if counted is None else [counted])
    assert counted is None or (counted[0], 0, counted[1]) in kept.zeros


def in_doubt(call_id: str) -> Settled:
    pending = PendingOutcome(id=call_id, operation="refundCharge")
    return Settled(what=Happened.IN_DOUBT, operation="refundCharge", pending=pending)


def doubt_ended(call_id: str, outcome: DoubtEnd = DoubtEnd.DONE, **more: Any) -> DoubtEnded:
    return DoubtEnded(call_id=call_id, operation="refundCharge", outcome=outcome, **more)


def test_a_doubt_that_ends_is_open_no_more(kept: Kept) -> None:
    for call_id in ("c-1", "c-2", "c-3"):
        kept.hook.on_settled(in_doubt(call_id))
    kept.hook.on_doubt_ended(doubt_ended("c-1"))
    kept.hook.on_doubt_ended(doubt_ended("c-3", DoubtEnd.NOT_DONE, proof=Proof.ABSENT))
    assert sum(amount for amount, _ in kept.of("voucher.doubts.open")) == 1
    assert kept.of("voucher.doubts.ended") == [
        (1, ("refundCharge", "done", None)),
        (1, ("refundCharge", "not_done", "absent")),
    ]


def test_a_doubt_of_another_process_was_never_open_here(kept: Kept) -> None:
    kept.hook.on_doubt_ended(doubt_ended("c-1", recovered=True))
    assert kept.of("voucher.doubts.ended") == [(1, ("refundCharge", "done", None))]
    assert kept.of("voucher.doubts.open") == []


def test_what_a_closed_client_leaves_in_doubt_is_counted_as_left(kept: Kept) -> None:
    left, ended = in_doubt("c-1"), in_doubt("c-2")
    for event in (left, ended):
        kept.hook.on_settled(event)
    kept.hook.on_doubt_ended(doubt_ended("c-2"))
    assert left.pending is not None
    kept.hook.on_closed(Closed(pending=(left.pending,)))
    kept.hook.on_doubt_ended(doubt_ended("c-1"))  # another client settles it
    assert sum(amount for amount, _ in kept.of("voucher.doubts.open")) == 0
    assert kept.of("voucher.doubts.left") == [(1, ("refundCharge",))]
    assert len(kept.of("voucher.doubts.ended")) == 2


class Books:
    """The journal of a client, as its `history` shows it."""

    def __init__(self, *records: CallRecord) -> None:
        self.records = records

    async def history(
        self, *, ended: bool | None = None, told: bool | None = None
    ) -> AsyncIterator[CallRecord]:
        for record in self.records:
            is_done = record.state is CallState.DONE
            if record.ended is ended or (told is not None and is_done and record.told is told):
                yield record


def record(state: CallState, ago: float, *, told: bool = False) -> CallRecord:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=ago)
    parameters = Parameters(operation="redeem", order_number="A-1")
    begun = CallRecord.begin(parameters, scope="s", key=None, owner="o", at=at - dt.timedelta(seconds=5))
    sent: dict[str, Any] = {} if state is CallState.BEGUN else {"sent_at": at}
    return begun.step(state, at=at, by="o", told=told, **sent)


async def observed(kept: Kept, *records: CallRecord) -> dict[str, list[tuple[float, tuple[Label, ...]]]]:
    await kept.hook.observe(cast("VoucherClient", Books(*records)))
    return {name: kept.of(name) for name, *_ in kept.all}


async def test_the_journal_is_counted_when_it_is_observed(kept: Kept) -> None:
    seen = await observed(
        kept,
        record(CallState.BEGUN, 1000.0),
        record(CallState.SENT, 10.0),
        record(CallState.OPEN, 200.0),
        record(CallState.OPEN, 100.0),
        record(CallState.DONE, 3000.0),
        record(CallState.DONE, 3000.0, told=True),
        record(CallState.NOT_DONE, 3000.0),
    )
    assert seen["voucher.journal.calls"] == [(1, ("begun",)), (1, ("sent",)), (2, ("open",))]
    assert seen["voucher.journal.untold"] == [(1, ())]
    ((age, _),) = seen["voucher.journal.oldest.age"]
    assert 200.0 <= age < 300.0
    ((read, _),) = seen["voucher.journal.read.timestamp"]
    assert abs(read - dt.datetime.now(dt.UTC).timestamp()) < 100.0


async def test_a_journal_with_nothing_open_sets_everything_to_0(kept: Kept) -> None:
    seen = await observed(kept, record(CallState.DONE, 10.0, told=True))
    del seen["voucher.journal.read.timestamp"]
    assert {amount for values in seen.values() for amount, _ in values} == {0}


def test_instruments_are_named_and_described() -> None:
    assert len({each.name for each in INSTRUMENTS}) == len(INSTRUMENTS)
    for each in INSTRUMENTS:
        assert each.description.endswith("."), each.name
        assert each.unit == "s" or each.unit.startswith("{"), each.name
        assert bool(each.buckets) is (each.kind is Kind.HISTOGRAM), each.name
        assert list(each.buckets) == sorted(set(each.buckets)), each.name
