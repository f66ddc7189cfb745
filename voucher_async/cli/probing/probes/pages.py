"""Pages of lists: their size, their order and their sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.cli.probing.bench import Probe
from voucher_async.cli.probing.findings import Question
from voucher_async.cli.probing.probes.orders import ODD

if TYPE_CHECKING:
    from voucher_async.cli.probing.bench import Bench, Entry
    from voucher_async.cli.probing.line import Reply

__all__ = ["PROBES"]

_FEW: Final = 5
_USED: Final = 100  # the largest that the SDK asks for
_HUGE: Final = 10_000

_SIZE = Question("page-size", "Has a page as many entries as `per_page` asks for?")
_CAP = Question("page-cap", "Is a `per_page` of 100 honoured?")
_ORDER = Question("page-order", "Are charges listed oldest first?")
_TOTAL = Question("page-total", "Does `meta.total` say how many entries there are?")
_LINKS = Question(
    "page-links",
    "Are `links` addresses, and null where there is no such page?",
    tuple(f"/components/schemas/PageLinks/properties/{name}" for name in ("first", "last", "prev", "next")),
)
_EMPTY = Question(
    "page-empty",
    "Are `meta.from` and `meta.to` null on an empty page, and `meta.path` a text or null?",
    tuple(f"/components/schemas/PageMeta/properties/{name}" for name in ("from", "to", "path")),
)


async def _pages(bench: Bench) -> None:
    voucher, charged = await bench.many(ODD)
    everything = await bench.settled(voucher.id)
    few, reply = await bench.page(voucher.id, ("per_page", str(_FEW)))
    evidence = f"{len(few)} entries of {len(everything)}, asked for {_FEW}"
    bench.notes.say(
        _SIZE, evidence, holds=len(few) == _FEW, follows="pages by number, until one shows nothing new"
    )
    _, used = await bench.page(voucher.id, ("per_page", str(_USED)))
    _, huge = await bench.page(voucher.id, ("per_page", str(_HUGE)))
    _say_cap(bench, used, huge, len(everything))
    _say_order(bench, everything, [each.id.lower() for each in charged])
    total = _meta(reply, "total")
    evidence = f"{'no total' if total is None else f'a total of {total}'}, {len(everything)} entries"
    bench.notes.say(
        _TOTAL, evidence, holds=total == len(everything), follows="a count is not known before the end"
    )
    await _shapes(bench, voucher.id, reply)


def _meta(reply: Reply, name: str) -> object:
    return reply.members("meta").get(name)


def _say_cap(bench: Bench, used: Reply, huge: Reply, count: int) -> None:
    told, most = _meta(used, "per_page"), _meta(huge, "per_page")
    evidence = f"asked for {_USED}: pages of {told}; for {_HUGE}: of {most}; {count} entries were there"
    honoured = None if told is None else str(told) == str(_USED)
    bench.notes.say(
        _CAP, evidence, holds=honoured, follows="long lists take more requests than one in a hundred entries"
    )


def _say_order(bench: Bench, entries: list[Entry], made: list[str]) -> None:
    seen = [id for each in entries if (id := str(each.get("id")).lower()) in made]
    if set(seen) != set(made):
        bench.notes.say(_ORDER, f"{len(seen)} of {len(made)} charges were in the list", holds=None)
        return
    order = (
        "oldest first" if seen == made else "newest first" if seen == made[::-1] else "in no order of time"
    )
    bench.notes.say(
        _ORDER, f"{len(made)} charges came {order}", holds=seen == made, follows="sort by `created_at`"
    )


async def _shapes(bench: Bench, id: str, reply: Reply) -> None:
    links = reply.members("links")
    names = ("first", "last", "prev", "next")
    found = {name: links.get(name, ...) for name in names} if links else {}
    fit = bool(found) and all(each is None or isinstance(each, str) for each in found.values())
    words = ", ".join(f"{name} {_kind(value)}" for name, value in found.items()) or "no links"
    bench.notes.say(_LINKS, words, holds=fit)
    _, empty = await bench.page(id, ("page", "1000"))
    ends = [_meta(empty, name) for name in ("from", "to")]
    path = _meta(empty, "path")
    fits = ends == [None, None] and (path is None or isinstance(path, str))
    evidence = f"from {ends[0]}, to {ends[1]}, path {_kind(path)}"
    bench.notes.say(_EMPTY, evidence, holds=fits)


def _kind(value: object) -> str:
    if value is ...:
        return "missing"
    return "null" if value is None else type(value).__name__


PROBES: Final = (Probe("pages", (_SIZE, _CAP, _ORDER, _TOTAL, _LINKS, _EMPTY), _pages),)
