"""What calls need of the world, and the error for one whose outcome is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import attrs

from voucher_async.errors import OutcomeUnknown

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.errors import VoucherError
    from voucher_async.pending import PendingOutcome
    from voucher_async.sansio import Answer, Request

__all__ = ["Sender", "open_outcome"]

T = TypeVar("T")


class Sender(Protocol):
    """Sends requests; `voucher_async.transport.sender.Transport` is the one for work."""

    def deadline(self, timeout: float | None = None) -> Deadline:
        """The deadline of a call that begins now; `timeout` in seconds, None for the client's own."""
        ...

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        """Send a request and read its answer."""
        ...


def open_outcome(error: VoucherError, pending: PendingOutcome, advice: str = "") -> OutcomeUnknown:
    """The error for a call whose outcome is open because of another error."""
    sent_at = error.facts.sent_at if error.facts else None
    advice = advice or "look for it before you repeat the call"
    return OutcomeUnknown(
        f"{pending.operation} may or may not have been carried out, {advice}: {error.args[0]}",
        pending=attrs.evolve(pending, sent_at=sent_at),
        facts=error.facts,
    )
