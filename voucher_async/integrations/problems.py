"""Errors as answers for a shop's customer: problem details by RFC 9457, for any web framework.

A customer learns what to do next, and nothing that helps to guess codes: whatever the reason why a voucher is
refused (no such code, a wrong pin, too little on it, expired), the answer is the same. "Not charged" is said
only where the error has a proof.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import attrs

from voucher_async.api_errors import (
    ApiError,
    AuthenticationError,
    BadAnswer,
    Conflict,
    MissingScope,
    NotFound,
    RateLimited,
    ServerError,
    ValidationFailed,
)
from voucher_async.cancelling import quietly
from voucher_async.errors import (
    ConfigurationError,
    Fate,
    IdempotencyMismatch,
    InvalidInput,
    ReservationError,
    VoucherError,
)
from voucher_async.operations import (
    CHARGE_RESERVATION,
    CREATE_RESERVATION,
    CREATE_VOUCHER,
    RECHARGE_VOUCHER,
    REFUND_CHARGE,
)
from voucher_async.order_refunds import OrderRefundFailed
from voucher_async.outcomes import ChargeRefunded, CheckoutFailed, HeldState, StillRunning
from voucher_async.payments.replies import is_in_doubt

__all__ = ["CONTENT_TYPE", "HandlerCancelled", "Problem", "answer_of", "log_answer", "problem_of"]

CONTENT_TYPE: Final = "application/problem+json"
"""The media type of `Problem.to_dict`."""

_SECRETS: Final = frozenset({"code", "pin"})
_PAYING: Final = frozenset({CREATE_RESERVATION.id, CHARGE_RESERVATION.id})
_NO_PAYMENTS: Final = frozenset({CREATE_VOUCHER.id, RECHARGE_VOUCHER.id, REFUND_CHARGE.id})
_SOON: Final = 1.0  # seconds
_LATER: Final = 5.0

_logger: Final = logging.getLogger("voucher_async")

_FAILED: Final = (BadAnswer, RateLimited, ServerError)
_REFUSALS: Final = (Conflict, NotFound, ValidationFailed)


class HandlerCancelled(VoucherError):
    """A handler was cancelled before it had an answer, as by a server that stops; calls under way go on."""


@attrs.frozen(kw_only=True)
class Problem:
    """An answer to a customer, as problem details.

    Attributes:
        kind: what happened, in a word that programs compare, such as `voucher-refused`.
        status: the HTTP status.
        title: the same for people, in English.
        detail: what the customer, or the shop's page, may do now.
        charged: False where an error has a proof that nothing was charged; None: not known, or not asked.
        retry_after: seconds after which to ask again; None where that does not help.
        fields: what is wrong with which field, by the API's names.
    """

    kind: str
    status: int
    title: str
    detail: str
    charged: bool | None = None
    retry_after: float | None = None
    fields: Mapping[str, str] = attrs.Factory(dict[str, str])

    def to_dict(self) -> dict[str, Any]:
        """The JSON object: the members of RFC 9457, `charged`, and `fields` where there are some."""
        made: dict[str, Any] = {
            "type": f"urn:voucher-async:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "charged": self.charged,
        }
        return made | {"fields": dict(self.fields)} if self.fields else made

    @property
    def headers(self) -> dict[str, str]:
        """`Cache-Control`, and `Retry-After` in whole seconds where there is one."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(math.ceil(self.retry_after), 1))
        return headers


_REFUSED: Final = Problem(
    kind="voucher-refused",
    status=422,
    title="The voucher cannot be used for this payment",
    detail="Check the code and the pin, pay a smaller amount, or pay another way.",
)
_MISCONFIGURED: Final = Problem(
    kind="not-configured",
    status=500,
    title="Vouchers cannot be used in this shop now",
    detail="Pay another way.",
)
_UNAVAILABLE: Final = Problem(
    kind="unavailable",
    status=503,
    title="Vouchers cannot be used at the moment",
    detail="Try again later, or pay another way.",
    retry_after=_LATER,
)
_OPEN: Final = Problem(
    kind="outcome-unknown",
    status=503,
    title="It is not known yet whether the voucher was charged",
    detail="Ask again with the same data; do not pay another way before the answer is known.",
    retry_after=_LATER,
)
_INTERRUPTED: Final = Problem(
    kind="interrupted",
    status=503,
    title="The shop was interrupted before the answer was known",
    detail="Ask again with the same data; do not pay another way before the answer is known.",
    retry_after=_LATER,
)
_RUNNING: Final = Problem(
    kind="under-way",
    status=409,
    title="The same payment is under way",
    detail="Ask again with the same data.",
    retry_after=_SOON,
)
_KEY_REUSED: Final = Problem(
    kind="key-reused",
    status=422,
    title="The idempotency key belongs to another payment",
    detail="Use a new key for a payment with other data.",
)
_REFUNDED: Final = Problem(
    kind="charge-refunded",
    status=409,
    title="This payment was made, and refunded",
    detail="Pay again as a new payment, with a new key.",
)
_RESERVATION_OVER: Final = Problem(
    kind="reservation-over",
    status=409,
    title="The amount is held no longer",
    detail="Enter the voucher again.",
)
_UNFINISHED: Final = Problem(
    kind="unfinished",
    status=503,
    title="The order is not paid, and a voucher is still charged",
    detail="Ask again with the same data: what was charged is completed or refunded.",
    retry_after=_LATER,
)
_RETURNING: Final = Problem(
    kind="return-unfinished",
    status=503,
    title="Not all of the return was given back, or it is not known",
    detail="Ask again with the same data: what is missing is given back, and nothing twice.",
    retry_after=_LATER,
)
_NOT_FOUND: Final = Problem(
    kind="not-found", status=404, title="There is no such voucher, charge or reservation", detail=""
)
_INVALID: Final = Problem(
    kind="invalid-input", status=422, title="A value cannot be right", detail="Correct it and try again."
)
_REJECTED: Final = Problem(
    kind="rejected", status=409, title="That is not possible", detail="Look at the voucher's state."
)
_OUTCOMES: Final = (
    (StillRunning, _RUNNING),
    (OrderRefundFailed, _RETURNING),
    (HandlerCancelled, _INTERRUPTED),
    (IdempotencyMismatch, _KEY_REUSED),
    (ChargeRefunded, _REFUNDED),
)


def problem_of(error: VoucherError) -> Problem:
    """An error as an answer to a shop's customer; no secret and no word of the server is in it.

    Args:
        error: raised by a call of the SDK.
    """
    problem = _of_outcome(error) or _of_input(error) or _of_answer(error) or _UNAVAILABLE
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None and problem.retry_after is not None:
        problem = attrs.evolve(problem, retry_after=retry_after)
    is_proved = error.proof is not None and problem.charged is None and _is_about_a_payment(error)
    return attrs.evolve(problem, charged=False) if is_proved else problem


def _is_about_a_payment(error: VoucherError) -> bool:
    operation = None if error.facts is None else error.facts.operation
    return operation not in _NO_PAYMENTS and not isinstance(error, OrderRefundFailed)


def answer_of(error: VoucherError) -> tuple[str, int, dict[str, str]]:
    """The problem of an error as the JSON text, the status and the headers of a response.

    What is answered with a status of 5xx is logged, see `log_answer`.

    Args:
        error: raised by a call of the SDK.
    """
    problem = problem_of(error)
    log_answer(error, problem, "a request")
    return json.dumps(problem.to_dict()), problem.status, {"Content-Type": CONTENT_TYPE, **problem.headers}


def log_answer(error: VoucherError, problem: Problem, request: str) -> None:
    """Log an answer of 5xx, with the error: 500 is for somebody to mend, an interruption is nobody's fault.

    Args:
        error: what is answered.
        problem: the answer.
        request: that of the customer, in a word.
    """
    if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    is_fault = problem.status == HTTPStatus.INTERNAL_SERVER_ERROR
    level = logging.ERROR if is_fault else logging.WARNING
    if isinstance(error, HandlerCancelled):
        level = logging.INFO
    quietly(_logger.log, level, "%s is answered with %d: %s", request, problem.status, error)


def _of_outcome(error: VoucherError) -> Problem | None:
    """The answer for an error about a payment, or a return, as a whole."""
    for kind, problem in _OUTCOMES:
        if isinstance(error, kind):
            return problem
    if _is_open(error):
        return _OPEN
    return _of_checkout(error) if isinstance(error, CheckoutFailed) else None


def _is_open(error: VoucherError) -> bool:
    is_dropped = type(error) is VoucherError and error.fate is Fate.UNKNOWN  # a call of a thread
    return is_in_doubt(error) or is_dropped


def _of_checkout(error: CheckoutFailed) -> Problem:
    if any(each.state in {HeldState.CHARGED, HeldState.UNKNOWN} for each in error.outcomes):
        return _UNFINISHED
    cause = error.__cause__
    problem = problem_of(cause) if isinstance(cause, VoucherError) else _UNAVAILABLE
    return attrs.evolve(problem, charged=False if error.outcomes else problem.charged)


def _of_input(error: VoucherError) -> Problem | None:
    """The answer for an error raised before anything was sent."""
    if isinstance(error, InvalidInput):
        if error.field in _SECRETS:
            return _REFUSED
        return attrs.evolve(_INVALID, fields={error.field: error.rule})
    if isinstance(error, ReservationError):
        return _RESERVATION_OVER
    return _MISCONFIGURED if isinstance(error, ConfigurationError) else None


def _of_answer(error: VoucherError) -> Problem | None:
    """The answer for a refusal by the server; None for one that failed, or has too much to do."""
    if isinstance(error, AuthenticationError):
        return _MISCONFIGURED
    # a page of a proxy is no refusal
    if not isinstance(error, ApiError) or not error.has_envelope or isinstance(error, _FAILED):
        return None
    if error.facts is None or error.facts.operation in _PAYING:
        return _of_payment(error)
    if isinstance(error, MissingScope):
        return _MISCONFIGURED
    if isinstance(error, NotFound):
        return _NOT_FOUND
    fields = {each.property: each.rule or "" for each in error.field_errors if each.property is not None}
    return attrs.evolve(_INVALID, fields=fields) if fields else _REJECTED


def _of_payment(error: ApiError) -> Problem:
    """The answer for a refusal of a reservation or its charge."""
    is_charge = error.facts is not None and error.facts.operation == CHARGE_RESERVATION.id
    if is_charge and isinstance(error, _REFUSALS):
        # code and pin were right; most often another order has reserved the voucher meanwhile
        return _RESERVATION_OVER
    # the API does not document by which status it refuses a wrong pin, so none of them may differ
    return _REFUSED
