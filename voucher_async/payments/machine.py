"""States and transitions of one money call: pure, no I/O, no clock.

Theory of operation
===================

Rule 1: everything that decides about the state of a record lives in this file, in tables where that is possible:
`GUARDS` (conditions, by name), `TRANSITIONS` (which event is legal in which state, where it leads, and under
which guards), `PROOFS` (which guards a proof of absence needs) and `ASKED` (what another caller of the key gets).

Rule 2: this file knows neither HTTP nor databases nor tasks. Times are passed in, in seconds of one clock; so are
the findings of a look, the journal's word whether the owner lives, and who else claims a charge.

A record is in one of five states:

    BEGUN       its key is claimed; no request that moves money was recorded
    SENT        a request that moves money may be under way: written durably before its first byte
    OPEN        in doubt, and nobody drives it
    DONE        carried out; never changes again, but for a note that it was refunded
    NOT_DONE    not carried out; never changes again, its key is free for a new record

Four facts beside the state carry the safety of money. They are part of the record, because a worker that takes it
over knows nothing else:

    under_way   the owner's request has been recorded and has not ended
    doubts      a request that has ended may have been carried out, or may be yet
    refused     a request was refused; a proxy may have delivered a copy of it before, or may do so yet
    inherited   the same of an earlier record with this key, whose end was not lasting

Whoever drives a record does three things, in this order: fence, look, charge. A fence (a new reservation) makes
the server refuse whatever is still on its way for the old one. A look that begins `list_lag` after the fence, or
`settle_window` after the last request where there is no fence, shows whatever was carried out. What such a look
does not show was not carried out and never will be: only then may money be asked for anew. Without a look, a
request may be repeated only where the server carries it out once: for the same reservation, or the same id.

Why a paused owner does no harm: it can change the record only by compare-and-swap, so after a take-over it can
record nothing, and what is not recorded is not sent (`recorded`). A request that was recorded before the take-over
meets the fence; where there is none, its first byte is not written later than `begin` seconds after the record
became durable (`in_time`), and whoever takes over counts the window from the take-over (`dead_long_enough`).

Why `DONE` needs no journal and `NOT_DONE` does: a charge that was answered stays made, whoever writes what. That
nothing was done is true of a record only as long as nobody else drives it, so it is written before it is told
(`written_first`).

`tests/payments/test_machine.py` explores every history of two workers in a small world, once with all guards and
once without each: a guard that can be left out without harm has no place here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from voucher_async.fates import Proof
from voucher_async.operations import CHARGE_RESERVATION, CREATE_VOUCHER, RECHARGE_VOUCHER, REFUND_CHARGE

__all__ = [
    "ASKED",
    "GUARDS",
    "OPERATIONS",
    "PROOFS",
    "TRANSITIONS",
    "Asked",
    "Call",
    "CallState",
    "Event",
    "Facts",
    "Limits",
    "Machine",
    "Operation",
    "Row",
    "Step",
    "is_rival",
]


class CallState(enum.StrEnum):
    """How far a money call has come."""

    BEGUN = "begun"
    SENT = "sent"
    OPEN = "open"
    DONE = "done"
    NOT_DONE = "not done"


class Operation(NamedTuple):
    """The traits of an operation that decide how its calls are driven.

    Attributes:
        name: `redeem`, or the operation id.
        reserves: it makes its own reservation, so it can make a newer one: a fence.
        reservation: its requests name a reservation, and are refused once that one has ended.
        once: the server carries out one request for each target (a reservation, an id), however many arrive.
        joins: an equal call without a key, under way in the same client, is the same payment.
    """

    name: str
    reserves: bool = False
    reservation: bool = False
    once: bool = False
    joins: bool = False


OPERATIONS: Final[Mapping[str, Operation]] = {
    operation.name: operation
    for operation in (
        Operation("redeem", reserves=True, reservation=True, once=True, joins=True),
        Operation(CHARGE_RESERVATION.id, reservation=True, once=True, joins=True),
        Operation(CREATE_VOUCHER.id, once=True),
        # two equal partial refunds are two returned items, two equal recharges two gifts: they line up
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
        fresh: a charge is handed out again without a read for this long.
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
        """Whether a request with this key that has ended may have been carried out, or may be yet."""
        return self.doubts or self.refused or self.inherited


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
        private: the end concerns its caller alone.
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
    private: bool = False
    is_same: bool = True


class Event(enum.Enum):
    """What happens to a record."""

    CLAIMED = "a caller takes a key that is free; the record is the one that had it before"
    RESERVED = "a reservation was made, by its owner"
    ABOUT_TO_SEND = "the first request, or one after a proof that all before are without effect"
    REPEATING = "the same request again, which the server carries out once"
    NOT_SENT = "not a byte of the request was written, or the only one was answered with 401"
    ANSWERED = "the request was answered with its charge"
    CONTRADICTED = "the request was answered with a 2xx that cannot be its answer"
    REFUSED = "this delivery of the request was refused by the API's own word (400, 409, 422)"
    GONE = "the same, because its reservation is not there any more (404, 410)"
    IN_DOUBT = "the request ended without an answer that proves anything (403, 429, 5xx, silence, cut off)"
    FOUND = "a look shows the charge"
    ABSENT = "a fresh, complete, unfiltered look does not show it, and the call ends"
    CLEARED = "the same, and the owner goes on"
    LEFT_OPEN = "the owner gives up: its deadline has passed, or nothing can be told"
    TAKEN_OVER = "another process drives the record, for its owner is dead"
    SAID_DONE = "an operator says that it was carried out"
    SAID_NOT_DONE = "an operator says that it was not"
    REFUND_SEEN = "refunds that take all of it back are known"


Guard = Callable[[Call, Facts, Limits], bool]


def _is_past(moment: float | None, facts: Facts, seconds: float) -> bool:
    return moment is not None and facts.now - moment >= seconds


def _fence(call: Call, facts: Facts) -> float | None:
    known = [moment for moment in (call.fenced_at, facts.expired_at) if moment is not None]
    return min(known, default=None)


def _is_shown(call: Call, facts: Facts, limits: Limits) -> bool:
    return facts.is_balanced or _is_past(call.ended_at, facts, limits.lag)


def _is_past_lag(call: Call, facts: Facts, limits: Limits) -> bool:
    return _is_past(_fence(call, facts), facts, limits.lag)


def _is_dead_long_enough(call: Call, facts: Facts, limits: Limits) -> bool:
    # an owner that woke up may have recorded a request just before, and may begin it just after
    return call.taken_at is None or _is_past(call.taken_at, facts, limits.window + limits.begin)


GUARDS: Final[Mapping[str, Guard]] = {
    # a request is sent
    "recorded": lambda call, _f, _l: call.state is CallState.SENT and call.under_way,
    "in_time": lambda call, facts, limits: call.sent_at is None or facts.now - call.sent_at <= limits.begin,
    "nothing_in_doubt": lambda call, _f, _l: not (call.doubts or call.refused),
    "earlier_looked_for": lambda call, _f, _l: not call.inherited,
    "carried_out_once": lambda call, _f, _l: call.operation.once,
    "same_target": lambda call, facts, _l: facts.target == call.sent_to,
    # a fence
    "fence_was_made": lambda _c, facts, _l: facts.target is not None,
    "gone_is_a_fence": lambda call, _f, _l: call.operation.reservation,
    # a look
    "nobody_elses": lambda _c, facts, _l: not facts.is_anothers,
    "no_rival": lambda _c, facts, _l: not facts.rivals,
    # a proof that nothing was done
    "nothing_sent": lambda call, _f, _l: not (call.under_way or call.doubts or call.refused),
    "not_answered": lambda call, _f, _l: not call.answered,
    "past_window": lambda call, facts, limits: _is_past(call.ended_at, facts, limits.window),
    "dead_long_enough": _is_dead_long_enough,
    "past_lag": _is_past_lag,
    "all_refused": lambda call, _f, _l: not call.doubts,
    "shown": _is_shown,
    # an end
    "none_under_way": lambda call, _f, _l: not call.under_way,
    "nobody_drives": lambda call, _f, _l: call.state is CallState.OPEN,
    "written_first": lambda call, _f, _l: call.state is not CallState.NOT_DONE,
    # a second caller
    "key_is_free": lambda call, _f, _l: call.state is CallState.NOT_DONE,
    "same_parameters": lambda _c, facts, _l: facts.is_same,
    "stands": lambda call, _f, _l: not call.refunded,
    "joins": lambda call, _f, _l: call.operation.joins,
}
"""The conditions of transitions, by name; each is needed, see `tests/payments/test_machine.py`."""


class Row(NamedTuple):
    """One row of the table of transitions.

    Attributes:
        sources: the states in which the event may come.
        to: where it leads; None: the state stays.
        guards: all of them have to hold.
    """

    sources: frozenset[CallState]
    to: CallState | None
    guards: tuple[str, ...] = ()


_ANY: Final = frozenset(CallState)
_SENT: Final = frozenset({CallState.SENT})
_DRIVEN: Final = frozenset({CallState.BEGUN, CallState.SENT})
_UNCLEAR: Final = _DRIVEN | {CallState.OPEN}

TRANSITIONS: Final[Mapping[Event, Row]] = {
    Event.CLAIMED: Row(_ANY, CallState.BEGUN, ("key_is_free",)),
    Event.RESERVED: Row(_DRIVEN, None, ("fence_was_made",)),
    Event.ABOUT_TO_SEND: Row(_DRIVEN, CallState.SENT, ("nothing_in_doubt", "earlier_looked_for")),
    Event.REPEATING: Row(_DRIVEN, CallState.SENT, ("carried_out_once", "same_target")),
    Event.NOT_SENT: Row(_SENT, None),
    Event.ANSWERED: Row(_SENT, CallState.DONE),
    Event.CONTRADICTED: Row(_SENT, None),
    Event.REFUSED: Row(_SENT, None),
    Event.GONE: Row(_SENT, None, ("gone_is_a_fence",)),
    Event.IN_DOUBT: Row(_SENT, None),
    Event.FOUND: Row(_UNCLEAR, CallState.DONE, ("nobody_elses", "no_rival")),
    Event.ABSENT: Row(_UNCLEAR, CallState.NOT_DONE),
    Event.CLEARED: Row(_DRIVEN, None),
    Event.LEFT_OPEN: Row(_DRIVEN, CallState.OPEN, ("none_under_way",)),
    Event.TAKEN_OVER: Row(_DRIVEN, None),
    Event.SAID_DONE: Row(_UNCLEAR, CallState.DONE, ("nobody_drives",)),
    Event.SAID_NOT_DONE: Row(_UNCLEAR, CallState.NOT_DONE, ("nobody_drives",)),
    Event.REFUND_SEEN: Row(frozenset({CallState.DONE}), None),
}

_NOTHING_SENT: Final = ("nothing_sent",)
_LATE: Final = ("not_answered", "past_window", "dead_long_enough")
_FENCED: Final = ("not_answered", "past_lag")

PROOFS: Final[Mapping[Proof, tuple[tuple[str, ...], ...]]] = {
    Proof.NOT_SENT: (_NOTHING_SENT,),
    Proof.UNAUTHORIZED: (_NOTHING_SENT,),
    Proof.FENCED: (_FENCED,),
    Proof.ABSENT: (_LATE,),
    Proof.REPEAT_REFUSED: (_FENCED, _LATE),
    Proof.NO_VOUCHER: (_LATE,),
    Proof.OTHER_VOUCHER: (("not_answered",),),
    Proof.REFUSED: (("all_refused", "shown"),),
}
"""The guards of each proof: all of one group have to hold."""

_THIS_CALL: Final = frozenset({Proof.NOT_SENT, Proof.UNAUTHORIZED})
LASTING: Final = frozenset(Proof) - _THIS_CALL - {Proof.REFUSED}
"""Proofs that hold for ever, and for every request so far; the others leave the doubts of a key to the next record."""


class Step(enum.Enum):
    """What a caller of a key gets, or what the owner of a record does next."""

    CLAIM = "begin a record of its own"
    WAIT = "wait for the end, holding no turn"
    STILL_RUNNING = "be told that it still runs: ask again with the same key"
    TAKE_OVER = "bury the owner, and drive the record"
    SETTLE = "look; then the end, or the same pending outcome"
    REPLAY = "get the charge"
    REFUNDED = "get the charge and its refunds, and no new payment"
    REFUSAL = "get a copy of the refusal that was waited for"
    MISMATCH = "be refused: the key is used for something else"
    RESERVE = "reserve; where something is in doubt, that is the fence"
    SEND = "record, then send"
    REPEAT = "record, then send the same again"
    LOOK = "look, after a pause"
    END_DONE = "write that it was carried out, and tell it"
    END_NOT_DONE = "write that it was not carried out, then tell it"
    LEAVE_OPEN = "write that it is open, and tell it"
    GO_ON = "note that nothing before has had an effect"


ASKED: Final[Mapping[tuple[CallState, bool], Step]] = {
    # (the state, whether its owner lives)
    (CallState.BEGUN, True): Step.WAIT,
    (CallState.BEGUN, False): Step.TAKE_OVER,
    (CallState.SENT, True): Step.WAIT,
    (CallState.SENT, False): Step.TAKE_OVER,
    (CallState.OPEN, True): Step.SETTLE,
    (CallState.OPEN, False): Step.SETTLE,
    (CallState.DONE, True): Step.REPLAY,
    (CallState.DONE, False): Step.REPLAY,
    (CallState.NOT_DONE, True): Step.CLAIM,
    (CallState.NOT_DONE, False): Step.CLAIM,
}


class Asked(NamedTuple):
    """Who asks with the key of a record.

    Attributes:
        is_same: it asks for the same thing.
        is_alive: the owner of the record lives, by the journal's clock.
        has_waited: it has waited for this record to end.
        is_late: its own deadline has passed.
    """

    is_same: bool = True
    is_alive: bool = True
    has_waited: bool = False
    is_late: bool = False


class Seen(enum.Enum):
    """What the last look showed, made after the last request ended."""

    NOTHING_YET = "there was no look"
    OURS = "our charge"
    ABSENT = "nothing, in a list that is fresh, complete and unfiltered"
    UNCLEAR = "something that may be ours, or a list that proves nothing"


class Will(NamedTuple):
    """What the owner of a record may still do.

    Attributes:
        is_wanted: its caller waits, and there is time: something new may be sent.
        has_time: there is time for another look.
        can_reserve: reserving was not refused; whoever recovers without the code cannot reserve.
        lives: the reservation `Call.target` has not ended, by what is known here.
        can_repeat: looks and repeats so far allow to send the same again.
    """

    is_wanted: bool = True
    has_time: bool = True
    can_reserve: bool = True
    lives: bool = True
    can_repeat: bool = True


class Machine:
    """The tables, put to use.

    Args:
        limits: durations.
        guards: the conditions by name; a check leaves one out.
    """

    def __init__(self, limits: Limits | None = None, guards: Mapping[str, Guard] = GUARDS) -> None:
        self.limits: Limits = limits or Limits()
        self._guards = guards

    def holds(self, names: tuple[str, ...], call: Call, facts: Facts) -> bool:
        """Whether all of these guards hold; one that was left out does."""
        guards = self._guards
        return all(name not in guards or guards[name](call, facts, self.limits) for name in names)

    def may(self, call: Call, event: Event, facts: Facts) -> bool:
        """Whether an event is legal for a record now."""
        row = TRANSITIONS[event]
        if call.state not in row.sources or not self.holds(row.guards, call, facts):
            return False
        if event not in {Event.ABSENT, Event.CLEARED}:
            return True
        is_lasting = event is Event.ABSENT or facts.proof in LASTING
        return is_lasting and self.proves(call, facts)

    def proves(self, call: Call, facts: Facts) -> bool:
        """Whether the proof that is offered holds for a record."""
        groups = () if facts.proof is None else PROOFS[facts.proof]
        return any(self.holds(group, call, facts) for group in groups)

    def may_begin(self, call: Call, now: float) -> bool:
        """Whether the first byte of the recorded request may be written; else the record is read again."""
        return self.holds(("recorded", "in_time"), call, Facts(now))

    def may_tell(self, call: Call, *, is_written: bool) -> bool:
        """Whether an end may be told; one that could not be written is read again."""
        return is_written or self.holds(("written_first",), call, Facts(0.0))

    def advance(self, call: Call, event: Event, facts: Facts) -> Call:
        """The record after an event.

        Raises:
            ValueError: the event is not legal for the record now.
        """
        if not self.may(call, event, facts):
            raise ValueError(f"{event.name} is not legal for a call that is {call.state}")
        after = _EFFECTS[event](call, facts)
        to = TRANSITIONS[event].to
        return after if to is None else after._replace(state=to)

    def next_for(self, call: Call | None, asked: Asked) -> Step:
        """What another caller of a key gets, in the state that the record is in."""
        if call is None:
            return Step.CLAIM
        step = ASKED[call.state, asked.is_alive]
        if step is Step.CLAIM:
            return Step.REFUSAL if asked.has_waited and not call.private else Step.CLAIM
        if not self.holds(("same_parameters",), call, Facts(0.0, is_same=asked.is_same)):
            return Step.MISMATCH
        if step is Step.WAIT and asked.is_late:
            return Step.STILL_RUNNING
        if step is Step.REPLAY and not self.holds(("stands",), call, Facts(0.0)):
            return Step.REFUNDED
        return step

    def joins(self, call: Call, *, is_same: bool = True) -> bool:
        """Whether an equal call without a key is the payment of this record, which runs in the same client."""
        is_running = call.state in _DRIVEN
        return is_running and self.holds(("joins", "same_parameters"), call, Facts(0.0, is_same=is_same))

    def next_move(self, call: Call, seen: Seen, facts: Facts, will: Will) -> Step:
        """What the owner of a record does next; `facts` are those of the last look, where there was one."""
        if not call.in_doubt:
            if not will.is_wanted:
                return Step.END_NOT_DONE
            return Step.RESERVE if call.operation.reserves and call.target is None else Step.SEND
        if seen is Seen.OURS and self.may(call, Event.FOUND, facts):
            return Step.END_DONE
        if seen is Seen.ABSENT and will.is_wanted and self.may(call, Event.CLEARED, facts):
            return Step.GO_ON
        if seen is Seen.ABSENT and self.may(call, Event.ABSENT, facts):
            return Step.END_NOT_DONE
        return self._go_on_in_doubt(call, seen, facts, will)

    def _go_on_in_doubt(self, call: Call, seen: Seen, facts: Facts, will: Will) -> Step:
        is_repeated = seen is not Seen.NOTHING_YET and will.is_wanted and will.can_repeat and will.lives
        if is_repeated and self.may(call, Event.REPEATING, facts._replace(target=call.target)):
            return Step.REPEAT
        if _needs_fence(call, will):
            return Step.RESERVE
        return Step.LOOK if will.has_time else Step.LEAVE_OPEN


def is_rival(call: Call) -> bool:
    """Whether a charge in a list may be that of another record which looks the same, although nobody owns it."""
    return call.in_doubt or call.state not in {CallState.DONE, CallState.NOT_DONE}


def _needs_fence(call: Call, will: Will) -> bool:
    if not (call.operation.reserves and will.is_wanted and will.can_reserve) or call.fenced_at is not None:
        return False
    is_anothers = call.inherited or call.taken_at is not None
    return is_anothers or call.refused or not will.lives


def _claimed(call: Call, facts: Facts) -> Call:
    """A new record; what the earlier one left in doubt stays with the key."""
    fresh = Call(call.operation, CallState.BEGUN, facts.owner, target=facts.target)
    if not call.in_doubt:
        return fresh
    return fresh._replace(
        inherited=True, sent_to=call.sent_to, ended_at=call.ended_at, taken_at=call.taken_at
    )


def _reserved(call: Call, facts: Facts) -> Call:
    if facts.target is None:  # never, unless a check leaves `fence_was_made` out
        return call._replace(fenced_at=facts.now)
    is_fence = call.in_doubt and facts.target != call.sent_to
    return call._replace(target=facts.target, fenced_at=facts.now if is_fence else call.fenced_at)


def _about_to_send(call: Call, facts: Facts) -> Call:
    return call._replace(
        state=CallState.SENT, sent_at=facts.now, sent_to=facts.target, under_way=True, fenced_at=None
    )


def _ended(call: Call, facts: Facts, **changes: bool) -> Call:
    return call._replace(under_way=False, ended_at=facts.now, **changes)


def _gone(call: Call, facts: Facts) -> Call:
    return _ended(call, facts, refused=True)._replace(fenced_at=facts.now)


def _absent(call: Call, facts: Facts) -> Call:
    ended = call if facts.proof not in LASTING else _cleared(call, facts)
    return ended._replace(proof=facts.proof, private=facts.private)


def _cleared(call: Call, _: Facts) -> Call:
    return call._replace(doubts=False, refused=False, inherited=False, taken_at=None)


def _taken_over(call: Call, facts: Facts) -> Call:
    taken = call._replace(owner=facts.owner)
    if not call.under_way:
        return taken
    # when its request ended nobody knows: not before it was recorded
    return taken._replace(under_way=False, doubts=True, ended_at=call.sent_at, taken_at=facts.now)


def _done(call: Call, facts: Facts) -> Call:
    return call._replace(charge=facts.charge, under_way=False)


_EFFECTS: Final[Mapping[Event, Callable[[Call, Facts], Call]]] = {
    Event.CLAIMED: _claimed,
    Event.RESERVED: _reserved,
    Event.ABOUT_TO_SEND: _about_to_send,
    Event.REPEATING: _about_to_send,
    Event.NOT_SENT: lambda call, _: call._replace(under_way=False),
    Event.ANSWERED: _done,
    Event.CONTRADICTED: lambda call, facts: _ended(call, facts, doubts=True, answered=True),
    Event.REFUSED: lambda call, facts: _ended(call, facts, refused=True),
    Event.GONE: _gone,
    Event.IN_DOUBT: lambda call, facts: _ended(call, facts, doubts=True),
    Event.FOUND: _done,
    Event.ABSENT: _absent,
    Event.CLEARED: _cleared,
    Event.LEFT_OPEN: lambda call, _: call,
    Event.TAKEN_OVER: _taken_over,
    Event.SAID_DONE: _done,
    Event.SAID_NOT_DONE: lambda call, _: _cleared(call, _)._replace(proof=None),
    Event.REFUND_SEEN: lambda call, _: call._replace(refunded=True),
}
