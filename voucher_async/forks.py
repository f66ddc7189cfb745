"""Forks: what was made before one is made anew after it.

A child has copies of the parent's objects, but none of its tasks and threads, and shares its sockets. Nothing
here costs anything while no process forks.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import Final, Protocol

__all__ = ["Forkable", "keep", "renew_in_children"]


class Forkable(Protocol):
    """An object that a child cannot go on with as it is."""

    def after_fork(self) -> None:
        """Let go of what belongs to the parent, in the child, without touching a socket or a loop."""
        ...


_renewed: Final[weakref.WeakSet[Forkable]] = weakref.WeakSet()
_kept: Final[list[object]] = []


def renew_in_children(each: Forkable) -> None:
    """Have `after_fork` called in every process that is forked from now on, as long as the object lives."""
    _renewed.add(each)


def keep(*inherited: object) -> None:
    """Keep what is the parent's: were it deleted, it might close what the parent still uses, or complain."""
    _kept.extend(inherited)


def _after_fork() -> None:
    for each in list(_renewed):
        # an object that fails, being half constructed, must not leave the others with the parent's state
        with contextlib.suppress(Exception):
            each.after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
