"""Processes with one journal that pay with one voucher: what callers are told, and the hand-over of turns."""

from __future__ import annotations

import contextlib
import statistics
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from subprocess import Popen

from tests.bench.calls import JOURNAL
from tests.bench.control import Answered, Control, server
from tests.bench.databases import Database
from tests.bench.places import answer_of, start, stop, tell
from tests.bench.report import Figure, Table
from tests.bench.till import CHARGED, WARMING

__all__ = ["CALLS", "PROCESSES", "Crowd", "crowds", "figures", "gaps", "table"]

PROCESSES = 3
CALLS = 200
ALL = PROCESSES * CALLS
TIMEOUT = 120  # seconds
MOST_MS = 25
REFUSED = ("Conflict", "CallTimeout")
NOTE = """\
{processes} processes with one journal and a client each; each client has {calls} `redeem()` of one
voucher under way at once, each with a key. The settings are the defaults but for a `timeout` of
{timeout} s: the last of the line waits for all others. At the server a reservation ends the voucher's
earlier one, whose charge is refused then. All of it happens {rounds} times; the outcomes are of all,
the rest are medians. The hand-over is measured at the server: from the moment at which it has written
the answer to a charge of one process to the one at which it has the next reservation, of another
process. So it has all that lies between: the answer's way, the record's end and the line, both written,
the pause between two looks of the other process, and what that one writes before it sends. "The same
process" is the same where the turn stays."""


@dataclass
class Crowd:
    """A crowd's figures, of all rounds.

    Attributes:
        told: how often callers were told each outcome.
        charged: charges that the server has made.
        per_second: charges a second, by round.
        between: seconds from a charge to the reservation of another process.
        within: the same, where it was the same process.
    """

    told: Counter[str] = field(default_factory=Counter[str])
    charged: int = 0
    per_second: list[float] = field(default_factory=list[float])
    between: list[float] = field(default_factory=list[float])
    within: list[float] = field(default_factory=list[float])

    @property
    def hand_over_ms(self) -> float:
        return middle(self.between)


def gaps(log: Sequence[Answered]) -> tuple[list[float], list[float]]:
    """Seconds from the answer to a charge to the next reservation: of another process, of the same one."""
    between: list[float] = []
    within: list[float] = []
    charge: Answered | None = None
    for each in log:
        if each.operation == "reserve" and charge is not None:
            (within if each.token == charge.token else between).append(each.came - charge.left)
        charge = each if each.operation == "charge" else None
    return between, within


def middle(seconds: Sequence[float]) -> float:
    """The median in milliseconds; without any it is endless, so that no bar is met."""
    return statistics.median(seconds) * 1e3 if seconds else float("inf")


@contextlib.contextmanager
def tills(database: Database, control: Control) -> Generator[list[Popen[str]]]:
    """The processes, warmed up."""
    with contextlib.ExitStack() as stack:
        made: list[Popen[str]] = []
        for _ in range(PROCESSES):
            words = (control.base_url, str(CALLS), str(TIMEOUT))
            made.append(start("journals", "tests.bench.till", *words, **{JOURNAL: database.url}))
            stack.callback(stop, made[-1])
        for each in made:
            told = answer_of(each)
            assert told == {CHARGED: WARMING}, f"while it warmed up, a process was told {told}"
        yield made


def crowds(databases: Sequence[Database], rounds: int) -> dict[str, Crowd]:
    """The crowds by kinds of databases, which take turns."""
    seen = {each.kind: Crowd() for each in databases}
    with contextlib.ExitStack() as stack:
        places: list[tuple[Crowd, Control, list[Popen[str]]]] = []
        for each in databases:
            control = stack.enter_context(server())
            control.set(knows_vouchers=True)
            places.append((seen[each.kind], control, stack.enter_context(tills(each, control))))
        for _ in range(rounds):
            for place in places:
                one_round(*place)
    return seen


def one_round(seen: Crowd, control: Control, processes: Sequence[Popen[str]]) -> None:
    control.set(reset=True)
    for process in processes:
        tell(process, "go")
    for process in processes:
        seen.told.update(answer_of(process))
    seen.charged += control.counts().charged
    log = control.log()
    charges = [each.left for each in log if each.operation == "charge"]
    seen.per_second.append(len(charges) / (charges[-1] - log[0].came) if charges else 0.0)
    between, within = gaps(log)
    seen.between += between
    seen.within += within


def table(seen: dict[str, Crowd], rounds: int) -> Table:
    made = Table(
        f"{PROCESSES} processes x {CALLS} `redeem()` of one voucher",
        ("journal", "charged", *REFUSED, "other errors", "redeems/s", "hand-over ms", "the same process ms"),
        notes=[NOTE.format(processes=PROCESSES, calls=CALLS, timeout=TIMEOUT, rounds=rounds)],
    )
    for kind, crowd in seen.items():
        others = crowd.told.total() - crowd.told[CHARGED] - sum(crowd.told[name] for name in REFUSED)
        counts = (f"{crowd.told[CHARGED]} of {rounds * ALL}", *(f"{crowd.told[name]}" for name in REFUSED))
        rate = f"{statistics.median(crowd.per_second):,.0f}"
        times = (f"{crowd.hand_over_ms:.1f}", f"{middle(crowd.within):.1f}")
        made.rows.append((kind, *counts, f"{others}", rate, *times))
    return made


def figures(seen: dict[str, Crowd], rounds: int) -> list[Figure]:
    made: list[Figure] = []
    for kind, crowd in seen.items():
        what = f"{PROCESSES} x {CALLS} `redeem()` of one voucher, {kind}"
        missed = rounds * ALL - crowd.told[CHARGED]
        shown = f"{crowd.told[CHARGED]} of {rounds * ALL}"
        refused = ", ".join(f"{crowd.told[name]} {name}" for name in REFUSED)
        made += [
            Figure(
                what,
                f"{ALL} of {ALL} charged, no {', no '.join(REFUSED)}",
                f"{shown}, {refused}",
                missed == 0 and crowd.charged == rounds * ALL,
            ),
            Figure(
                f"hand-over of its turn between processes, {kind}, median",
                f"at most {MOST_MS} ms",
                f"{crowd.hand_over_ms:.1f} ms",
                crowd.hand_over_ms <= MOST_MS,
            ),
        ]
    return made
