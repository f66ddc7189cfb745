"""The reply to one request of a money call, and what that proves about it."""

from __future__ import annotations

import enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from voucher_async.api_errors import ApiError, BadAnswer, MissingScope, NotFound, RateLimited
from voucher_async.errors import Fate, Proof
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.facts import Event
from voucher_async.statuses import DECLINED, GONE, SUCCESS

if TYPE_CHECKING:
    from voucher_async.errors import VoucherError
    from voucher_async.payments.facts import Call

__all__ = [
    "Reply",
    "as_not_done",
    "brief",
    "event_of_reply",
    "is_in_doubt",
    "is_missing",
    "reply_of",
    "without_proof",
]


class Reply(enum.Enum):
    """The end of a failed request, by what it proves.

    A refusal answers one delivery: a proxy may have delivered the request before, and had it carried out.
    """

    NOT_SENT = "nothing was done: the request was not sent"
    UNAUTHORIZED = "nothing was done: the only request was answered with 401"
    REFUSED = "this delivery did nothing, by the API's own word"
    GONE = "this delivery did nothing: the thing it was for is not there"
    DECLINED = "nothing: whoever limits, or checks rights, has not asked the one who acts"
    CARRIED_OUT = "something was done, whatever the answer says"
    UNKNOWN = "nothing"


_EVENTS: Final = {
    Reply.NOT_SENT: Event.NOT_SENT,
    Reply.UNAUTHORIZED: Event.NOT_SENT,
    Reply.REFUSED: Event.REFUSED,
    Reply.CARRIED_OUT: Event.CONTRADICTED,
    Reply.UNKNOWN: Event.IN_DOUBT,
}


def reply_of(error: VoucherError, *, is_only: bool) -> Reply:
    """The meaning of an error for the request that it is about.

    Args:
        error: of the request.
        is_only: whether no request of the call was sent before.
    """
    if isinstance(error, ApiError) and error.status in SUCCESS:
        return Reply.CARRIED_OUT
    if error.fate is Fate.NOT_SENT:
        return Reply.NOT_SENT
    if not isinstance(error, ApiError) or (error.facts and error.facts.in_doubt):
        return Reply.UNKNOWN
    if error.status in DECLINED:
        attempts = error.facts.attempts if error.facts else 1
        alone = error.status == HTTPStatus.UNAUTHORIZED and is_only and attempts == 1
        return Reply.UNAUTHORIZED if alone else Reply.DECLINED
    if error.fate is Fate.UNKNOWN or not error.has_envelope:
        return Reply.UNKNOWN
    return Reply.GONE if error.status in GONE else Reply.REFUSED


def is_missing(error: VoucherError | None) -> bool:
    """True for a 404 in the API's envelope: any proxy may answer with a bare one."""
    return isinstance(error, NotFound) and error.has_envelope


def event_of_reply(reply: Reply, error: VoucherError, call: Call) -> Event:
    """The event in the life of a call that it is to be answered like this.

    Args:
        reply: the meaning of the answer.
        error: the answer.
        call: the call.
    """
    if reply is Reply.DECLINED:
        return Event.DECLINED if isinstance(error, RateLimited) else Event.REFUSED
    if reply is Reply.GONE:
        return Event.GONE if call.operation.reservation else Event.REFUSED
    return _EVENTS[reply]


def without_proof(error: VoucherError) -> None:
    """Take the proof from an error: an earlier call for the same payment may have been carried out.

    Args:
        error: the reason why the call failed.
    """
    error.proof = None


def as_not_done(error: VoucherError, proof: Proof) -> VoucherError:
    """The error, saying that the call was not carried out, and by which proof.

    Args:
        error: the reason why the call failed.
        proof: the proof that nothing was done.
    """
    error.proof = proof
    if proof in {Proof.NOT_SENT, Proof.UNAUTHORIZED}:
        return error
    if isinstance(error, ApiError):
        error.looked, error.fate = True, Fate.ANSWERED
    if proof is not Proof.REFUSED:
        error.fate = Fate.NOT_DONE
    return error


def brief(error: VoucherError) -> str:
    """An error in a few words that can stand inside another error's: no page, no other call's facts."""
    if isinstance(error, MissingScope) and error.scope:
        return f"HTTP {error.status}: it needs the scope {error.scope!r}"
    if isinstance(error, BadAnswer) and error.excerpt:
        return f"HTTP {error.status}: {error.problem}"
    if isinstance(error, ApiError) and not isinstance(error, BadAnswer):
        return f"HTTP {error.status}" + (f", {error.code}" if error.code else "")
    return str(error.args[0])


def is_in_doubt(error: VoucherError) -> bool:
    """True for the error of a call that may have been carried out: it is open, or has a `pending`."""
    return isinstance(error, OutcomeUnknown) or getattr(error, "pending", None) is not None
