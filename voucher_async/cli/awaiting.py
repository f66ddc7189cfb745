"""Waiting for the ends of calls that are open, and telling each as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from voucher_async.checks import check_wait
from voucher_async.cli.journaling import called, openness
from voucher_async.errors import VoucherError
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.call import COMPOSED, REFUND_ORDER, CallRecord, CallState
from voucher_async.payments.ownership import LEASE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.cli.common import Session
    from voucher_async.journals.sql import SqlJournal

__all__ = ["Settling", "patience"]

_MORE: Final = 30.0  # seconds: the lease of a process that has just died, and looks that are repeated
OVER: Final = LEASE + 1.0
"""Seconds after which an owner whose lease runs is alive for certain."""

_LOOK: Final = 0.5  # seconds between two looks into the journal
_AGAIN: Final = 1.0  # seconds between two attempts at what is left
_SHORT: Final = 0.05  # seconds in which a look that goes on tells what hinders it
_TELL: Final = 15.0  # seconds between two words about what is still open

_logger: Final = logging.getLogger("voucher_async")


def patience(session: Session, wait: float | None) -> float:
    """The seconds to wait for the ends of calls.

    Args:
        session: of the command.
        wait: as it was given.

    Raises:
        ConfigurationError: it is no time span.
    """
    check_wait(wait)
    return session.client.settings.settle_window + _MORE if wait is None else wait


class Settling:
    """The settling of some calls.

    Args:
        session: of the command; its client settles.
        journal: tells the ends.
        records: calls that have not ended.
        wait: seconds.

    Attributes:
        ends: the records as they are, by id.
        reasons: why a call is still open, by id.
        surplus: the ids of what was charged once too often by processes that live, and stays so.
    """

    def __init__(
        self, session: Session, journal: SqlJournal, records: Sequence[CallRecord], wait: float
    ) -> None:
        self._session = session
        self._journal = journal
        self._wait = wait
        self._started = time.monotonic()
        self.ends: dict[str, CallRecord] = {each.id: each for each in records}
        self.reasons: dict[str, str] = {}
        self.surplus: dict[str, list[str]] = {}
        self._hopeless: set[str] = set()

    @property
    def _passed(self) -> float:
        return time.monotonic() - self._started

    @property
    def _left(self) -> list[CallRecord]:
        return [each for each in self.ends.values() if not each.ended and each.id not in self._hopeless]

    async def run(self) -> None:
        """Wait until all have ended, or cannot end, or the time is over.

        Raises:
            JournalFailed: the journal cannot be read.
        """
        await self._read()
        attempt: asyncio.Task[None] | None = None
        told = 0.0
        self._tell_waiting()
        try:
            while self._left and self._passed < self._wait:
                if attempt is None or attempt.done():
                    if attempt is not None:
                        attempt.result()
                        await asyncio.sleep(min(_AGAIN, max(self._wait - self._passed, 0.0)))
                    attempt = asyncio.create_task(self._attempt())
                await asyncio.wait({attempt}, timeout=min(_LOOK, max(self._wait - self._passed, 0.0)))
                await self._read()
                if self._left and self._passed - told >= _TELL:
                    told = self._passed
                    self._tell_waiting()
        finally:
            if attempt is not None:
                attempt.cancel()
                with contextlib.suppress(asyncio.CancelledError, VoucherError):
                    await attempt
        await asyncio.gather(*(self._settle(each, _SHORT) for each in self._left if _is_looked_for(each)))
        await self._read_ends()

    def _tell_waiting(self) -> None:
        count, passed = len(self._left), self._passed
        if count:
            words = f"Settling {count} {'call' if count == 1 else 'calls'}"
            self._session.terminal.say(f"{words}: {passed:.0f} s of at most {self._wait:g} s ...")

    async def _attempt(self) -> None:
        """Settle what is left: what dead processes left, and what those that live have given up."""
        left = max(self._wait - self._passed, 0.0)
        opened = [each for each in self._left if each.state is CallState.OPEN]
        given_up = [
            each for each in opened if self._may_be_settled(each) and await self._journal.is_alive(each.owner)
        ]
        client = self._session.client
        await asyncio.gather(client.recover(timeout=left), *(self._settle(each, left) for each in given_up))

    def _may_be_settled(self, record: CallRecord) -> bool:
        """False where there may be a surplus, and its owner may be dead: whoever recovers it refunds that."""
        may_have_surplus = record.view.sends > 1 or record.view.reference is not None
        return not may_have_surplus or self._passed > OVER

    async def _settle(self, record: CallRecord, timeout: float) -> None:
        try:
            settlement = await self._session.client.settle(record.view, timeout=timeout)
        except OutcomeUnknown as error:
            self.reasons[record.id] = str(error)
        else:
            if settlement.surplus and not settlement.refunds:
                self.surplus[record.id] = [each.id for each in settlement.surplus]

    async def close(self) -> None:
        """Close the client at once: it was waited for long enough, and said what is open."""
        before = _logger.level
        _logger.setLevel(logging.ERROR)  # what it warns of now is that it was closed
        try:
            await self._session.client.aclose(0.0)
        finally:
            _logger.setLevel(before)

    async def _read_ends(self) -> None:
        """Read the records again, and tell each end."""
        for record in self._left:
            now = self.ends[record.id] = await self._journal.get(record.scope, record.id) or record
            if now.ended:
                self._tell(now)

    async def _read(self) -> None:
        """Read the records again, and why those that are open are so."""
        await self._read_ends()
        for now in self._left:
            is_alive = await self._journal.is_alive(now.owner)
            known = openness(now, self._session.client.settings, is_alive=is_alive)
            self.reasons[now.id] = known.why
            if known.is_hopeless or await self._waits_for_its_caller(now):
                self.reasons[now.id] = f"{known.why}; it takes {known.settled_by}"
                self._hopeless.add(now.id)

    async def _waits_for_its_caller(self, record: CallRecord) -> bool:
        """True for an order's refund whose parts have ended: only who asks for it gives back the rest."""
        if record.parameters.operation != REFUND_ORDER or record.state is not CallState.OPEN:
            return False
        return all(each.ended for each in await self._journal.children(record.scope, record.id))

    def _tell(self, record: CallRecord) -> None:
        words = f"{called(record)}: {record.state}"
        if record.charge is not None:
            words += f", {record.charge.type} {record.charge.id} of {record.charge.amount:.2f}"
        self._session.terminal.say(words)


def _is_looked_for(record: CallRecord) -> bool:
    return record.state is CallState.OPEN and record.parameters.operation not in COMPOSED
