"""States and transitions of one money call: pure, no I/O, no clock.

Theory of operation
===================

Rule 1: what may be done with a call, and what may be said of it, stands in this file, in tables: `GUARDS`
(conditions, by name), `TRANSITIONS` (in which states an event is legal, where it leads, under which
guards), `PROOFS` and `CLEARS` (the guards of each proof of absence) and `ASKED` (what another caller of the
key gets). One guard is carried out where the machine cannot be asked, for the transport knows nothing of
payments: `in_time`, in the body of a request. `beginning.py` says until when it may be begun, by the same
`Limits.begin`, and `transport/watched.py` begins none later. One event is never raised: `REFUND_SEEN`. A
record keeps the refunds themselves (`Ownership.note_refund`), and `call_of` reads from them what the event
says. `tests/payments/test_driven.py` holds both to what is written here. A checkout is no money call: its
record has steps of its own (`checkout/recorded.py`).

Rule 2: this file knows neither HTTP nor databases nor tasks. Times are passed in, in seconds of one
clock; so are the findings of a look, the journal's word whether the owner lives, and who else claims a
charge.

A record is in one of five states:

    BEGUN       its key is claimed; no request that moves money was recorded
    SENT        a request that moves money may be under way: recorded durably before its first byte
    OPEN        in doubt, and nobody drives it
    DONE        carried out; never changes again, but for a note that it was refunded
    NOT_DONE    not carried out; never changes again, and its key is free for a new record

Four facts beside the state carry the safety of money. They belong to the record, because a worker that
takes it over knows nothing else:

    under_way   a request was recorded and has not ended
    doubts      a request that has ended may have been carried out, or may be yet
    refused     a request was refused; copies of it may have been delivered, or may be yet
    inherited   the same of an earlier record with this key, whose end was not lasting

Whoever drives a record in doubt does three things, in this order: fence, look, charge. A fence (a newer
reservation) makes the server refuse whatever is still on its way for the older one. A look that begins
`Limits.lag` after the fence, or `Limits.window` after the last request where there is none, shows
whatever was carried out. What such a look does not show was not carried out and never will be: only then
may money be asked for anew. Without a look, a request may be repeated only where the server carries it
out once.

A paused owner does no harm. It changes the record by compare-and-swap alone, so after a take-over it
records nothing, and what is not recorded is not sent (`recorded`). A request that it recorded before the
take-over meets the fence; where there is none, its first byte is written within `Limits.begin` of the
record (`in_time`), and whoever takes over waits for the window and for `Limits.begin`, from the take-
over on (`dead_long_enough`).

`DONE` needs no journal and `NOT_DONE` does. A charge that was answered stays made, whoever writes what;
that nothing was done is true of a record only while nobody else drives it, so it is written before it is
told (`written_first`).

`tests/payments/test_machine.py` explores every history of two workers in a small world, with all guards
and without each of them. A guard that can be left out without harm has no place here;
`docs/settlement.md` has the assumptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from voucher_async.fates import Proof
from voucher_async.payments.call import DRIVEN
from voucher_async.payments.facts import Asked, Call, CallState, Event, Facts, Limits, Step

__all__ = [
    "ASKED",
    "CLEARS",
    "GUARDS",
    "LASTING",
    "PROOFS",
    "TRANSITIONS",
    "Guard",
    "Machine",
    "Row",
    "is_rival",
]

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


def _is_behind_fence(call: Call, facts: Facts, _: Limits) -> bool:
    return _is_past(_fence(call, facts), facts, 0.0)


def _is_dead_long_enough(call: Call, facts: Facts, limits: Limits) -> bool:
    # an owner that woke up may have recorded a request just before the take-over, and begin it just after
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
    "behind_fence": _is_behind_fence,
    "balanced": lambda _c, facts, _l: facts.is_balanced,
    "only_inherited": lambda call, _f, _l: call.inherited and not (call.doubts or call.refused),
    "all_declined": lambda call, _f, _l: call.declined and not call.inherited,
    "copies_shown": lambda call, facts, limits: _is_past(call.ended_at, facts, limits.lag),
    "all_refused": lambda call, _f, _l: call.refused and not call.doubts,
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
_UNCLEAR: Final = DRIVEN | {CallState.OPEN}

TRANSITIONS: Final[Mapping[Event, Row]] = {
    Event.CLAIMED: Row(_ANY, CallState.BEGUN, ("key_is_free",)),
    Event.RESERVED: Row(DRIVEN, None, ("fence_was_made",)),
    Event.ABOUT_TO_SEND: Row(DRIVEN, CallState.SENT, ("nothing_in_doubt", "earlier_looked_for")),
    Event.REPEATING: Row(DRIVEN, CallState.SENT, ("carried_out_once", "same_target")),
    Event.NOT_SENT: Row(_SENT, None),
    Event.ANSWERED: Row(_SENT, CallState.DONE),
    Event.CONTRADICTED: Row(_SENT, None),
    Event.REFUSED: Row(_SENT, None),
    Event.DECLINED: Row(_SENT, None),
    Event.GONE: Row(_SENT, None, ("gone_is_a_fence",)),
    Event.IN_DOUBT: Row(_SENT, None),
    Event.FOUND: Row(_UNCLEAR, CallState.DONE, ("nobody_elses", "no_rival")),
    Event.ABSENT: Row(_UNCLEAR, CallState.NOT_DONE),
    Event.CLEARED: Row(DRIVEN, None),
    Event.LEFT_OPEN: Row(DRIVEN, CallState.OPEN, ("none_under_way",)),
    Event.TAKEN_OVER: Row(DRIVEN, None),
    Event.SAID_DONE: Row(_UNCLEAR, CallState.DONE, ("nobody_drives",)),
    Event.SAID_NOT_DONE: Row(_UNCLEAR, CallState.NOT_DONE, ("nobody_drives",)),
    Event.REFUND_SEEN: Row(frozenset({CallState.DONE}), None),
}

_NOTHING_SENT: Final = ("nothing_sent",)
_LATE: Final = ("not_answered", "past_window", "dead_long_enough")
_FENCED: Final = ("not_answered", "past_lag")
_FENCED_OFF: Final = ("not_answered", "behind_fence", "balanced")

PROOFS: Final[Mapping[Proof, tuple[tuple[str, ...], ...]]] = {
    Proof.NOT_SENT: (_NOTHING_SENT,),
    Proof.UNAUTHORIZED: (_NOTHING_SENT,),
    Proof.FENCED: (_FENCED, _FENCED_OFF),
    Proof.ABSENT: (_LATE,),
    Proof.REPEAT_REFUSED: (_FENCED, _LATE),
    Proof.NO_VOUCHER: (_LATE,),
    Proof.OTHER_VOUCHER: (("not_answered",),),
    Proof.REFUSED: (("all_refused", "shown"),),
}
"""The guards of each proof: all of one group have to hold."""

_THIS_CALL: Final = frozenset({Proof.NOT_SENT, Proof.UNAUTHORIZED})
LASTING: Final = frozenset(Proof) - _THIS_CALL - {Proof.REFUSED}
"""Proofs that hold for ever, for every request so far; others leave doubts to the next record of the key."""

CLEARS: Final[Mapping[Proof, tuple[tuple[str, ...], ...]]] = {
    **{proof: groups for proof, groups in PROOFS.items() if proof in LASTING},
    Proof.REFUSED: (("all_refused", "all_declined", "copies_shown"), ("only_inherited", "balanced")),
}
"""The guards of each proof after which money may be asked for anew."""

_PROVED: Final[Mapping[Event, Mapping[Proof, tuple[tuple[str, ...], ...]]]] = {
    Event.ABSENT: PROOFS,
    Event.CLEARED: CLEARS,
}

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
        """True when all of these guards hold; one that was left out does."""
        guards, limits = self._guards, self.limits
        for name in names:  # noqa: SIM110 - a generator takes twice as long, at every event of every call
            if name in guards and not guards[name](call, facts, limits):
                return False
        return True

    def may(self, call: Call, event: Event, facts: Facts) -> bool:
        """True when an event is legal for a record now."""
        row = TRANSITIONS[event]
        if call.state not in row.sources or not self.holds(row.guards, call, facts):
            return False
        if event not in _PROVED:
            return True
        groups = () if facts.proof is None else _PROVED[event].get(facts.proof, ())
        return any(self.holds(group, call, facts) for group in groups)

    def may_tell(self, call: Call, *, is_written: bool) -> bool:
        """True when an end may be told; one that could not be written is read again."""
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
        """The step for another caller of a key, in the state that the record is in."""
        if call is None:
            return Step.CLAIM
        step = ASKED[call.state, asked.is_alive]
        if step is Step.CLAIM:
            return Step.REFUSAL if asked.has_waited and not call.private else Step.CLAIM
        if not self.holds(("same_parameters",), call, Facts(0.0, is_same=asked.is_same)):
            return Step.MISMATCH
        if step is Step.WAIT and asked.is_late:
            return Step.STILL_RUNNING
        return self._replay(call, asked) if step is Step.REPLAY else step

    def _replay(self, call: Call, asked: Asked) -> Step:
        if not call.operation.refundable:
            return Step.REPLAY
        if not self.holds(("stands",), call, Facts(0.0)):
            return Step.REFUNDED
        is_old = asked.age > self.limits.fresh and not asked.has_read
        return Step.READ_FIRST if is_old else Step.REPLAY

    def joins(self, call: Call, *, is_same: bool = True) -> bool:
        """True when an equal call without a key, in the same client, is the payment of this record."""
        is_running = call.state in DRIVEN
        return is_running and self.holds(("joins", "same_parameters"), call, Facts(0.0, is_same=is_same))


def is_rival(call: Call) -> bool:
    """True when a charge that nobody owns may belong to this record, for it looks the same as another's."""
    return call.in_doubt or call.state not in {CallState.DONE, CallState.NOT_DONE}


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


def _ended(call: Call, facts: Facts) -> Call:
    return call._replace(under_way=False, ended_at=facts.now)


def _refused(call: Call, facts: Facts) -> Call:
    return _ended(call, facts)._replace(refused=True, declined=False)


def _declined(call: Call, facts: Facts) -> Call:
    return _ended(call, facts)._replace(refused=True, declined=call.declined or not call.in_doubt)


def _gone(call: Call, facts: Facts) -> Call:
    return _refused(call, facts)._replace(fenced_at=facts.now)


def _absent(call: Call, facts: Facts) -> Call:
    ended = call if facts.proof not in LASTING else _cleared(call, facts)
    return ended._replace(proof=facts.proof)


def _cleared(call: Call, _: Facts) -> Call:
    return call._replace(doubts=False, refused=False, declined=False, inherited=False, taken_at=None)


def _taken_over(call: Call, facts: Facts) -> Call:
    taken = call._replace(owner=facts.owner)
    if not call.under_way:
        return taken
    # the end of its request is unknown, and not before its record
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
    Event.CONTRADICTED: lambda call, facts: _ended(call, facts)._replace(doubts=True, answered=True),
    Event.REFUSED: _refused,
    Event.DECLINED: _declined,
    Event.GONE: _gone,
    Event.IN_DOUBT: lambda call, facts: _ended(call, facts)._replace(doubts=True),
    Event.FOUND: _done,
    Event.ABSENT: _absent,
    Event.CLEARED: _cleared,
    Event.LEFT_OPEN: lambda call, _: call,
    Event.TAKEN_OVER: _taken_over,
    Event.SAID_DONE: _done,
    Event.SAID_NOT_DONE: lambda call, _: _cleared(call, _)._replace(proof=None),
    Event.REFUND_SEEN: lambda call, _: call._replace(refunded=True),
}
