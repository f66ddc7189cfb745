"""Forks: what was made before one is made anew after it.

A child has copies of the parent's objects, but none of its tasks and threads, and shares its sockets. Nothing
here costs anything while no process forks.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Closeable", "Forkable", "close_before_forks", "keep", "renew_in_children"]


class Forkable(Protocol):
    """An object that a child cannot go on with as it is."""

    def after_fork(self) -> None:
        """Let go of what belongs to the parent, in the child, without touching a socket or a loop."""
        ...


class Closeable(Protocol):
    """An object that no process may go on with, neither the child nor the parent."""

    def before_fork(self) -> None:
        """Close it; nothing may open it before `after_fork`."""
        ...

    def after_fork(self) -> None:
        """Let it be opened, in the parent and in the child."""
        ...


_closed: Final[weakref.WeakSet[Closeable]] = weakref.WeakSet()
_renewed: Final[weakref.WeakSet[Forkable]] = weakref.WeakSet()
_kept: Final[list[object]] = []


def renew_in_children(each: Forkable) -> None:
    """Have `after_fork` called in every process that is forked from now on, as long as the object lives."""
    _renewed.add(each)


def close_before_forks(each: Closeable) -> None:
    """Have both methods called around every fork from now on, as long as the object lives."""
    _closed.add(each)


def keep(*inherited: object) -> None:
    """Keep what is the parent's: were it deleted, it might close what the parent still uses, or complain."""
    _kept.extend(inherited)


def _before_fork() -> None:
    for each in list(_closed):
        with contextlib.suppress(Exception):
            each.before_fork()


def _in_parent() -> None:
    _call_after(_closed)


def _in_child() -> None:
    _call_after(_closed)
    _call_after(_renewed)


def _call_after(objects: Iterable[Forkable | Closeable]) -> None:
    for each in list(objects):
        # an object that fails, being half constructed, must not leave the others with the parent's state
        with contextlib.suppress(Exception):
            each.after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
