"""The way over the wire that all calls of a client share, and the limits of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from voucher_async.cancelling import Limits
from voucher_async.config import deadline_of
from voucher_async.transport.call import Call
from voucher_async.transport.kit import TransportKit

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from voucher_async.clock import Deadline
    from voucher_async.config import Timeout
    from voucher_async.facts import Answer
    from voucher_async.sansio import Request

__all__ = ["Transport"]

T = TypeVar("T")


@attrs.define(eq=False, repr=False)
class Transport(TransportKit):
    """Sends requests and repeats them where the contract allows it."""

    _limits: Limits = attrs.field(init=False, factory=Limits)

    async def aclose(self) -> None:
        """End the calls under way, whatever they wait for, and close the connections; others are refused."""
        self._limits.end()
        await self.session.aclose()

    def deadline(self, timeout: float | Timeout | None = None) -> Deadline:
        """The deadline of a call that begins now.

        Args:
            timeout: seconds, or all limits; None takes the client's own.

        Raises:
            ConfigurationError: `timeout` is not a positive number.
        """
        return deadline_of(self.clock, timeout, self.settings.timeout.total)

    def send(self, request: Request[T], deadline: Deadline) -> Coroutine[Any, Any, Answer[T]]:
        """Send a request and read its answer.

        Args:
            request: what to send.
            deadline: when to give up, whatever happens.

        Raises:
            ApiError: the server answered with an error, or with something that cannot be read.
            TransportError: no complete answer.
            ConfigurationError: the client is closed, or used on a second event loop.

        Whatever is raised: its `fate` says what is known of the call as a whole, every attempt counted. Also
        that of a CancelledError, a KeyboardInterrupt or a SystemExit, which get such an attribute.
        """
        return Call(self, request, deadline).run(self._limits)
