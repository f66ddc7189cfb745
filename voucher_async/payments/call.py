"""The record of a money call: its parameters, its requests, its end, and whether a caller was told."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Self

import attrs

from voucher_async.fates import Proof
from voucher_async.models import Charge, Reservation
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.outcomes import PendingOutcome
from voucher_async.references import new_id
from voucher_async.values import Value

__all__ = [
    "CHECKOUT",
    "COMPOSED",
    "REDEEM",
    "REFUND_ORDER",
    "CallRecord",
    "CallState",
    "Failure",
    "Parameters",
    "Planned",
    "Signature",
    "Transition",
    "new_id",
]


class CallState(enum.StrEnum):
    """The state of a money call."""

    BEGUN = "begun"
    """Its key is claimed; nothing that moves money was sent."""

    SENT = "sent"
    """A request that moves money is about to be sent, or was: written before it is."""

    OPEN = "open"
    """It is in doubt, and its caller was told so."""

    DONE = "done"
    """It was carried out."""

    NOT_DONE = "not done"
    """It was not carried out, and will not be; its key is free again."""


REDEEM: Final = "redeem"
"""The operation of a record that reserves, then charges."""

CHECKOUT: Final = "checkout"
"""The operation of a record whose charges and refunds are records of their own."""

REFUND_ORDER: Final = "refundOrder"
"""The operation of a record that gives back what an order took; its refunds are records of their own."""

COMPOSED: Final = frozenset({CHECKOUT, REFUND_ORDER})
"""Operations that move no money themselves: their parts do."""

_REDEEMING: Final = frozenset({REDEEM, CHECKOUT})

ENDED: Final = frozenset({CallState.DONE, CallState.NOT_DONE})
DRIVEN: Final = frozenset({CallState.BEGUN, CallState.SENT})  # driven by an owner, alive or dead
_SEEN: Final = frozenset({CallState.SENT, CallState.OPEN})  # an effect may exist that no look has shown yet


@attrs.frozen(kw_only=True)
class Parameters:
    """Parameters in which calls with one idempotency key must agree; the pin and the time-out do not count.

    Attributes:
        operation: `redeem`, `checkout`, or the operation id, such as `refundCharge`.
        amount: in currency units; None where there is none.
        currency: ISO 4217.
        order_number: the order.
        target: the charge, reservation or voucher id, or a digest of the voucher's code.
    """

    operation: str
    amount: Decimal | None = None
    currency: str | None = None
    order_number: str | None = None
    target: str = ""

    def differences(self, other: Parameters) -> tuple[str, ...]:
        """The names of what differs."""
        return tuple(name for name in _PARAMETERS if getattr(self, name) != getattr(other, name))


_LATE: Final = ("sent_at", "pending", "voucher_id", "proof")  # what looking for a late copy needs
_PARAMETERS: Final = tuple(Parameters.__annotations__)


@attrs.frozen
class Signature:
    """The traits by which an entry in a list of charges is told from those of other calls, the order apart.

    Attributes:
        operation: the operation id of the request that moves money.
        amount: in currency units; None where it is not known.
        voucher_id: the voucher; None where it is not known.
    """

    operation: str
    amount: Decimal | None
    voucher_id: str | None

    def may_be(self, other: Signature) -> bool:
        """True when one entry could be that of either; what is not known may be anything."""
        return (
            self.operation == other.operation
            and (self.amount is None or other.amount is None or self.amount == other.amount)
            and (self.voucher_id is None or other.voucher_id is None or self.voucher_id == other.voucher_id)
        )


@attrs.frozen(kw_only=True)
class Transition:
    """One step of a record.

    Attributes:
        state: the state it led to.
        at: the time, by the clock of its writer; aware.
        by: the owner that wrote it, or the operator.
        why: the reason in words; no secret.
        proof: the proof, where it led to `NOT_DONE`.
    """

    state: CallState
    at: dt.datetime
    by: str
    why: str | None = None
    proof: Proof | None = None


@attrs.frozen(kw_only=True)
class Failure:
    """The reason why a call was not carried out, for those who waited for it elsewhere.

    Attributes:
        kind: the name of the error's class.
        message: its text, without secrets.
        status: the HTTP status of an `ApiError`.
        code: the API's error code of an `ApiError`.
        retry_after: seconds, where the API said so.
    """

    kind: str
    message: str
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None


@attrs.frozen(kw_only=True)
class Planned:
    """One voucher of a checkout that is about to be charged.

    Attributes:
        target: the digest of its code.
        asked: the amount that was asked for, in currency units.
        reservation: its reservation's id.
        record: the id of its own money call.
    """

    target: str
    asked: Decimal
    reservation: Reservation
    record: str = attrs.field(factory=new_id)


@attrs.frozen(kw_only=True)
class CallRecord(Value):
    """One money call, as a journal keeps it. It holds no secret.

    Attributes:
        id: tells records apart; the `id` of its `PendingOutcome`, too.
        scope: the base URL and the client it belongs to, or the `journal_scope` of the client.
        key: the idempotency key; None for a call without one.
        parameters: the parameters in which a second call with the key has to agree.
        owner: the owner that drives it.
        state: its state.
        version: counts the writes, from 1; a write is taken only as the successor of what is stored.
        begun_at: when it was claimed, by the owner's clock; aware.
        changed_at: when it was written last.
        sent_at: when a request that moves money was last about to be sent; None before.
        pending: the facts needed to settle it; None before its first money request.
        charge: the charge, refund or recharge that it made.
        refunds: the refunds that took the charge back, as far as this journal knows.
        voucher_id: the voucher, where it is known.
        proof: the proof that it was not carried out.
        failure: the reason why it was not carried out.
        told: the charge was handed to its caller, or the application acknowledged it. A process that dies
            right then may not have heard it.
        parent: the record of the checkout that it is part of.
        plan: a checkout's charges, written before the first of them.
        transitions: every step, the oldest first; none once it was shrunk.
        unknown: the fields that a newer version has stored with it.
    """

    id: str = attrs.field(factory=new_id)
    scope: str
    key: str | None = None
    parameters: Parameters
    owner: str
    state: CallState = CallState.BEGUN
    version: int = 1
    begun_at: dt.datetime
    changed_at: dt.datetime
    sent_at: dt.datetime | None = None
    pending: PendingOutcome | None = None
    charge: Charge | None = None
    refunds: tuple[Charge, ...] = ()
    voucher_id: str | None = None
    proof: Proof | None = None
    failure: Failure | None = None
    told: bool = False
    parent: str | None = None
    plan: tuple[Planned, ...] = ()
    transitions: tuple[Transition, ...] = ()
    unknown: Mapping[str, object] = attrs.field(
        factory=dict[str, object], hash=False, metadata={"omit_default": True}
    )

    @classmethod
    def begin(
        cls,
        parameters: Parameters,
        *,
        scope: str,
        key: str | None,
        owner: str,
        at: dt.datetime,
        record_id: str | None = None,
    ) -> Self:
        """A record of a call that is about to be claimed.

        Args:
            parameters: what is asked for.
            scope: whose it is.
            key: the idempotency key.
            owner: the owner that drives it.
            at: the present; aware.
            record_id: its id; None: a new one.
        """
        step = Transition(state=CallState.BEGUN, at=at, by=owner)
        return cls(
            id=record_id or new_id(),
            scope=scope,
            key=key,
            parameters=parameters,
            owner=owner,
            begun_at=at,
            changed_at=at,
            transitions=(step,),
        )

    @classmethod
    def about(cls, pending: PendingOutcome, *, scope: str, owner: str, at: dt.datetime) -> Self:
        """A record of a call of which no more is known than what was sent; not stored yet.

        Args:
            pending: what was sent.
            scope: whose it is.
            owner: the process that asks for it.
            at: the present; aware.
        """
        parameters = Parameters(
            operation=pending.operation,
            amount=pending.amount,
            currency=pending.currency,
            order_number=pending.order_number,
            target=pending.reservation_id or pending.charge_id or pending.voucher_id or "",
        )
        record = cls.begin(parameters, scope=scope, key=None, owner=owner, at=at, record_id=pending.id)
        return attrs.evolve(record, pending=pending, state=CallState.SENT)

    @property
    def named(self) -> dict[str, str]:
        """Its id and operation, as extras of the lines of the log that speak of it."""
        return {"call_id": self.id, "operation": self.parameters.operation}

    @property
    def ended(self) -> bool:
        """True when the end of the call is known."""
        return self.state in ENDED

    def shrunk(self) -> Self:
        """The record with no more than its key needs: parameters, charge, and the facts about late copies."""
        late = {name: getattr(self, name) for name in _LATE} if self.state is CallState.NOT_DONE else {}
        return type(self)(
            **late,
            id=self.id,
            scope=self.scope,
            key=self.key,
            parameters=self.parameters,
            owner=self.owner,
            state=self.state,
            version=self.version + 1,
            begun_at=self.begun_at,
            changed_at=self.changed_at,
            charge=self.charge,
            refunds=self.refunds,
            told=self.told,
            parent=self.parent,
            plan=self.plan,
            unknown=self.unknown,
        )

    @property
    def is_shrunk(self) -> bool:
        """True when the record was shrunk: no other is without a step."""
        return not self.transitions

    def step(
        self,
        state: CallState,
        *,
        at: dt.datetime,
        by: str,
        why: str | None = None,
        proof: Proof | None = None,
        version: int | None = None,
        **changes: Any,
    ) -> Self:
        """The record one write later.

        Args:
            state: the state it is in then.
            at: the present; aware.
            by: who writes it.
            why: the reason in words.
            proof: the proof, for `NOT_DONE`.
            version: the number of the write; None: that of the next.
            changes: other attributes that change.
        """
        taken = Transition(state=state, at=at, by=by, why=why, proof=proof)
        return attrs.evolve(
            self,
            state=state,
            version=self.version + 1 if version is None else version,
            changed_at=at,
            proof=proof,
            transitions=(*self.transitions, taken),
            **changes,
        )

    def passed_to(self, owner: str, at: dt.datetime) -> Self:
        """The record one write later, with another owner and no further step: it may be passed on every day.

        Args:
            owner: who has it then.
            at: the present; aware.
        """
        return attrs.evolve(self, owner=owner, version=self.version + 1, changed_at=at)

    @property
    def view(self) -> PendingOutcome:
        """The facts to settle it by; those of its parameters, where nothing was sent."""
        if self.pending is not None:
            return self.pending
        asked = self.parameters
        return PendingOutcome(
            id=self.id,
            operation=CHARGE_RESERVATION.id if asked.operation in _REDEEMING else asked.operation,
            amount=asked.amount,
            currency=asked.currency,
            order_number=self.order_number,
        )

    @property
    def order_number(self) -> str | None:
        """The order: the one that was asked for, else that of what was sent, else that of what was made."""
        sources = (self.parameters, self.pending, self.charge)
        return next((each.order_number for each in sources if each and each.order_number), None)

    @property
    def signature(self) -> Signature | None:
        """The traits of what it may have made; None where that is known, or nothing was sent."""
        asked, sent = self.parameters, self.pending
        if self.state not in _SEEN or asked.operation in COMPOSED:
            return None
        amount, voucher_id = asked.amount, self.voucher_id
        if sent is not None:
            amount = sent.amount if amount is None else amount
            voucher_id = voucher_id or sent.voucher_id
        operation = CHARGE_RESERVATION.id if asked.operation == REDEEM else asked.operation
        return Signature(operation, amount, voucher_id)
