"""Creating a voucher so that an answer that got lost does not mean a second voucher."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.errors import ApiError, Fate, NotFound, VoucherError
from voucher_async.operations import CREATE_VOUCHER, GET_COMPLETE_VOUCHER
from voucher_async.pending import PendingOutcome
from voucher_async.sansio import build
from voucher_async.settlement.sender import Sender, open_outcome

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.models import CompleteVoucher, CreateVoucherRequest
    from voucher_async.sansio import Answer

__all__ = ["create_voucher"]

_REFUSALS: Final = frozenset({400, 409, 422})
_TOLERANCE: Final = dt.timedelta(minutes=5)
_TELLING: Final = ("amount", "currency", "code", "pin", "sku", "batch", "order_number")


async def create_voucher(
    sender: Sender, body: CreateVoucherRequest, deadline: Deadline, *, fresh_id: bool
) -> CompleteVoucher:
    """Create a voucher; with an id, a lost answer is asked for again.

    Args:
        sender: sends the requests.
        body: the voucher.
        deadline: when to give up.
        fresh_id: the id was just made up, so no other voucher can have it.

    Raises:
        OutcomeUnknown: it may or may not have been created.
        VoucherError: it was certainly not created.
    """
    request = build(CREATE_VOUCHER, body, secrets=(body.code, body.pin), repeatable=body.id is not None)
    pending = PendingOutcome(
        operation=CREATE_VOUCHER.id,
        voucher_id=body.id,
        amount=body.amount,
        currency=body.currency,
        order_number=body.order_number,
    )
    try:
        return (await sender.send(request, deadline)).value
    except VoucherError as error:
        if error.fate is not Fate.UNKNOWN:
            raise
        if body.id is None or not _refused_after_doubt(error):
            raise open_outcome(error, _since(pending, error, deadline, fresh_id=fresh_id)) from error
        refused = error
    pending = _since(pending, refused, deadline, fresh_id=fresh_id)
    answer = await _read_back(sender, body, pending, deadline)
    if answer is None or not (fresh_id or _is_the_one(answer, body, deadline)):
        refused.fate = Fate.ANSWERED
        raise refused
    return answer.value


async def _read_back(
    sender: Sender, body: CreateVoucherRequest, pending: PendingOutcome, deadline: Deadline
) -> Answer[CompleteVoucher] | None:
    """A repeat was refused: perhaps because an earlier attempt, whose answer was lost, did it."""
    request = build(GET_COMPLETE_VOUCHER, ids={"id": body.id or ""})
    try:
        return await sender.send(request, deadline)
    except NotFound:
        return None
    except VoucherError as failure:
        raise open_outcome(failure, pending) from failure


def _since(
    pending: PendingOutcome, error: VoucherError, deadline: Deadline, *, fresh_id: bool
) -> PendingOutcome:
    """The outcome with a bound in time, so that an older voucher with the caller's id is not taken for it."""
    sent_at = error.facts.sent_at if error.facts else None
    if fresh_id or sent_at is None:
        return pending
    return attrs.evolve(pending, since=sent_at - dt.timedelta(seconds=deadline.elapsed) - _TOLERANCE)


def _refused_after_doubt(error: VoucherError) -> bool:
    """Whether the last attempt was refused for good, after one whose answer was lost."""
    return isinstance(error, ApiError) and error.status in _REFUSALS


def _is_the_one(answer: Answer[CompleteVoucher], body: CreateVoucherRequest, deadline: Deadline) -> bool:
    """Whether a voucher that has the id is the one that was asked for, not an older one of the caller's."""
    wanted = {name: _kept(getattr(body, name)) for name in _TELLING}
    same = all(value is None or value == _kept(getattr(answer.value, name)) for name, value in wanted.items())
    return same and not _is_older(answer, deadline)


def _kept(value: object) -> object:
    """What is left of a value on a server that trims texts and takes an empty one for none."""
    return (value.strip() or None) if isinstance(value, str) else value


def _is_older(answer: Answer[CompleteVoucher], deadline: Deadline) -> bool:
    """Whether it was made well before this call began, by the server's own clock: then this call did not."""
    if answer.date is None:
        return False
    began = answer.date - dt.timedelta(seconds=deadline.elapsed)
    return answer.value.created_at < began - _TOLERANCE
