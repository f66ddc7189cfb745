"""The judge of a shop's storm: its orders, and what customers were told, against the ledger. Pure."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from tests.chaos.shop.customers import Told
from tests.chaos.shop.orders import Row
from tests.chaos.shop.plan import Order
from voucher_async.testing._records import ChargeRecord

_UGLY: Final = (
    *("Unclosed", "Task was destroyed", "never retrieved", "never awaited", "ResourceWarning"),
    *("RuntimeWarning", "a hook failed", "Fatal Python error", "Traceback"),
)


def wrong(
    orders: Sequence[Order], rows: Iterable[Row], entries: Sequence[ChargeRecord], told: Sequence[Told]
) -> Iterator[str]:
    """Everything that does not agree.

    Args:
        orders: as they were planned.
        rows: as the shop has them.
        entries: the server's ledger.
        told: the final answers to customers.
    """
    found = {row.number: row for row in rows}
    by_order: dict[str, list[ChargeRecord]] = collections.defaultdict(list)
    for entry in entries:
        by_order[entry.sent_order_number].append(entry)
    if strangers := set(by_order) - set(found):
        yield f"charges of orders that nobody has placed: {sorted(strangers)}"
    words: dict[str, list[Told]] = collections.defaultdict(list)
    for each in told:
        words[each.order].append(each)
    for order in orders:
        row = found[order.number]
        problems = [
            *_of_ledger(order, row, by_order[order.number]),
            *_of_words(order, row, words[order.number]),
        ]
        yield from (f"{order.number}: {problem}" for problem in problems)


def _of_ledger(order: Order, row: Row, entries: Sequence[ChargeRecord]) -> Iterator[str]:
    charges = {each.id: each for each in entries if each.type == "charge"}
    back = {each.id: each for each in entries if each.type == "refund"}
    own_back: dict[str, Decimal] = collections.defaultdict(Decimal)
    for each in back.values():
        if each.id not in row.refunds:
            own_back[each.refund_of or ""] += each.amount
    standing = {id: each.amount for id, each in charges.items() if own_back[id] != each.amount}
    if row.state == "pending":
        yield f"the shop does not know whether it is paid; the ledger has {standing}"
    if standing != row.amounts:
        yield f"{row.state} with {row.amounts}, but the ledger has {standing}"
    if partly := [id for id, amount in own_back.items() if 0 < amount < charges[id].amount]:
        yield f"{partly} were given back in part, and the shop has not asked for it"
    given = {id: each.amount for id, each in back.items() if id in row.refunds}
    if given != row.refunds:
        yield f"{row.refunds} given back, but the ledger has {given}"
    if row.state == "paid" and sum(row.amounts.values()) + row.card != order.total:
        yield f"{row.amounts} and {row.card} by card are not {order.total}"
    if order.ends not in {None, row.state}:
        yield f"{row.state}, and should be {order.ends}"


def _of_words(order: Order, row: Row, told: Sequence[Told]) -> Iterator[str]:
    for each in told:
        mine = row.refunds if each.act == "refund" else row.amounts
        if each.ending == "none":
            yield f"no final answer to {each.act}, at last {each.status}"
        elif each.ending == "done" and {id: Decimal(text) for id, text in each.amounts.items()} != mine:
            yield f"a customer was told {each.act} {each.amounts}, the shop has {mine}"
        elif each.ending == "refused" and each.act == "refund":
            yield f"the refund was refused: {each.status}"
        elif each.ending == "refused" and row.state == "paid" and order.ends == "paid":
            yield f"a customer was refused ({each.status}), and the order is paid"


def ugly(log: str, port: int) -> list[str]:
    """What the shop's owner must not see in the log: each line, with some of those that follow.

    Args:
        log: of the shop's processes.
        port: where the shop listens, with a socket that uvicorn's first process never closes.
    """
    lines = log.splitlines()
    others = re.compile(
        rf"ResourceWarning: (unclosed <socket.*laddr=\('127.0.0.1', {port}\)>|Enable tracemalloc)"
    )
    found = [
        number
        for number, line in enumerate(lines)
        if any(word in line for word in _UGLY) and not others.search(line)
    ]
    return ["\n".join(lines[number : number + 60]) for number in found]


def cancelled_in(log: str) -> int:
    """How many handlers the server has cancelled, as its grace was over."""
    return sum(int(number) for number in re.findall(r"Cancel (\d+) running task", log))
