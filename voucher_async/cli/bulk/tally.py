"""The results of a batch, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.cli.exits import Exit, exit_of, is_open
from voucher_async.errors import IdempotencyMismatch, VoucherError

if TYPE_CHECKING:
    from voucher_async.issuing import IssuedVoucher

__all__ = ["Tally"]

_FINAL: Final = frozenset({Exit.REFUSED, Exit.USAGE})


@attrs.define
class Tally:
    """Counts of one run.

    Attributes:
        total: how many vouchers were asked for.
        begun: how many the run has begun with.
        new: how many it created, as they were asked for.
        found: how many were there already, as they were asked for.
        failed: how many are not as they were asked for.
        there: how many exist, those included that are not as they were asked for.
        open: how many may exist.
        differing: how many are there already, and are others than asked for.
    """

    total: int
    begun: int = 0
    new: int = 0
    found: int = 0
    failed: int = 0
    there: int = 0
    open: int = 0
    differing: int = 0
    _refusals: set[Exit] = attrs.field(factory=set[Exit])

    def add(self, card: IssuedVoucher) -> None:
        """Count a result."""
        self.there += card.voucher is not None
        if card.error is None:
            self.new += card.created
            self.found += not card.created
            return
        self.failed += 1
        self.differing += isinstance(card.error, IdempotencyMismatch)
        if isinstance(card.error, VoucherError):
            self.open += card.voucher is None and is_open(card.error)
            self._refusals.add(exit_of(card.error))

    @property
    def issued(self) -> int:
        """The number of vouchers that are as they were asked for."""
        return self.new + self.found

    @property
    def done(self) -> int:
        """The number of vouchers that have a result."""
        return self.issued + self.failed

    @property
    def under_way(self) -> int:
        """The number of vouchers that were begun and have no result."""
        return self.begun - self.done

    @property
    def is_final(self) -> bool:
        """True when the same run once more would end alike: no voucher is left, and no failure passes."""
        return self.done == self.total and not self.open and self._refusals <= _FINAL

    def status(self, error: Exception | None) -> Exit:
        """The exit status of the run.

        Args:
            error: the error that ended it early; None where it came to its end.
        """
        if self.issued == self.total and error is None:
            return Exit.DONE
        if self.there:
            return Exit.PARTLY
        if self.open:
            return Exit.OPEN
        if isinstance(error, VoucherError):
            return exit_of(error)
        return Exit.LATER if self._refusals == {Exit.LATER} else Exit.REFUSED
