"""Rows of a shop that has paid for a long time, as its journal has them: mostly done, old ones shrunk.

A few orders are really paid, refused, refunded and left open at an emulator. Their records, as the SDK writes
them, are copied with other ids, numbers and moments, so that texts and rows have their true lengths.
"""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import attrs

from voucher_async import Charge, Conflict, MemoryJournal, VoucherClient
from voucher_async.journals.rows import Row, row_of
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.payments.erasing import digest_of
from voucher_async.testing import VoucherEmulator

__all__ = ["DAYS", "ORDERS", "SCOPES", "WHOLE", "Family", "Mix", "families"]

DAYS: Final = 400
"""The days that the records are of."""
WHOLE: Final = 40
"""The latest days, of which nothing is shrunk yet."""
SCOPES: Final = {"shop-de": 0.7, "shop-at": 0.2, "shop-ch": 0.09, "sandbox": 0.01}
"""Scopes, and their shares of the orders."""
ORDERS: Final = {
    "paid": 0.85,
    "refunded": 0.035,
    "refused": 0.04,
    "paid after a refusal": 0.01,
    "paid by two vouchers": 0.0225,
    "paid without a key": 0.04,
    "paid, and nobody was told": 0.002,
    "open": 0.0005,
}
"""Orders of each kind, by their shares."""
_UNDER_WAY: Final = 40  # orders, the latest
_EACH: Final = 8  # orders of every kind before that, so that a small mix has them, too
_DAY: Final = dt.timedelta(days=1)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_IDS: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b"
_STAMPS: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00"
_NUMBERS: Final = r"(?<=A-)1\d{7}\b"
_PARTS: Final = re.compile(f"{_STAMPS}|{_IDS}|{_NUMBERS}")


@attrs.frozen
class Family:
    """The records of one order, to be copied.

    Attributes:
        whole: their rows.
        shrunk: their rows, once they are shrunk.
        kept: the ids that stay: the client's.
        owner: the owner's id.
        at: the moment of the first.
    """

    whole: Sequence[Row]
    shrunk: Sequence[Row]
    kept: frozenset[str]
    owner: str
    at: dt.datetime

    @classmethod
    def of(cls, *records: CallRecord, client_id: str) -> Family:
        """The family of some records."""
        first = records[0]
        whole = [row_of(each) for each in records]
        shrunk = [row_of(each.shrunk()) if each.ended else row_of(each) for each in records]
        return cls(whole, shrunk, frozenset({client_id}), first.owner, first.begun_at)


async def families() -> dict[str, Family]:
    """The kinds of orders, each made once at an emulator."""
    with VoucherEmulator() as emulator:
        codes = [emulator.add_voucher(amount="100.00").code for _ in range(2)]
        async with VoucherClient(**emulator.settings(), journal=MemoryJournal()) as client:
            await _orders(client, codes)
            found = [each async for each in client.history()]
    by_order: dict[str, list[CallRecord]] = {}
    for each in found:
        by_order.setdefault(str(each.order_number), []).append(each)
    paid, refunded, refused, again, checkout, keyless = by_order.values()
    (done,) = paid
    untold = attrs.evolve(done, told=False)
    sent = attrs.evolve(
        done, state=CallState.SENT, charge=None, told=False, version=2, transitions=done.transitions[:2]
    )
    opened = sent.step(CallState.OPEN, at=done.changed_at, by=done.owner, why="its answer was lost")
    kinds = dict(
        zip(
            ORDERS,
            ([done], refunded, refused, again, checkout, keyless, [untold], [opened]),
            strict=True,
        )
    )
    kinds["under way"] = [sent]
    return {name: Family.of(*each, client_id=emulator.client_id) for name, each in kinds.items()}


async def _orders(client: VoucherClient, codes: Sequence[str]) -> None:
    code, second = codes

    async def pay(number: str, amount: str = "10.00", *, keyed: bool = True) -> Charge:
        key = number if keyed else None
        return await client.redeem(
            code=code, amount=amount, currency="EUR", order_number=number, idempotency_key=key
        )

    async def is_refused(number: str) -> None:
        try:
            await pay(number, "500.00")
        except Conflict:
            return
        raise AssertionError(number)

    await pay("A-10000001")
    charge = await pay("A-10000002")
    await client.charges.refund(charge, "5.00", idempotency_key="return-A-10000002")
    await is_refused("A-10000003")
    await is_refused("A-10000004")
    await pay("A-10000004")
    async with client.checkout(
        order_number="A-10000005", currency="EUR", idempotency_key="A-10000005"
    ) as checkout:
        await checkout.reserve(code=code, amount=Decimal("10.00"))
        await checkout.reserve(code=second, amount=Decimal("10.00"))
        await checkout.charge()
    await pay("A-10000006", keyed=False)


@attrs.define
class Mix:
    """Rows of a number of records, in the order of their claims.

    Attributes:
        families: what is copied.
        count: how many records, about.
        digest_key: the journal's.
        now: the end of the time that they are of; aware.
        first: the number of the first order.
        seed: of ids and kinds.
        owners: ids of processes: those of `alive` drive what is under way, the others are gone.
        samples: rows to ask for, by the kinds of their orders.
    """

    families: Mapping[str, Family]
    count: int
    digest_key: bytes
    now: dt.datetime
    first: int = 0
    seed: int = 20
    owners: list[str] = attrs.field(factory=list[str])
    samples: dict[str, list[Row]] = attrs.field(factory=dict[str, list[Row]])

    @property
    def begins(self) -> dt.datetime:
        """The moment of the first record."""
        return self.now - DAYS * _DAY

    @property
    def alive(self) -> Sequence[str]:
        """The owners whose leases run."""
        return self.owners[: len(self.owners) // 2]

    def rows(self) -> Iterator[Row]:
        """The rows."""
        draw = random.Random(f"{self.seed} {self.first}")
        self.owners[:] = [f"{draw.getrandbits(128):032x}" for _ in range(16)]
        kinds, scopes = list(ORDERS), list(SCOPES)
        shares, scope_shares = list(ORDERS.values()), list(SCOPES.values())
        an_order = sum(len(self.families[name].whole) * share for name, share in ORDERS.items())
        orders = round(self.count / an_order)
        every = max(1, orders // 100)
        is_shrunk_before = self.now - WHOLE * _DAY
        for number in range(orders):
            at = self.begins + DAYS * _DAY * ((number + draw.random()) / orders)
            (kind,) = draw.choices(kinds, shares)
            (scope,) = draw.choices(scopes, scope_shares)
            if number >= orders - _UNDER_WAY:
                kind = "under way"
            elif number >= orders - _UNDER_WAY - _EACH * len(kinds):
                kind = kinds[number % len(kinds)]
            made = self._copy(kind, self.first + number, scope, at, draw, is_shrunk=at < is_shrunk_before)
            sampled = self.samples.setdefault(kind, [])
            is_kept = number >= orders // 2  # what is older is dropped by the purges
            if is_kept and (number % every == 0 or len(sampled) < 2 * _UNDER_WAY):
                sampled += made
            yield from made

    def _copy(
        self, kind: str, number: int, scope: str, at: dt.datetime, draw: random.Random, *, is_shrunk: bool
    ) -> list[Row]:
        family = self.families[kind]
        shift = at - family.at
        new = {each: each for each in family.kept} | {family.owner: draw.choice(self.owners)}

        def other(found: re.Match[str]) -> str:
            part = found[0]
            if part not in new:
                new[part] = _another(part, number, shift, draw)
            return new[part]

        rows: list[Row] = []
        for template in family.shrunk if is_shrunk else family.whole:
            row = dict(template)
            for name, value in template.items():
                if isinstance(value, str):
                    row[name] = _PARTS.sub(other, value)
            old = str(template["scope"])
            row |= {"scope": scope, "record": str(row["record"]).replace(f'"{old}"', f'"{scope}"', 1)}
            row["changed_at"] = int(template["changed_at"] or 0) + shift // _MICROSECOND
            if row["key"] is not None:
                row["key_digest"] = digest_of(str(row["key"]), self.digest_key)
            rows.append(row)
        if kind == "paid after a refusal":  # the later call has the key
            rows[0]["holds_key"] = False
        return rows


def _another(part: str, number: int, shift: dt.timedelta, draw: random.Random) -> str:
    """Another id, number or moment in place of one, of the same form."""
    if "T" in part:
        moment = dt.datetime.fromisoformat(part) + shift
        return (moment if "." in part else moment.replace(microsecond=0)).isoformat()
    if "-" in part:
        text = f"{draw.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    if len(part) == len("10000001"):
        return f"{10_000_000 + number}"
    return f"{draw.getrandbits(128):032x}"
