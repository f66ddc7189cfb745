"""Lists and reads: how long an effect takes to show, and whether copies are served."""

from __future__ import annotations

import itertools
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from voucher_async.cli.probing.bench import Probe, id_of
from voucher_async.cli.probing.findings import Question
from voucher_async.operations import GET_VOUCHER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.cli.probing.bench import Bench, Entry, Made
    from voucher_async.cli.probing.line import Reply

__all__ = ["PROBES", "wait_for"]

_STEPS: Final = (0.0, 0.5, 1.0, 2.0, 3.0)  # seconds between two looks, the last one from then on
_MARKS: Final = ("Age", "ETag", "X-Cache", "X-Cache-Status", "X-Varnish", "CF-Cache-Status")
_GRAIN: Final = 1.0  # seconds
_COPY: Final = "60"  # a page size that no look of the SDK has by chance, as each is read twice

_LAG = Question("list-lag", "Does a charge show in the list of charges within the setting `list_lag`?")
_CACHED = Question("lists-original", "Is a list that is read again at the same address never an older copy?")
_BALANCE = Question("balance-original", "Does `remaining_amount` show a charge at once?")
_ABSENCE = Question("absence-original", "Is a voucher found at once that was not there a moment ago?")
_HEADERS = Question("caching-headers", "Do answers to reads come without the headers of caches?")


async def wait_for(
    bench: Bench, look: Callable[[], Awaitable[bool]], seconds: float
) -> tuple[float, float] | None:
    """Look again and again until something shows.

    Args:
        bench: its clock measures.
        look: True when it shows.
        seconds: how long to look.

    Returns:
        The seconds after which it did not show yet, and those after which it did; None when it never did.
    """
    clock = bench.line.clock
    began, before = clock.monotonic(), 0.0
    for turn in itertools.count():
        if await look():
            return before, clock.monotonic() - began
        before = clock.monotonic() - began
        if before >= seconds:
            return None
        await bench.line.wait(_STEPS[min(turn, len(_STEPS) - 1)])
    raise AssertionError("counting ended")


async def _lists(bench: Bench) -> None:
    """Charge a cent between two looks at one address, then look there and elsewhere."""
    voucher = await bench.voucher()
    reservation = (await bench.reserve(voucher)).fit()
    await bench.page(voucher.id, ("per_page", _COPY), cached=True)
    reply = await bench.charge_reservation(id_of(reservation), f"{bench.batch}-lag")

    async def fresh() -> bool:
        entries, _ = await bench.page(voucher.id, ("per_page", bench.size()))
        return bool(entries)

    copies = await _copies(bench, voucher)
    shown = await wait_for(bench, fresh, bench.watch)
    if shown is None and not reply.ok:
        bench.notes.say(_LAG, f"the charge was answered {reply.said}, and never showed", holds=None)
        return
    _say_lag(bench, shown)
    if shown is not None:
        _say_copies(bench, copies, shown[1])


async def _copies(bench: Bench, voucher: Made) -> list[bool]:
    """Copies of before that are served at their address: to any request, and to one of the SDK."""
    first, _ = await bench.page(voucher.id, ("per_page", _COPY), cached=True)
    second, _ = await bench.page(voucher.id, ("per_page", _COPY))
    return [not first, not second]


def _say_lag(bench: Bench, shown: tuple[float, float] | None) -> None:
    limit = bench.line.settings.list_lag
    if shown is None:
        bench.lag = bench.watch
        seconds = f"a charge did not show within {bench.watch:g} s"
        bench.notes.say(
            _LAG, seconds, holds=False, follows=f"set `list_lag` above {bench.watch:g}, after a longer look"
        )
        return
    before, after = shown
    bench.lag = max(_GRAIN, 2 * after)
    evidence = f"a charge showed after {after:.1f} s, and not yet after {before:.1f} s"
    if before == 0:
        evidence = f"a charge showed at the first look, {after:.1f} s after its answer"
    if after > limit:
        wanted = math.ceil(2 * after)
        bench.notes.settings["list_lag"] = float(wanted)
        window = bench.line.settings.settle_window
        if wanted >= window:
            bench.notes.settings["settle_window"] = float(wanted + math.ceil(window))
        bench.notes.say(
            _LAG, evidence, holds=False, follows=f"set `list_lag` to {wanted}, twice the measured time"
        )
    else:
        bench.notes.say(_LAG, f"{evidence}; `list_lag` is {limit:g} s", holds=True)


def _say_copies(bench: Bench, copies: list[bool], after: float) -> None:
    to_any, to_ours = copies
    if not (to_any or to_ours):
        bench.notes.say(_CACHED, "a list read at the same address showed the charge at once", holds=True)
        return
    whom = "also to a request with `Cache-Control: no-cache`" if to_ours else "only without `no-cache`"
    bench.notes.say(
        _CACHED,
        f"a list without the charge was served at the address of before, {whom}; "
        f"elsewhere it showed after {after:.1f} s",
        holds=False,
        follows="take the cache off the way to the API; only the SDK's own looks go around it",
    )


async def _balance(bench: Bench) -> None:
    voucher = await bench.voucher()
    before = await _remaining(bench, voucher)
    await bench.charge(voucher, f"{bench.batch}-balance")
    shown = await wait_for(bench, lambda: _has_changed(bench, voucher, before), bench.watch)
    if shown is None:
        evidence = f"`remaining_amount` did not change within {bench.watch:g} s of a charge"
        bench.notes.say(
            _BALANCE, evidence, holds=False, follows="do not show a balance as if it were the truth"
        )
        return
    at_once = shown[0] == 0
    evidence = f"`remaining_amount` changed {shown[1]:.1f} s after a charge"
    bench.notes.say(
        _BALANCE, evidence, holds=at_once, follows="do not show a balance as if it were the truth"
    )


async def _remaining(bench: Bench, voucher: Made) -> str | None:
    return (await bench.details(voucher.id)).fit().text("remaining_amount")


async def _has_changed(bench: Bench, voucher: Made, before: str | None) -> bool:
    return await _remaining(bench, voucher) != before


async def _absence(bench: Bench) -> None:
    """Read a voucher that is not there, make it, read it again."""
    id = bench.new_id()
    missing = await bench.line.ask(GET_VOUCHER, ids={"id": id})
    (await bench.create(id)).fit()
    found = await bench.line.ask(GET_VOUCHER, ids={"id": id})
    evidence = f"read before it was made: {missing.said}; right after: {found.said}"
    if missing.status != HTTPStatus.NOT_FOUND or not (found.ok or found.said == missing.said):
        bench.notes.say(_ABSENCE, evidence, holds=None)
    else:
        bench.notes.say(
            _ABSENCE, evidence, holds=found.ok, follows="do not take 404 for the proof that a create failed"
        )
    if found.ok:
        # the second list may be a copy, which alone has an age
        lists = [await bench.page(id, cached=True) for _ in range(2)]
        _say_headers(bench, [found, *(reply for _, reply in lists)])


def _say_headers(bench: Bench, replies: list[Reply]) -> None:
    seen = sorted({f"{reply.operation}: {mark}" for reply in replies for mark in _marks(reply)})
    evidence = "; ".join(seen) or f"{len(replies)} answers to reads came without them"
    bench.notes.say(_HEADERS, evidence, holds=not seen, follows="look which cache is on the way")


def _marks(reply: Reply) -> list[str]:
    """The headers by which an answer shows that a cache has kept it, or may keep it."""
    seen = [f"{name}: {reply.headers[name][:60]}" for name in _MARKS if name in reply.headers]
    control = reply.headers.get("Cache-Control", "")
    if control and not any(word in control for word in ("no-", "private", "max-age=0")):
        seen.append(f"Cache-Control: {control[:60]}")
    return seen


def entry_of(entries: list[Entry], id: str) -> Entry | None:
    """The entry with an id, whatever its case."""
    return next((each for each in entries if str(each.get("id")).lower() == id.lower()), None)


PROBES: Final = (
    Probe("lists", (_LAG, _CACHED), _lists),
    Probe("balance", (_BALANCE,), _balance),
    Probe("absence", (_ABSENCE, _HEADERS), _absence),
)
