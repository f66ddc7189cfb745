"""Leftovers of a client: open outcomes that its block leaves, and a client that nobody closed."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Final, Protocol

from voucher_async.cancelling import quietly
from voucher_async.masking import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.pending import PendingOutcome

__all__ = ["Leftovers"]

_logger: Final = logging.getLogger("voucher_async")


class _Session(Protocol):
    closed: bool

    @property
    def is_open(self) -> bool: ...


class _Desk(Protocol):
    @property
    def pending(self) -> Sequence[PendingOutcome]: ...


class Leftovers:
    """One per client.

    Args:
        session: its connections.
        desk: its open outcomes.
    """

    def __init__(self, session: _Session, desk: _Desk) -> None:
        self._session = session
        self._desk = desk
        self._process = os.getpid()

    def log(self) -> None:
        """Log one WARNING for each open outcome, when nobody looks after it any more; none holds a secret."""
        for pending in self._desk.pending:
            quietly(
                _logger.warning,
                "%s of %s %s for order %s is left open by a client that was closed: it may or may not have "
                "been carried out, settle it before you repeat it (outcome %s)",
                pending.operation,
                pending.amount,
                pending.currency,
                visible(pending.order_number or "(none)"),
                pending.id,
            )

    def warn(self, client: object) -> None:
        """Warn of a client that was thrown away unclosed, as aiohttp does of a session.

        Args:
            client: the client, which is being deleted.
        """
        # a forked child has copies of what the parent will close; an interpreter that ends closes all sockets
        if self._session.closed or sys.is_finalizing() or os.getpid() != self._process:
            return
        count = len(self._desk.pending)
        if not count and not self._session.is_open:
            return
        left = f" with {count} open outcome{'s' if count > 1 else ''}" if count else ""
        text = (
            f"unclosed {client!r}{left}: use `async with`, or await its aclose() and store what that returns"
        )
        warnings.warn(text, ResourceWarning, stacklevel=2, source=client)
