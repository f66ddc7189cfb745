"""Creating a voucher: a lost answer does not lead to a second voucher."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.api_errors import ApiError, NotFound
from voucher_async.calls import take_id
from voucher_async.errors import Fate, IdempotencyMismatch, JournalFailed, Proof, VoucherError
from voucher_async.models import CreateVoucherRequest
from voucher_async.operations import CREATE_VOUCHER, GET_COMPLETE_VOUCHER
from voucher_async.outcomes import OutcomeUnknown, PendingOutcome, StillRunning
from voucher_async.payments.beginning import send_recorded
from voucher_async.payments.call import Parameters
from voucher_async.payments.facts import Event
from voucher_async.payments.joined import as_joined
from voucher_async.payments.joining import Ask, Work
from voucher_async.payments.looking import is_of_value, is_what_was_asked
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.replies import Reply, as_not_done, brief, event_of_reply, is_missing, reply_of
from voucher_async.payments.sender import open_outcome
from voucher_async.sansio import build
from voucher_async.statuses import CLIENT_ERRORS

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.facts import Answer
    from voucher_async.models import CompleteVoucher
    from voucher_async.payments.call import CallRecord
    from voucher_async.payments.joining import Joining
    from voucher_async.payments.money_call import CallContext
    from voucher_async.payments.settle import Settler
    from voucher_async.sansio import Request

__all__ = ["create_voucher", "create_with_key"]

_REFUSED: Final = frozenset({Reply.REFUSED, Reply.GONE, Reply.DECLINED})
_PROOFS: Final = {Reply.NOT_SENT: Proof.NOT_SENT, Reply.UNAUTHORIZED: Proof.UNAUTHORIZED}
_LOOKS: Final = 2
_BETWEEN: Final = 1.0  # seconds between two looks
_TOLERANCE: Final = dt.timedelta(minutes=5)
_FAR: Final = dt.timedelta(days=1) - _TOLERANCE  # more than two clocks are wrong by, each on its own


async def create_with_key(
    settler: Settler, joining: Joining, body: CreateVoucherRequest, key: str, deadline: Deadline
) -> CompleteVoucher:
    """Create a voucher under an idempotency key; a repeated call reads it.

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

    async def settle(record: CallRecord, context: CallContext) -> CompleteVoucher | None:
        is_done = await joining.replay.settle_state(record, context.deadline)
        return await read(record, context.deadline) if is_done else None

    async def call(context: CallContext) -> CompleteVoucher:
        return await _Keyed(settler, body, context).create()

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


class _Keyed:
    """The creation of a voucher whose id stands for an idempotency key.

    A voucher with the id is this call's, whenever it was made. The events are those of every money call, but
    `Settler.perform` does not drive this one: its result is no charge.

    Args:
        settler: sends, and settles what stays open.
        body: the voucher.
        context: the call.
    """

    def __init__(self, settler: Settler, body: CreateVoucherRequest, context: CallContext) -> None:
        self._settler = settler
        self._body = body
        self._context = context
        self._money_call = MoneyCall(pending=attrs.evolve(_pending(settler, body), id=context.pending.id))
        self._money_call.record_by(context.recorder)

    async def create(self) -> CompleteVoucher:
        """Create the voucher, or find it.

        Raises:
            VoucherError: as `create_voucher` says.
        """
        with self._settler.driving(self._context, self._money_call):
            self._settler.advance(self._money_call, Event.ABOUT_TO_SEND)
            try:
                voucher = await self._send()
            except StillRunning:
                raise  # the record, which another owner has, says how the call ends
            except VoucherError as error:
                voucher = await self._failed(error)
            self._context.finished.append(self._money_call)
            return voucher

    async def _send(self) -> CompleteVoucher:
        sender, clock, money_call = self._settler.sender, self._settler.clock, self._money_call
        request = _request(self._body, money_call.pending)
        return (await send_recorded(sender, clock, self._context, money_call, request)).value

    async def _failed(self, error: VoucherError) -> CompleteVoucher:
        money_call, report = self._money_call, self._settler.report
        has_doubts = money_call.doubts > 0
        reply = reply_of(error, is_only=not has_doubts)
        if not has_doubts and (isinstance(error, JournalFailed) or reply in _PROOFS):
            raise as_not_done(error, _PROOFS.get(reply, Proof.NOT_SENT)) from error.__cause__
        if has_doubts and reply is not Reply.CARRIED_OUT:
            reply = Reply.UNKNOWN  # an earlier request may still be carried out
        self._settler.advance(money_call, event_of_reply(reply, error, money_call.call))
        money_call.pending = attrs.evolve(money_call.pending, answered=reply is Reply.CARRIED_OUT)
        is_only = reply in _REFUSED
        if not is_only:
            money_call.doubts, money_call.error = 1, money_call.error or error
            report.in_doubt(money_call, error)
        if not isinstance(error, ApiError) or error.status not in CLIENT_ERRORS:
            raise self._settler.not_clear(money_call) from error
        voucher = await self._after_refusal(error, is_only=is_only)
        report.found(money_call, voucher)
        return voucher

    async def _after_refusal(self, error: ApiError, *, is_only: bool) -> CompleteVoucher:
        refused = _Refused(
            body=self._body,
            pending=self._money_call.pending,
            error=error,
            is_only=is_only,
            fresh_id=False,
            keyed=True,
        )
        try:
            return await _after_refusal(self._settler, refused, self._context.deadline)
        except OutcomeUnknown as opened:
            raise self._settler.not_clear(self._money_call) from opened
        except (ApiError, IdempotencyMismatch) as refusal:
            self._end_refused(refusal.proof)
            raise

    def _end_refused(self, proof: Proof | None) -> None:
        settler, money_call = self._settler, self._money_call
        is_in_doubt = settler.report.is_in_doubt(money_call)
        if proof is None:
            if is_in_doubt:
                settler.give_up(money_call)
            settler.report.left_open(money_call, aloud=False)
        elif is_in_doubt:
            settler.report.refuted(money_call, proof)


def _request(body: CreateVoucherRequest, pending: PendingOutcome) -> Request[CompleteVoucher]:
    secrets = (body.code, body.pin)
    request = build(CREATE_VOUCHER, body, secrets=secrets, repeatable=body.id is not None)
    request.call_id = pending.id
    return request


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
) -> CompleteVoucher:
    """Create a voucher without a key; with an id, a request whose answer was lost is repeated.

    Args:
        settler: sends the requests.
        body: the voucher.
        deadline: when to give up.
        fresh_id: the id was just made up, so no other voucher can have it.

    Raises:
        OutcomeUnknown: it may or may not have been created.
        ApiError: it was refused; `looked` says whether its id was read and is not there.
        VoucherError: it was certainly not created.
    """
    pending = _pending(settler, body)
    call_id = take_id(settler.hooks)
    if call_id is not None:
        pending = attrs.evolve(pending, id=call_id)
    request = _request(body, pending)
    try:
        return (await settler.sender.send(request, deadline)).value
    except VoucherError as error:
        reply = reply_of(error, is_only=True)
        if reply in _PROOFS:
            raise as_not_done(error, _PROOFS[reply]) from None
        failure = error
    pending = _since(pending, failure, deadline, fresh_id=fresh_id)
    if not isinstance(failure, ApiError) or failure.status not in CLIENT_ERRORS:
        pending = attrs.evolve(pending, answered=reply is Reply.CARRIED_OUT)
        raise open_outcome(failure, pending, "settle it before you repeat the call") from failure
    refused = _Refused(
        body=body,
        pending=pending,
        error=failure,
        is_only=reply in _REFUSED,
        fresh_id=fresh_id,
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
        is_only: the refusal answered the only request; otherwise an earlier one may still be carried out.
        fresh_id: no other voucher can have the id.
        keyed: the id stands for an idempotency key.
    """

    body: CreateVoucherRequest
    pending: PendingOutcome
    error: ApiError
    is_only: bool
    fresh_id: bool
    keyed: bool = False

    def left_open(self, reason: str) -> OutcomeUnknown | ApiError:
        """The error for a refusal that may be a second delivery's, where the id could not be read."""
        return self.refusal() if self.is_only else open_outcome(self.error, self.pending, reason)

    def refusal(self) -> ApiError:
        """The refusal, saying that it does not prove anything."""
        self.error.looked, self.error.pending, self.error.fate = False, self.pending, Fate.UNKNOWN
        return self.error


async def _after_refusal(settler: Settler, refused: _Refused, deadline: Deadline) -> CompleteVoucher:
    """Read the id after a refusal: an earlier delivery, ours or a proxy's, may have taken it."""
    request = build(GET_COMPLETE_VOUCHER, ids={"id": refused.body.id or ""})
    is_absent = False
    for number in range(_LOOKS):
        if number:
            await settler.pauses.wait_within(_BETWEEN, deadline)
        try:
            answer = await settler.sender.send(request, deadline)
        except VoucherError as failure:
            if isinstance(failure, NotFound) and is_missing(failure):
                is_absent = settler.looking.is_absent_now(request.path, failure)
                continue
            raise refused.left_open(f"reading its id failed ({brief(failure)})") from failure
        return _ours(refused, answer, settler.clock.now(), deadline)
    if refused.is_only and is_absent:
        raise as_not_done(refused.error, Proof.REFUSED)
    if refused.error.has_envelope:
        raise refused.refusal()
    raise refused.left_open("a request may still be on its way")


def _ours(
    refused: _Refused, answer: Answer[CompleteVoucher], wall: dt.datetime, deadline: Deadline
) -> CompleteVoucher:
    """The voucher that has the id, if it is the one that was asked for.

    Args:
        refused: the creation.
        answer: the voucher that has the id.
        wall: this machine's wall clock; aware.
        deadline: that of the creation.

    Raises:
        ApiError: it is another one, or may be.
        IdempotencyMismatch: it is another one.
        OutcomeUnknown: it may be another one.
    """
    if refused.keyed:
        if is_what_was_asked(answer.value, refused.body):
            return answer.value
        is_alike = is_of_value(answer.value, refused.body)
        if not refused.is_only and is_alike:
            raise refused.left_open("the voucher that has its id is not quite what was asked for")
        mismatch = IdempotencyMismatch(
            "the idempotency key belongs to another voucher; nothing was created", differences=("voucher",)
        )
        raise as_not_done(mismatch, Proof.OTHER_VOUCHER)
    age = dt.timedelta() if refused.fresh_id else _age(answer.date, answer, deadline)
    # a `Date` alone may be a proxy's whose clock is wrong by days
    is_older = min(age, _age(wall, answer, deadline)) > _FAR
    if not refused.fresh_id and (is_older or not is_what_was_asked(answer.value, refused.body)):
        raise as_not_done(refused.error, Proof.OTHER_VOUCHER)
    if age > _TOLERANCE:
        raise refused.left_open("by the server's clocks a voucher like it was there before")
    return answer.value


def _since(
    pending: PendingOutcome, error: VoucherError, deadline: Deadline, *, fresh_id: bool
) -> PendingOutcome:
    """The outcome with an earliest time, so that no older voucher with the caller's id is taken for it."""
    sent_at = error.facts.sent_at if error.facts else None
    if fresh_id or sent_at is None:
        return pending
    return attrs.evolve(pending, since=sent_at - dt.timedelta(seconds=deadline.elapsed) - _TOLERANCE)


def _age(now: dt.datetime | None, answer: Answer[CompleteVoucher], deadline: Deadline) -> dt.timedelta:
    """The time from when a voucher was made to the beginning of this call, by a clock that shows `now`."""
    if now is None:
        return dt.timedelta()
    return now - dt.timedelta(seconds=deadline.elapsed) - answer.value.created_at
