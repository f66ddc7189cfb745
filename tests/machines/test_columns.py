"""What came of payments under a fault is counted where it belongs."""

from __future__ import annotations

import collections
from collections.abc import Sequence

import attrs
import pytest

from tests.chaos.judge import judge
from tests.chaos.records import Entry, Fetched, Outcome, Record, Refused, Settled, Tokens, Turn
from tests.chaos.samples import AGAIN, CANCELLED, CHARGED, DONE, SENT, SETTLED, UNKNOWN, began, intent, told
from tests.machines.columns import Column, columns_of
from tests.machines.tokens import Troubles

TURNS = [Turn(at=0.0, habit="none"), Turn(at=10.0, habit="killed"), Turn(at=20.0, habit="paused")]
NEVER = Tokens(given=[], revoked=[])
STARTED = attrs.evolve(began(), at=12.0)
LEFT = Outcome(voucher="V", state="not charged")
ONCE_MORE = attrs.evolve(began("1d", payment="1"), at=14.0, turn=3)
FAILED = attrs.evolve(told("not done", "1d"), proof="", at=15.0, outcomes=(LEFT,))
SENT_THEN = attrs.evolve(intent(), at=13.0)


def found(
    records: Sequence[Record], entries: Sequence[Entry] = (), tokens: Tokens = NEVER
) -> dict[str, Column]:
    columns = columns_of(
        records, entries, judge(records, entries), TURNS, tokens, troubles=Troubles(), life=100.0
    )
    assert set(columns) == {"none", "killed", "paused"}
    return dict(columns)


def test_a_call_counts_where_it_began() -> None:
    columns = found([STARTED, SENT_THEN, DONE], [CHARGED])
    assert columns["killed"] == Column(
        fault="killed", turns=1, payments=1, calls=1, told=collections.Counter(done=1)
    )
    assert columns["none"] == Column(fault="none", turns=1)


@pytest.mark.parametrize(
    ("records", "entries", "end"),
    [
        pytest.param([SENT_THEN], [CHARGED], "open", id="cut off and left alone"),
        pytest.param([SENT_THEN, SETTLED], [CHARGED], "done", id="cut off and settled"),
        pytest.param([], [], "nothing sent", id="cut off before anything was sent"),
        pytest.param([SENT_THEN, CANCELLED, SETTLED], [CHARGED], "done", id="left"),
        pytest.param(
            [SENT_THEN, UNKNOWN, Settled(pending="p1", by="worker", state="not done", proof="ABSENT")],
            [],
            "absent",
            id="settled by a proof",
        ),
        pytest.param(
            [
                SENT_THEN,
                UNKNOWN,
                ONCE_MORE,
                attrs.evolve(told("not done", "1d"), proof="", at=15.0, outcomes=(LEFT,)),
            ],
            [],
            "told by voucher",
            id="a checkout, asked for once more",
        ),
    ],
)
def test_the_end_of_a_payment_whose_caller_was_not_told_it(
    records: list[Record], entries: list[Entry], end: str
) -> None:
    assert found([STARTED, *records], entries)["killed"].unsure == {end: 1}


@pytest.mark.parametrize(
    ("records", "entries", "wrong"),
    [
        pytest.param([SENT_THEN, DONE], [CHARGED, AGAIN], (1, 0, 0), id="double"),
        pytest.param([SENT_THEN], [CHARGED], (0, 1, 0), id="lost"),
        pytest.param([SENT_THEN, DONE], [], (0, 0, 1), id="false"),
        pytest.param([SENT_THEN, DONE], [CHARGED], (0, 0, 0), id="nothing"),
    ],
)
def test_what_is_wrong_counts_where_its_call_began(
    records: list[Record], entries: list[Entry], wrong: tuple[int, int, int]
) -> None:
    column = found([STARTED, *records], entries)["killed"]
    assert (column.double, column.lost, column.false) == wrong


def test_refused_writes_count_where_they_came_too_late() -> None:
    save = Refused(call="1", owned="p1", what="sent", at=21.0)
    lease = Refused(call="", owned="o", what="lease", at=21.0)
    column = found([STARTED, SENT_THEN, DONE, save, lease], [CHARGED])["paused"]
    assert (column.late, column.unsent, column.dead) == (1, 1, 1)
    sent_after_all = attrs.evolve(intent(), at=22.0)
    column = found([STARTED, sent_after_all, DONE, save], [CHARGED])["paused"]
    assert (column.late, column.unsent) == (1, 0)
    other = attrs.evolve(save, owned="p2")  # of the same call: a checkout has one for each voucher
    column = found([STARTED, sent_after_all, DONE, other], [CHARGED])["paused"]
    assert (column.late, column.unsent) == (1, 1)
    taken_over = attrs.evolve(sent_after_all, call="2")  # the new owner sends
    column = found([STARTED, taken_over, DONE, save], [CHARGED])["paused"]
    assert (column.late, column.unsent) == (1, 1)
    later = attrs.evolve(taken_over, at=23.0)  # both send
    column = found([STARTED, sent_after_all, later, DONE, save], [CHARGED])["paused"]
    assert (column.late, column.unsent) == (1, 0)


def test_tokens_are_counted_by_their_own_moment() -> None:
    fetched = [Fetched(at=1.2, elapsed=0.2), Fetched(at=11.2, elapsed=0.2)]
    columns = found([*SENT, *fetched], [], Tokens(given=[1.1, 11.1, 21.0], revoked=[5.0]))
    assert [columns[name].given for name in ("none", "killed", "paused")] == [1, 1, 1]
    assert columns["none"].reasons == {"the first": 1}
    assert columns["killed"].reasons == {"as it was revoked": 1}
    assert not columns["paused"].reasons  # nobody received it
