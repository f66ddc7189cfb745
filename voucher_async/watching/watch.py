"""The iterator over new entries."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Final, Self

import attrs

from voucher_async.api_errors import ApiError, AuthenticationError, BadAnswer, RateLimited, ServerError
from voucher_async.errors import ConfigurationError, TransportError, VoucherError
from voucher_async.models import Charge, ChargeType
from voucher_async.payments.pauses import Pauses
from voucher_async.resources.lazy import Lazy
from voucher_async.values import Value
from voucher_async.watching.cursor import ChargeCursor, Position
from voucher_async.watching.rounds import Round, Stock

__all__ = ["ChargeWatch", "NewCharge"]

_logger: Final = logging.getLogger("voucher_async")

_TRANSIENT: Final = (BadAnswer, RateLimited, ServerError, TransportError)
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_NAMED: Final = 5  # ids in a line of the log
_KEPT: Final = "the cursor keeps what it has, so that nothing is missed"
_BEGUN: Final = "the watch begins now, and may give out what they hid, of the time of `overlap`, as new"


@attrs.frozen(kw_only=True)
class NewCharge(Value):
    """An entry that is new in a voucher's list.

    Attributes:
        kind: charge, refund or recharge.
        voucher_id: the voucher in whose list it stands.
        charge: the entry, with the shop's own order number.
    """

    kind: ChargeType
    voucher_id: str
    charge: Charge


class ChargeWatch(Lazy[NewCharge]):
    """An endless iterator over new entries; see `VoucherClient.watch_charges`.

    `async for new in watch` waits for them. It ends when the client is closed, and after the first round
    where it does not `follow`. A loop that was left, or was ended by an error, is gone on with by another.

    Args:
        stock: knows the vouchers, and reads their lists.
        cursor: where to begin.
        pauses: ends all waiting when the client is closed.
    """

    def __init__(self, stock: Stock, cursor: ChargeCursor, pauses: Pauses) -> None:
        self._stock = stock
        self._position = Position(cursor)
        self._pauses = pauses
        self._ready: deque[NewCharge] = deque()
        self._round: Round | None = None
        self._has_begun = False
        self._swept: float | None = None
        self._next = stock.dates.monotonic()
        self._failing: float | None = None
        self._pause = _FIRST_PAUSE
        self._is_over = self._is_reading = False

    @property
    def cursor(self) -> ChargeCursor:
        """The position after the entry that was given out last, to store beside what was made of it.

        A watch that begins `since` this cursor gives out every entry that this one has not given out, and
        none that it has.
        """
        return self._position.cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> NewCharge:
        if self._is_reading:
            raise RuntimeError("this watch is being read by another task; make a watch for each")
        self._is_reading = True
        try:
            while not self._ready:
                if self._is_over or self._pauses.are_over:
                    self._check_begun()
                    raise StopAsyncIteration
                self._has_begun = True
                await self._go_on()
        finally:
            self._is_reading = False
        new = self._ready.popleft()
        self._position.add(new.charge.id, new.charge.created_at)
        return new

    def _check_begun(self) -> None:
        if not self._has_begun:  # an empty loop would say that nothing is new
            raise ConfigurationError("the client is closed")

    async def _go_on(self) -> None:
        """Wait, or read one list; cancelled, it can be called again."""
        left = self._next - self._stock.dates.monotonic()
        if left > 0:
            await self._pauses.wait(left)
            return
        if self._round is None:
            self._round = Round(self._stock, is_sweep=self._is_sweep_due())
        try:
            voucher_id, charges = await self._round.step(self._position.since)
        except VoucherError as error:
            self._failed(error)
            return
        self._failing, self._pause = None, _FIRST_PAUSE
        self._take(voucher_id, charges)
        if self._round.is_over:
            self._end(self._round)

    def _is_sweep_due(self) -> bool:
        every = self._stock.options.sweep_every
        return self._swept is None or self._stock.dates.monotonic() - self._swept >= every

    def _take(self, voucher_id: str, charges: Sequence[Charge]) -> None:
        for charge in charges:
            if not self._position.is_new(charge.id, charge.created_at):
                continue
            if self._position.since is None:  # it was there before the beginning
                self._position.add(charge.id, charge.created_at)
            else:
                self._ready.append(NewCharge(kind=charge.type, voucher_id=voucher_id, charge=charge))

    def _end(self, ended: Round) -> None:
        self._round = None
        if ended.is_sweep:
            self._swept = ended.began
            has_begun = self._position.since is not None
            if ended.doubtful:
                _warn(ended.doubtful, _KEPT if has_begun else _BEGUN)
            if not (ended.doubtful and has_begun):  # without a beginning nothing is owed of the time before
                self._position.advance(ended.passed_over)
        self._is_over = not self._stock.options.follow
        self._next = self._stock.dates.monotonic() + self._stock.options.interval

    def _failed(self, error: VoucherError) -> None:
        """Note that a request has failed, after the repetitions that every call has; or raise the error."""
        if self._pauses.are_over:
            return
        now = self._stock.dates.monotonic()
        self._failing = now if self._failing is None else self._failing
        if not _is_transient(error) or now - self._failing >= self._stock.options.retry_for:
            self._failing = None
            raise error
        pause = max(self._pause, getattr(error, "retry_after", None) or 0.0)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        self._next = now + pause
        _logger.warning("watching charges goes on in %.0f s: %s", pause, error)


def _warn(doubtful: Sequence[str], what_follows: str) -> None:
    _logger.warning(
        "%d lists of the API could not be read whole (%s): %s",
        len(doubtful),
        ", ".join(doubtful[:_NAMED]),
        what_follows,
    )


def _is_transient(error: VoucherError) -> bool:
    """True for an error that may be over soon; a page of a proxy is none of the API's own words."""
    is_foreign = isinstance(error, ApiError) and not error.has_envelope
    return isinstance(error, _TRANSIENT) or (is_foreign and not isinstance(error, AuthenticationError))
