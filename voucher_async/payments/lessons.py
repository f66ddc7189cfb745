"""Habits of the server that normal answers have shown: order numbers, client ids, clocks."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.payments.attribution import is_as_sent, likeness_of
from voucher_async.payments.likeness import Likeness

if TYPE_CHECKING:
    from voucher_async.models import Charge
    from voucher_async.outcomes import PendingOutcome

__all__ = ["Lessons"]

_NONE: Final = dt.timedelta()
_CLOSE: Final = dt.timedelta(seconds=3)  # synchronised machines differ by no more

_logger: Final = logging.getLogger("voucher_async")


@attrs.define
class Lessons:
    """One per client; a habit is unknown until an answer has shown it.

    Attributes:
        echoed: the operations whose answers have shown an order number of ASCII letters recognisably.
        echoed_beyond: the same for other letters: what becomes of them the first kind does not show.
        clients: the `client_id`s that entries of this client carry, by operation.
        offsets: by operation, how far from their time its timestamps have been, at least and at most; below
            0: behind it, above 0: ahead of it.
        wrong_amounts: an answer has shown another amount than was asked for: then sums of what is shown prove
            nothing, for two that are wrong may cancel out.
    """

    echoed: set[str] = attrs.Factory(set[str])
    echoed_beyond: set[str] = attrs.Factory(set[str])
    clients: dict[str, set[str | None]] = attrs.Factory(dict[str, set[str | None]])
    offsets: dict[str, tuple[dt.timedelta, dt.timedelta]] = attrs.Factory(
        dict[str, tuple[dt.timedelta, dt.timedelta]]
    )
    wrong_amounts: bool = False
    _warned: bool = False

    def contradicted(self, pending: PendingOutcome, charge: Charge) -> None:
        """Learn from an answer of 2xx that is not the one that was asked for."""
        if pending.amount is not None and charge.amount != pending.amount:
            self.wrong_amounts = True

    def learn(
        self, pending: PendingOutcome, charge: Charge, made: tuple[dt.datetime, dt.datetime] | None
    ) -> None:
        """Learn from the answer to a money call.

        Args:
            pending: the call.
            charge: its answer.
            made: the earliest and the latest time at which it was made, computed from an earlier entry's
                timestamp; None when there is none.
        """
        if pending.order_number is not None:
            self._learn_order(pending, charge)
        self.clients.setdefault(pending.operation, set()).add(charge.client_id)
        if made is not None:
            self._learn_clock(pending.operation, charge.created_at, *made)

    def echoes(self, pending: PendingOutcome) -> bool:
        """True when answers have shown such order numbers recognisably: to this client, or to the sender."""
        is_plain = (pending.order_number or "").isascii()
        return pending.echoed or pending.operation in (self.echoed if is_plain else self.echoed_beyond)

    def _learn_order(self, pending: PendingOutcome, charge: Charge) -> None:
        likeness = likeness_of(pending, charge.order_number)
        if likeness is not Likeness.OTHER and charge.order_number is not None:
            is_plain = (pending.order_number or "").isascii()
            (self.echoed if is_plain else self.echoed_beyond).add(pending.operation)
        if is_as_sent(pending, charge.order_number) or self._warned or likeness is Likeness.OTHER:
            return
        self._warned = True
        _logger.warning(
            "the server does not echo order numbers as they were sent (%s): after a lost answer the call may "
            "have to be recognised by less, and may stay open; keep order numbers to ASCII capital letters, "
            "digits and dashes",
            "none came back" if charge.order_number is None else "one came back changed",
        )

    def _learn_clock(
        self, operation: str, stamp: dt.datetime, earliest: dt.datetime, latest: dt.datetime
    ) -> None:
        off = max(stamp - latest, _NONE) + min(stamp - earliest, _NONE)
        low, high = self.offsets.get(operation, (off, off))
        self.offsets[operation] = min(low, off), max(high, off)

    def shift(self, operation: str) -> tuple[dt.timedelta, dt.timedelta]:
        """The least and the greatest distance that a timestamp of an operation may have from its time.

        One that was always far off is another clock's; one that was a little off may be right the next time.
        """
        low, high = self.offsets.get(operation, (_NONE, _NONE))
        return low if abs(low) > _CLOSE else min(low, _NONE), high if abs(high) > _CLOSE else max(high, _NONE)
