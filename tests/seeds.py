"""The one seed of every test that draws at random: `pytest --seed=7` draws anew, and the header names it."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["DEFAULT", "chosen", "drawing", "plant"]

DEFAULT: Final = 20  # a fixed default, so that the gate is the same each time

_planted = [DEFAULT]


def plant(seed: int) -> None:
    """Make this the seed of all that is drawn from now on."""
    _planted[0] = seed


def chosen() -> int:
    """The seed of this run."""
    return _planted[0]


def drawing(purpose: str) -> random.Random:
    """A generator of the run's seed, independent of those for other purposes."""
    return random.Random(f"{chosen()}/{purpose}")
