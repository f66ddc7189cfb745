"""The judge of payments that are asked for more than once: one charge, or none, for all who ask."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence

import attrs

from tests.chaos.index import Index, Slot, slot_of_intent
from tests.chaos.plan import LAST
from tests.chaos.records import DONE, NOT_DONE, UNKNOWN, Began, Entry, Intent, Told

__all__ = ["Payment", "Wrong", "may_stay_open", "open_at_last", "open_of", "payments_of", "wrong_words"]


@attrs.frozen
class Wrong:
    """Something that was said, and is not so."""

    call: str
    text: str
    denied: bool = False


@attrs.define
class Payment:
    """All who asked for one payment, what they were told, and what was sent for it."""

    id: str
    began: list[Began] = attrs.Factory(list)
    told: list[Told] = attrs.Factory(list)
    intents: list[Intent] = attrs.Factory(list)

    @property
    def done(self) -> list[Told]:
        """What those were told who were told that it is done."""
        return [told for told in self.told if told.what == DONE]


def payments_of(index: Index) -> list[Payment]:
    """The payments of which more than one call has asked."""
    found: dict[str, Payment] = collections.defaultdict(lambda: Payment(""))
    for began in index.began.values():
        payment = found[began.payment]
        payment.id = began.payment
        payment.began.append(began)
        if told := index.told.get(began.call):
            payment.told.append(told)
    for intent in index.intents.values():
        if not index.is_own_refund(intent) and intent.call in index.began:
            found[index.payment_of(intent.call)].intents.append(intent)
    return [payment for payment in found.values() if any(began.turn for began in payment.began)]


def wrong_words(index: Index, payments: Sequence[Payment], taken_back: set[str]) -> Iterator[Wrong]:
    """What was said of payments that are asked for more than once, and is not so.

    Args:
        index: of the records.
        payments: of `payments_of`.
        taken_back: the ids of the charges that the SDK has refunded by itself.
    """
    others = _slots_of_others(index, payments)
    for payment in payments:
        made = _made(index, payment, others, taken_back)
        yield from _of_callers(payment, made)
        yield from _of_hooks(index, payment, made)


def _slots_of_others(index: Index, payments: Sequence[Payment]) -> dict[Slot, set[str]]:
    """By where effects belong, the payments that sent something there: equal refunds share a place."""
    found: dict[Slot, set[str]] = collections.defaultdict(set)
    for payment in payments:
        for intent in payment.intents:
            found[slot_of_intent(intent)].add(payment.id)
    return found


def _made(index: Index, payment: Payment, others: dict[Slot, set[str]], taken_back: set[str]) -> list[Entry]:
    """What was made for a payment, as far as it cannot be of an equal one, and stands."""
    slots = {slot_of_intent(intent) for intent in payment.intents}
    alone = [slot for slot in slots if others[slot] == {payment.id}]
    return [
        entry
        for slot in alone
        for entry in index.in_slot.get(slot, ())
        if entry.id not in taken_back and entry.id not in index.surplus and not entry.twin_of
    ]


def _of_callers(payment: Payment, made: Sequence[Entry]) -> Iterator[Wrong]:
    charges = {frozenset(told.charges) for told in payment.done}
    if len(charges) > 1:
        yield Wrong(payment.id, f"told done with different charges: {sorted(map(sorted, charges))}")
    for told in payment.told:
        if told.what != NOT_DONE:
            continue
        earlier = [
            entry.id for entry in made if 0.0 < entry.made < told.at and entry.id not in _standing(told)
        ]
        if earlier:
            text = f"{told.call} was told {told.error} after {earlier} was made"
            yield Wrong(told.call, text, denied=True)
    ids = [entry.id for entry in made if not any(entry.id in _standing(told) for told in payment.told)]
    if payment.told and all(told.what == NOT_DONE for told in payment.told) and ids:
        yield Wrong(payment.id, f"all were told that it was not done, but {ids} was", denied=True)


def _standing(told: Told) -> set[str]:
    """The charges of which somebody was told that they stand, although the checkout was not done."""
    return {outcome.charge for outcome in told.outcomes if outcome.state == "charged"}


def _of_hooks(index: Index, payment: Payment, made: Sequence[Entry]) -> Iterator[Wrong]:
    """What hooks and settlements said of one request of a payment."""
    ids = {entry.id for entry in made}
    for intent in payment.intents:
        for said in index.said(intent):
            if said.what == DONE and said.charge and said.charge not in index.entries:
                yield Wrong(intent.call, f"{said.charge} is not in the ledger")
            in_slot = {entry.id for entry in index.in_slot.get(slot_of_intent(intent), ())} & ids
            if said.what == NOT_DONE and in_slot and len(payment.intents) == 1:
                yield Wrong(intent.call, f"{sorted(in_slot)} was said not to be", denied=True)


def open_at_last(index: Index, payments: Sequence[Payment]) -> Iterator[Wrong]:
    """Payments whose outcome is open still when they are asked for in the calm, which no habit excuses."""
    for payment in payments:
        last = [told for told in payment.told if index.began[told.call].turn == LAST]
        for told in last:
            if told.what == UNKNOWN and not _is_excused(index, payment):
                yield Wrong(told.call, f"{payment.id} is open when it is asked for once more: {told.error}")


def _is_excused(index: Index, payment: Payment) -> bool:
    is_lie = any(map(index.is_lied_to, payment.intents))
    return is_lie or any(index.habits_of(began.call) for began in payment.began)


def may_stay_open(index: Index, payments: Sequence[Payment], pending: str) -> bool:
    """Whether a payment may stay open of which a caller was told this id, although he had sent nothing.

    He waited for another caller's request, and was told the id of his own call.
    """
    return any(
        pending in told.pendings and _is_excused(index, payment)
        for payment in payments
        for told in payment.told
    )


def _is_denied_at_last(payment: Payment) -> bool:
    """Whether the last word was "not done", with a proof or with what became of each voucher."""
    last = max(payment.told, key=lambda told: told.at, default=None)
    return last is not None and last.what == NOT_DONE and bool(last.proof or last.outcomes)


def open_of(index: Index, payments: Sequence[Payment]) -> set[str]:
    """The payments of which nobody knows in the end whether they were made."""
    return {
        payment.id
        for payment in payments
        if payment.intents
        and not payment.done
        and not all(index.said(intent) for intent in payment.intents)
        and not _is_denied_at_last(payment)
    }
