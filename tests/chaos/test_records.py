"""What a killed process leaves: records that can be read, and what it had not heard the end of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.records import Doubt, Ended, Journal, Outcome, Record, Told, Word, read
from tests.chaos.samples import (
    CANCELLED,
    CHECKOUT,
    DONE,
    HOOK_DONE,
    SENT,
    SETTLED,
    SURPLUS,
    UNKNOWN,
    began,
    intent,
    refunding,
    told,
)
from tests.chaos.settling import unresolved


def test_every_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    outcome = Outcome(voucher="V", state="unknown", pending="p1")
    failed = Told(call="1", what="unknown", pendings=("p1",), outcomes=(outcome,))
    records: list[Record] = [began(), intent(), failed, HOOK_DONE, SETTLED, Ended(open=("p1",))]
    records.append(Doubt(call="1", operation="chargeReservation"))
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        for record in records:
            journal.write(record)
    assert list(read(path)) == records


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.write(began())
    with path.open("a", encoding="utf-8") as lines:
        lines.write('{"record": "Told", "ca')
    assert list(read(path)) == [began()]


LEFT: dict[str, tuple[list[Record], list[str]]] = {
    "nobody was told": ([*SENT], ["p1"]),
    "told unknown": ([*SENT, UNKNOWN], ["p1"]),
    "cancelled": ([*SENT, CANCELLED], ["p1"]),
    "told done": ([*SENT, DONE], []),
    "told not done": ([*SENT, told("not done")], []),
    "a hook heard the end": ([*SENT, UNKNOWN, HOOK_DONE], []),
    "a surplus": ([*SENT, DONE, refunding(charge="c2")], ["p2"]),
    "a surplus that was refunded": ([*SENT, DONE, refunding(charge="c2"), SURPLUS], []),
    "a checkout that refunded": (
        [CHECKOUT, intent(), refunding(), Word(call="1", what="refunded", charge="c1")],
        ["p1"],
    ),
    "a refund that a caller asked for": (
        [began(kind="refund", things=("c1",)), refunding(), told("not done")],
        [],
    ),
}


@pytest.mark.parametrize(("records", "left"), LEFT.values(), ids=LEFT)
def test_what_a_killed_process_had_not_heard_the_end_of_is_unresolved(
    records: list[Record], left: list[str]
) -> None:
    assert [pending.id for pending in unresolved(records)] == left


def test_the_latest_intent_of_a_call_counts() -> None:
    (pending,) = unresolved([*SENT, intent(sends=2)])
    assert pending.sends == 2
