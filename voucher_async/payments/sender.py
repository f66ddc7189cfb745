"""The transport protocol, and the error for an unknown outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.replies import brief

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from voucher_async.clock import Deadline
    from voucher_async.config import Timeout
    from voucher_async.errors import VoucherError
    from voucher_async.facts import Answer
    from voucher_async.outcomes import PendingOutcome
    from voucher_async.sansio import Request

__all__ = ["Sender", "open_outcome"]

T = TypeVar("T")


class Sender(Protocol):
    """Sends requests; `voucher_async.transport.sender.Transport` is the one for work."""

    def deadline(self, timeout: float | Timeout | None = None) -> Deadline:
        """The deadline of a call that begins now; `timeout` as calls take it, None for the client's own."""
        ...

    def send(self, request: Request[T], deadline: Deadline) -> Coroutine[Any, Any, Answer[T]]:
        """Send a request and read its answer."""
        ...


def open_outcome(error: VoucherError, pending: PendingOutcome, reason: str) -> OutcomeUnknown:
    """The error for a call whose outcome is open because of another error.

    Args:
        error: the error of its request.
        pending: the facts needed to find out later.
        reason: the reason why it is open, in words, and what to do.
    """
    sent_at = error.facts.sent_at if error.facts else pending.sent_at
    return OutcomeUnknown(
        f"{pending.operation} may or may not have been carried out ({brief(error)}): {reason}",
        pending=attrs.evolve(pending, sent_at=sent_at),
        facts=error.facts,
    )
