"""A request body that knows whether it was begun to be written, where, and when it must not be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from voucher_async.transport.connection import arm, destroy, disarm, hear_out, is_closing, owners

if TYPE_CHECKING:
    from collections.abc import Callable

    from voucher_async.cancelling import Limit

__all__ = ["NotBegunError", "Watched"]


class NotBegunError(ConnectionResetError):
    """A body refused to be begun: nothing of it was written, and its connection is given up."""


class Watched:
    """The part of a request body that watches over its writing.

    Attributes:
        begun: how often it was begun.
        limit: of the call; None when that is over.
        silence: seconds that the server may be silent from then on; None where somebody else watches that.
        armed: its connections are, from their making on; others are while they are its own.
        careful: it must not be sent twice, so the connection is looked at first.
        over: the call is over.
        taken: a request was made of it; a stand-in for aiohttp in a test makes none.
        late: it was not begun because the time was up.
        uptime: measures `begin_by`: seconds, those counted in which the machine slept.
        begin_by: the moment until which it may be begun; None: as long as the call may take.
        overdue: it was not begun because that moment had passed.
        refused: why it was not begun; empty when it was, or may be.
    """

    begun: int = 0
    limit: Limit | None = None
    silence: float | None = None
    armed: bool = False
    careful: bool = False
    over: bool = False
    taken: bool = False
    late: bool = False
    uptime: Callable[[], float] | None = None
    begin_by: float | None = None
    overdue: bool = False
    refused: str = ""
    _connections: tuple[tuple[Any, Any, int], ...] = ()  # transport, socket, descriptor

    async def begin(self, writer: Any) -> None:
        """Note that it is written now.

        Args:
            writer: knows the transport it writes to, unless it is somebody else's.

        Raises:
            NotBegunError: it must not be; `refused` says why.
        """
        transport = getattr(writer, "transport", writer)
        is_told = transport is not writer
        lost = transport if is_told else None
        if self.careful and lost is not None:
            await hear_out(transport)
        limit, self.refused = self.limit, ""
        if limit is not None:
            self.late = limit.passed if self.silence is None else not limit.silence(self.silence)
        if self.over or self.late:
            self.refuse("the time was up before it was begun", lost)
        if self.begin_by is not None and self.uptime is not None and self.uptime() > self.begin_by:
            self.overdue = True
            self.refuse("its record was too old when it was to be begun", lost)
        if is_told:
            if transport is None or is_closing(transport):
                self.refuse("the server closed the connection before it was begun", lost)
            if self.careful and getattr(getattr(writer, "protocol", None), "should_close", False):
                self.refuse("something came on the connection that nobody had asked for", lost)
            sock = transport.get_extra_info("socket")
            descriptor = -1 if sock is None else sock.fileno()
            owners[descriptor] = self
            if not self.armed:
                arm(sock)
            self._connections = (*self._connections, (transport, sock, descriptor))
        self.begun += 1

    def refuse(self, reason: str, lost: Any = None) -> NoReturn:
        """Give up the connection that it was to be written to, and say why."""
        self.refused = reason
        if lost is not None:
            lost.abort()  # closing TLS properly would wait for a peer that may be gone
        raise NotBegunError(reason)

    def end(self, *, answered: bool) -> None:
        """The call is over: from now on nothing of it may reach the server.

        Args:
            answered: whether the whole answer is there; else the connections are destroyed.
        """
        self.over, self.limit = True, None
        lost = self._connections[:-1] if answered else self._connections
        for transport, _, descriptor in lost:
            # an armed socket forgets by itself whose it is, when it is closed
            if not self.armed and owners.get(descriptor) is self:
                del owners[descriptor]
            destroy(transport)
        if len(lost) < len(self._connections):
            _, sock, descriptor = self._connections[-1]
            if owners.get(descriptor) is self:
                del owners[descriptor]
                if not self.armed:
                    disarm(sock)
