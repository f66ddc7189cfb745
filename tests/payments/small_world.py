"""A small world: an abstract server, a journal, two workers, and the real machine of money calls.

Theory of operation. A state is a tuple of small values, so that a million of them can be compared. Time has no
number: the present is always 0, what happened before has an age, and ages stop counting where nothing depends on
them any more. One tick is the lag of lists, two are the settle window. A worker does whatever the machine allows,
not only what is sensible: what holds here holds for every driver that asks the machine.

The server carries a request out at once, a tick later, or never, whatever its answer says; it may refuse a copy of
a request that was carried out, or is still on its way; lists may hide what is younger than a tick. All of this
keeps to the assumptions of `docs/settlement.md`; each of `Assumptions` can be dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from voucher_async.fates import Proof
from voucher_async.payments.machine import (
    GUARDS,
    OPERATIONS,
    Asked,
    Call,
    CallState,
    Event,
    Facts,
    Limits,
    Machine,
    Step,
    is_rival,
)

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


class World:
    """The moves that are possible in a state.

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
        self._calls: list[Call] = []
        self._numbers: dict[Call, int] = {}
        self._after: dict[tuple[int, Event, Facts], int | None] = {}
        self._older: dict[int, int] = {}
        self._places = {
            IDLE: self._idle,
            ASKING: self._asking,
            OWNING: self._owning,
            SETTLING: self._settling,
            RECORDED: self._recorded,
            WRITING: self._writing,
            ANSWERED: self._answered,
            LOOKED: self._looked,
        }

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

    def moves(self, state: State) -> Iterator[Move]:
        """What can happen next, each with the state it leads to."""
        for index, worker in enumerate(state.workers):
            yield from self._places[worker.place](state, index, worker)
            yield from self._misfortunes(state, index, worker)
        yield from self._letters(state)
        yield from self._outside(state)
        yield "a tick passes", self._tick(state)

    # --- calls, by number

    def call(self, number: int) -> Call:
        """A call by its number."""
        return self._calls[number]

    def number(self, call: Call) -> int:
        """The number of a call; those that differ in nothing that counts share one."""
        plain = _plain(call)
        number = self._numbers.setdefault(plain, len(self._calls))
        if number == len(self._calls):
            self._calls.append(plain)
        return number

    def after(self, number: int, event: Event, facts: Facts) -> int | None:
        """The call after an event; None where the machine forbids it."""
        key = (number, event, facts)
        if key not in self._after:
            call = self._calls[number]
            legal = self.machine.may(call, event, facts)
            self._after[key] = self.number(self.machine.advance(call, event, facts)) if legal else None
        return self._after[key]

    def _age(self, number: int) -> int:
        if number < 0:
            return number
        if number not in self._older:
            call = self._calls[number]
            older = {
                name: max(getattr(call, name) - 1, -most)
                for name, most in AGES.items()
                if getattr(call, name) is not None
            }
            self._older[number] = self.number(call._replace(**older))
        return self._older[number]

    # --- time, the way, people

    def _tick(self, state: State) -> State:
        records, workers, (newest, lives, ended), letters, charges, told, left = state
        last = LATE if self.assumed.done_within_window else LATE + 1
        return State(
            tuple([(generation, self._age(call)) for generation, call in records]),
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
            extra = (extra[0], self._age(extra[1]))
        older, lapsed = self._age(call), 2 if lapsed else 0
        return Worker(place, key, generation, older, is_fresh, extra, lapsed, has_waited)

    def _letters(self, state: State) -> Iterator[Move]:
        for place, letter in enumerate(state.letters):
            rest = state._replace(letters=state.letters[:place] + state.letters[place + 1 :])
            yield f"a late request of call {letter[1]} is carried out", self._charge(rest, letter)

    def _deliverable(self, state: State) -> State:
        """The state without the requests that the server will refuse whenever they arrive."""
        letters = tuple(letter for letter in state.letters if self._accepts(state, letter[2]))
        return state if len(letters) == len(state.letters) else state._replace(letters=letters)

    def _accepts(self, state: State, target: int) -> bool:
        if not self.operation.once:
            return True
        newest, lives, _ = state.reservation
        is_charged = any(charge[2] == target for charge in state.charges)
        if is_charged and self.assumed.carried_out_once:
            return False
        return (target == newest and lives) or (
            target < newest and not self.assumed.newer_reservation_ends_older
        )

    def _charge(self, state: State, letter: tuple[int, ...], *, is_strange: bool = False) -> State:
        charge = (letter[0], letter[1], letter[2], 0, is_strange)
        return self._deliverable(state._replace(charges=(*state.charges, charge)))

    def _outside(self, state: State) -> Iterator[Move]:
        number, lives, ended = state.reservation
        if self.scenario.expires and lives:
            yield "the reservation ends", self._deliverable(state._replace(reservation=(number, False, 0)))
        for key, (_, call) in enumerate(state.records):
            if call >= 0 and self.scenario.operator:
                yield from self._verdict(state, key, call)
            charge = self._calls[call].charge if call >= 0 else None
            if self.scenario.refunded and charge is not None:
                after = self.after(call, Event.REFUND_SEEN, Facts(0))
                if after is not None:
                    yield "the charge is taken back", self._store(state, key, after)

    def _verdict(self, state: State, key: int, call: int) -> Iterator[Move]:
        """An operator sees the whole list and the record, and waits until nothing of it is under way."""
        is_early = not GUARDS["dead_long_enough"](self._calls[call], Facts(0), LIMITS)
        if is_early or any(letter[0] == key for letter in state.letters):
            return
        ours = [number for number, charge in enumerate(state.charges) if charge[0] == key]
        event = Event.SAID_DONE if ours else Event.SAID_NOT_DONE
        after = self.after(call, event, Facts(0, charge=str(ours[0]) if ours else None))
        if after is not None:
            yield f"an operator says: {self._calls[after].state}", self._store(state, key, after)

    def _misfortunes(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        # every worker is as slow as it likes; what counts is that others take it for dead
        if worker.place not in {IDLE, ASKING, SETTLING} and not worker.lapsed and state.left[3]:
            stopped = put(spend(state, 3), index, worker._replace(lapsed=1))
            yield f"{NAMES[index]} stands still, or dies", stopped

    # --- the journal, and what is said

    def _store(self, state: State, key: int, call: int, generation: int | None = None, by: int = -1) -> State:
        records = list(state.records)
        records[key] = (records[key][0] if generation is None else generation, call)
        workers = tuple(
            worker if index == by or worker.key != key else worker._replace(is_fresh=False)
            for index, worker in enumerate(state.workers)
        )
        return state._replace(records=tuple(records), workers=workers)

    def _write(self, state: State, index: int, worker: Worker, call: int) -> State | None:
        """The state after a write; None when somebody else has written before."""
        if not worker.is_fresh and self.assumed.compare_and_swap:
            return None
        written = self._store(state, worker.key, call, worker.generation, by=index)
        return put(written, index, worker._replace(call=call))

    def _tell(self, state: State, index: int, word: str, about: int) -> State:
        said = (self._key(index), word, about)
        told = state.told
        if word not in {"open", "refused"} and said not in told:  # these two promise nothing
            told = tuple(sorted((*told, said)))
        return put(state._replace(told=told), index, Worker())

    def _tell_end(self, state: State, index: int, call: int, generation: int) -> State:
        """Tell how a call ended."""
        ended = self._calls[call]
        if ended.state is CallState.DONE:
            is_taken_back = ended.refunded
            word = "done, though taken back" if is_taken_back else "done"
            is_other = self.scenario.other and index == 1
            return self._tell(state, index, "done, of another" if is_other else word, int(ended.charge or 0))
        word = "refused" if ended.proof is Proof.REFUSED else "not done"
        return self._tell(state, index, word, generation)

    def _key(self, index: int) -> int:
        return index if self.scenario.keys > 1 else 0

    def _end(self, state: State, index: int, worker: Worker, call: int) -> State:
        """Write an end, and tell it; what cannot be told is asked for again."""
        written = self._write(state, index, worker, call)
        if self.machine.may_tell(self._calls[call], is_written=written is not None):
            return self._tell_end(written or state, index, call, worker.generation)
        return put(state, index, _asker(worker))

    # --- who asks

    def _idle(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        is_first = state.left[0] == self.scenario.asks
        if not state.left[0] or (is_first and index == 1):
            return  # the workers are alike: A is the one that asks first
        asked, key = spend(state, 0), self._key(index)
        held = state.records[key][1]
        waits = held >= 0 and self._calls[held].state in {CallState.BEGUN, CallState.SENT}
        yield f"{NAMES[index]} asks", put(asked, index, Worker(place=ASKING, key=key, has_waited=waits))
        call = state.records[0][1]
        if self.scenario.joins and index == 1 and call >= 0 and self.machine.joins(self._calls[call]):
            yield "B joins the call of A", put(asked, index, Worker(place=ASKING, key=0, has_waited=True))

    def _asking(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        name, (generation, number) = NAMES[index], state.records[worker.key]
        call = self._calls[number] if number >= 0 else None
        is_alive = call is not None and (not call.owner or self._lives(state, call.owner))
        is_same = not (self.scenario.other and index == 1)
        asked = Asked(is_same=is_same, is_alive=is_alive, has_waited=worker.has_waited)
        step = self.machine.next_for(call, asked)
        held = worker._replace(generation=generation, call=number, is_fresh=True)
        if step is Step.CLAIM or (call and self.machine.may(call, Event.CLAIMED, Facts(0))):
            yield from self._claim(state, index, worker)
        if step is Step.WAIT:
            return
        if step is Step.TAKE_OVER and worker.key == self._key(index):
            after = self.after(number, Event.TAKEN_OVER, Facts(0, owner=name))
            taken = None if after is None else self._write(state, index, held._replace(place=OWNING), after)
            if taken is not None:
                yield f"{name} takes call {generation} over", taken
        elif step is Step.SETTLE:
            yield f"{name} settles call {generation}", put(state, index, held._replace(place=SETTLING))
        elif step in {Step.REPLAY, Step.REFUSAL}:
            yield f"{name} is told how call {generation} ended", self._tell_end(state, index, number, generation)
        elif step in {Step.MISMATCH, Step.REFUNDED}:
            yield f"{name} is refused", put(state, index, Worker())

    def _lives(self, state: State, owner: str) -> bool:
        return state.workers[NAMES.index(owner)].lapsed < 2

    def _claim(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        generation, number = state.records[worker.key]
        target = "1" if self.operation.once and not self.operation.reserves else None
        facts = Facts(0, owner=NAMES[index], target=target)
        fresh = Call(self.operation, CallState.BEGUN, NAMES[index], target=target)
        call = self.number(fresh) if number < 0 else self.after(number, Event.CLAIMED, facts)
        is_other = self.scenario.other and index == 1  # it would be a payment of its own
        if call is None or is_other or worker.key != self._key(index):
            return
        mine = Worker(place=OWNING, key=worker.key, generation=generation + 1, call=call, is_fresh=True)
        stored = self._store(state, worker.key, call, generation + 1, by=index)
        yield f"{NAMES[index]} claims the key: call {generation + 1}", put(stored, index, mine)

    def _settling(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        yield from self._look(state, index, worker)
        yield f"{NAMES[index]} is told that it is open", self._tell(state, index, "open", worker.generation)

    # --- who drives a call

    def _owning(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        call = self._calls[worker.call]
        yield from self._reserve(state, index, worker)
        yield from self._record(state, index, worker, call)
        if call.in_doubt:
            yield from self._look(state, index, worker)
            opened = self.after(worker.call, Event.LEFT_OPEN, Facts(0))
            if opened is not None:
                yield f"{NAMES[index]} leaves it open", self._open(state, index, worker, opened)
        ended = self.after(worker.call, Event.ABSENT, Facts(0, proof=Proof.NOT_SENT))
        if ended is not None:
            yield f"{NAMES[index]} gives up: not sent", self._end(state, index, worker, ended)

    def _open(self, state: State, index: int, worker: Worker, call: int) -> State:
        written = self._write(state, index, worker, call)
        return self._tell(written or state, index, "open", worker.generation)

    def _reserve(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        call = self._calls[worker.call]
        has_one = call.target == str(state.reservation[0]) and not call.in_doubt
        if not self.operation.reserves or not state.left[2] or has_one:
            return
        name, spent = NAMES[index], spend(state, 2)
        newest = state.reservation[0] + 1
        refused = self.after(worker.call, Event.RESERVED, Facts(0))
        if refused is not None:
            yield f"{name} is refused a reservation", put(spent, index, worker._replace(call=refused))
        made = self._deliverable(spent._replace(reservation=(newest, True, -1)))
        reserved = self.after(worker.call, Event.RESERVED, Facts(0, target=str(newest)))
        if reserved is not None:
            yield f"{name} reserves {newest}", put(made, index, worker._replace(call=reserved))

    def _record(self, state: State, index: int, worker: Worker, call: Call) -> Iterator[Move]:
        is_ready = call.target is not None or not self.operation.once
        if not state.left[1] or not is_ready:
            return
        facts = Facts(0, target=call.target)
        for event in (Event.ABOUT_TO_SEND, Event.REPEATING):
            after = self.after(worker.call, event, facts)
            if after is None:
                continue
            written = self._write(state, index, worker, after)
            if written is None:
                yield f"{NAMES[index]} cannot record a request", put(state, index, _asker(worker))
            else:
                there = written.workers[index]._replace(place=RECORDED)
                label = f"{NAMES[index]} records a request, target {call.target}"
                yield label, put(written, index, there)
            if self.machine.may_begin(call, 0):  # never, unless a check leaves `recorded` out
                unrecorded = worker._replace(place=WRITING, call=after)
                yield f"{NAMES[index]} records nothing", put(state, index, unrecorded)

    def _recorded(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        name, call = NAMES[index], self._calls[worker.call]
        opened = self.after(worker.call, Event.LEFT_OPEN, Facts(0))
        if opened is not None:  # never, unless a check leaves `none_under_way` out
            written = self._write(state, index, worker, opened)
            if written is not None:
                still = worker._replace(is_fresh=False)
                yield f"{name} leaves it open", put(self._tell(written, index, "open", 0), index, still)
        if self.machine.may_begin(call, 0):
            if self.assumed.no_stop_before_first_byte:
                yield from self._writing(state, index, worker)
            else:
                yield f"{name} checks the clock", put(state, index, worker._replace(place=WRITING))
        elif worker.is_fresh:
            unsent = self.after(worker.call, Event.NOT_SENT, Facts(0))
            assert unsent is not None
            back = worker._replace(place=OWNING, call=unsent)
            yield f"{name} is too late to write, and still the owner", put(state, index, back)
        else:
            yield f"{name} is too late to write, and not the owner", put(state, index, _asker(worker))

    def _writing(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        """The request is sent: what becomes of it, and what its sender hears."""
        target = int(self._calls[worker.call].sent_to or 0)
        letter = (worker.key, worker.generation, target, 0)
        spent = spend(state, 1)
        refusal = Event.GONE if self.after(worker.call, Event.GONE, Facts(0)) is not None else Event.REFUSED
        plain = [(spent, "", Event.NOT_SENT)]
        if not self._accepts(state, target):
            plain += [(spent, "", answer) for answer in (Event.IN_DOUBT, refusal)]
        else:
            # a request that is on its way may never arrive
            late = spent._replace(letters=tuple(sorted((*spent.letters, letter))))
            made = self._charge(spent, letter)
            plain += [(late, "on its way, ", answer) for answer in (Event.IN_DOUBT, Event.REFUSED)]
            plain += [(made, "carried out, ", answer) for answer in (Event.ANSWERED, Event.IN_DOUBT)]
            if not self.operation.reservation:  # a voucher that some server does not find
                plain.append((late, "on its way, ", refusal))
            plain.append((made, "carried out, ", Event.REFUSED if self._accepts(made, target) else refusal))
            yield from self._contradicted(spent, index, worker, letter)
        for after, what, answer in plain:
            label = f"{NAMES[index]} sends: {what}{answer.name.lower()}"
            yield label, put(after, index, self._heard(worker, answer, len(state.charges)))

    def _heard(self, worker: Worker, answer: Event, number: int) -> Worker:
        """Only a good answer that was not read yet differs from one that was."""
        if answer is Event.ANSWERED:
            return worker._replace(place=ANSWERED, extra=(number,))
        after = self.after(worker.call, answer, Facts(0))
        assert after is not None, answer
        return worker._replace(place=OWNING, call=after)

    def _contradicted(
        self, state: State, index: int, worker: Worker, letter: tuple[int, ...]
    ) -> Iterator[Move]:
        """Carried out, shown beyond recognition, and noted at once: who cannot note it is not covered."""
        after = self.after(worker.call, Event.CONTRADICTED, Facts(0))
        written = None if after is None else self._write(state, index, worker, after)
        if written is not None and worker.is_fresh:
            there = written.workers[index]._replace(place=OWNING)
            made = self._charge(put(written, index, there), letter, is_strange=True)
            yield f"{NAMES[index]} sends: carried out, contradicted", made

    def _answered(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        done = self.after(worker.call, Event.ANSWERED, Facts(0, charge=str(worker.extra[0])))
        assert done is not None
        yield f"{NAMES[index]} reads the answer", self._end(state, index, worker, done)

    # --- who looks

    def _look(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        """Look: what is judged later is what is seen now, at the time of now."""
        shown, hidden = self._list(state, worker.key)
        for number in (*shown, *hidden):
            seen = worker._replace(place=LOOKED, extra=("ours", number))
            yield f"{NAMES[index]} looks, and finds charge {number}", put(state, index, seen)
        if shown:
            return
        ended = state.reservation[2]
        expired = -ended if ended >= 0 else None
        is_balanced = not hidden and not any(charge[4] for charge in state.charges)
        for proof in PROOFS[1:]:
            facts = Facts(0, proof=proof, expired_at=expired, is_balanced=is_balanced)
            for event in (Event.ABSENT, Event.CLEARED):
                after = self.after(worker.call, event, facts)
                if after is not None:
                    seen = put(state, index, worker._replace(place=LOOKED, extra=(event.name, after)))
                    if proof is Proof.REFUSED and self._is_made(state, worker):
                        seen = seen._replace(told=((worker.key, "refused, though made", 0),))
                    yield f"{NAMES[index]} looks, and finds nothing: {proof.name}", seen

    def _is_made(self, state: State, worker: Worker) -> bool:
        """Whether it was carried out when it was refused; a copy that comes later nobody can know of."""
        is_just_refused = self._calls[worker.call].ended_at == 0
        return is_just_refused and any(charge[:2] == (worker.key, worker.generation) for charge in state.charges)

    def _list(self, state: State, key: int) -> tuple[list[int], list[int]]:
        """The charges that a list must show, and those that it may show; nobody else's."""
        owned = {
            int(self._calls[call].charge or 0)
            for other, (_, call) in enumerate(state.records)
            if other != key and call >= 0 and self._calls[call].charge is not None
        }
        entries = [
            (number, charge[3])
            for number, charge in enumerate(state.charges)
            if not charge[4] and number not in owned
        ]
        is_shown = self.assumed.shown_within_lag
        shown = [number for number, age in entries if age >= LAG and is_shown]
        return shown, [number for number, _ in entries if number not in shown]

    def _looked(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        kind, value = worker.extra
        name = NAMES[index]
        is_settled = self._calls[worker.call].state is CallState.OPEN
        back = worker._replace(place=SETTLING if is_settled else OWNING, extra=())
        if kind == "ours":
            yield from self._found(state, index, back, value)
        elif kind == "CLEARED":
            yield f"{name} goes on", put(state, index, back._replace(call=value))
        else:
            yield f"{name} ends the call: {self._calls[value].proof}", self._end(state, index, back, value)

    def _found(self, state: State, index: int, worker: Worker, number: int) -> Iterator[Move]:
        others = [self._calls[call] for key, (_, call) in enumerate(state.records) if key != worker.key and call >= 0]
        facts = Facts(
            0,
            charge=str(number),
            is_anothers=any(other.charge == str(number) for other in others),
            rivals=sum(map(is_rival, others)),
        )
        after = self.after(worker.call, Event.FOUND, facts)
        if after is None:
            yield f"{NAMES[index]} cannot tell whose it is", put(state, index, worker)
        else:
            yield f"{NAMES[index]} takes it for its own", self._end(state, index, worker, after)


def _plain(call: Call) -> Call:
    """A call without the facts that no decision about it depends on any more."""
    if call.state is CallState.DONE:
        return Call(call.operation, call.state, "", charge=call.charge, refunded=call.refunded)
    if call.state is CallState.NOT_DONE:
        call = call._replace(owner="", target=None)
    if not call.under_way:
        call = call._replace(sent_at=None)
        if not call.in_doubt:
            call = call._replace(sent_to=None, ended_at=None, taken_at=None, fenced_at=None)
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


def _asker(worker: Worker) -> Worker:
    """Whoever cannot write asks again, as one who has waited."""
    return Worker(ASKING, worker.key, has_waited=True)
