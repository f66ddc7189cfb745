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
    ├── TokenStoreFailed                a token store failed; no call fails for it
    ├── TooManyInDoubt                  the brake is on: too many money calls are in doubt; nothing was sent
    ├── IdempotencyMismatch             the idempotency key belongs to a call with other parameters
    ├── ChargeRefunded                  the key's charge was made, and refunded
    ├── OutcomeUnknown                  a money call whose outcome is not known; see `pending`
    │   └── StillRunning                another caller's call with the same key is under way
    ├── CheckoutFailed                  a checkout did not charge all its vouchers; see `outcomes`
    │   └── CheckoutUnknown             the same with at least one open outcome (also an OutcomeUnknown)
    └── OrderRefundFailed               not all was given back of an order; see `outcomes` and `open_calls`
        └── OrderRefundUnknown          the same with at least one open outcome (also an OutcomeUnknown)

`ApiError` and its subclasses stand in `api_errors.py`; `ChargeRefunded`, `OutcomeUnknown`, `CheckoutFailed`
and theirs in `outcomes.py`, `OrderRefundFailed` in `order_refunds.py`, beside the values they carry. All are
names of `voucher_async`.

Messages, attributes and reprs hold no secret: a server's text is masked before an error gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voucher_async.facts import CallFacts, FieldError
from voucher_async.fates import Fate, Proof
from voucher_async.masking import MASK, visible

__all__ = [
    "CallFacts",
    "CallTimeout",
    "ConfigurationError",
    "ConnectFailed",
    "ConnectionBroken",
    "Fate",
    "FieldError",
    "IdempotencyMismatch",
    "InvalidInput",
    "InvalidInputType",
    "JournalFailed",
    "LockFailed",
    "Proof",
    "ReservationAlreadyCharged",
    "ReservationError",
    "ReservationExpired",
    "ReservationSuperseded",
    "TokenStoreFailed",
    "TooManyInDoubt",
    "TransportError",
    "VoucherError",
]


def _rebuild(cls: type[VoucherError], args: tuple[Any, ...], state: dict[str, Any]) -> VoucherError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class VoucherError(Exception):
    """The root: `except VoucherError` catches every error of this package.

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


class TransportError(VoucherError):
    """No complete answer arrived; `fate` tells whether the request was certainly not sent, or perhaps was.

    Attributes:
        is_overdue: True when the request was not written because its record had become too old; it may be
            sent once the record is written anew.
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
    """The client's `voucher_lock` raised an error, which is the `__cause__`; nothing was sent."""


class JournalFailed(VoucherError):
    """The journal cannot be read or written, or holds an unreadable record; nothing was sent.

    A failure after the answer of a money call is not raised: the answer stands.
    """

    # without a `proof`: only the caller knows whether earlier requests were sent, and adds it
    fate: Fate | None = Fate.NOT_SENT


class TokenStoreFailed(VoucherError):
    """A token store failed: `RedisTokenStore`, `SqlTokenStore` or your own.

    No call of a client fails for it: the client logs the text, which must hold no token, and goes on without
    the store.
    """


class TooManyInDoubt(VoucherError):
    """The brake is on: too many of the client's latest money calls are in doubt; nothing was sent.

    Attributes:
        retry_after: seconds after which the oldest of them does not count any more.
    """

    fate: Fate | None = Fate.NOT_SENT
    proof: Proof | None = Proof.NOT_SENT

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after: float = retry_after


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
