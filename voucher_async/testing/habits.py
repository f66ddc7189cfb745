"""Habits of real proxies, frameworks and databases that the emulator takes on: `emulator.habits`.

    emulator.habits.deliver_twice = habits.DeliverTwice()
    emulator.habits.order_numbers = habits.OrderNumbers(trim=True, fold="lower")
    emulator.habits.set(**habits.KINDS["pages of 2"])
    emulator.habits.clear()

A fault (`voucher_async.testing.faults`) happens to one request; a habit stays until it is taken off. Habits
combine with each other, and with faults. `emulator.charges`, `emulator.ledger` and balances tell the truth
whatever answers say.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, cast

import attrs

from voucher_async.testing._between import Cache, DeliverTwice, ProxyAnswer
from voucher_async.testing._guard import Guard
from voucher_async.testing._names import MONEY
from voucher_async.testing._shown import Contradiction, Filters, Pages
from voucher_async.testing._stored import Clocks, Kind, OrderNumbers, Resolution
from voucher_async.testing._validating import among, optional

__all__ = [
    "KINDS",
    "Cache",
    "Clocks",
    "Contradiction",
    "DeliverTwice",
    "Filters",
    "Habits",
    "OrderNumbers",
    "Pages",
    "ProxyAnswer",
    "Resolution",
]

_NO_CLOCKS: Final = Clocks()
_WHOLE_SECONDS: Final = Resolution()


@attrs.define(kw_only=True, eq=False, repr=False)
class Habits:
    """Lasting behaviour of the server or the way to it: `emulator.habits`. Everything is off until it is set.

    Raises:
        ValueError: for a value that a habit cannot have, when it is set.
        TypeError: for something else than a habit, such as `Cache` without its brackets, when it is set.
    """

    deliver_twice: DeliverTwice | None = attrs.field(default=None, validator=optional(DeliverTwice))
    """POSTs are delivered twice or more, as by Istio's and other meshes' repetition."""

    proxy_answer: ProxyAnswer | None = attrs.field(default=None, validator=optional(ProxyAnswer))
    """A proxy answers in place of the server that did the work: nginx's 405, a gateway's 413, 408 or 431."""

    cache: Cache | None = attrs.field(default=None, validator=optional(Cache))
    """Lists come from a copy, as from nginx's `proxy_cache`, Varnish or a CDN."""

    order_numbers: OrderNumbers | None = attrs.field(default=None, validator=optional(OrderNumbers))
    """Order numbers are rewritten when they are stored, as by Laravel's middleware and by databases."""

    filters: Filters | None = attrs.field(default=None, validator=optional(Filters))
    """Filters of lists are read in their own way, as by spatie's laravel-query-builder."""

    pages: Pages | None = attrs.field(default=None, validator=optional(Pages))
    """Pages are smaller, in another order or without sums, as Laravel's paginators have it."""

    clocks: Clocks | None = attrs.field(default=None, validator=optional(Clocks))
    """Stamps come from clocks that disagree or jump, as those of two servers behind one balancer."""

    resolution: Resolution | None = attrs.field(default=None, validator=optional(Resolution))
    """Stamps have fractions of a second, or have them on some records only, as in grown databases."""

    tolerant_codes: bool = attrs.field(default=False, validator=attrs.validators.instance_of(bool))
    """Codes count without case, spaces and separators, so that two spellings name one voucher: tills do."""

    contradiction: Contradiction | None = attrs.field(default=None, validator=optional(Contradiction))
    """Successes say something else than was done: a new `type`, another amount, an id in capitals."""

    charge_client_id: Literal["missing", "null", "another"] | None = attrs.field(
        default=None, validator=among(None, "missing", "null", "another")
    )
    """Charges are shown without a `client_id` (an older version of the API), or are made by a queue's worker,
    whose `client_id` they keep."""

    list_order_numbers: Literal["missing", "null"] | None = attrs.field(
        default=None, validator=among(None, "missing", "null")
    )
    """Entries of the list of charges have no order number, as in an API whose lists show a summary."""

    _dice: dict[str, tuple[object, random.Random]] = attrs.field(
        factory=dict[str, tuple[object, random.Random]], init=False
    )
    guard: Guard = attrs.field(factory=Guard, init=False)
    """Held while a request is carried out, and while several habits change at once."""

    def __repr__(self) -> str:
        said = (name if value is True else f"{name}={brief(value)}" for name, value in self.on.items())
        return f"<Habits: {', '.join(said) or 'none'}>"

    @property
    def on(self) -> dict[str, Any]:
        """The habits that are on, by name."""
        values = {name: getattr(self, name) for name in _NAMES}
        return {name: value for name, value in values.items() if value not in (None, False)}

    def set(self, **habits: Any) -> None:
        """Take some habits on or off, all of them or, when one is wrong, none; the others stay.

        Raises:
            ValueError: for a value that a habit cannot have.
            TypeError: for a habit that does not exist, or something else than a habit.
        """
        checked = Habits(**habits)
        with self.guard:
            for name in habits:
                setattr(self, name, getattr(checked, name))
                self._dice.pop(name, None)

    def clear(self) -> None:
        """Take every habit off. What is stored already stays as it is."""
        self.set(**{name: getattr(_NONE, name) for name in _NAMES})

    def meets(self, name: str) -> bool:
        """True when a habit that has a share is met this time; the same in the same order for a seed."""
        habit = getattr(self, name)
        if habit is None or habit.share >= 1:
            return habit is not None
        with self.guard:
            known, rng = self._dice.get(name, (None, random.Random(habit.seed)))
            if known is not habit:
                rng = random.Random(habit.seed)
            self._dice[name] = habit, rng
            return bool(rng.random() < habit.share)

    def stamp(self, kind: Kind, now: dt.datetime) -> dt.datetime:
        """The moment that is written on a record of a kind which is made or changed now."""
        moment = (self.clocks or _NO_CLOCKS).of(kind, now)
        return (self.resolution or _WHOLE_SECONDS).written(kind, moment)

    def date(self, now: dt.datetime) -> dt.datetime:
        """The moment that the `Date` header tells."""
        return (self.clocks or _NO_CLOCKS).dated(now)

    @property
    def echoes_as_sent(self) -> bool:
        """True when the answer to a request shows the order number that it sent, however it is stored."""
        order_numbers = self.order_numbers  # read once: a test may take it off meanwhile
        return order_numbers is not None and order_numbers.echo_as_sent

    def stored(self, order_number: str | None) -> str | None:
        """An order number as the database has it."""
        order_numbers = self.order_numbers
        return order_number if order_numbers is None else order_numbers.stored(order_number)


def brief(value: Any) -> str:
    """A habit as it is made, without what it leaves as it is."""
    if isinstance(value, str | bool):
        return repr(value)
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))
    given = {field.name: getattr(value, field.name) for field in fields}
    said = [f"{f.name}={_plain(given[f.name])}" for f in fields if given[f.name] != f.default]
    return f"{type(value).__name__}({', '.join(said)})"


def _plain(value: object) -> str:
    return repr(dict(cast("Mapping[str, object]", value)) if isinstance(value, MappingProxyType) else value)


_NAMES: Final = tuple(field.name for field in attrs.fields(Habits) if field.init)
_NONE: Final = Habits()

KINDS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "delivered twice": {"deliver_twice": DeliverTwice()},
        "delivered twice, first answer": {"deliver_twice": DeliverTwice(operations=MONEY, answer="first")},
        "delivered three times": {"deliver_twice": DeliverTwice(times=3)},
        "delivered twice, then 429": {"deliver_twice": DeliverTwice(operations=MONEY, answer=429)},
        "delivered twice, then 403": {"deliver_twice": DeliverTwice(operations=MONEY, answer=403)},
        "done, then 405": {"proxy_answer": ProxyAnswer(405)},
        "done, then 413": {"proxy_answer": ProxyAnswer(413)},
        "done, then 408": {"proxy_answer": ProxyAnswer(408, form="empty")},
        "done, then 431": {"proxy_answer": ProxyAnswer(431, form="text")},
        "done, then 503": {"proxy_answer": ProxyAnswer(503, retry_after=1)},
        "order numbers trimmed": {"order_numbers": OrderNumbers(trim=True)},
        "order numbers folded": {"order_numbers": OrderNumbers(fold="fold")},
        "order numbers in capitals": {"order_numbers": OrderNumbers(fold="upper")},
        "order numbers composed": {"order_numbers": OrderNumbers(normalise="NFC")},
        "order numbers normalised": {"order_numbers": OrderNumbers(normalise="NFKC")},
        "order numbers cut": {"order_numbers": OrderNumbers(cut=8)},
        "order numbers null": {"order_numbers": OrderNumbers(null=True)},
        "order numbers folded, echoed as sent": {
            "order_numbers": OrderNumbers(trim=True, fold="fold", echo_as_sent=True)
        },
        "filters split": {"filters": Filters(split_commas=True, read_words=True)},
        "filters ignored": {"filters": Filters(ignored=("created_from", "created_to", "order_number"))},
        "filters loose": {"filters": Filters(partial=True, fold=True)},
        "pages of 2": {"pages": Pages(size=2)},
        "pages capped": {"pages": Pages(largest=3)},
        "newest first": {"pages": Pages(order="newest")},
        "by id": {"pages": Pages(order="id", largest=5)},
        "totals too low": {"pages": Pages(total_off=-1)},
        "totals too high": {"pages": Pages(total_off=1)},
        "no totals": {"pages": Pages(missing=("total",))},
        "charges stamped early": {"clocks": Clocks(charges=-90.0, refunds=-90.0, recharges=-90.0)},
        "charges stamped late": {"clocks": Clocks(charges=90.0, refunds=90.0, recharges=90.0)},
        "summer time": {"clocks": Clocks(charges=3600.0, refunds=3600.0, recharges=3600.0)},
        "winter time": {"clocks": Clocks(charges=-3600.0, refunds=-3600.0, recharges=-3600.0)},
        "proxy's date": {"clocks": Clocks(date=-300.0)},
        "fine reservations": {"resolution": Resolution(reservations="microseconds")},
        "fine charges": {
            "resolution": Resolution(charges="microseconds", refunds="microseconds", recharges="microseconds")
        },
        "rounded stamps": {"resolution": Resolution(rounded=True)},
        "tolerant codes": {"tolerant_codes": True},
        "another type": {"contradiction": Contradiction({"type": "credit"})},
        "another type, in lists too": {
            "contradiction": Contradiction({"type": "partial_refund"}, in_lists=True)
        },
        "another amount": {"contradiction": Contradiction({"amount": "0.01"})},
        "another amount, in lists too": {"contradiction": Contradiction({"amount": "0.01"}, in_lists=True)},
        "another voucher": {"contradiction": Contradiction({"voucher_id": str.upper}, in_lists=True)},
        "another order": {"contradiction": Contradiction({"order_number": "X-1"})},
        "cached lists": {"cache": Cache()},
        "cached lists, query ignored": {"cache": Cache(ignore_query=True)},
        "cached lists, with age": {"cache": Cache(age=True, honour_no_cache=True)},
        "cached lists, new date": {"cache": Cache(old_date=False)},
        "cached balances": {"cache": Cache(operations=("getVoucher",))},
        "cached absence": {"cache": Cache(operations=("getVoucher", "getCompleteVoucher"), missing=120.0)},
        "stale if error": {"cache": Cache(seconds=0.5, stale_if_error=60.0)},
        "charges of nobody": {"charge_client_id": "missing"},
        "charges of another": {"charge_client_id": "another"},
        "lists without order numbers": {"list_order_numbers": "missing"},
        "lists with null order numbers": {"list_order_numbers": "null"},
    }
)
"""Habits one by one, each with a name, as `Habits.set` takes them: what a storm goes through by turns."""
