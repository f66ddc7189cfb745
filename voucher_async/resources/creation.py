"""Creating a voucher so that an answer that got lost does not mean a second voucher."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.errors import (
    ApiError,
    Fate,
    IdempotencyMismatch,
    NotFound,
    OutcomeUnknown,
    Proof,
    VoucherError,
)
from voucher_async.models import CreateVoucherRequest
from voucher_async.operations import CREATE_VOUCHER, GET_COMPLETE_VOUCHER
from voucher_async.payments.call import Parameters
from voucher_async.payments.joined import as_joined
from voucher_async.payments.joining import Ask, Work
from voucher_async.payments.likeness import Likeness, compare
from voucher_async.payments.replies import Reply, as_not_done, brief, reply_of
from voucher_async.payments.sender import open_outcome
from voucher_async.pending import PendingOutcome
from voucher_async.sansio import build

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.models import CompleteVoucher
    from voucher_async.payments.call import CallRecord
    from voucher_async.payments.joining import Joining
    from voucher_async.payments.money_call import CallContext
    from voucher_async.payments.settle import Settler
    from voucher_async.sansio import Answer

__all__ = ["create_voucher", "create_with_key"]

_REFUSALS: Final = range(400, 500)
_REFUSED: Final = frozenset({Reply.REFUSED, Reply.GONE, Reply.DECLINED})
_LOOKS: Final = 2
_BETWEEN: Final = 1.0  # seconds from one look to the next
_TOLERANCE: Final = dt.timedelta(minutes=5)
_FAR: Final = dt.timedelta(days=1) - _TOLERANCE  # beyond that no wrong clock explains a stamp
_TELLING: Final = ("code", "pin", "sku", "batch", "order_number")


async def create_with_key(
    settler: Settler, joining: Joining, body: CreateVoucherRequest, key: str, deadline: Deadline
) -> CompleteVoucher:
    """Create a voucher under an idempotency key; asked again, it is read.

    Args:
        settler: sends the requests.
        joining: idempotency keys.
        body: the voucher; its id is derived from the key, or the caller's own.
        key: the idempotency key.
        deadline: when to give up.

    Raises:
        IdempotencyMismatch: the key was used for another voucher.
        VoucherError: as `create_voucher` says.
    """
    voucher_id = body.id or ""

    async def read(_: CallRecord, deadline: Deadline) -> CompleteVoucher:
        request = build(GET_COMPLETE_VOUCHER, ids={"id": voucher_id})
        return as_joined((await settler.sender.send(request, deadline)).value)

    async def settle(record: CallRecord, deadline: Deadline) -> CompleteVoucher | None:
        is_done = await joining.replay.settle_state(record, deadline)
        return await read(record, deadline) if is_done else None

    async def call(context: CallContext) -> CompleteVoucher:
        recorder = context.recorder
        pending = attrs.evolve(_pending(settler, body), id=context.pending.id)
        if recorder is not None:
            await recorder.sent(pending)
        context.begun = True
        return await create_voucher(
            settler, body, context.deadline, fresh_id=False, pending=pending, keyed=True
        )

    asked = _pending(settler, body)
    parameters = Parameters(
        operation=CREATE_VOUCHER.id,
        amount=body.amount,
        currency=body.currency,
        order_number=body.order_number,
        target=voucher_id,
    )
    ask = Ask(parameters=parameters, key=key, pending=asked)
    return await joining.run(ask, deadline, Work(call=call, hand_out=read, settle=settle))


def _pending(settler: Settler, body: CreateVoucherRequest) -> PendingOutcome:
    return PendingOutcome(
        operation=CREATE_VOUCHER.id,
        voucher_id=body.id,
        amount=body.amount,
        currency=body.currency,
        order_number=body.order_number,
        base_url=settler.settings.base_url,
        client_id=settler.settings.client_id,
    )


async def create_voucher(
    settler: Settler,
    body: CreateVoucherRequest,
    deadline: Deadline,
    *,
    fresh_id: bool,
    pending: PendingOutcome | None = None,
    keyed: bool = False,
) -> CompleteVoucher:
    """Create a voucher; with an id, a lost answer is asked for again.

    Args:
        settler: sends the requests.
        body: the voucher.
        deadline: when to give up.
        fresh_id: the id was just made up, so no other voucher can have it.
        pending: what is known of the call; None makes it.
        keyed: the id stands for an idempotency key: a voucher that has it is the one, whenever it was made.

    Raises:
        OutcomeUnknown: it may or may not have been created.
        ApiError: it was refused; `looked` says whether its id was read and is not there.
        VoucherError: it was certainly not created.
    """
    request = build(CREATE_VOUCHER, body, secrets=(body.code, body.pin), repeatable=body.id is not None)
    pending = pending or _pending(settler, body)
    request.call_id = pending.id
    try:
        return (await settler.sender.send(request, deadline)).value
    except VoucherError as error:
        reply = reply_of(error, is_only=True)
        if reply is Reply.NOT_SENT or reply is Reply.UNAUTHORIZED:
            proof = Proof.NOT_SENT if reply is Reply.NOT_SENT else Proof.UNAUTHORIZED
            raise as_not_done(error, proof) from None
        failure = error
    pending = _since(pending, failure, deadline, fresh_id=fresh_id or keyed)
    if not isinstance(failure, ApiError) or failure.status not in _REFUSALS:
        pending = attrs.evolve(pending, answered=reply is Reply.CARRIED_OUT)
        raise open_outcome(failure, pending, "settle it before you repeat the call") from failure
    refused = _Refused(
        body=body,
        pending=pending,
        error=failure,
        is_only=reply in _REFUSED,
        fresh_id=fresh_id,
        keyed=keyed,
    )
    if body.id is None:
        raise refused.left_open("a voucher without an id of ours cannot be read")
    return await _after_refusal(settler, refused, deadline)


@attrs.frozen(kw_only=True)
class _Refused:
    """A creation that was refused.

    Attributes:
        body: the voucher.
        pending: the facts, should it stay open.
        error: the refusal.
        is_only: it was the API's answer to the only request; else another one may be carried out yet.
        fresh_id: no other voucher can have the id.
        keyed: the id stands for an idempotency key.
    """

    body: CreateVoucherRequest
    pending: PendingOutcome
    error: ApiError
    is_only: bool
    fresh_id: bool
    keyed: bool

    def left_open(self, reason: str) -> OutcomeUnknown | ApiError:
        """The error for a refusal that may be that of a second delivery, which could not be found out."""
        return self.refusal() if self.is_only else open_outcome(self.error, self.pending, reason)

    def refusal(self) -> ApiError:
        """The refusal, saying that it does not prove anything."""
        self.error.looked, self.error.pending, self.error.fate = False, self.pending, Fate.UNKNOWN
        return self.error


async def _after_refusal(settler: Settler, refused: _Refused, deadline: Deadline) -> CompleteVoucher:
    """Read the id after a refusal: an earlier delivery, ours or a proxy's, may have taken it."""
    request = build(GET_COMPLETE_VOUCHER, ids={"id": refused.body.id or ""})
    for number in range(_LOOKS):
        if number:
            await settler.pauses.wait(min(_BETWEEN, max(deadline.left(), 0.0)))
        try:
            answer = await settler.sender.send(request, deadline)
        except VoucherError as failure:
            if isinstance(failure, NotFound) and failure.has_envelope:
                continue
            raise refused.left_open(f"reading its id failed ({brief(failure)})") from failure
        return _ours(refused, answer, deadline)
    if refused.is_only:
        raise as_not_done(refused.error, Proof.REFUSED)
    if refused.error.has_envelope:
        raise refused.refusal()
    raise refused.left_open("a request may still be on its way")


def _ours(refused: _Refused, answer: Answer[CompleteVoucher], deadline: Deadline) -> CompleteVoucher:
    """The voucher that has the id, if it is the one that was asked for.

    Raises:
        ApiError: it is another one, or may be.
        OutcomeUnknown: it may be another one.
    """
    if refused.keyed:
        if _is_what_was_asked(answer.value, refused.body):
            return answer.value
        raise IdempotencyMismatch(
            "the idempotency key belongs to another voucher; nothing was created", differences=("voucher",)
        )
    age = dt.timedelta() if refused.fresh_id else _age(answer, deadline)
    if not refused.fresh_id and (age > _FAR or not _is_what_was_asked(answer.value, refused.body)):
        raise as_not_done(refused.error, Proof.OTHER_VOUCHER)
    if age > _TOLERANCE:
        raise refused.left_open("by the server's clocks a voucher like it was there before")
    return answer.value


def _is_what_was_asked(voucher: CompleteVoucher, body: CreateVoucherRequest) -> bool:
    """Whether a voucher is the one that was asked for, but for what servers rewrite."""
    if (voucher.amount, voucher.currency.upper()) != (body.amount, body.currency.upper()):
        return False
    texts = ((getattr(body, name), getattr(voucher, name)) for name in _TELLING)
    return all(wanted is None or compare(wanted, shown) is not Likeness.OTHER for wanted, shown in texts)


def _since(
    pending: PendingOutcome, error: VoucherError, deadline: Deadline, *, fresh_id: bool
) -> PendingOutcome:
    """The outcome with a bound in time, so that an older voucher with the caller's id is not taken for it."""
    sent_at = error.facts.sent_at if error.facts else None
    if fresh_id or sent_at is None:
        return pending
    return attrs.evolve(pending, since=sent_at - dt.timedelta(seconds=deadline.elapsed) - _TOLERANCE)


def _age(answer: Answer[CompleteVoucher], deadline: Deadline) -> dt.timedelta:
    """The time from when a voucher was made to the beginning of this call, by the server's own clocks."""
    if answer.date is None:
        return dt.timedelta()
    return answer.date - dt.timedelta(seconds=deadline.elapsed) - answer.value.created_at
