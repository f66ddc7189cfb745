"""What a storm over machines must not be passed with: each plant is found."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from tests.chaos.judge import judge
from tests.chaos.records import Entry, Fetched, Record, Refused, Tokens, Told, Turn
from tests.chaos.samples import AGAIN, CHARGED, DONE, UNKNOWN, began, intent, told
from tests.machines.columns import columns_of
from tests.machines.conductor import MachineReport
from tests.machines.plan import MachineStorm
from tests.machines.report import problems_of
from tests.machines.tokens import Troubles

SENT: list[Record] = [attrs.evolve(began(), at=12.0), attrs.evolve(intent(), at=13.0)]
TURNS = [Turn(at=0.0, habit="none"), Turn(at=10.0, habit="paused"), Turn(at=20.0, habit="Valkey silent")]
LATE = Refused(call="1", owned="p1", what="sent", at=12.5)


def problems(
    records: Sequence[Record], entries: Sequence[Entry], fetched: Sequence[float] = (0.5,), noise: str = ""
) -> str:
    verdict = judge(records, entries)
    tokens, troubles = Tokens(given=[*fetched], revoked=[]), Troubles(away=[(20.0, 22.0)])
    received = [Fetched(at=at, elapsed=0.1) for at in fetched]
    columns = columns_of(
        [*records, *received], entries, verdict, TURNS, tokens, troubles=troubles, life=600.0
    )
    report = MachineReport(
        storm=MachineStorm(faults=("none", "paused", "Valkey silent")),
        verdict=verdict,
        columns=columns,
        requests=1,
        injected={},
        kills=0,
        pauses=1,
        restarts=0,
        late=0.0,
        seconds=1.0,
        noise=noise,
    )
    return "\n".join(problems_of(report))


def test_a_storm_with_nothing_wrong_is_passed() -> None:
    assert not problems([*SENT, DONE], [CHARGED])
    assert not problems([*SENT, attrs.evolve(LATE, at=13.5), DONE], [CHARGED])
    assert not problems([*SENT, DONE], [CHARGED], (0.5, 21.0))  # without Valkey each may fetch its own


@pytest.mark.parametrize(
    ("records", "entries", "word"),
    [
        pytest.param([DONE], [CHARGED, AGAIN], "charged twice", id="double"),
        pytest.param([], [CHARGED], "killed worker not settled", id="lost with its worker"),
        pytest.param([UNKNOWN], [CHARGED], "open outcome not settled", id="lost"),
        pytest.param([DONE], [], "told done, but it was not done", id="false: done"),
        pytest.param([told("not done")], [CHARGED], "told not done, but it was done", id="false: not done"),
        pytest.param([Told(call="1", what="not done")], [], "without a proof", id="without a proof"),
        pytest.param([LATE, DONE], [CHARGED], "followed by a request for money", id="a late write"),
    ],
)
def test_what_is_wrong_is_found(records: list[Record], entries: list[Entry], word: str) -> None:
    assert word in problems([*SENT, *records], entries)


def test_a_token_too_many_and_noise_are_found() -> None:
    assert "paused: 1 tokens that were fetched without a reason" in problems(
        [*SENT, DONE], [CHARGED], (0.5, 11.0)
    )
    assert "ValueError" in problems([*SENT, DONE], [CHARGED], noise="Traceback ...\nValueError: x\n")
