"""A request body that knows whether it was begun to be written, where, and when it must not be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voucher_async.clock import uptime_of
from voucher_async.transport.connection import Connection, hear_out, is_closing

if TYPE_CHECKING:
    import asyncio

    from voucher_async.cancelling import Limit
    from voucher_async.clock import Clock

__all__ = ["NotBegunError", "Watched"]


class NotBegunError(ConnectionResetError):
    """A body refused to be begun: nothing of it was written, and its connection is given up."""


class Watched:
    """The part of a request body that watches over its writing.

    Attributes:
        begun: how often it was begun.
        limit: of the call; None when that is over.
        silence: seconds that the server may be silent from then on; None where somebody else watches that.
        careful: it must not be sent twice, so the connection is looked at first.
        over: the call is over.
        taken: a request was made of it; a stand-in for aiohttp in a test makes none.
        late: it was not begun because the time was up.
        clock: measures `begin_by`; None where there is none.
        begin_by: the moment until which it may be begun, in seconds as `uptime_of` the clock counts.
        overdue: it was not begun because that moment had passed.
        refused: why it was not begun; empty when it was, or may be.
    """

    begun: int = 0
    limit: Limit | None = None
    silence: float | None = None
    careful: bool = False
    over: bool = False
    taken: bool = False
    late: bool = False
    clock: Clock | None = None
    begin_by: float | None = None
    overdue: bool = False
    refused: str = ""
    _connections: tuple[Connection, ...] = ()

    async def begin(self, writer: Any) -> None:
        """Note that it is written now.

        Args:
            writer: knows the transport it writes to, unless it is somebody else's.

        Raises:
            NotBegunError: it must not be; `refused` says why.
        """
        transport: asyncio.Transport | None = getattr(writer, "transport", None)
        if self.careful and transport is not None:
            await hear_out(transport)
        self.refused = self._objection(writer)
        if self.refused:
            if transport is not None:
                transport.abort()  # closing TLS properly would wait for a peer that may be gone
            raise NotBegunError(self.refused)
        self.begun += 1
        if transport is not None:
            self._connections = (*self._connections, Connection(transport))
        if self.limit is not None and self.silence is not None:
            self.limit.silence(self.silence)

    def _objection(self, writer: Any) -> str:
        """Reason why it must not be begun now; empty when it may."""
        self.late = self.limit is not None and self.limit.passed
        if self.over or self.late:
            return "the time was up before it was begun"
        self.overdue = self.begin_by is not None and self._is_overdue(self.begin_by)
        if self.overdue:
            return "its record was too old when it was to be begun"
        transport = getattr(writer, "transport", writer)
        if transport is writer:  # a foreign writer without a transport cannot be examined
            return ""
        if transport is None or is_closing(transport):
            return "the server closed the connection before it was begun"
        if self.careful and getattr(getattr(writer, "protocol", None), "should_close", False):
            return "something came on the connection that nobody had asked for"
        return ""

    def _is_overdue(self, begin_by: float) -> bool:
        return self.clock is not None and uptime_of(self.clock) > begin_by

    def end(self, *, answered: bool) -> None:
        """The call is over: from now on nothing of it may reach the server.

        Args:
            answered: whether the whole answer is there; else the connections are destroyed.
        """
        self.over, self.limit = True, None
        for connection in self._connections[:-1] if answered else self._connections:
            connection.destroy()
        if answered and self._connections:
            self._connections[-1].release()
