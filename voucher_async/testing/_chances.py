"""Random choice of faults."""

from __future__ import annotations

import random
from typing import Generic, TypeVar

import attrs

__all__ = ["Chance"]

Fault = TypeVar("Fault")


@attrs.frozen
class Chance(Generic[Fault]):
    """Share of requests that meet a fault, the same in the same order for a seed.

    Attributes:
        share: from 0 to 1.
        seed: of the random choices.
        operations: those whose requests are affected.
        kinds: what is chosen from, one as likely as the other.
    """

    share: float
    seed: int
    operations: frozenset[str]
    kinds: tuple[Fault, ...]
    _rng: random.Random = attrs.field(
        default=attrs.Factory(lambda it: random.Random(it.seed), takes_self=True), init=False, repr=False
    )

    def choose(self, operation: str) -> Fault | None:
        """The fault of the next request of an operation, if it meets one."""
        if operation not in self.operations:
            return None
        return self._rng.choice(self.kinds) if self._rng.random() < self.share else None
