"""Habits of the server that normal answers have shown: order numbers, client ids, clocks."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.payments.likeness import Likeness, compare

if TYPE_CHECKING:
    from voucher_async.models import Charge
    from voucher_async.pending import PendingOutcome

__all__ = ["Lessons"]

_NONE: Final = dt.timedelta()
_CLOSE: Final = dt.timedelta(seconds=3)  # that the stamps of machines with one time may be apart

_logger: Final = logging.getLogger("voucher_async")


@attrs.define
class Lessons:
    """One per client; until an answer has shown something, nothing is taken for granted.

    Attributes:
        echoed: the operations whose answers have shown an order number of ASCII letters recognisably.
        echoed_beyond: the same for other letters: what becomes of them the first kind does not show.
        clients: the `client_id` that entries of this client carry, by operation.
        behind: how far stamps of charges have been seen behind their time, at most.
        ahead: how far they have been seen ahead of it, at most.
        clocks: whether any charge's stamp has been compared with its time.
    """

    echoed: set[str] = attrs.Factory(set[str])
    echoed_beyond: set[str] = attrs.Factory(set[str])
    clients: dict[str, str] = attrs.Factory(dict[str, str])
    behind: dt.timedelta = _NONE
    ahead: dt.timedelta = _NONE
    clocks: bool = False
    _warned: bool = False

    def learn(
        self, pending: PendingOutcome, charge: Charge, made: tuple[dt.datetime, dt.datetime] | None
    ) -> None:
        """Learn from the answer to a money call.

        Args:
            pending: the call.
            charge: its answer.
            made: between which moments it was made, reckoned from the stamp of a thing made before; None
                when there is no such stamp.
        """
        if pending.order_number is not None:
            self._learn_order(pending, charge)
        if charge.client_id is not None:
            self.clients[pending.operation] = charge.client_id
        if made is not None:
            self._learn_clock(charge.created_at, *made)

    def echoes(self, pending: PendingOutcome) -> bool:
        """Whether answers have shown order numbers like that of a call recognisably."""
        is_plain = (pending.order_number or "").isascii()
        return pending.operation in (self.echoed if is_plain else self.echoed_beyond)

    def _learn_order(self, pending: PendingOutcome, charge: Charge) -> None:
        likeness = compare(pending.order_number, charge.order_number)
        if likeness is not Likeness.OTHER and charge.order_number is not None:
            is_plain = (pending.order_number or "").isascii()
            (self.echoed if is_plain else self.echoed_beyond).add(pending.operation)
        if charge.order_number == pending.order_number or self._warned or likeness is Likeness.OTHER:
            return
        self._warned = True
        _logger.warning(
            "the server does not echo order numbers as they were sent (%s): after a lost answer the call may "
            "have to be recognised by less, and may stay open; keep order numbers to ASCII capital letters, "
            "digits and dashes",
            "none came back" if charge.order_number is None else "one came back changed",
        )

    def _learn_clock(self, stamp: dt.datetime, earliest: dt.datetime, latest: dt.datetime) -> None:
        self.clocks = True
        self.behind = max(self.behind, earliest - stamp)
        self.ahead = max(self.ahead, stamp - latest)

    @property
    def clocks_agree(self) -> bool:
        """Whether stamps of charges have been seen, and all of them close to their time."""
        return self.clocks and max(self.behind, self.ahead) <= _CLOSE
