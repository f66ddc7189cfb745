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

__all__ = [
    "AttemptEnded",
    "AttemptStarted",
    "CallEnd",
    "CallEnded",
    "CallStarted",
    "Closed",
    "DoubtEnd",
    "DoubtEnded",
    "Happened",
    "Repeating",
    "Settled",
    "TokenRefresh",
    "TurnWaited",
]


@attrs.frozen(kw_only=True)
class _Call:
    """A call of one of the client's methods, or one that such a call makes.

    Attributes:
        call_id: its id; of a money call the id of its journal record, which `PendingOutcome.id` is, too.
        name: the method as the client has it, such as `redeem`, `vouchers.list` or `checkout.charge`.
        parent_id: the id of the call that it is part of, or that left it behind; None for one of its own.
        order_number: the order, where the caller gave one.
        key_digest: a digest of its idempotency key, the same in every process; None without a key.
        amount: the amount that the caller asked for, in currency units.
        currency: ISO 4217, where the caller gave it.
        record_id: the id of the money call that it is about, as of `settle`; None for a new one.
    """

    call_id: str
    name: str
    parent_id: str | None = None
    order_number: str | None = None
    key_digest: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    record_id: str | None = None


@attrs.frozen(kw_only=True)
class CallStarted(_Call):
    """A call has begun: nothing of it is checked or sent yet.

    One page of a listing is a call. A checkout is one from `async with` until its block is left.
    """


class CallEnd(enum.StrEnum):
    """The ways a call ends, as its caller sees them; each is equal to its text."""

    DONE = "done"
    """It returned its result."""

    REFUSED = "refused"
    """The server refused it with a 4xx status, or this client did, without sending anything."""

    FAILED = "failed"
    """Any other error; of a money call one that proves that it was not carried out."""

    OPEN = "open"
    """It may or may not have been carried out: its error has a `pending`."""

    CANCELLED = "cancelled"
    """Its caller was cancelled. A money call that was sent is finished behind it."""


@attrs.frozen(kw_only=True)
class CallEnded(_Call):
    """A call has ended: told once for each `CallStarted`, also when the caller is cancelled.

    Attributes:
        how: the way it ended.
        elapsed: seconds since it began.
        error_type: the class of the error that its caller gets; None where there is none.
        fate: what is known of what was sent, where the error says so.
        proof: the proof that a money call was not carried out, where the error has one.
        record_id: the id of the money call whose result the caller got: another one than its own where it
            joined an equal call, or its key was used before.
    """

    how: CallEnd
    elapsed: float
    error_type: str | None = None
    fate: Fate | None = None
    proof: Proof | None = None


@attrs.frozen(kw_only=True)
class _Attempt:
    """A request.

    Attributes:
        operation: the operation id.
        method: the HTTP method.
        path: the path below the API base.
        attempt: 1 for the first request of the operation.
        template: the path with `{placeholders}` in the place of ids.
        server_address: the host that it is sent to.
        server_port: the port.
        call_id: the id of the call that it is made for; that one may have ended, as when an outcome is
            settled in the background. None for what no call began.
        order_number: the call's order.
        key_digest: a digest of the call's idempotency key.
    """

    operation: str
    method: str
    path: str
    attempt: int
    template: str = ""
    server_address: str = ""
    server_port: int | None = None
    call_id: str | None = None
    order_number: str | None = None
    key_digest: str | None = None


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
        error_type: the class of the error, of an error answer, too; None when there is none.
    """

    fate: Fate
    status: int | None
    elapsed: float
    error: str | None = None
    error_type: str | None = None


@attrs.frozen(kw_only=True)
class Repeating:
    """A request will be made again.

    Attributes:
        operation: the operation id.
        attempt: the number of the attempt that failed.
        pause: seconds until the next one.
        reason: the reason in words.
        call_id: the id of the call that it is made for; None for what no call began.
    """

    operation: str
    attempt: int
    pause: float
    reason: str
    call_id: str | None = None


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


class DoubtEnd(enum.StrEnum):
    """The ways a doubt about a money call ends; each is equal to its text."""

    DONE = "done"
    """The call was carried out."""

    NOT_DONE = "not done"
    """It was not; there is a proof."""

    PASSED_ON = "passed on"
    """Another process has its record, and tells its own hooks."""

    FORGOTTEN = "forgotten"
    """The application has called `VoucherClient.forget`."""


@attrs.frozen(kw_only=True)
class DoubtEnded:
    """It is known what became of a money call that was in doubt, whoever is told of it.

    Told once for each `Settled` event of the kind `IN_DOUBT`, whether or not the caller waits for the end;
    and once for each money call of another process that this one settled. An outcome that stays open has no
    such event.

    Attributes:
        call_id: the id of the money call.
        operation: the operation id.
        outcome: what became of it.
        proof: the proof that it was not carried out, where the outcome says that.
        elapsed: seconds since it came in doubt; None where that was in another process.
        told: its caller waited, and gets the end as its result or error.
        recovered: another process began it.
        amount: the amount in currency units.
        order_number: the order.
    """

    call_id: str
    operation: str
    outcome: DoubtEnd
    proof: Proof | None = None
    elapsed: float | None = None
    told: bool = False
    recovered: bool = False
    amount: Decimal | None = None
    order_number: str | None = None


@attrs.frozen(kw_only=True)
class TurnWaited:
    """A call has waited for its turn with a voucher, or behind an equal call; in vain where `taken` is False.

    A turn of this process that is free takes no time, and is not told of. One that is kept in a database or
    another store is asked for, and the answer waited for.

    Attributes:
        call_id: the call.
        name: the call's method.
        behind: `voucher` for the turn with a voucher, `equal call` for a refund or a recharge behind another.
        seconds: the time it waited.
        taken: it got its turn, before its deadline or a cancellation.
    """

    call_id: str
    name: str
    behind: str
    seconds: float
    taken: bool


@attrs.frozen(kw_only=True)
class Closed:
    """A client was closed: nothing more is told of it, but for a call that it refuses.

    Attributes:
        pending: the outcomes that are still open.
    """

    pending: tuple[PendingOutcome, ...] = ()
