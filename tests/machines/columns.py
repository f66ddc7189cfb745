"""What came of the payments under each fault. Pure: no I/O, no clock."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from tests.chaos.index import Index
from tests.chaos.judge import Kind, Verdict
from tests.chaos.records import (
    CANCELLED,
    DONE,
    NOT_DONE,
    UNKNOWN,
    Began,
    Entry,
    Fetched,
    Intent,
    Record,
    Refused,
    Settled,
    Tokens,
    Told,
    Turn,
    Word,
)
from tests.chaos.turns import Turns
from tests.machines.tokens import Troubles, reasons_of

__all__ = ["AFTERWARDS", "Column", "columns_of"]

DOUBLE: Final = frozenset({Kind.TWICE})
FALSE: Final = frozenset({Kind.DENIED, Kind.INVENTED, Kind.UNPROVED, Kind.CRASHED})
LOST: Final = frozenset(Kind) - DOUBLE - FALSE
LEASE: Final = "lease"
NOTHING_SENT: Final = "nothing sent"
CHECKED_OUT: Final = "told by voucher"
"""A checkout that was not done: what it said of each of its vouchers has a proof of its own."""
OPEN: Final = "open"
AFTERWARDS: Final = "afterwards"
"""The column of the time when the storm is over."""
_BEFORE: Final = "none"


@attrs.define(kw_only=True)
class Column:
    """What came of the payments that were first asked for under one fault.

    Attributes:
        fault: its name.
        turns: how often it had its turn.
        payments: how many payments.
        calls: how many calls.
        told: how many calls were told what.
        cut_off: how many calls ended with their process.
        doubted: how many calls had a request in doubt.
        unsure: the payments one of whose callers was told "unknown", left, or was cut off, by how they were
            settled in the end: `done`, the name of the proof that they were not, or `open`.
        double: charged twice.
        lost: moved money of which nobody was told, and what nobody had asked for.
        false: words that the ledger contradicts.
        late: writes of workers that had lost their records meanwhile, which the journal has refused.
        unsent: how many of these were followed by no request for money of the same record.
        dead: owners who were declared dead, and found out.
        given: tokens that the server gave out.
        reasons: the tokens that workers received, by the reason why one was fetched.
    """

    fault: str
    turns: int = 0
    payments: int = 0
    calls: int = 0
    told: collections.Counter[str] = attrs.Factory(collections.Counter)
    cut_off: int = 0
    doubted: int = 0
    unsure: collections.Counter[str] = attrs.Factory(collections.Counter)
    double: int = 0
    lost: int = 0
    false: int = 0
    late: int = 0
    unsent: int = 0
    dead: int = 0
    given: int = 0
    reasons: collections.Counter[str] = attrs.Factory(collections.Counter)


class _Columns:
    def __init__(self, records: Sequence[Record], index: Index, turns: Sequence[Turn]) -> None:
        self._turns = Turns(turns)
        self._index = index
        self._records = records
        self.of: dict[str, Column] = {}
        for turn in turns:
            self.at(turn.at).turns += 1

    def at(self, moment: float) -> Column:
        """The column of a moment."""
        names = self._turns.between(moment, moment) or (_BEFORE,)
        return self.of.setdefault(names[0], Column(fault=names[0]))

    def of_call(self, call: str) -> Column:
        """The column of a call: that of when it began; that of no fault when there is none."""
        began = self._index.began.get(call)
        return self.at(began.at if began else float("-inf"))

    def count_payments(self, stay_open: frozenset[str]) -> None:
        payments: dict[str, list[Began]] = collections.defaultdict(list)
        for began in self._index.began.values():
            payments[began.payment].append(began)
        sure = _Ends(self._records, self._index)
        for payment, asked in payments.items():
            column = self.at(min(began.at for began in asked))
            column.payments += 1
            told = [self._index.told.get(began.call) for began in asked]
            if any(each is None or each.what in {UNKNOWN, CANCELLED} for each in told):
                column.unsure[sure.end_of(payment, asked, stay_open)] += 1

    def count_calls(self) -> None:
        for began in self._index.began.values():
            column = self.at(began.at)
            column.calls += 1
            told = self._index.told.get(began.call)
            if told is None:
                column.cut_off += 1
            else:
                column.told[told.what] += 1
            column.doubted += began.call in self._index.doubts

    def count_refusals(self) -> None:
        dead: set[str] = set()
        sent: dict[tuple[str, str], list[float]] = collections.defaultdict(list)
        for record in self._records:
            if isinstance(record, Intent):  # the index has the latest of a request, which may be the heir's
                sent[record.pending, record.call].append(record.at)
        for record in self._records:
            if not isinstance(record, Refused):
                continue
            column = self.at(record.at)
            if record.what == LEASE:
                column.dead += record.owned not in dead
                dead.add(record.owned)
                continue
            column.late += 1
            column.unsent += not any(at > record.at for at in sent[record.owned, record.call])

    def count_tokens(self, tokens: Tokens, troubles: Troubles, life: float) -> None:
        for moment in tokens.given:
            self.at(moment).given += 1
        fetched = [record for record in self._records if isinstance(record, Fetched)]
        for token, reason in reasons_of(fetched, tokens.revoked, troubles, life=life):
            self.at(token.at).reasons[reason] += 1

    def count_violations(self, verdict: Verdict) -> None:
        for kind, field in ((DOUBLE, "double"), (FALSE, "false"), (LOST, "lost")):
            for each in verdict.violations:
                if each.kind in kind:
                    column = self.of_call(each.call)
                    setattr(column, field, getattr(column, field) + 1)


class _Ends:
    """Tells how payments ended."""

    def __init__(self, records: Iterable[Record], index: Index) -> None:
        self._index = index
        self._proofs: dict[str, str] = {}  # pending id -> proof
        for record in records:
            if isinstance(record, (Word, Settled)) and record.proof:
                self._proofs[record.pending] = record.proof

    def end_of(self, payment: str, asked: Sequence[Began], stay_open: frozenset[str]) -> str:
        index = self._index
        calls = {began.call for began in asked}
        told: list[Told] = [index.told[call] for call in calls if call in index.told]
        intents = [intent for intent in index.intents.values() if intent.call in calls]
        said = {each.what for intent in intents for each in index.said(intent)}
        if DONE in said or any(each.what == DONE for each in told):
            return DONE
        if payment in stay_open or calls & stay_open:
            return OPEN
        proofs = [self._proofs[intent.pending] for intent in intents if intent.pending in self._proofs]
        proofs += [each.proof for each in told if each.what == NOT_DONE and each.proof]
        if proofs:
            return proofs[-1].lower().replace("_", " ")
        if any(each.what == NOT_DONE and each.outcomes for each in told):
            return CHECKED_OUT
        return OPEN if intents else NOTHING_SENT


def columns_of(
    records: Sequence[Record],
    entries: Sequence[Entry],
    verdict: Verdict,
    turns: Sequence[Turn],
    tokens: Tokens,
    *,
    troubles: Troubles,
    life: float,
) -> Mapping[str, Column]:
    """What came of the payments, by the name of the fault that was on when they were first asked for.

    Args:
        records: of all workers.
        entries: the ledger.
        verdict: of the judge.
        turns: which fault there was from when on.
        tokens: when tokens were given out, and revoked.
        troubles: what happened to the token store.
        life: seconds that a token lives.
    """
    columns = _Columns(records, Index(records, entries, Turns()), turns)
    columns.count_payments(verdict.stay_open)
    columns.count_calls()
    columns.count_refusals()
    columns.count_tokens(tokens, troubles, life)
    columns.count_violations(verdict)
    return columns.of
