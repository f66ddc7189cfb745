"""Creating a voucher so that an answer that got lost does not mean a second voucher."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.errors import ApiError, Fate, NotFound, OutcomeUnknown, Proof, VoucherError
from voucher_async.operations import CREATE_VOUCHER, GET_COMPLETE_VOUCHER
from voucher_async.payments.likeness import Likeness, compare
from voucher_async.payments.replies import Reply, as_not_done, reply_of
from voucher_async.pending import PendingOutcome
from voucher_async.sansio import build
from voucher_async.settlement.sender import Sender, brief, open_outcome

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.models import CompleteVoucher, CreateVoucherRequest
    from voucher_async.sansio import Answer

__all__ = ["create_voucher"]

_REFUSALS: Final = frozenset({400, 409, 422})  # of a repeat, after an attempt whose answer was lost
_REFUSED: Final = frozenset({Reply.REFUSED, Reply.GONE, Reply.DECLINED})
_TOLERANCE: Final = dt.timedelta(minutes=5)
_AT_ONCE: Final = dt.timedelta(seconds=3)
_TELLING: Final = ("amount", "currency", "code", "pin", "sku", "batch")


async def create_voucher(
    sender: Sender, body: CreateVoucherRequest, deadline: Deadline, *, fresh_id: bool, place: tuple[str, str]
) -> CompleteVoucher:
    """Create a voucher; with an id, a lost answer is asked for again.

    Args:
        sender: sends the requests.
        body: the voucher.
        deadline: when to give up.
        fresh_id: the id was just made up, so no other voucher can have it.
        place: the API's base URL and the OAuth client id, noted in an outcome that stays open.

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
        base_url=place[0],
        client_id=place[1],
    )
    try:
        return (await sender.send(request, deadline)).value
    except VoucherError as error:
        reply = reply_of(error, is_only=True)
        if reply is Reply.NOT_SENT or reply is Reply.UNAUTHORIZED:
            proof = Proof.NOT_SENT if reply is Reply.NOT_SENT else Proof.UNAUTHORIZED
            raise as_not_done(error, proof) from None
        failure = error
    pending = _since(pending, failure, deadline, fresh_id=fresh_id)
    if not isinstance(failure, ApiError) or not (reply in _REFUSED or failure.status in _REFUSALS):
        pending = attrs.evolve(pending, answered=reply is Reply.CARRIED_OUT)
        raise open_outcome(failure, pending, "settle it before you repeat the call") from failure
    if body.id is None:
        raise _not_looked(failure, pending, reply, "a voucher without an id of ours cannot be read")
    return await _after_refusal(sender, body, pending, failure, deadline, reply=reply, fresh_id=fresh_id)


async def _after_refusal(
    sender: Sender,
    body: CreateVoucherRequest,
    pending: PendingOutcome,
    refusal: ApiError,
    deadline: Deadline,
    *,
    reply: Reply,
    fresh_id: bool,
) -> CompleteVoucher:
    """Read the id after a refusal: an earlier delivery, ours or a proxy's, may have taken it."""
    request = build(GET_COMPLETE_VOUCHER, ids={"id": body.id or ""})
    try:
        answer = await sender.send(request, deadline)
    except NotFound:
        raise as_not_done(refusal, Proof.REFUSED) from None
    except VoucherError as failure:
        raise _not_looked(refusal, pending, reply, f"reading its id failed ({brief(failure)})") from failure
    # a proxy delivers twice within moments; an attempt of ours may have been minutes before, by their clock
    tolerance = _AT_ONCE if reply in _REFUSED else _TOLERANCE
    if fresh_id or _is_the_one(answer, body, deadline, tolerance):
        return answer.value
    raise as_not_done(refusal, Proof.REFUSED)


def _not_looked(
    refusal: ApiError, pending: PendingOutcome, reply: Reply, reason: str
) -> OutcomeUnknown | ApiError:
    """The error for a refusal that may have been that of a second delivery, and could not be looked into."""
    if reply not in _REFUSED:
        return open_outcome(refusal, pending, reason)
    refusal.looked, refusal.pending, refusal.fate = False, pending, Fate.UNKNOWN
    return refusal


def _since(
    pending: PendingOutcome, error: VoucherError, deadline: Deadline, *, fresh_id: bool
) -> PendingOutcome:
    """The outcome with a bound in time, so that an older voucher with the caller's id is not taken for it."""
    sent_at = error.facts.sent_at if error.facts else None
    if fresh_id or sent_at is None:
        return pending
    return attrs.evolve(pending, since=sent_at - dt.timedelta(seconds=deadline.elapsed) - _TOLERANCE)


def _is_the_one(
    answer: Answer[CompleteVoucher], body: CreateVoucherRequest, deadline: Deadline, tolerance: dt.timedelta
) -> bool:
    """Whether a voucher that has the id is the one that was asked for, not an older one of the caller's."""
    wanted = {name: _kept(getattr(body, name)) for name in _TELLING}
    same = all(value is None or value == _kept(getattr(answer.value, name)) for name, value in wanted.items())
    of_order = compare(body.order_number, answer.value.order_number) is not Likeness.OTHER
    return same and of_order and not _is_older(answer, deadline, tolerance)


def _kept(value: object) -> object:
    """What is left of a value on a server that trims texts and takes an empty one for none."""
    return (value.strip() or None) if isinstance(value, str) else value


def _is_older(answer: Answer[CompleteVoucher], deadline: Deadline, tolerance: dt.timedelta) -> bool:
    """Whether it was made well before this call began, by the server's own clock: then this call did not."""
    if answer.date is None:
        return False
    began = answer.date - dt.timedelta(seconds=deadline.elapsed)
    return answer.value.created_at < began - tolerance
