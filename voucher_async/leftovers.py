"""Leftovers of a client that nobody closed: its connections, and its open outcomes."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.outcomes import PendingOutcome

__all__ = ["Leftovers"]


class _Session(Protocol):
    closed: bool

    @property
    def is_open(self) -> bool: ...


class _Supervisor(Protocol):
    @property
    def pending(self) -> Sequence[PendingOutcome]: ...


class Leftovers:
    """One per client.

    Args:
        session: its connections.
        supervisor: its open outcomes.
    """

    def __init__(self, session: _Session, supervisor: _Supervisor) -> None:
        self._session = session
        self._supervisor = supervisor
        self._process = os.getpid()

    def warn(self, client: object) -> None:
        """Warn of a client that is deleted unclosed, as aiohttp does of a session.

        Args:
            client: the client, which is being deleted.
        """
        # a forked child has copies of sockets that the parent will close; an ending interpreter closes all
        if self._session.closed or sys.is_finalizing() or os.getpid() != self._process:
            return
        count = len(self._supervisor.pending)
        if not count and not self._session.is_open:
            return
        left = f" with {count} open outcome{'s' if count > 1 else ''}" if count else ""
        text = (
            f"unclosed {client!r}{left}: use `async with`, or await its aclose() and store what that returns"
        )
        warnings.warn(text, ResourceWarning, stacklevel=2, source=client)
