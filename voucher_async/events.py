"""Events for hooks, as plain values. None holds a secret.

`Hook.on_intent` receives a `PendingOutcome`.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import attrs

from voucher_async.errors import Fate, Proof, VoucherError
from voucher_async.models import Charge
from voucher_async.outcomes import PendingOutcome

__all__ = ["AttemptEnded", "AttemptStarted", "Happened", "Repeating", "Settled", "TokenRefresh"]


@attrs.frozen(kw_only=True)
class _Attempt:
    """A request.

    Attributes:
        operation: the operation id.
        method: the HTTP method.
        path: the path below the API base.
        attempt: 1 for the first request of the call.
    """

    operation: str
    method: str
    path: str
    attempt: int


@attrs.frozen(kw_only=True)
class AttemptStarted(_Attempt):
    """A request is about to be made."""


@attrs.frozen(kw_only=True)
class AttemptEnded(_Attempt):
    """A request was answered, or failed.

    Attributes:
        fate: what is known about the request.
        status: the HTTP status; None when no answer came.
        elapsed: seconds the request took.
        error: the reason why no answer came, in words; None when one came.
    """

    fate: Fate
    status: int | None
    elapsed: float
    error: str | None = None


@attrs.frozen(kw_only=True)
class Repeating:
    """A request will be made again.

    Attributes:
        operation: the operation id.
        attempt: the number of the attempt that failed.
        pause: seconds until the next one.
        reason: the reason in words.
    """

    operation: str
    attempt: int
    pause: float
    reason: str


@attrs.frozen(kw_only=True)
class TokenRefresh:
    """The token endpoint was asked for a token. Taking one from a store is no refresh.

    Attributes:
        succeeded: whether it issued one.
        background: whether calls went on with the old token meanwhile.
        elapsed: seconds it took.
        error: the reason why it failed; None when it did not.
        lifetime: seconds the new token lives; None when there is none.
    """

    succeeded: bool
    background: bool
    elapsed: float
    error: VoucherError | None = None
    lifetime: float | None = None


class Happened(enum.StrEnum):
    """The kinds of `Settled` events; each is equal to its text."""

    IN_DOUBT = "in doubt"
    """A money call may have been carried out, and no answer says so: its outcome is looked for.

    Reported at once, and once per call, also while its caller waits. The end is reported only when no caller
    receives it.
    """

    DONE = "done"
    """A call was carried out whose caller is gone, or was told that its outcome is unknown."""

    NOT_DONE = "not done"
    """Such a call was not carried out; `proof` says how that is known."""

    LEFT_OPEN = "left open"
    """The outcome of such a call stays open, until `VoucherClient.settle` is called."""

    RECOVERED = "recovered"
    """A call of another process was carried out, as `VoucherClient.settle` or `recover` found.

    Or a checkout that a dead process left is charged: then `operation` is `checkout`.
    """

    SURPLUS_REFUNDED = "surplus refunded"
    """A repeated charge was carried out twice, and the surplus was refunded."""

    SURPLUS_LEFT = "surplus left"
    """Such a surplus could not be refunded, or may belong to another payment."""

    REFUNDED = "refunded"
    """A checkout refunded one of its charges."""

    REFUND_FAILED = "refund failed"
    """A checkout could not refund one of its charges: the customer is still charged."""

    RENEWED = "renewed"
    """A reservation of a checkout was made anew."""

    RENEWAL_FAILED = "renewal failed"
    """A reservation of a checkout could not be made anew."""


@attrs.frozen(kw_only=True)
class Settled:
    """A change of money, or of what is known about it, beyond the results that callers receive.

    Attributes:
        what: the kind of event.
        operation: the operation id of the call, such as `chargeReservation`; `checkout` for a checkout's
            refunds and renewals.
        amount: the amount in currency units.
        order_number: the order.
        pending: the call, when its outcome was open or no caller waited for it.
        charge: the charge, when there is one.
        error: the error, when there was one.
        proof: the proof that a call was not carried out, where `what` says that.
    """

    what: Happened
    operation: str
    amount: Decimal | None = None
    order_number: str | None = None
    pending: PendingOutcome | None = None
    charge: Charge | None = None
    error: Exception | None = None
    proof: Proof | None = None
