"""Looking at a voucher for the effect of a request.

A look proves absence only when it is fresh, complete and unfiltered: each has a URL of its own, so that no
cache holds a copy of it; it uses no filter, as servers reinterpret filters; it counts the entries.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any, Final

import attrs

from voucher_async.api_errors import BadAnswer, NotFound, ValidationFailed
from voucher_async.bounded import BoundedMap
from voucher_async.models import Charge
from voucher_async.operations import GET_VOUCHER, LIST_CHARGES
from voucher_async.payments.counts import Counts
from voucher_async.payments.evidence import RULES
from voucher_async.payments.likeness import Likeness, compare
from voucher_async.payments.replies import is_missing
from voucher_async.sansio import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.clock import Deadline, ServerClock
    from voucher_async.facts import Answer
    from voucher_async.models import ChargePage, CreateVoucherRequest, Voucher, VoucherDetails
    from voucher_async.outcomes import PendingOutcome
    from voucher_async.payments.pauses import Pauses
    from voucher_async.payments.sender import Sender
    from voucher_async.sansio import Request

__all__ = [
    "Look",
    "Looking",
    "find_voucher",
    "is_of_value",
    "is_what_was_asked",
    "known_ids",
    "read_currency",
    "voucher_request",
]

_SIZES: Final = ((101, 1000), (51, 100), (11, 25))  # ranges of page sizes: the limit is undocumented
_PAGES: Final = 200
_WHOLE: Final = 4  # pages: a longer list is read from its newest end, once its order is known
_BEFORE: Final = dt.timedelta(days=1)
_AGAIN: Final = 1.0  # seconds after which the `Date` of an answer that is no copy has advanced
_SECOND: Final = 1.0  # the resolution of a `Date`
_SKEW: Final = 0.5  # seconds by which the clocks of one server may differ
_NEAR: Final = 9.0  # seconds between two looks whose dates are compared: below `list_lag`
_TELLING: Final = ("code", "pin", "sku", "batch", "order_number")  # filters that identify a voucher
_KEPT: Final = 1024


@attrs.frozen(kw_only=True)
class Look:
    """A voucher's charges, and the completeness of the list.

    Attributes:
        charges: the entries.
        whole: the list is fresh and complete: an entry that it lacks did not exist when it was read.
        all: it was read from end to end.
    """

    charges: tuple[Charge, ...]
    whole: bool
    all: bool


@attrs.define
class _Dated:
    """A look at a voucher: its date, when it was asked for and answered, if it is known to be no copy."""

    date: dt.datetime
    sent: float
    received: float
    is_fresh: bool = False


class Looking:
    """One per client: reads lists of charges, each under a URL of its own.

    Args:
        sender: sends the requests.
        server_clock: knows the earliest date of an answer that is no copy.
        rng: draws page sizes, so that processes differ.
    """

    def __init__(self, sender: Sender, server_clock: ServerClock, rng: random.Random | None = None) -> None:
        self._sender = sender
        self._server_clock = server_clock
        self._size = 0  # index of the range of page sizes in use
        self._turn = (rng or random.Random()).randrange(1_000_000)
        self._dates: BoundedMap[str, _Dated] = BoundedMap(_KEPT)

    async def read(self, voucher_id: str, deadline: Deadline, since: dt.datetime | None = None) -> Look:
        """Read a voucher's charges.

        Args:
            voucher_id: the voucher.
            deadline: when to give up.
            since: a moment by the server's dates: entries a day older are not needed.

        Raises:
            VoucherError: they could not be read.
        """
        while True:
            try:
                return await self._read(voucher_id, deadline, since)
            except ValidationFailed:
                if self._size >= len(_SIZES):
                    raise
                self._size += 1

    async def _read(self, voucher_id: str, deadline: Deadline, since: dt.datetime | None) -> Look:
        pages = _Pages(self, voucher_id, deadline, self._per_page())
        await pages.read_first()
        if since is not None and pages.count > _WHOLE and pages.order:
            await pages.read_newest(since)
        else:
            await pages.read_rest()
        return Look(
            charges=tuple(pages.charges.values()),
            whole=pages.fresh and pages.is_complete(),
            all=pages.is_complete() and len(pages.numbers) == pages.count,
        )

    def _per_page(self) -> list[tuple[str, str]]:
        if self._size >= len(_SIZES):
            return []
        low, high = _SIZES[self._size]
        self._turn += 1
        return [("per_page", str(low + self._turn % (high - low + 1)))]

    async def page(
        self, voucher_id: str, query: list[tuple[str, str]], deadline: Deadline
    ) -> tuple[ChargePage, bool]:
        """Read one page.

        Returns:
            The page, and whether it is no copy of an older answer, as far as that shows.
        """
        request = build(LIST_CHARGES, ids={"id": voucher_id}, query=query)
        answer = await self._sender.send(request, deadline)
        return answer.value, self._is_fresh(voucher_id, answer) and not answer.is_copy

    def is_new(self, voucher_id: str, answer: Answer[Any]) -> bool:
        """True when an answer on a voucher is no copy, by its date: not older than its request, or the list.

        Args:
            voucher_id: the voucher, whose charges were read a moment ago.
            answer: the answer; one without a date is taken for new.
        """
        if answer.date is None or self._is_dated_now(answer):
            return True
        look = self._dates.get(voucher_id)
        if look is None or not look.is_fresh or answer.sent - look.received >= _NEAR:
            return False
        return _is_not_before(answer.date, look.date)

    def is_after(self, moment: float, answer: Answer[Any]) -> bool:
        """True when an answer is certainly newer than a moment, by its date; without one nothing tells.

        Args:
            moment: monotonic time in seconds, that of a fence.
            answer: the answer.
        """
        most = self._server_clock.at_most(moment)
        return answer.date is None or (most is not None and answer.date >= most)

    def is_absent_now(self, path: str, error: NotFound) -> bool:
        """True when a 404 of the API is no copy, so that the voucher does not exist now.

        A 404 may be cached as lists are, and the URL of a voucher is always the same; its date shows a copy.

        Args:
            path: the path of the request.
            error: its answer; one without a date is taken for new.
        """
        answer = error.answer
        return answer is None or (self._is_fresh(path, answer) and not answer.is_copy)

    def _is_dated_now(self, answer: Answer[Any]) -> bool:
        """True when an answer's date is not older than its request; copies have that of their first answer.

        Answers that cannot be copies tell what date the server had then, at least.
        """
        least = self._server_clock.at_least(answer.sent)
        return least is not None and answer.date is not None and _is_not_before(answer.date, least)

    def _is_fresh(self, voucher_id: str, answer: Answer[Any]) -> bool:
        """True when a page is no copy, by its date.

        Where no other answer tells, or the clocks of several servers differ, two looks a second apart do:
        their dates go on by as much as time did.
        """
        if answer.date is None:
            return True
        earlier = self._dates.get(voucher_id)
        look = _Dated(answer.date, answer.sent, max(answer.received, answer.sent))
        if self._is_dated_now(answer):
            look.is_fresh = True
        elif earlier is not None and look.sent - earlier.received < _SECOND:  # too soon for another date
            gone = (look.date - earlier.date).total_seconds()
            return earlier.is_fresh and 0 <= gone <= _SECOND
        elif earlier is not None:
            look.is_fresh = _goes_on(earlier, look)
        self._dates[voucher_id] = look
        return look.is_fresh


def _is_not_before(date: dt.datetime, least: dt.datetime) -> bool:
    return (date - least).total_seconds() >= -_SECOND - _SKEW


def _goes_on(earlier: _Dated, look: _Dated) -> bool:
    """True when the date went on from one look to the next by as much as time did, neither less nor more."""
    least, most = look.sent - earlier.received, look.received - earlier.sent
    gone = (look.date - earlier.date).total_seconds()
    return least <= _NEAR and max(least - _SECOND, _SECOND) <= gone <= most + _SECOND


class _Pages:
    """One reading of a list, page by page."""

    def __init__(
        self, looking: Looking, voucher_id: str, deadline: Deadline, fixed: list[tuple[str, str]]
    ) -> None:
        self._looking = looking
        self._voucher_id = voucher_id
        self._deadline = deadline
        self._fixed = fixed
        self._counts = Counts()
        self._sizes: dict[int, int] = {}
        self.numbers: set[int] = set()
        self.charges: dict[str, Charge] = {}
        self.count = 1
        self.order = 0  # 1: oldest first, -1: newest first, 0: not known
        self.fresh = True

    async def read_first(self) -> None:
        self.order = _order(await self._read(1))

    async def read_rest(self) -> None:
        """Read all other pages; they may become more meanwhile."""
        number = 2
        while number <= self.count:
            if not await self._read(number):
                return
            number += 1

    async def read_newest(self, oldest: dt.datetime) -> None:
        """Read from the newest end, back to a day before that."""
        number, step = (self.count, -1) if self.order > 0 else (2, 1)
        while 1 < number <= self.count:
            entries = await self._read(number)
            if not entries or _order(entries) not in {0, self.order}:
                await self.read_rest()
                return
            if oldest - min(entry.created_at for entry in entries) > _BEFORE:
                return
            number += step

    async def _read(self, number: int) -> Sequence[Charge]:
        if number > _PAGES:
            raise _endless()
        query = [("page", str(number)), *self._fixed]
        page, is_fresh = await self._looking.page(self._voucher_id, query, self._deadline)
        self.fresh = self.fresh and is_fresh
        self.numbers.add(number)
        self.count = max(page.meta.last_page, 1)
        self._counts.add(page.meta)
        self._sizes[number] = len(page.data)
        self.charges.update((charge.id, charge) for charge in page.data)
        return page.data

    def is_complete(self) -> bool:
        """True when as many distinct entries were read as the pages that were read must hold."""
        read = sum(self._sizes.values())
        if len(self.charges) != read or not self._counts.agree:
            return False  # entries have moved meanwhile, or the pages are of several moments
        if len(self.numbers) >= self.count:
            return read == self._counts.largest
        full = self._sizes[1]
        return all(size == full for number, size in self._sizes.items() if number < self.count)


def _order(entries: Sequence[Charge]) -> int:
    stamps = [entry.created_at for entry in entries]
    if len(set(stamps)) < 2:  # noqa: PLR2004 - equal moments show no order
        return 0
    if stamps == sorted(stamps):
        return 1
    return -1 if stamps == sorted(stamps, reverse=True) else 0


def _endless() -> BadAnswer:
    error = BadAnswer("HTTP 200 with a list that does not end", status=200)
    error.problem = "a list that does not end"
    return error


async def known_ids(
    looking: Looking, pending: PendingOutcome, deadline: Deadline, pauses: Pauses
) -> tuple[tuple[str, ...], bool]:
    """The ids of the entries that could be taken for the request's effect, read before it is sent.

    A list that may be a copy, or that changed while it was read, is read once more.

    Returns:
        The ids, and whether they are all.

    Raises:
        VoucherError: they could not be read.
    """
    look = await looking.read(pending.voucher_id or "", deadline)
    if not (look.whole and look.all):
        # without all known ids a lost answer stays open; a copy keeps its `Date`, a mere proxy does not
        await pauses.wait_within(_AGAIN if look.all else 0.0, deadline)
        look = await looking.read(pending.voucher_id or "", deadline)
    others = {rule.kind for rule in RULES.values()} - {RULES[pending.operation].kind}
    alike = (charge for charge in look.charges if charge.type not in others)
    return tuple(charge.id for charge in alike), look.whole and look.all


async def find_voucher(
    sender: Sender, pending: PendingOutcome, deadline: Deadline
) -> Answer[VoucherDetails] | None:
    """The voucher; None for a 404 in the API's envelope, as a proxy's page proves nothing.

    Raises:
        VoucherError: it could not be read.
    """
    try:
        return await sender.send(voucher_request(pending), deadline)
    except NotFound as error:
        if not is_missing(error):
            raise
        return None


def voucher_request(pending: PendingOutcome) -> Request[VoucherDetails]:
    """The request that reads the voucher of an outcome."""
    return build(GET_VOUCHER, ids={"id": pending.voucher_id or ""})


def is_what_was_asked(voucher: Voucher, asked: PendingOutcome | CreateVoucherRequest) -> bool:
    """True when a voucher is the one that was to be created, but for what servers rewrite.

    Args:
        voucher: the one that has its id.
        asked: the known facts of the one that was asked for; an unknown one is not compared.
    """
    texts = ((getattr(asked, name, None), getattr(voucher, name, None)) for name in _TELLING)
    is_alike = all(compare(wanted, shown) is not Likeness.OTHER for wanted, shown in texts)
    return is_alike and is_of_value(voucher, asked)


def is_of_value(voucher: Voucher, asked: PendingOutcome | CreateVoucherRequest) -> bool:
    """True when a voucher has the amount and the currency asked for, in capitals or small letters."""
    return (voucher.amount, voucher.currency.upper()) == (asked.amount, (asked.currency or "").upper())


async def read_currency(sender: Sender, pending: PendingOutcome, deadline: Deadline) -> str | None:
    """The currency of the voucher, read only when the call did not name it.

    Raises:
        VoucherError: it could not be read.
    """
    if pending.currency is not None:
        return pending.currency
    voucher = await find_voucher(sender, pending, deadline)
    return voucher.value.currency if voucher else None
