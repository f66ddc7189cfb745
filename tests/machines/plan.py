"""The work of a storm over machines, and the faults that have their turns, drawn from the seed alone."""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias, get_args

import attrs

from tests.chaos.config import Storm
from tests.chaos.plan import Call, Unit, asker, unit
from tests.machines.network import Means
from voucher_async import Settings, Timeout
from voucher_async.testing import EmulatorSettings

__all__ = ["FAULTS", "Fault", "MachineStorm", "Turn", "asked_by", "payment", "turns"]

Fault: TypeAlias = Literal[
    "none",
    "database silent",
    "database reset",
    "Valkey silent",
    "Valkey reset",
    "API silent",
    "API reset",
    "paused",
    "killed",
    "PostgreSQL restarted",
    "Valkey restarted",
    "clocks apart",
    "rolling restart",
    "API faults",
    "several at once",
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)

_ASKED: Final = (1, 2, 3, 3, 3)
_MINUTE: Final = 60.0  # seconds
_TOTAL: Final = 12.0  # seconds of a call
_CLOSING: Final = 5.0  # seconds that a client waits for calls when it is closed


def _tuple(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(faults)


@attrs.frozen(kw_only=True)
class MachineStorm(Storm):
    """One storm over machines; `calls` are payments, of which all workers are asked for.

    Attributes:
        rounds: how often each fault has its turn.
        least: seconds that a fault lasts at least.
        most: seconds that it lasts at the most, the end of a lease left aside.
        unkeyed: the share of the payments that are asked for without a key: by one worker.
        minutes: how many minutes a clock is wrong at the most.
        means: what stands between the machines and their services.
        faults: those that have their turns.
    """

    share: float = 0.3
    last: float | None = 120.0
    rounds: int = 4
    least: float = 2.0
    most: float = 20.0
    unkeyed: float = 0.15
    minutes: float = 2.0
    means: Means = "namespaces"
    faults: tuple[Fault, ...] = attrs.field(default=FAULTS, converter=_tuple)

    @property
    def is_keyed(self) -> bool:
        """Payments are asked for three times."""
        return True

    @property
    def has_habits(self) -> bool:
        """The API tells the truth, late or never: what stays open has no excuse."""
        return False

    @property
    def is_shared(self) -> bool:
        """All workers have one journal."""
        return True

    @property
    def by_turns(self) -> bool:
        """The server's faults have their turns as well."""
        return True

    def settings(self, access: EmulatorSettings) -> Settings:
        """The settings of the workers' clients: time enough to survive a short cut, and a quick end."""
        made = super().settings(access)
        return attrs.evolve(made, timeout=Timeout(total=_TOTAL, connect=1.0, read=0.8), close_wait=_CLOSING)

    @property
    def command(self) -> str:
        """The command that runs it again."""
        only = "" if self.faults == FAULTS else f" --faults {' '.join(map(shlex.quote, self.faults))}"
        return (
            f"python -m tests.machines --payments {self.calls} --workers {self.workers} "
            f"--rounds {self.rounds} --lanes {self.lanes} --least {self.least:g} --most {self.most:g} "
            f"--share {self.share:g} --delay {self.delay:g} --slack {self.slack:g} --means {self.means} "
            f"--seed {self.seed}{only}"
        )


@attrs.frozen(kw_only=True)
class Turn:
    """One turn of a fault.

    Attributes:
        fault: its name.
        number: its place among all turns.
        machines: whom it hits: at least one, and all but one at the most where there are several.
        seconds: how long it lasts.
        payments: how many payments are asked for once it is over, in all.
        draw: what else is drawn, by the fault itself.
    """

    fault: Fault
    number: int
    machines: tuple[int, ...]
    seconds: float
    payments: int
    draw: random.Random

    def skew(self, minutes: float) -> float:
        """How wrong a clock is, in seconds."""
        return self.draw.uniform(-1.0, 1.0) * minutes * _MINUTE


def turns(storm: MachineStorm) -> Iterator[Turn]:
    """Each fault by turns, in another order each round; the payments are shared among them."""
    rng = random.Random(f"{storm.seed}/turns")
    count = storm.rounds * len(storm.faults)
    number = 0
    for _ in range(storm.rounds):
        for fault in rng.sample(storm.faults, len(storm.faults)):
            number += 1
            hit = rng.randint(1, max(storm.workers - 1, 1))
            yield Turn(
                fault=fault,
                number=number,
                machines=tuple(rng.sample(range(storm.workers), hit)),
                seconds=rng.uniform(storm.least, storm.most),
                payments=storm.calls * number // count,
                draw=random.Random(f"{storm.seed}/turn/{number}"),
            )


def payment(storm: MachineStorm, number: int) -> Unit:
    """A payment, which is asked for up to three times with a key, or without one by a single worker."""
    whose = number % storm.workers
    plan = unit(storm.seed, whose, number, keyed=True, shared=True)
    rng = random.Random(f"{storm.seed}/{number}/asked")
    calls = plan.calls[: rng.choice(_ASKED)]
    if rng.random() < storm.unkeyed:
        # only a redeem that is asked for at the same moment is known to be the same without a key
        calls = calls if calls[0].kind == "redeem" else calls[:1]
        calls = tuple(attrs.evolve(call, key="", wait=0.0) for call in calls)
    return attrs.evolve(plan, calls=calls)


def asked_by(storm: MachineStorm, call: Call) -> int:
    """The worker that makes a call."""
    name = call if call.key else attrs.evolve(call, id=call.payment)
    return asker(storm.seed, name, storm.workers)
