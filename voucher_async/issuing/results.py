"""The result for one voucher of a batch."""

from __future__ import annotations

import attrs

from voucher_async.issuing.specs import VoucherSpec
from voucher_async.models import CompleteVoucher
from voucher_async.values import WithError

__all__ = ["IssuedVoucher"]


@attrs.frozen(kw_only=True)
class IssuedVoucher(WithError):
    """One voucher of a batch, issued or not. As JSON it has the text of its error, and its code and pin.

    Attributes:
        position: its place in the batch, from 1.
        id: the id that it has, or would have; None where its description could not be read.
        spec: its description; None where that could not be read.
        voucher: the voucher with its code and pin, in its final state; beside an error as far as it is known,
            and None where nothing is known to be there.
        error: the reason why it is not as it was asked for; None when it is. `OutcomeUnknown`: it may or may
            not have been created, and the next run of the batch finds out.
        created: whether this run created it; False for one that was found, as after an earlier run or a lost
            answer.
        activated: whether this run activated it.
    """

    position: int
    id: str | None = None
    spec: VoucherSpec | None = None
    voucher: CompleteVoucher | None = None
    error: Exception | None = None
    created: bool = False
    activated: bool = False
