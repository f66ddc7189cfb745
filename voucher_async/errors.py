"""Every error this package raises, in one tree.

    VoucherError
    ├── ConfigurationError              the client is set up or used in a way that cannot work
    ├── InvalidInput                    refused here, before anything was sent (also a ValueError)
    │   └── InvalidInputType            the wrong Python type, such as a float amount (also a TypeError)
    ├── ApiError                        the server answered, and the answer is not the one asked for
    │   ├── AuthenticationError         401, or the token endpoint refused the credentials
    │   ├── MissingScope                403
    │   ├── NotFound                    404
    │   ├── Conflict                    409
    │   ├── ValidationFailed            400, 422 and every other refusal with a 4xx status
    │   ├── RateLimited                 429
    │   ├── ServerError                 5xx
    │   └── BadAnswer                   an answer that cannot be read, whatever its status
    ├── TransportError                  no complete answer; `fate` says what is known about the request
    │   ├── ConnectFailed               no connection: the request was not sent
    │   ├── CallTimeout                 a deadline passed (also a TimeoutError)
    │   └── ConnectionBroken            the connection was lost after the request may have been written
    ├── ReservationError                refused here: the reservation cannot be charged any more
    │   ├── ReservationExpired
    │   ├── ReservationSuperseded
    │   └── ReservationAlreadyCharged
    ├── LockFailed                      the voucher lock failed; nothing was sent
    ├── JournalFailed                   the journal cannot be read or written; nothing was sent
    ├── IdempotencyMismatch             the idempotency key belongs to a call with other parameters
    ├── ChargeRefunded                  the key's charge was made, and taken back again
    ├── OutcomeUnknown                  a money call whose outcome is not known; see `pending`
    │   └── StillRunning                another caller's call with the same key is under way
    └── CheckoutFailed                  a checkout did not charge all its vouchers; see `outcomes`
        └── CheckoutUnknown             the same with at least one open outcome (also an OutcomeUnknown)

Messages, attributes and reprs hold no secret: whatever the server sent is masked before it gets here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voucher_async.facts import CallFacts, FieldError
from voucher_async.fates import Fate, Proof
from voucher_async.masking import MASK, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.models import Charge
    from voucher_async.pending import HeldOutcome, PendingOutcome
    from voucher_async.sansio import Answer

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BadAnswer",
    "CallFacts",
    "CallTimeout",
    "ChargeRefunded",
    "CheckoutFailed",
    "CheckoutUnknown",
    "ConfigurationError",
    "Conflict",
    "ConnectFailed",
    "ConnectionBroken",
    "Fate",
    "FieldError",
    "IdempotencyMismatch",
    "InvalidInput",
    "InvalidInputType",
    "JournalFailed",
    "LockFailed",
    "MissingScope",
    "NotFound",
    "OutcomeUnknown",
    "Proof",
    "RateLimited",
    "ReservationAlreadyCharged",
    "ReservationError",
    "ReservationExpired",
    "ReservationSuperseded",
    "ServerError",
    "StillRunning",
    "TransportError",
    "ValidationFailed",
    "VoucherError",
]


def _rebuild(cls: type[VoucherError], args: tuple[Any, ...], state: dict[str, Any]) -> VoucherError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class VoucherError(Exception):
    """The root: `except VoucherError` catches whatever this package raises.

    Attributes:
        facts: the call it belongs to; None when no call was made.
        fate: what is known about the call as a whole, every attempt counted; None when no call was made.
        proof: for a money call that was not carried out, the proof of that; None otherwise.
    """

    fate: Fate | None = None
    proof: Proof | None = None

    def __init__(self, message: str, *, facts: CallFacts | None = None) -> None:
        super().__init__(visible(message))
        self.facts = facts

    def __str__(self) -> str:
        text = str(self.args[0])
        return f"{text} [{self.facts}]" if self.facts else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class ConfigurationError(VoucherError):
    """The client is set up, or used, in a way that cannot work; nothing was sent."""


class InvalidInput(VoucherError, ValueError):
    """An argument breaks a rule of the API; nothing was sent.

    Attributes:
        field: the API's name of the field, such as `order_number`.
        rule: the rule in words, such as `at most 255 characters`.
        value: the offending value as text; masked when the field is secret.
    """

    def __init__(self, field: str, rule: str, value: object, *, secret: bool = False) -> None:
        self.field = field
        self.rule = rule
        self.value: str = MASK if secret else _show(value)
        super().__init__(f"{field}: {rule} (got {self.value})")


class InvalidInputType(InvalidInput, TypeError):
    """An argument has a type that is never accepted, such as a float for an amount; nothing was sent."""


def _show(value: object, limit: int = 80) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out an int of more than 4300 digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


class ApiError(VoucherError):
    """The server answered with an error, or with something that cannot be read.

    Attributes:
        status: the HTTP status.
        code: the raw code of the API's error envelope or of OAuth; None when the answer had none.
        message: the server's own words, masked; None when the answer had none.
        field_errors: the complaints about single fields.
        retry_after: seconds the server asked to wait; None when it did not.
        excerpt: the beginning of the body, masked.
        has_envelope: whether the body was the API's own error: an object with a `code`, or with a `message`
            and the `status` of the answer. What a proxy made up has none, and says nothing of the request.
        looked: for a money call: True when its voucher's charges were read twice after the refusal and do
            not show it, False when they could not be read; None for other calls, and for a 401 to the only
            request, which needs no look.
        pending: the outcome to `settle` when `looked` is False; None otherwise.
        answer: its date, and whether it may be a cache's copy, for this package; None when not measured.
    """

    has_envelope: bool = False
    looked: bool | None = None
    answer: Answer[None] | None = None
    pending: PendingOutcome | None = None

    def __init__(
        self,
        summary: str,
        *,
        status: int,
        code: str | None = None,
        message: str | None = None,
        field_errors: Sequence[FieldError] = (),
        retry_after: float | None = None,
        excerpt: str = "",
        facts: CallFacts | None = None,
    ) -> None:
        super().__init__(summary, facts=facts)
        self.status = status
        self.code = code
        self.message = message
        self.field_errors: tuple[FieldError, ...] = tuple(field_errors)
        self.retry_after = retry_after
        self.excerpt = excerpt


class AuthenticationError(ApiError):
    """The credentials or the token were refused (401, or OAuth's `invalid_client` and its kin)."""


class MissingScope(ApiError):
    """The client may not do this (403).

    Attributes:
        scope: the scope the operation needs; None when the contract names none.
    """

    scope: str | None = None


class NotFound(ApiError):
    """There is no such thing (404)."""


class Conflict(ApiError):
    """The state of the thing forbids it (409)."""


class ValidationFailed(ApiError):
    """The server refused the request (400, 422, or a 4xx status that has no class of its own)."""


class RateLimited(ApiError):
    """Too many requests (429); `retry_after` says how long to wait when the server said so."""


class ServerError(ApiError):
    """The server failed (5xx); whether it acted on the request is unknown."""


class BadAnswer(ApiError):
    """The answer is not what the API promises: HTML, cut off, wrong types, a missing field, too large.

    Attributes:
        problem: what is wrong, with the path into the JSON where there is one.
    """

    problem: str = ""


class TransportError(VoucherError):
    """No complete answer arrived; `fate` tells whether the request was certainly not sent, or perhaps was.

    Attributes:
        is_overdue: nothing of the request was written, because its record had become too old; it may be sent
            once that is written anew.
    """

    is_overdue: bool = False

    def __init__(self, message: str, *, fate: Fate, facts: CallFacts | None = None) -> None:
        super().__init__(message, facts=facts)
        self.fate: Fate | None = fate


class ConnectFailed(TransportError):
    """No connection was made (DNS, refused, TLS, pool exhausted): the request was not sent."""


class CallTimeout(TransportError, TimeoutError):
    """A time limit passed: the whole call's, or the one for reading an answer."""


class ConnectionBroken(TransportError):
    """The connection was lost after the request may have been written."""


class ReservationError(VoucherError):
    """Refused here, with no request: charging this reservation cannot succeed.

    Attributes:
        reservation_id: the reservation's id.
    """

    def __init__(self, message: str, *, reservation_id: str) -> None:
        super().__init__(message)
        self.reservation_id = reservation_id


class ReservationExpired(ReservationError):
    """Less than the safety margin is left of the reservation's life."""


class ReservationSuperseded(ReservationError):
    """A newer reservation of the same voucher replaced this one."""


class ReservationAlreadyCharged(ReservationError):
    """This client has charged the reservation already."""


class LockFailed(VoucherError):
    """The voucher lock that was handed in raised an error, which is the `__cause__`; nothing was sent."""


class JournalFailed(VoucherError):
    """The journal cannot be read or written, or holds what cannot be read; nothing was sent.

    A failure after the answer of a money call is not raised: what was answered stands.
    """

    # no proof by itself: whoever knows that nothing was sent before adds it
    fate: Fate | None = Fate.NOT_SENT


class IdempotencyMismatch(VoucherError):
    """The idempotency key was used with other parameters; nothing was sent.

    Attributes:
        differences: the names of the parameters that differ.
    """

    fate: Fate | None = Fate.NOT_SENT
    proof: Proof | None = Proof.NOT_SENT

    def __init__(
        self, message: str, *, differences: Sequence[str] = (), facts: CallFacts | None = None
    ) -> None:
        super().__init__(message, facts=facts)
        self.differences: tuple[str, ...] = tuple(differences)


class ChargeRefunded(VoucherError):
    """The charge of this idempotency key was made, and all of it was taken back: the key stays used.

    Attributes:
        charge: the charge.
        refunds: the refunds that took it back, as far as they are known.
    """

    fate: Fate | None = Fate.NOT_SENT

    def __init__(
        self,
        message: str,
        *,
        charge: Charge,
        refunds: Sequence[Charge] = (),
        facts: CallFacts | None = None,
    ) -> None:
        super().__init__(message, facts=facts)
        self.charge = charge
        self.refunds: tuple[Charge, ...] = tuple(refunds)


class OutcomeUnknown(VoucherError):
    """A call that moves money was sent, and whether it was carried out is not known.

    Never repeat the call blindly: read the voucher's charges by order number first.

    Attributes:
        pending: what is needed to find out later.
    """

    fate: Fate | None = Fate.UNKNOWN

    def __init__(self, message: str, *, pending: PendingOutcome, facts: CallFacts | None = None) -> None:
        super().__init__(message, facts=facts)
        self.pending = pending


class StillRunning(OutcomeUnknown):
    """Another caller's call for the same payment is under way: ask again with the same idempotency key."""


class CheckoutFailed(VoucherError):
    """A checkout could not charge all its vouchers; what it had charged was refunded where that worked.

    The error of the voucher that failed is the `__cause__`.

    Attributes:
        outcomes: what became of every voucher of the checkout, in the order they were reserved.
    """

    def __init__(
        self, message: str, *, outcomes: Sequence[HeldOutcome] = (), facts: CallFacts | None = None
    ) -> None:
        super().__init__(message, facts=facts)
        self.outcomes: tuple[HeldOutcome, ...] = tuple(outcomes)


class CheckoutUnknown(CheckoutFailed, OutcomeUnknown):
    """A checkout that ended with at least one outcome not known.

    Attributes:
        outcomes: what became of every voucher of the checkout, in the order they were reserved.
        pending: the first open outcome; each open one is in `outcomes`.
    """

    def __init__(
        self,
        message: str,
        *,
        outcomes: Sequence[HeldOutcome],
        pending: PendingOutcome,
        facts: CallFacts | None = None,
    ) -> None:
        VoucherError.__init__(self, message, facts=facts)
        self.outcomes: tuple[HeldOutcome, ...] = tuple(outcomes)
        self.pending = pending
