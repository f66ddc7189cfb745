"""Settling what callers left behind: in the same process, or in another one after a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.chaos.records import (
    CANCELLED,
    DONE,
    NOT_DONE,
    RECOVERED,
    UNKNOWN,
    Began,
    Intent,
    Journal,
    Record,
    Settled,
    Told,
    Word,
    read,
)
from voucher_async import OutcomeUnknown, PendingOutcome, VoucherClient

_AT_ONCE: Final = 100
_ENDS: Final = frozenset({DONE, NOT_DONE, RECOVERED})
_OWN_REFUND: Final = frozenset({"refunded", "refund failed", "surplus refunded", "surplus left"})


def unresolved(records: Iterable[Record]) -> list[PendingOutcome]:
    """What a process had announced and not heard the end of when it was killed.

    Args:
        records: what it wrote.
    """
    intents: dict[str, Intent] = {}
    told: dict[str, str] = {}
    refunds: set[str] = set()
    heard: set[str] = set()
    for record in records:
        match record:
            case Intent():
                intents[record.pending] = record
            case Told():
                told[record.call] = record.what
            case Began() if record.kind == "refund":
                refunds.add(record.call)
            case Word() if record.what in _ENDS:
                heard.add(record.pending)
            case Word() if record.what in _OWN_REFUND:
                heard.add(record.charge)
            case _:
                pass
    left: list[PendingOutcome] = []
    for intent in intents.values():
        is_own_refund = intent.operation == "refundCharge" and intent.call not in refunds
        is_told = told.get(intent.call, UNKNOWN) not in {UNKNOWN, CANCELLED} and not is_own_refund
        by_hook = intent.pending in heard or (is_own_refund and intent.charge in heard)
        if not (is_told or by_hook):
            left.append(PendingOutcome.from_json(intent.text))
    return left


def unresolved_in(paths: Iterable[Path]) -> list[PendingOutcome]:
    """The same for several processes."""
    return [pending for path in paths for pending in unresolved(read(path))]


async def settle_all(
    client: VoucherClient, pendings: Iterable[PendingOutcome], journal: Journal, by: str, *, tries: int
) -> None:
    """Settle each, asking again while it stays open, and write down the answers.

    Args:
        client: what they are settled with.
        pendings: what is open.
        journal: where the answers go.
        by: who asks.
        tries: how often each is asked for.
    """
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(pending: PendingOutcome) -> None:
        # as a database would return it
        parked = PendingOutcome.from_json(pending.to_json())
        async with places:
            journal.write(await _settle(client, parked, by, tries))

    await asyncio.gather(*(one(pending) for pending in pendings))


async def read_orders(client: VoucherClient, paths: Iterable[Path], journal: Journal) -> None:
    """Write down what the client's journal says of calls that were cut off, as a shop reads it at a start.

    A worker that dies between the end of a call and its caller's note of that leaves nothing to recover. One
    that dies before its call was written down as sent leaves no record: it has sent nothing.

    Args:
        client: what is read with.
        paths: what processes that were killed have written.
        journal: where the answers go.
    """
    began, intents = _cut_off([record for path in paths for record in read(path)])
    known: set[str] = set()
    for order in dict.fromkeys(each.order for each in began):
        async for found in client.history(order_number=order):
            known.add(found.id)
            if found.charge is not None and not found.refunds:
                journal.write(Settled(pending=found.id, by="heir", state=DONE, charge=found.charge.id))
            elif found.proof is not None:
                journal.write(Settled(pending=found.id, by="heir", state=NOT_DONE, proof=found.proof.name))
    for intent in intents:
        if intent.pending not in known and intent.charge == "":
            journal.write(Settled(pending=intent.pending, by="heir", state=NOT_DONE, proof="NOT_SENT"))


def _cut_off(records: Sequence[Record]) -> tuple[list[Began], list[Intent]]:
    """The calls whose callers heard no end of them, and what they had announced."""
    ended = {each.call for each in records if isinstance(each, Told) and each.what in {DONE, NOT_DONE}}
    began = [each for each in records if isinstance(each, Began) and each.call not in ended]
    calls = {each.call for each in began}
    return began, [each for each in records if isinstance(each, Intent) and each.call in calls]


async def _settle(client: VoucherClient, pending: PendingOutcome, by: str, tries: int) -> Settled:
    reason = ""
    for _ in range(tries):
        try:
            settlement = await client.settle(pending, timeout=5.0)
        except OutcomeUnknown as error:
            reason = str(error.args[0])
            await asyncio.sleep(0.2)
        else:
            return Settled(
                pending=pending.id,
                by=by,
                state=str(settlement.state),
                charge=settlement.charge.id if settlement.charge else "",
                surplus=tuple(charge.id for charge in settlement.surplus),
                proof=settlement.proof.name if settlement.proof else "",
            )
    return Settled(pending=pending.id, by=by, state=UNKNOWN, error=reason, answered=pending.answered)
