"""A batch that is issued by a command: its progress, its file, and an end that leaves nothing half done.

The first Ctrl-C lets no further voucher begin, and gives those under way some seconds; the second cuts them
off. Either way the file is closed with all that is known, and the next run finds the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, cast

from voucher_async.api_errors import AuthenticationError, MissingScope
from voucher_async.cli.bulk.progress import Progress, progress_of
from voucher_async.cli.bulk.saving import Saver
from voucher_async.cli.bulk.tally import Tally
from voucher_async.cli.bulk.telling import last_words, problem_of, row_of
from voucher_async.cli.exits import Exit, advice_for
from voucher_async.errors import VoucherError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator

    from voucher_async.cli.bulk.jobs import Job
    from voucher_async.cli.common import Session
    from voucher_async.issuing import IssuedVoucher, VoucherSpec

__all__ = ["issue"]

_GRACE: Final = 10.0  # seconds for the vouchers under way after the first Ctrl-C
_SHOWN: Final = 20  # failures that people are told of one by one


async def issue(session: Session, job: Job) -> Exit:
    """Issue vouchers, tell of each failure, and tell at the end what is known.

    Args:
        session: the client and the streams.
        job: the vouchers.

    Raises:
        InvalidInput: it cannot be issued; nothing was sent.
        ConfigurationError: the file cannot be written; nothing was sent.
        Refused: nobody agreed; nothing was sent.
    """
    run = _Run(session, job)
    session.confirm(job.what)
    if job.out is not None:
        run.saver = await Saver.open(job.out)
        if len(run.saver):
            session.terminal.say(
                f"{job.out} has {len(run.saver)} vouchers; what is not in it is added, and nothing twice."
            )
    with _quiet():
        return await run.to_its_end()


class _Run:
    def __init__(self, session: Session, job: Job) -> None:
        self._job = job
        self._client = session.client
        self._terminal = session.terminal
        self._tally = Tally(job.count)
        self._is_stopping = False
        self.saver: Saver | None = None
        self._cards = self._client.vouchers.issue_many(
            self._specs(), batch=job.batch, concurrency=job.concurrency, activate=job.activate
        )

    def _specs(self) -> Iterator[VoucherSpec]:
        for spec in self._job.specs:
            if self._is_stopping:
                return
            self._tally.begun += 1
            yield spec

    async def to_its_end(self) -> Exit:
        work = asyncio.create_task(self._issue())
        try:
            await asyncio.wait({work})  # which leaves it alone when this is cancelled
        except asyncio.CancelledError:
            try:
                await self._stop(work)
            finally:
                if self._tally.done < self._job.count:
                    self._end(None, is_interrupted=True)
                # the next run finds what is open: nobody has to wait for it here
                await self._client.aclose(0)
            if self._tally.done < self._job.count:
                return Exit.INTERRUPTED
        error = None if work.cancelled() else work.exception()
        if error is not None and not isinstance(error, (VoucherError, OSError)):
            raise error
        self._end(error)
        return self._tally.status(error)

    async def _stop(self, work: asyncio.Task[None]) -> None:
        self._is_stopping = True
        try:
            if self._tally.under_way:
                self._terminal.say(
                    f"Stopping: {self._tally.under_way} vouchers are under way, and get {_GRACE:g} seconds. "
                    "Ctrl-C again ends at once."
                )
                await asyncio.wait({work}, timeout=_GRACE)
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _issue(self) -> None:
        cards = cast("AsyncGenerator[IssuedVoucher]", aiter(self._cards))
        with progress_of(self._terminal, self._tally) as progress:
            try:
                async with contextlib.aclosing(cards):
                    async for card in cards:
                        await self._take(card, progress)
            finally:
                if self.saver is not None:
                    await self.saver.close()

    async def _take(self, card: IssuedVoucher, progress: Progress) -> None:
        self._tally.add(card)
        self._tell(card)
        progress.show()
        voucher, saver = card.voucher, self.saver
        # a file has what was asked for; a line that it has already is put right in any case
        if saver is not None and voucher is not None and (card.error is None or voucher.id in saver):
            await saver.put(voucher)

    def _tell(self, card: IssuedVoucher) -> None:
        line = None if self._job.lines is None else self._job.lines[card.position - 1]
        if self._terminal.as_json:
            with contextlib.suppress(BrokenPipeError):  # the vouchers are wanted, whoever reads of them
                self._terminal.line(self._terminal.row(row_of(card, line)))
        if card.error is not None and self._tally.failed <= _SHOWN:
            self._terminal.say(problem_of(card, line))
            if self._tally.failed == _SHOWN:
                self._terminal.say("Further failures are counted; --json has all of them.")

    def _end(self, error: Exception | None, *, is_interrupted: bool = False) -> None:
        if isinstance(error, OSError):
            self._terminal.say(f"error: {self._job.out} cannot be written ({error.strerror})")
        elif isinstance(error, VoucherError):
            self._terminal.say(f"error: {error}")
            advice = self._advice_for(error)
            if advice is not None:
                self._terminal.say(advice)
        self._terminal.say(last_words(self._tally, self.saver, is_interrupted=is_interrupted))

    def _advice_for(self, error: VoucherError) -> str | None:
        if isinstance(error, MissingScope):
            return "The client's group in the Admin UI gives it its scopes; `voucher-async check` lists them."
        # what there is to run again is in the last words, and "nothing was done" may not be true
        return advice_for(error) if isinstance(error, AuthenticationError) else None


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep warnings of single calls off the screen: the run tells of each voucher itself."""
    logger, handler = logging.getLogger("voucher_async"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
