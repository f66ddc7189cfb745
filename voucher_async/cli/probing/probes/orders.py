"""Order numbers: how odd ones are written down, and how filters read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.cli.probing.bench import Probe
from voucher_async.cli.probing.findings import Question
from voucher_async.cli.probing.probes.lag import entry_of
from voucher_async.masking import visible
from voucher_async.operations import LIST_VOUCHERS

if TYPE_CHECKING:
    from voucher_async.cli.probing.bench import Bench, Charged, Entry

__all__ = ["ODD", "PROBES"]

_LONG: Final = "L" * 255
_CASE: Final = "CaSe\u00df"
_NOWHERE: Final = "nowhere-at-all"
_LATER: Final = "2099-01-01T00:00:00+00:00"


@attrs.frozen
class _Odd:
    """An order number that servers are known to rewrite.

    Attributes:
        question: the question that it answers.
        sent: the order number.
        kept: True when what was written down still has what is odd in it.
    """

    question: Question
    sent: str
    kept: Callable[[str], bool]

    @classmethod
    def of(cls, id: str, text: str, sent: str, kept: Callable[[str], bool]) -> _Odd:
        """One with the question `order-number-ID`."""
        return cls(Question(f"order-number-{id}", f"{text} kept in an order number?"), sent, kept)


_ODD: Final = (
    _Odd.of("spaces", "Are spaces at its ends", " s1 ", lambda text: text[:1] == text[-1:] == " "),
    _Odd.of("invisible", "Is an invisible character at its end", "z1\u200b", lambda text: "\u200b" in text),
    _Odd.of("case", "Are capitals and the sharp s", _CASE, _CASE.__eq__),
    _Odd.of("composed", "Is an accent apart from its letter", "e\u03011", lambda text: "\u0301" in text),
    _Odd.of(
        "decomposed", "Is an accent in one with its letter", "\u00e91", lambda text: "\u0301" not in text
    ),
    _Odd.of("compatible", "Are full-width digits", "w\uff11", lambda text: "\uff11" in text),
    _Odd.of("emoji", "Are characters of four bytes", "u\U0001f381", lambda text: "\U0001f381" in text),
    _Odd.of("long", "Are 255 characters", _LONG, lambda text: len(text) == len(_LONG)),
    _Odd.of("words", "Is `true`, as a text,", "true", lambda text: text.casefold() == "true"),
    _Odd.of("comma", "Is a comma", "a1,b1", lambda text: "," in text),
)
_PLAIN: Final = ("a1", "b1", "abc", "abcd")
ODD: Final = (*(each.sent for each in _ODD), *_PLAIN)
"""The order numbers of the charges that several probes share."""

_ECHO = Question("order-number-echo", "Does the answer to a charge show the order number as it is listed?")
_HONOURED = Question("filter-honoured", "Does `filter[order_number]` leave other order numbers out?")
_COMMAS = Question("filter-commas", "Is a comma in the filter a part of the order number?")
_WORDS = Question("filter-words", "Is `true` in the filter a text like any other?")
_WHOLE = Question("filter-whole", "Does the filter compare whole order numbers?")
_FOLD = Question("filter-case", "Does case count in the filter?")
_DATES = Question("filter-dates", "Do `filter[created_from]` and `filter[created_to]` leave others out?")
_VOUCHERS = Question(
    "filter-vouchers",
    "Can vouchers be filtered by order number?",
    ("/components/parameters/VoucherOrderNumber",),
)
_UNSAFE: Final = "send order numbers of ASCII letters, digits and hyphens, or set `order_number_format`"
_UNTRUE: Final = "absence from a filtered list proves nothing; the SDK reads whole lists"


def _rewriting(sent: str, stored: object) -> str:
    """The way in which an order number was rewritten, in words."""
    if stored == sent:
        return "kept as it was sent"
    if not isinstance(stored, str):
        return "it is gone" if stored is None else f"it is a {type(stored).__name__}"
    ways = {
        "trimmed": sent.strip(" \u200b"),
        "in small letters": sent.lower(),
        "folded": sent.casefold(),
        "in capitals": sent.upper(),
        **{f"in {name}": unicodedata.normalize(name, sent) for name in ("NFC", "NFD", "NFKC", "NFKD")},
    }
    way = next((name for name, text in ways.items() if text == stored), None)
    if way is None and stored and sent.startswith(stored):
        way = f"cut after {len(stored)} characters"
    return f"{visible(sent)[:24]!r} was written down {way or f'as {visible(stored)[:40]!r}'}"


async def _order_numbers(bench: Bench) -> None:
    voucher, charged = await bench.many(ODD)
    entries = await bench.settled(voucher.id)
    for odd, charge in zip(_ODD, charged, strict=False):
        _say_stored(bench, odd, entry_of(entries, charge.id))
    differing = [
        f"{visible(str(answered))[:24]!r} answered, {visible(str(listed))[:24]!r} listed"
        for charge in charged
        if (entry := entry_of(entries, charge.id)) is not None
        and (answered := charge.reply.content.get("order_number")) != (listed := entry.get("order_number"))
    ]
    evidence = "; ".join(differing[:2]) or f"the same in {len(charged)} answers and in the list"
    bench.notes.say(
        _ECHO, evidence, holds=not differing, follows="an answer does not say how an order number is found"
    )


def _say_stored(bench: Bench, odd: _Odd, entry: Entry | None) -> None:
    if entry is None:
        bench.notes.say(odd.question, "its charge is not in the list", holds=None)
        return
    stored = entry.get("order_number")
    kept = isinstance(stored, str) and odd.kept(stored)
    bench.notes.say(odd.question, _rewriting(odd.sent, stored), holds=kept, follows=_UNSAFE)


async def _filters(bench: Bench) -> None:
    """Ask for order numbers that are there, beside others that are like them."""
    voucher, charged = await bench.many(ODD)
    everything = await bench.settled(voucher.id)
    ids = {charge.order_number: charge.id for charge in charged}
    stored = {number: (entry_of(everything, id) or {}).get("order_number") for number, id in ids.items()}

    async def found(asked: str) -> set[str]:
        entries = await bench.entries(voucher.id, ("filter[order_number]", asked))
        shown = {str(entry.get("id")).lower() for entry in entries}
        return {number for number, id in ids.items() if id.lower() in shown}

    def say(question: Question, asked: str, seen: set[str], wanted: Iterable[str]) -> None:
        evidence = f"asked for {asked!r}: {_names(seen)}"
        if asked in ids and stored[asked] != asked:
            bench.notes.say(question, f"{evidence}; it is not written down as it was sent", holds=None)
        else:
            bench.notes.say(question, evidence, holds=seen == set(wanted), follows=_UNTRUE)

    say(_HONOURED, _NOWHERE, await found(_NOWHERE), ())
    say(_COMMAS, "a1,b1", await found("a1,b1"), ("a1,b1",))
    say(_WORDS, "true", await found("true"), ("true",))
    say(_WHOLE, "abc", await found("abc"), ("abc",))
    say(_FOLD, "ABC", await found("ABC"), ())
    await _dates(bench, voucher.id, charged)


def _names(seen: set[str]) -> str:
    return ", ".join(sorted(visible(each)[:16] for each in seen)) or "none"


async def _dates(bench: Bench, id: str, charged: tuple[Charged, ...]) -> None:
    later = await bench.entries(id, ("filter[created_from]", _LATER))
    earlier = await bench.entries(id, ("filter[created_to]", "2000-01-01T00:00:00+00:00"))
    evidence = f"{len(later)} of {len(charged)} charges from 2099 on, {len(earlier)} until 2000"
    bench.notes.say(_DATES, evidence, holds=not (later or earlier), follows=_UNTRUE)


async def _voucher_filter(bench: Bench) -> None:
    """Ask for a short order number, beside another that begins with it."""
    number = f"v{bench.batch[-6:]}"
    voucher = await bench.voucher(order_number=number)
    await bench.voucher(order_number=f"{number}x")
    await bench.line.wait(bench.lag)
    stored = (await bench.details(voucher.id)).fit().text("order_number")
    reply = (await bench.line.ask(LIST_VOUCHERS, query=[("filter[order_number]", number)])).fit()
    ids = [each.get("id") for each in reply.objects("data")]
    evidence = f"{len(ids)} vouchers, {'with' if voucher.id in ids else 'without'} the one that has it"
    if stored != number:
        bench.notes.say(_VOUCHERS, f"{evidence}; it is not written down as it was sent", holds=None)
    else:
        follows = "do not look for a voucher by order number"
        bench.notes.say(_VOUCHERS, evidence, holds=ids == [voucher.id], follows=follows)


PROBES: Final = (
    Probe("order numbers", (*(each.question for each in _ODD), _ECHO), _order_numbers),
    Probe("filters", (_HONOURED, _COMMAS, _WORDS, _WHOLE, _FOLD, _DATES), _filters),
    Probe("filter of vouchers", (_VOUCHERS,), _voucher_filter),
)
