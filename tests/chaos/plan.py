"""What a worker does, drawn from the seed alone: the same seed, worker and number give the same work."""

from __future__ import annotations

import random
from typing import Final, Literal, get_args

import attrs

CURRENCY: Final = "EUR"
OWN: Final = 100  # vouchers of one worker alone
COMMON: Final = 8  # vouchers of all workers, which supersede each other's reservations
FRAGILE: Final = 12  # vouchers per worker that are deactivated during a checkout
POOR: Final = 3  # vouchers per worker whose balance is below most payments

Kind = Literal["redeem", "charge", "refund", "recharge", "checkout"]
Way = Literal["one", "again", "together", "failing", "thrice"]


def own(worker: int, number: int) -> str:
    """The id of a worker's own voucher."""
    return f"Own-{worker}-{number}"


def is_own(voucher: str) -> bool:
    """Whether one worker alone uses a voucher, so that nobody else replaces its reservations."""
    return voucher.startswith("Own-")


def common(number: int) -> str:
    """The id of a voucher that all use."""
    return f"Common-{number}"


def fragile(worker: int, number: int) -> str:
    """The id of a voucher that is deactivated now and then."""
    return f"Fragile-{worker}-{number}"


def code_of(voucher: str, *, loud: bool = False) -> str:
    """The code of a voucher, which is made with it; a tolerant server knows the loud spelling, too."""
    code = f"code-of-{voucher}"
    return code.upper().replace("-", " ") if loud else code


@attrs.frozen(kw_only=True)
class Cancel:
    """When the caller goes away.

    Attributes:
        after: seconds from the call's begin; None when an event decides.
        at: the event: `intent`, just before money moves, or `answer`, just after the request ended.
    """

    after: float | None = None
    at: Literal["intent", "answer"] = "intent"


@attrs.frozen(kw_only=True)
class Call:
    """One call that moves money.

    Attributes:
        id: tells calls apart.
        payment: the id of the first call for the same payment.
        kind: which method is called.
        order: the order number.
        vouchers: the vouchers it uses; of a refund none.
        amounts: one for each; of a refund none.
        timeout: seconds for the call; None takes the client's.
        cancel: when the caller goes away; None when it stays.
        pick: between 0 and 1, which of the charges that are there is refunded.
        part: how much of it, between 0 and 1.
        loud: the code is typed in another spelling.
        key: the idempotency key; empty for none.
        turn: which of those who ask for the payment, from 0.
        wait: seconds until it is asked for.
    """

    id: str
    payment: str
    kind: Kind
    order: str
    vouchers: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    timeout: float | None = None
    cancel: Cancel | None = None
    pick: float = 0.0
    part: float = 1.0
    loud: bool = False
    key: str = ""
    turn: int = 0
    wait: float = 0.0


@attrs.frozen(kw_only=True)
class Unit:
    """One piece of work.

    Attributes:
        number: its place in the worker's work.
        way: one call; the same payment asked for again; all at once; a checkout one of whose vouchers fails;
            one payment asked for three times.
        calls: the calls.
    """

    number: int
    way: Way
    calls: tuple[Call, ...]


_MIX: Final = {
    "redeem": 30,
    "redeem, cancelled": 13,
    "redeem, asked again": 6,
    "charge": 12,
    "charge, cancelled": 4,
    "refund": 11,
    "refund, cancelled": 3,
    "two equal refunds": 2,
    "recharge": 8,
    "recharge, cancelled": 2,
    "checkout": 7,
    "checkout, cancelled": 4,
    "checkout, failing": 4,
    "one voucher": 4,
    "one order": 4,
}


# endings that servers rewrite: case, normal forms, a comma, an invisible character, a word that may be cut
# off
_TAILS: Final = ("", "-A", "-b", "-Stra\u00dfe", "-e\u0301t", "-\ufb01n", ",2", "\u200b", " and Co.")


LAST: Final = 3
"""The turn of who asks for a payment in the calm."""


def once_more(plan: Unit, timeout: float | None = None) -> Call:
    """The call that asks for a payment in the calm, with its key.

    Args:
        plan: the payment.
        timeout: seconds for the call; None takes the client's.
    """
    first, id = plan.calls[0], f"{plan.calls[0].id}d"
    return attrs.evolve(first, id=id, turn=LAST, wait=0.0, timeout=timeout, cancel=None, loud=False)


def asker(seed: int, call: Call, workers: int) -> int:
    """The worker that makes a call of a payment that all of them ask for."""
    return random.Random(f"{seed}/{call.id}/asker").randrange(workers)


def unit(
    seed: int, worker: int, number: int, *, odd: bool = False, keyed: bool = False, shared: bool = False
) -> Unit:
    """A piece of work.

    Args:
        seed: of the storm.
        worker: whose work.
        number: its place in that.
        odd: with order numbers, and spellings of codes, that servers with habits rewrite or understand.
        keyed: one payment that is asked for three times.
        shared: each time by any worker, so with a key, and for what all of them know.
    """
    draw = _Draw(random.Random(f"{seed}/{worker}/{number}"), worker, number, odd=odd)
    if keyed:
        return Unit(number=number, way="thrice", calls=draw.thrice(shared=shared))
    what = draw.rng.choices(list(_MIX), weights=list(_MIX.values()))[0]
    way: Way = "one"
    if what == "redeem, asked again":
        way, calls = "again", draw.twice()
    elif what == "two equal refunds":
        one = draw.call("refund", part=draw.rng.uniform(0.05, 0.5))
        way, calls = "together", (one, attrs.evolve(one, id=f"{one.id}b", payment=f"{one.id}b"))
    elif what == "one voucher":
        voucher = (draw.voucher(),)
        way, calls = "together", tuple(draw.call("redeem", vouchers=voucher) for _ in range(3))
    elif what == "one order":
        way, calls = "together", draw.of_one_order()
    elif what == "checkout, failing":
        way, calls = "failing", (draw.checkout(fragile=True),)
    else:
        calls = (draw.single(what),)
    return Unit(number=number, way=way, calls=calls)


class _Draw:
    def __init__(self, rng: random.Random, worker: int, number: int, *, odd: bool) -> None:
        self.rng = rng
        self._odd = odd
        self._worker = worker
        self._number = number
        self._count = 0

    def id(self) -> str:
        return f"{self._worker}.{self._number}.{self._count}"

    def voucher(self) -> str:
        if self.rng.random() < 0.04:
            return common(self.rng.randrange(COMMON))
        return own(self._worker, self.rng.randrange(OWN))

    def amount(self) -> str:
        cents = self.rng.randint(1, 1_999)
        return f"{cents // 100}.{cents % 100:02}"

    def cancel(self) -> Cancel:
        if self.rng.random() < 0.4:
            return Cancel(at="intent" if self.rng.random() < 0.5 else "answer")
        # most calls take hundredths of a second, calls in doubt some seconds
        return Cancel(after=self.rng.uniform(0.0, 0.1 if self.rng.random() < 0.6 else 2.0))

    def timeout(self) -> float | None:
        return self.rng.uniform(0.3, 2.0) if self.rng.random() < 0.15 else None

    def call(
        self,
        kind: Kind,
        *,
        vouchers: tuple[str, ...] = (),
        cancel: Cancel | None = None,
        part: float | None = None,
    ) -> Call:
        self._count += 1
        if kind != "refund":
            vouchers = vouchers or (self.voucher(),)
        if part is None:
            part = 1.0 if self.rng.random() < 0.3 else self.rng.uniform(0.05, 0.9)
        return Call(
            id=self.id(),
            payment=self.id(),
            kind=kind,
            order=self.order(),
            vouchers=vouchers,
            amounts=tuple(self.amount() for _ in vouchers),
            timeout=self.timeout(),
            cancel=cancel,
            pick=self.rng.random(),
            part=part,
            loud=self._odd and self.rng.random() < 0.05,
        )

    def order(self) -> str:
        """An order number; an odd one begins with eight digits of its own, as much as a cut leaves."""
        if not self._odd:
            return f"O-{self.id()}"
        return f"{self._worker % 10}{self._number:06}{self._count % 10}{self.rng.choice(_TAILS)}"

    def single(self, what: str) -> Call:
        """One call, cancelled or not."""
        kinds: tuple[Kind, ...] = get_args(Kind)
        name, _, how = what.partition(", ")
        kind = next(kind for kind in kinds if kind == name)
        cancel = self.cancel() if how else None
        return self.checkout(cancel=cancel) if kind == "checkout" else self.call(kind, cancel=cancel)

    def twice(self) -> tuple[Call, ...]:
        """A payment whose caller leaves, or has little time, and asks for it again."""
        first = self.call("redeem", cancel=self.cancel() if self.rng.random() < 0.5 else None)
        first = attrs.evolve(first, timeout=self.rng.uniform(0.2, 1.5))
        return first, attrs.evolve(first, id=f"{first.id}a", timeout=None, cancel=None)

    def thrice(self, *, shared: bool) -> tuple[Call, ...]:
        """A payment that is asked for three times: with its key at any moment, or at once without one."""
        weights = (60, 0 if shared else 12, 14, 14)  # one worker alone knows which charge to refund
        kind = self.rng.choices(("redeem", "refund", "recharge", "checkout"), weights=weights)[0]
        first = self.single(kind)
        is_keyed = shared or kind != "redeem" or self.rng.random() >= 0.3
        key = f"K-{first.id}" if is_keyed else ""
        return tuple(self._asked(first, key, turn) for turn in range(3))

    def _asked(self, first: Call, key: str, turn: int) -> Call:
        # most calls take hundredths of a second, calls in doubt some seconds
        wait = self.rng.choice((0.0, self.rng.uniform(0.0, 0.1), self.rng.uniform(0.0, 8.0))) if key else 0.0
        return attrs.evolve(
            first,
            id=f"{first.id}{'abc'[turn]}",
            payment=f"{first.id}a",
            key=key,
            turn=turn,
            wait=wait,
            loud=first.loud or (self._odd and self.rng.random() < 0.03),
            timeout=self.timeout(),
            cancel=self.cancel() if self.rng.random() < 0.3 else None,
        )

    def checkout(self, *, cancel: Cancel | None = None, fragile: bool = False) -> Call:
        vouchers = self.rng.sample(range(OWN), 2 if fragile or self.rng.random() < 0.6 else 3)
        names = [own(self._worker, number) for number in vouchers]
        if fragile:
            names[self.rng.randrange(2)] = ""  # any fragile voucher that is free at that moment
        return self.call("checkout", vouchers=tuple(names), cancel=cancel)

    def of_one_order(self) -> tuple[Call, ...]:
        """Two payments of one order: by two vouchers, or of two amounts by one voucher."""
        first = self.call("redeem", vouchers=(own(self._worker, 1 + self.rng.randrange(OWN - 1)),))
        second = attrs.evolve(self.call("redeem"), order=first.order)
        if self.rng.random() < 0.5:
            other = f"2{first.amounts[0]}"
            return first, attrs.evolve(second, vouchers=first.vouchers, amounts=(other,))
        return first, attrs.evolve(second, vouchers=(own(self._worker, 0),), amounts=first.amounts)
