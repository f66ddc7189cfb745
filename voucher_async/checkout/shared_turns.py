"""Turns of processes that share a journal: first come, first served.

Theory of operation. Within a client its calls line up at a lock in memory. The first of them has a ticket
in the journal's line for the voucher. Its turn comes when every ticket ahead of it was given back, has
lapsed, or belongs to a dead owner. A client keeps its ticket for a few of its own calls in a row: another
process notices only after a pause that it is next. A turn saves refusals, it proves nothing: of two clients
that both believe to have it, the one that reserves later ends the other's reservation, as without turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from voucher_async.cancelling import quietly, to_the_end
from voucher_async.checkout.turns import LocalVoucherLock
from voucher_async.errors import VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.payments.call import new_id
from voucher_async.payments.ownership import ask_journal, wait_in_background
from voucher_async.payments.running import closed

if TYPE_CHECKING:
    from types import TracebackType

    from voucher_async.checkout.turns import LocalTurn
    from voucher_async.payments.journal import Line
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.pauses import Pauses

__all__ = ["SharedTurns"]

_LEASE: Final = 25.0  # seconds after which a ticket lapses; most callers wait for 30
_IN_A_ROW: Final = 8  # calls of one client while others wait
_PAUSE: Final = 0.02  # seconds between two looks at the line, for each ticket ahead
_LONGEST_PAUSE: Final = 0.25
_AGAIN: Final = 1.0  # seconds until a ticket that could not be given back is given back

_logger: Final = logging.getLogger("voucher_async")


@attrs.define(eq=False)
class _Ticket:
    """A place in the line.

    Attributes:
        id: tells tickets apart.
        uses: calls that have had it.
    """

    id: str = attrs.field(factory=new_id)
    uses: int = 0


class Tasks(Protocol):
    """The tasks of a client that go on in the background; closing it waits for them."""

    tasks: set[asyncio.Task[None]]


class SharedTurns:
    """The lock of one client whose journal gives turns.

    Args:
        line: the journal's lines.
        ownership: the owner that the tickets belong to.
        pauses: between two looks at a line.
        tasks: of the client's work in the background.
    """

    def __init__(self, line: Line, ownership: Ownership, pauses: Pauses, tasks: Tasks) -> None:
        self._line = line
        self._background = tasks
        self._ownership = ownership
        self._pauses = pauses
        self._local = LocalVoucherLock()
        self._kept: dict[str, _Ticket] = {}  # by turn: for the next call of this client
        self._stale: dict[str, _Ticket] = {}  # by turn: tickets that could not be given back
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave the tickets to the parent."""
        keep(self._kept, self._stale)
        self._kept, self._stale = {}, {}

    def hold(self, key: str) -> _SharedTurn:
        """Wait for the turn, keep it inside the block.

        Args:
            key: stands for the voucher, the same in all processes.
        """
        return _SharedTurn(self, self._local.hold(key), key)

    async def take(self, key: str) -> _Ticket:
        """The ticket whose turn it is.

        Raises:
            JournalFailed: the line cannot be read or written.
            ConfigurationError: the client was closed meanwhile.
        """
        ticket = self._kept.pop(key, None) or self._stale.pop(key, None) or _Ticket()
        self._ownership.heartbeat.hold(ticket.id)
        try:
            # what was asked for is awaited even by who leaves, or the place would be taken after it was left
            while ahead := await to_the_end(self._ahead(key, ticket)):
                await self._pauses.wait(min(_PAUSE * ahead, _LONGEST_PAUSE))
        except BaseException:
            await to_the_end(self.give_back(key, ticket))
            raise
        ticket.uses += 1
        return ticket

    async def _ahead(self, key: str, ticket: _Ticket) -> int:
        if self._pauses.are_over:
            raise closed(is_alone=True)  # who waits for the turn looks at its record before it says so
        ownership = self._ownership
        await ownership.renew()
        return await ask_journal(self._line.line_up(key, ticket.id, ownership.owner, _LEASE))

    async def leave(self, key: str, ticket: _Ticket, *, is_awaited: bool) -> None:
        """End a turn: another call of this client, or another process, is next."""
        if is_awaited and ticket.uses < _IN_A_ROW and not self._pauses.are_over:
            self._kept[key] = ticket
        else:
            await self.give_back(key, ticket)

    async def give_back(self, key: str, ticket: _Ticket) -> None:
        """Leave the line; while the journal fails, later; at last the ticket lapses."""
        self._ownership.heartbeat.release(ticket.id)
        try:
            await ask_journal(self._line.leave_line(key, ticket.id))
        except VoucherError as error:
            quietly(_logger.warning, "a voucher's turn could not be given back yet: %s", error)
            self._stale[key] = ticket
            task = asyncio.create_task(self._leave_later(key, ticket))
            self._background.tasks.add(task)
            task.add_done_callback(self._background.tasks.discard)

    async def _leave_later(self, key: str, ticket: _Ticket) -> None:
        wait_in_background()
        for _ in range(int(_LEASE / _AGAIN)):
            await self._pauses.wait(_AGAIN)
            if self._stale.get(key) is not ticket or self._pauses.are_over:
                return  # the next call of this client has taken it
            with contextlib.suppress(VoucherError):
                await ask_journal(self._line.leave_line(key, ticket.id))
                break
        self._stale.pop(key, None)

    async def drop_unused(self, key: str) -> None:
        """Give back a ticket that was kept for a call which waits no more."""
        if not self._local.is_taken(key) and (ticket := self._kept.pop(key, None)) is not None:
            await self.give_back(key, ticket)


class _SharedTurn:
    """One wait for a turn, and the turn."""

    __slots__ = ("_key", "_local", "_ticket", "_turns")

    def __init__(self, turns: SharedTurns, local: LocalTurn, key: str) -> None:
        self._turns = turns
        self._local = local
        self._key = key
        self._ticket: _Ticket | None = None

    async def __aenter__(self) -> None:
        try:
            await self._local.__aenter__()
        except BaseException:
            await to_the_end(self._turns.drop_unused(self._key))
            raise
        try:
            self._ticket = await self._turns.take(self._key)
        except BaseException:
            self._local.give_back()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ticket, self._ticket = self._ticket, None
        try:
            if ticket is not None:
                is_awaited = self._local.is_awaited
                await to_the_end(self._turns.leave(self._key, ticket, is_awaited=is_awaited))
        finally:
            self._local.give_back()
