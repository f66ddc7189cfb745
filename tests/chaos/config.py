"""The figures of a storm: how many calls, which faults, how long things may take."""

from __future__ import annotations

import json
from typing import Any, Final, Literal, Self, get_args

import attrs

from voucher_async import Settings, Timeout
from voucher_async.testing import EmulatorSettings

Variant = Literal["default", "double", "lag", "kill"]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)

LATE: Final = 1.0  # seconds after which a request is carried out at the latest, its connection long gone
LAG: Final = 1.0  # seconds that a list lags behind
SLACK: Final = 1.5  # seconds that a busy machine may delay things; the storm is void when it took longer


@attrs.frozen(kw_only=True)
class Storm:
    """One storm.

    Attributes:
        calls: how many calls that move money all workers make together, at least.
        workers: processes.
        share: the share of all requests that meet a fault.
        seed: what the work, the faults and the kills are drawn from.
        variant: `double`: the server charges a reservation twice; `lag`: its lists lag behind; `kill`:
            workers are killed and started again.
        lanes: how many pieces of work a worker does at once.
        kills: how often each worker is killed.
    """

    calls: int = 20_000
    workers: int = 4
    share: float = 0.3
    seed: int = 1
    variant: Variant = "default"
    lanes: int = 40
    kills: int = 0

    @property
    def window(self) -> float:
        """Seconds within which a request is carried out and shows in lists, if at all."""
        return LATE + SLACK + (LAG if self.variant == "lag" else 0.0)

    def settings(self, access: EmulatorSettings) -> Settings:
        """The settings of the workers' clients.

        Args:
            access: what the server gave out.
        """
        made = Settings.make(**access, timeout=Timeout(total=6.0, connect=1.0, read=0.8))
        return attrs.evolve(made, settle_window=self.window, settle_for=30.0, close_wait=10.0)

    def to_json(self) -> str:
        """As an argument for another process."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The storm again."""
        values: dict[str, Any] = json.loads(text)
        return cls(**values)
