"""The figures of a storm: how many calls, which faults, how long things may take."""

from __future__ import annotations

import json
from typing import Any, Final, Literal, Self, get_args

import attrs

from voucher_async import Settings, Timeout
from voucher_async.testing import EmulatorSettings

Variant = Literal["default", "double", "lag", "kill", "habits", "keys", "keys-sqlite", "keys-postgresql"]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)


@attrs.frozen(kw_only=True)
class Storm:
    """One storm.

    Attributes:
        calls: how many calls that move money all workers make together, at least; of the variants with keys
            how many payments.
        workers: processes.
        share: the share of all requests that meet a fault.
        seed: what the work, the faults and the kills are drawn from.
        variant: `double`: the server charges a reservation twice; `lag`: its lists lag behind; `kill`:
            workers are killed and started again; `habits`: the server takes on each habit of
            `voucher_async.testing.habits.KINDS` by turns; `keys`: the same, and each payment is asked for
            three times, at random moments with its key or at the same moment without one; `keys-sqlite`,
            `keys-postgresql`: the same with keys, by random workers that share a journal and are killed.
        lanes: how many pieces of work a worker does at once.
        kills: how often each worker is killed.
        pauses: how often each worker is stopped for longer than its lease, and then goes on.
        delay: seconds after which a request is carried out at the latest, its connection long gone, and by
            which lists lag behind, if they do.
        slack: seconds that a busy machine may be late; what is found when it was later is void.
        turn: seconds that a habit lasts; a quarter of that passes without any before the next one.
        patience: seconds that clients look after an open outcome in the background.
        journal: the URL of the journal that the workers share; empty: each has one in memory.
        host: the address that the server listens on.
        last: seconds of a call that asks once more in the calm; None: those of all others.
    """

    calls: int = 20_000
    workers: int = 4
    share: float = 0.3
    seed: int = 1
    variant: Variant = "default"
    lanes: int = 40
    kills: int = 0
    pauses: int = 0
    delay: float = 1.0
    slack: float = 2.0
    turn: float = 2.0
    patience: float = 60.0
    journal: str = ""
    host: str = "127.0.0.1"
    last: float | None = None

    @property
    def window(self) -> float:
        """Seconds within which a request is carried out and shows in lists, if at all."""
        return self.lag + self.delay

    @property
    def lag(self) -> float:
        """Seconds within which what was carried out shows in lists."""
        return self.slack + (self.delay if self.variant == "lag" else 0.0)

    @property
    def has_habits(self) -> bool:
        """Whether the server has habits by turns."""
        return self.variant == "habits" or self.is_keyed

    @property
    def is_keyed(self) -> bool:
        """Whether payments are asked for three times."""
        return self.variant.startswith("keys")

    @property
    def is_shared(self) -> bool:
        """Whether the workers share a journal, and ask for the same payments."""
        return self.variant.startswith("keys-")

    @property
    def by_turns(self) -> bool:
        """Whether the server's faults begin when it is told to, and not at once."""
        return False

    @property
    def tries(self) -> int:
        """How often what is open is settled by hand; some of it stays open for good."""
        return 3 if self.has_habits else 4

    def settings(self, access: EmulatorSettings) -> Settings:
        """The settings of the workers' clients.

        Args:
            access: what the server gave out.
        """
        # under habits a caller needs time to charge a live reservation again, also on a busy machine
        total = 12.0 if self.has_habits else 6.0
        made = Settings.make(
            **access,
            timeout=Timeout(total=total, connect=1.0, read=0.8),
            insecure_hosts=(self.host,),
        )
        return attrs.evolve(
            made,
            settle_window=self.window,
            list_lag=self.lag,
            settle_for=max(self.patience, 2 * self.window),
            close_wait=10.0,
        )

    def to_json(self) -> str:
        """As an argument for another process."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The storm again."""
        values: dict[str, Any] = json.loads(text)
        return cls(**values)
