"""The vocabulary of the machine of money calls: its inputs, and its answers."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

from voucher_async.fates import Proof
from voucher_async.operations import CHARGE_RESERVATION, CREATE_VOUCHER, RECHARGE_VOUCHER, REFUND_CHARGE
from voucher_async.payments.call import CallState
from voucher_async.payments.taken_back import covers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voucher_async.payments.call import CallRecord

__all__ = [
    "OPERATIONS",
    "Asked",
    "Call",
    "CallState",
    "Event",
    "Facts",
    "Limits",
    "Operation",
    "Step",
    "call_of",
]


class Operation(NamedTuple):
    """The traits of an operation that decide how its calls are driven.

    Attributes:
        name: `redeem`, or the operation id.
        reserves: it makes its own reservation, so it can make a newer one: a fence.
        reservation: its requests name a reservation, and are refused once that one has ended.
        once: the server carries out one request for each target (a reservation, an id), however many arrive.
        joins: an equal call without a key, under way in the same client, is the same payment.
        refundable: what it made can be taken back.
    """

    name: str
    reserves: bool = False
    reservation: bool = False
    once: bool = False
    joins: bool = False
    refundable: bool = False


OPERATIONS: Final[Mapping[str, Operation]] = {
    operation.name: operation
    for operation in (
        Operation("redeem", reserves=True, reservation=True, once=True, joins=True, refundable=True),
        Operation(CHARGE_RESERVATION.id, reservation=True, once=True, joins=True, refundable=True),
        Operation(CREATE_VOUCHER.id, once=True),
        # two equal partial refunds are two returned items, two equal recharges two gifts: they take turns
        Operation(REFUND_CHARGE.id),
        Operation(RECHARGE_VOUCHER.id),
    )
}


class Limits(NamedTuple):
    """Durations in seconds.

    Attributes:
        window: after its request has ended, nothing is carried out and shown later than this.
        lag: what was carried out shows in lists no later than this.
        begin: the first byte of a request is written no later than this after its record became durable.
        fresh: a charge that is no older is returned again without a read.
    """

    window: float = 60.0
    lag: float = 10.0
    begin: float = 2.0
    fresh: float = 60.0


class Call(NamedTuple):
    """The part of a record that decisions are made from. Times are in seconds of the clock of `Facts.now`.

    Attributes:
        operation: the operation.
        state: how far it has come.
        owner: the process that drives it.
        target: the reservation, or the id, that the next request is for; None before one is known.
        sent_to: the one that the last recorded request was for; an inherited doubt keeps it.
        sent_at: when the last request was recorded durably.
        under_way: that request has not ended, as far as the record knows.
        doubts: a request that has ended may have been carried out, or may be yet.
        refused: a request was refused; copies of it may have been delivered, or may be yet.
        declined: whoever limits requests has refused all of them.
        inherited: an earlier record with this key left such doubts.
        answered: a 2xx came that could not be the answer: something was carried out.
        ended_at: when the last request ended.
        taken_at: when the record was taken over from a dead owner.
        fenced_at: since when the server refuses every request for `sent_to`, known by its own answer.
        charge: the id of the charge, refund, recharge or voucher that it made.
        proof: the proof that it was not carried out; None beside `NOT_DONE`: an operator said so.
        refunded: refunds that take all of it back are known.
        private: what ended it concerns its caller alone (its deadline, a cancellation, a closed client).
    """

    operation: Operation
    state: CallState
    owner: str
    target: str | None = None
    sent_to: str | None = None
    sent_at: float | None = None
    under_way: bool = False
    doubts: bool = False
    refused: bool = False
    declined: bool = False
    inherited: bool = False
    answered: bool = False
    ended_at: float | None = None
    taken_at: float | None = None
    fenced_at: float | None = None
    charge: str | None = None
    proof: Proof | None = None
    refunded: bool = False
    private: bool = False

    @property
    def in_doubt(self) -> bool:
        """True when a request with this key that has ended may have been carried out, or may be yet."""
        return self.doubts or self.refused or self.inherited


def call_of(record: CallRecord) -> Call:
    """The part of a record that decisions are made from, for whoever reads it; when things were is not in it.

    What its owner has not written is taken for the worst: a request that was recorded is under way.
    """
    asked = record.parameters.operation
    charge = record.charge
    return Call(
        OPERATIONS.get(asked) or Operation(asked),
        record.state,
        record.owner,
        under_way=record.state is CallState.SENT,
        doubts=record.state is CallState.OPEN,
        refused=record.proof is Proof.REFUSED,
        answered=record.pending is not None and record.pending.answered,
        charge=None if charge is None else charge.id,
        proof=record.proof,
        refunded=charge is not None and covers(charge, record.refunds),
        private=record.failure is None,
    )


class Facts(NamedTuple):
    """The facts that come with an event.

    Attributes:
        now: the time; for `FOUND`, `ABSENT` and `CLEARED` the time at which the look *began*.
        owner: who acts.
        target: the reservation or id that the event is about; None where reserving was refused.
        charge: the charge that the event is about.
        proof: the proof offered that nothing was carried out, and nothing will be.
        is_balanced: the voucher's charges add up to its balance, which lags behind nothing.
        is_anothers: the charge belongs to another record. Asked for after the look, never before it.
        rivals: how many records that have not ended look the same in a list. Asked for after the look.
        expired_at: when the reservation `Call.sent_to` ended by itself, by the server's clock.
        is_same: who asks with the key asks for the same thing.
    """

    now: float
    owner: str = ""
    target: str | None = None
    charge: str | None = None
    proof: Proof | None = None
    is_balanced: bool = False
    is_anothers: bool = False
    rivals: int = 0
    expired_at: float | None = None
    is_same: bool = True


class Event(enum.Enum):
    """The events in the life of a record."""

    CLAIMED = "a caller takes a key that is free; the record is the one that had it before"
    RESERVED = "a reservation was made, by its owner"
    ABOUT_TO_SEND = "the first request, or one after a proof that all before are without effect"
    REPEATING = "the same request again, which the server carries out once"
    NOT_SENT = "not a byte of the request was written, or the only one was answered with 401"
    ANSWERED = "the request was answered with its charge"
    CONTRADICTED = "the request was answered with a 2xx that cannot be its answer"
    REFUSED = "this delivery of the request was refused (400, 403, 409, 422)"
    DECLINED = "the same, by whoever limits requests (429): it may be sent again later"
    GONE = "the same, because its reservation is not there any more (404, 410)"
    IN_DOUBT = "the request ended without an answer that proves anything (5xx, silence, cut off)"
    FOUND = "a look shows the charge"
    ABSENT = "a fresh, complete, unfiltered look does not show it, and the call ends"
    CLEARED = "the same, and the owner goes on"
    LEFT_OPEN = "the owner gives up: its deadline has passed, or nothing can be told"
    TAKEN_OVER = "another process drives the record, for its owner is dead"
    SAID_DONE = "an operator says that it was carried out"
    SAID_NOT_DONE = "an operator says that it was not"
    REFUND_SEEN = "refunds that take all of it back are known"


class Step(enum.Enum):
    """The answer to a caller of a key."""

    CLAIM = "begin a record of its own"
    WAIT = "wait for the end, holding no turn"
    STILL_RUNNING = "be told that it still runs: ask again with the same key"
    TAKE_OVER = "bury the owner, and drive the record"
    SETTLE = "look; then the end, or the same pending outcome"
    REPLAY = "get the charge"
    READ_FIRST = "read the voucher for refunds, then ask again; a read that fails changes nothing"
    REFUNDED = "get the charge and its refunds, and no new payment"
    REFUSAL = "get a copy of the refusal that was waited for"
    MISMATCH = "be refused: the key is used for something else"


class Asked(NamedTuple):
    """The caller who asks with the key of a record.

    Attributes:
        is_same: it asks for the same thing.
        is_alive: the owner of the record lives, by the journal's clock.
        has_waited: it has waited for this record to end.
        is_late: its own deadline has passed.
        age: seconds since the record was last read or written together with its voucher.
        has_read: it has read the voucher, or tried to.
    """

    is_same: bool = True
    is_alive: bool = True
    has_waited: bool = False
    is_late: bool = False
    age: float = 0.0
    has_read: bool = False
