"""The workers of a small world: they ask, drive calls, settle and look, in every order.

A worker does whatever the machine allows, not only what is sensible: what holds here holds for every
driver that asks the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from tests.payments.small_world import (
    ANSWERED,
    ASKING,
    IDLE,
    LAG,
    LOOKED,
    NAMES,
    OWNING,
    PROOFS,
    RECORDED,
    SETTLING,
    WRITING,
    Move,
    Nature,
    State,
    Worker,
    asker,
    may_begin,
    put,
    spend,
)
from voucher_async.fates import Proof
from voucher_async.payments.facts import Asked, Call, CallState, Event, Facts, Step
from voucher_async.payments.machine import is_rival

__all__ = ["World"]


class World(Nature):
    """The moves that are possible in a state."""

    @cached_property
    def _places(self) -> dict[int, Callable[[State, int, Worker], Iterator[Move]]]:
        return {
            IDLE: self._idle,
            ASKING: self._asking,
            OWNING: self._owning,
            SETTLING: self._settling,
            RECORDED: self._recorded,
            WRITING: self._writing,
            ANSWERED: self._answered,
            LOOKED: self._looked,
        }

    def moves(self, state: State) -> Iterator[Move]:
        """What can happen next, each with the state it leads to."""
        for index, worker in enumerate(state.workers):
            yield from self._places[worker.place](state, index, worker)
            yield from self._misfortunes(state, index, worker)
        yield from self.letters(state)
        yield from self.outside(state)
        yield "a tick passes", self.tick(state)

    # --- callers

    def _idle(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        is_first = state.left[0] == self.scenario.asks
        if not state.left[0] or (is_first and index == 1):
            return  # the workers are alike, so A asks first
        asked, key = spend(state, 0), self.key(index)
        held = state.records[key][1]
        waits = held >= 0 and self.calls[held].state in {CallState.BEGUN, CallState.SENT}
        yield f"{NAMES[index]} asks", put(asked, index, Worker(place=ASKING, key=key, has_waited=waits))
        call = state.records[0][1]
        if self.scenario.joins and index == 1 and call >= 0 and self.machine.joins(self.calls[call]):
            yield "B joins the call of A", put(asked, index, Worker(place=ASKING, key=0, has_waited=True))

    def _asking(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        name, (generation, number) = NAMES[index], state.records[worker.key]
        call = self.calls[number] if number >= 0 else None
        is_alive = call is not None and (not call.owner or self.lives(state, call.owner))
        is_same = not (self.scenario.other and index == 1)
        asked = Asked(is_same=is_same, is_alive=is_alive, has_waited=worker.has_waited)
        step = self.machine.next_for(call, asked)
        held = worker._replace(generation=generation, call=number, is_fresh=True)
        if step is Step.CLAIM or (call and self.machine.may(call, Event.CLAIMED, Facts(0))):
            yield from self._claim(state, index, worker)
        if step is Step.WAIT:
            return
        if step is Step.TAKE_OVER and worker.key == self.key(index):
            after = self.after(number, Event.TAKEN_OVER, Facts(0, owner=name))
            taken = None if after is None else self.write(state, index, held._replace(place=OWNING), after)
            if taken is not None:
                yield f"{name} takes call {generation} over", taken
        elif step is Step.SETTLE:
            yield f"{name} settles call {generation}", put(state, index, held._replace(place=SETTLING))
        elif step in {Step.REPLAY, Step.REFUSAL}:
            yield (
                f"{name} is told how call {generation} ended",
                self.tell_end(state, index, number, generation),
            )
        elif step in {Step.MISMATCH, Step.REFUNDED}:
            yield f"{name} is refused", put(state, index, Worker())

    def lives(self, state: State, owner: str) -> bool:
        return state.workers[NAMES.index(owner)].lapsed < 2

    def _claim(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        generation, number = state.records[worker.key]
        target = "1" if self.operation.once and not self.operation.reserves else None
        facts = Facts(0, owner=NAMES[index], target=target)
        fresh = Call(self.operation, CallState.BEGUN, NAMES[index], target=target)
        call = self.number(fresh) if number < 0 else self.after(number, Event.CLAIMED, facts)
        is_other = self.scenario.other and index == 1  # its payment is another one, and needs another key
        if call is None or is_other or worker.key != self.key(index):
            return
        mine = Worker(place=OWNING, key=worker.key, generation=generation + 1, call=call, is_fresh=True)
        stored = self.store(state, worker.key, call, generation + 1, by=index)
        yield f"{NAMES[index]} claims the key: call {generation + 1}", put(stored, index, mine)

    def _settling(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        yield from self._look(state, index, worker)
        yield f"{NAMES[index]} is told that it is open", self.tell(state, index, "open", worker.generation)

    # --- owners of a call

    def _owning(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        call = self.calls[worker.call]
        yield from self._reserve(state, index, worker)
        yield from self._record(state, index, worker, call)
        if call.in_doubt:
            yield from self._look(state, index, worker)
            opened = self.after(worker.call, Event.LEFT_OPEN, Facts(0))
            if opened is not None:
                yield f"{NAMES[index]} leaves it open", self._open(state, index, worker, opened)
        ended = self.after(worker.call, Event.ABSENT, Facts(0, proof=Proof.NOT_SENT))
        if ended is not None:
            yield f"{NAMES[index]} gives up: not sent", self.end(state, index, worker, ended)

    def _open(self, state: State, index: int, worker: Worker, call: int) -> State:
        written = self.write(state, index, worker, call)
        return self.tell(written or state, index, "open", worker.generation)

    def _reserve(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        call = self.calls[worker.call]
        has_one = call.target == str(state.reservation[0]) and not call.in_doubt
        if not self.operation.reserves or not state.left[2] or has_one:
            return
        name, spent = NAMES[index], spend(state, 2)
        newest = state.reservation[0] + 1
        refused = self.after(worker.call, Event.RESERVED, Facts(0))
        if refused is not None:
            yield f"{name} is refused a reservation", put(spent, index, worker._replace(call=refused))
        made = self.deliverable(spent._replace(reservation=(newest, True, -1)))
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
            written = self.write(state, index, worker, after)
            if written is None:
                yield f"{NAMES[index]} cannot record a request", put(state, index, asker(worker))
            else:
                there = written.workers[index]._replace(place=RECORDED)
                label = f"{NAMES[index]} records a request, target {call.target}"
                yield label, put(written, index, there)
            if may_begin(self.machine, call, 0):  # never, unless a check leaves `recorded` out
                unrecorded = worker._replace(place=WRITING, call=after)
                yield f"{NAMES[index]} records nothing", put(state, index, unrecorded)

    def _recorded(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        name, call = NAMES[index], self.calls[worker.call]
        opened = self.after(worker.call, Event.LEFT_OPEN, Facts(0))
        if opened is not None:  # never, unless a check leaves `none_under_way` out
            written = self.write(state, index, worker, opened)
            if written is not None:
                still = worker._replace(is_fresh=False)
                yield f"{name} leaves it open", put(self.tell(written, index, "open", 0), index, still)
        if may_begin(self.machine, call, 0):
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
            yield f"{name} is too late to write, and not the owner", put(state, index, asker(worker))

    def _writing(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        """The request is sent: what becomes of it, and what its sender hears."""
        target = int(self.calls[worker.call].sent_to or 0)
        letter = (worker.key, worker.generation, target, 0)
        spent = spend(state, 1)
        refusal = Event.GONE if self.after(worker.call, Event.GONE, Facts(0)) is not None else Event.REFUSED
        plain = [(spent, "", Event.NOT_SENT)]
        if not self.accepts(state, target):
            plain += [(spent, "", answer) for answer in (Event.IN_DOUBT, refusal, Event.DECLINED)]
        else:
            # a request under way may never arrive
            late = spent._replace(letters=tuple(sorted((*spent.letters, letter))))
            made = self.charge(spent, letter)
            plain += [(late, "on its way, ", answer) for answer in (Event.IN_DOUBT, Event.REFUSED)]
            answers = (Event.ANSWERED, Event.IN_DOUBT, Event.DECLINED)
            plain += [(made, "carried out, ", answer) for answer in answers]
            plain.append((spent, "", Event.DECLINED))
            if not self.assumed.declined_copies_are_quick:
                plain.append((late, "on its way, ", Event.DECLINED))
            if not self.operation.reservation:  # some server does not find the voucher
                plain.append((late, "on its way, ", refusal))
            plain.append((made, "carried out, ", Event.REFUSED if self.accepts(made, target) else refusal))
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
        written = None if after is None else self.write(state, index, worker, after)
        if written is not None and worker.is_fresh:
            there = written.workers[index]._replace(place=OWNING)
            made = self.charge(put(written, index, there), letter, is_strange=True)
            yield f"{NAMES[index]} sends: carried out, contradicted", made

    def _answered(self, state: State, index: int, worker: Worker) -> Iterator[Move]:
        done = self.after(worker.call, Event.ANSWERED, Facts(0, charge=str(worker.extra[0])))
        assert done is not None
        yield f"{NAMES[index]} reads the answer", self.end(state, index, worker, done)

    # --- looks

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
                    after_look = put(state, index, worker._replace(place=LOOKED, extra=(event.name, after)))
                    is_taken_on = event is Event.CLEARED and self.calls[worker.call].inherited
                    if is_taken_on and proof is Proof.REFUSED and self.assumed.refused_copies_are_over:
                        after_look = self._without_copies(after_look, worker)
                    is_told = event is Event.ABSENT and proof is Proof.REFUSED
                    if is_told and self._is_made(state, worker):
                        after_look = after_look._replace(told=((worker.key, "refused, though made", 0),))
                    yield f"{NAMES[index]} looks, and finds nothing: {proof.name}", after_look

    def _without_copies(self, state: State, worker: Worker) -> State:
        """The state without copies of the refused requests of earlier records."""
        here = (worker.key, worker.generation)
        letters = (each for each in state.letters if each[0] != worker.key or each[:2] == here)
        return state._replace(letters=tuple(letters))

    def _is_made(self, state: State, worker: Worker) -> bool:
        """Whether it was carried out when it was refused; a copy that comes later nobody can know of."""
        is_just_refused = self.calls[worker.call].ended_at == 0
        return is_just_refused and any(
            charge[:2] == (worker.key, worker.generation) for charge in state.charges
        )

    def _list(self, state: State, key: int) -> tuple[list[int], list[int]]:
        """The charges that a list must show, and those that it may show; nobody else's."""
        owned = {
            int(self.calls[call].charge or 0)
            for other, (_, call) in enumerate(state.records)
            if other != key and call >= 0 and self.calls[call].charge is not None
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
        is_settled = self.calls[worker.call].state is CallState.OPEN
        back = worker._replace(place=SETTLING if is_settled else OWNING, extra=())
        if kind == "ours":
            yield from self._found(state, index, back, value)
        elif kind == "CLEARED":
            yield f"{name} goes on", put(state, index, back._replace(call=value))
        else:
            yield f"{name} ends the call: {self.calls[value].proof}", self.end(state, index, back, value)

    def _found(self, state: State, index: int, worker: Worker, number: int) -> Iterator[Move]:
        others = [
            self.calls[call] for key, (_, call) in enumerate(state.records) if key != worker.key and call >= 0
        ]
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
            yield f"{NAMES[index]} takes it for its own", self.end(state, index, worker, after)
