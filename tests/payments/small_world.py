"""A small world: an abstract server, a journal, and the real machine of money calls.

Theory of operation. A state is a tuple of small values, so that a million of them can be compared. Time
has no number: the present is always 0, what happened before has an age, and ages stop counting where
nothing depends on them any more. One tick is the lag of lists, two are the settle window.

The server carries a request out at once, a tick later, or never, whatever its answer says; it may refuse
a copy of a request that was carried out, or is still on its way; lists may hide what is younger than a
tick. All of this keeps to the assumptions of `docs/settlement.md`; each of `Assumptions` can be dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from voucher_async.fates import Proof
from voucher_async.payments.facts import OPERATIONS, Call, CallState, Event, Facts, Limits
from voucher_async.payments.machine import GUARDS, Machine

LAG: Final = 1
WINDOW: Final = 2
LATE: Final = WINDOW - LAG  # ticks after which a request is carried out, at most
LIMITS: Final = Limits(window=WINDOW, lag=LAG, begin=1)
PROOFS: Final = (Proof.NOT_SENT, Proof.FENCED, Proof.ABSENT, Proof.REFUSED)
AGES: Final = {"sent_at": WINDOW, "ended_at": WINDOW, "taken_at": WINDOW + 1, "fenced_at": LAG}
NAMES: Final = "AB"

IDLE, ASKING, OWNING, SETTLING, RECORDED, WRITING, ANSWERED, LOOKED = range(8)

Move = tuple[str, "State"]


class Assumptions(NamedTuple):
    """The assumptions of the theory that the world can do without, to see what they are needed for."""

    carried_out_once: bool = True
    newer_reservation_ends_older: bool = True
    shown_within_lag: bool = True
    done_within_window: bool = True
    compare_and_swap: bool = True
    no_stop_before_first_byte: bool = True
    declined_copies_are_quick: bool = True
    refused_copies_are_over: bool = True


class Scenario(NamedTuple):
    """Who asks for what, and how much may happen.

    Attributes:
        name: for reports.
        operation: of all calls.
        keys: 1: both workers ask with one key; 2: each asks for a payment of its own that looks the same.
        joins: without keys, the second worker may find the first one's call under way in its client.
        other: the second worker asks for something else with the key.
        asks: how often workers ask, together.
        sends: how many requests that move money are sent.
        reservations: how many reservations are asked for.
        misfortunes: how often a worker stands still, for a while or for ever: its death.
        operator: an operator may say how it ended.
        refunded: the charge may be taken back.
        expires: the reservation ends by itself.
    """

    name: str
    operation: str
    keys: int = 1
    joins: bool = False
    other: bool = False
    asks: int = 3
    sends: int = 2
    reservations: int = 3
    misfortunes: int = 1
    operator: bool = False
    refunded: bool = False
    expires: bool = False


class Worker(NamedTuple):
    """One process.

    Attributes:
        place: where it is in its work.
        key: whose record it works on.
        generation: which record of that key.
        call: its own copy of the record.
        is_fresh: nobody has written the record since it read or wrote it.
        extra: what it has in hand: an answer, or the result of a look.
        lapsed: 1: it stands still, or is dead; 2: its lease is over. It may wake up and go on at any time.
        has_waited: it has waited for this record.
    """

    place: int = IDLE
    key: int = 0
    generation: int = 0
    call: int = -1
    is_fresh: bool = False
    extra: tuple[Any, ...] = ()
    lapsed: int = 0
    has_waited: bool = False


class State(NamedTuple):
    """Everything there is.

    Attributes:
        records: of each key, which generation it is in, and the stored call.
        workers: the two.
        reservation: the newest, whether it has not ended, and the age of its end by itself, or -1.
        letters: requests that may be carried out yet: key, generation, target, age.
        charges: what was carried out: key, generation, target, age, whether lists show it beyond recognition.
        told: what was said: the key of the asker, the word, the generation or charge.
        left: asks, sends, reservations and misfortunes that may still happen.
    """

    records: tuple[tuple[int, int], ...]
    workers: tuple[Worker, ...]
    reservation: tuple[int, bool, int]
    letters: tuple[tuple[int, int, int, int], ...] = ()
    charges: tuple[tuple[int, int, int, int, bool], ...] = ()
    told: tuple[tuple[int, str, int], ...] = ()
    left: tuple[int, ...] = ()


class Nature:
    """Everything but the workers: time, the server, the journal, the people outside.

    Args:
        scenario: who asks for what.
        without: the name of a guard that is left out.
        assumptions: what holds of the server and the machine.
    """

    def __init__(
        self, scenario: Scenario, without: str | None = None, assumptions: Assumptions | None = None
    ) -> None:
        self.scenario = scenario
        self.operation = OPERATIONS[scenario.operation]
        self.assumed = assumptions or Assumptions()
        guards = {name: guard for name, guard in GUARDS.items() if name != without}
        self.machine = Machine(LIMITS, guards)
        self.calls: list[Call] = []
        self._numbers: dict[Call, int] = {}
        self._after: dict[tuple[int, Event, Facts], int | None] = {}
        self._older: dict[int, int] = {}

    def start(self) -> State:
        """Nothing has happened yet."""
        scenario = self.scenario
        is_given = self.operation.once and not self.operation.reserves
        return State(
            records=((0, -1),) * scenario.keys,
            workers=(Worker(), Worker()),
            reservation=(int(is_given), is_given, -1),
            left=(scenario.asks, scenario.sends, scenario.reservations, scenario.misfortunes),
        )

    # --- calls, by number

    def call(self, number: int) -> Call:
        """A call by its number."""
        return self.calls[number]

    def number(self, call: Call) -> int:
        """The number of a call; those that differ in nothing that counts share one."""
        bare = plain(call)
        number = self._numbers.setdefault(bare, len(self.calls))
        if number == len(self.calls):
            self.calls.append(bare)
        return number

    def after(self, number: int, event: Event, facts: Facts) -> int | None:
        """The call after an event; None where the machine forbids it."""
        key = (number, event, facts)
        if key not in self._after:
            call = self.calls[number]
            legal = self.machine.may(call, event, facts)
            self._after[key] = self.number(self.machine.advance(call, event, facts)) if legal else None
        return self._after[key]

    def age(self, number: int) -> int:
        if number < 0:
            return number
        if number not in self._older:
            call = self.calls[number]
            older = {
                name: max(getattr(call, name) - 1, -most)
                for name, most in AGES.items()
                if getattr(call, name) is not None
            }
            self._older[number] = self.number(call._replace(**older))
        return self._older[number]

    # --- time, the network, people

    def tick(self, state: State) -> State:
        records, workers, (newest, lives, ended), letters, charges, told, left = state
        last = LATE if self.assumed.done_within_window else LATE + 1
        return State(
            tuple([(generation, self.age(call)) for generation, call in records]),
            (self._age_worker(workers[0]), self._age_worker(workers[1])),
            (newest, lives, ended if ended < 0 else LAG),
            tuple([(*letter[:3], letter[3] + 1) for letter in letters if letter[3] < last]),
            tuple([(*charge[:3], LAG, charge[4]) for charge in charges]),
            told,
            left,
        )

    def _age_worker(self, worker: Worker) -> Worker:
        place, key, generation, call, is_fresh, extra, lapsed, has_waited = worker
        if place == LOOKED and extra[0] != "ours":
            extra = (extra[0], self.age(extra[1]))
        older, lapsed = self.age(call), 2 if lapsed else 0
        return Worker(place, key, generation, older, is_fresh, extra, lapsed, has_waited)

    def letters(self, state: State) -> Iterator[Move]:
        for place, letter in enumerate(state.letters):
            rest = state._replace(letters=state.letters[:place] + state.letters[place + 1 :])
            yield f"a late request of call {letter[1]} is carried out", self.charge(rest, letter)

    def deliverable(self, state: State) -> State:
        """The state without the requests that the server will refuse whenever they arrive."""
        letters = tuple(letter for letter in state.letters if self.accepts(state, letter[2]))
        return state if len(letters) == len(state.letters) else state._replace(letters=letters)

    def accepts(self, state: State, target: int) -> bool:
        if not self.operation.once:
            return True
        newest, lives, _ = state.reservation
        is_charged = any(charge[2] == target for charge in state.charges)
        if is_charged and self.assumed.carried_out_once:
            return False
        return (target == newest and lives) or (
            target < newest and not self.assumed.newer_reservation_ends_older
        )

    def charge(self, state: State, letter: tuple[int, ...], *, is_strange: bool = False) -> State:
        charge = (letter[0], letter[1], letter[2], 0, is_strange)
        return self.deliverable(state._replace(charges=(*state.charges, charge)))

    def outside(self, state: State) -> Iterator[Move]:
        number, lives, _ = state.reservation
        if self.scenario.expires and lives:
            yield "the reservation ends", self.deliverable(state._replace(reservation=(number, False, 0)))
        for key, (_, call) in enumerate(state.records):
            if call >= 0 and self.scenario.operator:
                yield from self._verdict(state, key, call)
            charge = self.calls[call].charge if call >= 0 else None
            if self.scenario.refunded and charge is not None:
                after = self.after(call, Event.REFUND_SEEN, Facts(0))
                if after is not None:
                    yield "the charge is taken back", self.store(state, key, after)

    def _verdict(self, state: State, key: int, call: int) -> Iterator[Move]:
        """An operator sees the whole list and the record, and waits until nothing of it is under way."""
        is_early = not GUARDS["dead_long_enough"](self.calls[call], Facts(0), LIMITS)
        if is_early or any(letter[0] == key for letter in state.letters):
            return
        ours = [number for number, charge in enumerate(state.charges) if charge[0] == key]
        event = Event.SAID_DONE if ours else Event.SAID_NOT_DONE
        after = self.after(call, event, Facts(0, charge=str(ours[0]) if ours else None))
        if after is not None:
            yield f"an operator says: {self.calls[after].state}", self.store(state, key, after)

    def _misfortunes(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        # a worker may be as slow as it likes; what counts is that others take it for dead
        if worker.place not in {IDLE, ASKING, SETTLING} and not worker.lapsed and state.left[3]:
            stopped = put(spend(state, 3), index, worker._replace(lapsed=1))
            yield f"{NAMES[index]} stands still, or dies", stopped

    # --- the journal, and outcomes

    def store(self, state: State, key: int, call: int, generation: int | None = None, by: int = -1) -> State:
        records = list(state.records)
        records[key] = (records[key][0] if generation is None else generation, call)
        workers = tuple(
            worker if index == by or worker.key != key else worker._replace(is_fresh=False)
            for index, worker in enumerate(state.workers)
        )
        return state._replace(records=tuple(records), workers=workers)

    def write(self, state: State, index: int, worker: Worker, call: int) -> State | None:
        """The state after a write; None when somebody else has written before."""
        if not worker.is_fresh and self.assumed.compare_and_swap:
            return None
        written = self.store(state, worker.key, call, worker.generation, by=index)
        return put(written, index, worker._replace(call=call))

    def tell(self, state: State, index: int, word: str, about: int) -> State:
        said = (self.key(index), word, about)
        told = state.told
        if word not in {"open", "refused"} and said not in told:  # these two promise nothing
            told = tuple(sorted((*told, said)))
        return put(state._replace(told=told), index, Worker())

    def tell_end(self, state: State, index: int, call: int, generation: int) -> State:
        """Tell how a call ended."""
        ended = self.calls[call]
        if ended.state is CallState.DONE:
            is_taken_back = ended.refunded
            word = "done, though taken back" if is_taken_back else "done"
            is_other = self.scenario.other and index == 1
            return self.tell(state, index, "done, of another" if is_other else word, int(ended.charge or 0))
        word = "refused" if ended.proof is Proof.REFUSED else "not done"
        return self.tell(state, index, word, generation)

    def key(self, index: int) -> int:
        return index if self.scenario.keys > 1 else 0

    def end(self, state: State, index: int, worker: Worker, call: int) -> State:
        """Write an end, and tell it; what cannot be told is asked for again."""
        written = self.write(state, index, worker, call)
        if self.machine.may_tell(self.calls[call], is_written=written is not None):
            return self.tell_end(written or state, index, call, worker.generation)
        return put(state, index, asker(worker))


def may_begin(machine: Machine, call: Call, now: float) -> bool:
    """Whether the first byte of the recorded request may be written; else the record is read again."""
    return machine.holds(("recorded", "in_time"), call, Facts(now))


def plain(call: Call) -> Call:
    """A call without the facts that no decision about it depends on any more."""
    if call.state is CallState.DONE:
        return Call(call.operation, call.state, "", charge=call.charge, refunded=call.refunded)
    if call.state is CallState.NOT_DONE:
        call = call._replace(owner="", target=None)
    if not call.under_way:
        call = call._replace(sent_at=None)
        if not call.in_doubt:
            call = call._replace(sent_to=None, taken_at=None, fenced_at=None)
    return call


def put(state: State, index: int, worker: Worker) -> State:
    """The state with another worker."""
    records, workers, reservation, letters, charges, told, left = state
    pair = (worker, workers[1]) if index == 0 else (workers[0], worker)
    return State(records, pair, reservation, letters, charges, told, left)


def spend(state: State, which: int) -> State:
    """The state with less left."""
    left = list(state.left)
    left[which] -= 1
    return State(*state[:6], tuple(left))


def asker(worker: Worker) -> Worker:
    """Whoever cannot write asks again, as one who has waited."""
    return Worker(ASKING, worker.key, has_waited=True)
