"""The way to the server: double delivery, false refusals, broken connections."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.cli.probing.bench import Probe, id_of
from voucher_async.cli.probing.broken import charge_and_leave
from voucher_async.cli.probing.findings import Question
from voucher_async.cli.probing.line import Reply
from voucher_async.cli.probing.probes.lag import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from voucher_async.cli.probing.bench import Bench

__all__ = ["PROBES"]

_ONCE = Question("delivered-once", "Is a request that is sent once carried out once?")
_REFUSED = Question("refused-undone", "Was nothing done where a money call is answered with an error?")
_BROKEN = Question(
    "broken-connection",
    "Does a request whose connection breaks take effect within `settle_window`, or never?",
)


@attrs.frozen
class _Sent:
    """A money call that was sent once: its answer, and the entries that it has added to the list."""

    kind: str
    reply: Reply
    added: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} answered {self.reply.said}, {len(self.added)} in the list"


async def _delivery(bench: Bench) -> None:
    """Send each money call once, and one that is to be refused, and see what each adds to the list."""
    voucher = await bench.voucher()
    number = f"{bench.batch}-once"
    known: set[str] = set()

    async def sent(kind: str, call: Awaitable[Reply]) -> _Sent:
        reply = await call
        found = {str(each.get("id")) for each in await bench.settled(voucher.id)}
        added = tuple(sorted(found - known))
        known.update(found)
        return _Sent(kind, reply, added)

    reservation = (await bench.reserve(voucher, "0.03")).fit()
    charge = await sent("charge", bench.charge_reservation(id_of(reservation), number))
    calls = [charge, await sent("recharge", bench.recharge(voucher, number))]
    if charge.added:
        calls.append(await sent("refund", bench.refund(charge.added[0])))
        calls.append(await sent("refund of too much", bench.refund(charge.added[0], "0.50")))
    _say_once(bench, calls)
    _say_refused(bench, calls)


def _say_once(bench: Bench, calls: list[_Sent]) -> None:
    seen = "; ".join(map(str, calls))
    # what the API itself refuses and has done was done by an earlier delivery
    denied = [each for each in calls if each.added and each.reply.refuses]
    masked = _masked(each for each in bench.masked if each.refuses)
    if denied or masked or any(len(each.added) > 1 for each in calls):
        follows = (
            "something on the way repeats requests: turn that off; a refusal proves nothing until a look"
        )
        bench.notes.say(_ONCE, "; ".join((seen, *masked)), holds=False, follows=follows)
        return
    reason = "a mesh that repeats what was lost cannot be provoked from here"
    bench.notes.say(_ONCE, f"not seen to be repeated: {seen}; {reason}", holds=None)


def _masked(replies: Iterable[Reply]) -> list[str]:
    return [f"{each.operation} was answered {each.said}, and a voucher was made" for each in replies]


def _say_refused(bench: Bench, calls: list[_Sent]) -> None:
    refused = [each for each in calls if each.reply.status >= HTTPStatus.BAD_REQUEST]
    masked = _masked(each for each in bench.masked if each.status >= HTTPStatus.BAD_REQUEST)
    made = [*(str(each) for each in refused if each.added), *masked]
    evidence = "; ".join(made or map(str, refused)) or "nothing was refused"
    holds = False if made else True if refused else None
    follows = "look before you tell a customer that nothing was charged"
    bench.notes.say(_REFUSED, evidence, holds=holds, follows=follows)


async def _broken(bench: Bench) -> None:
    """Write a whole charge request, close the connection at once, and look at the list."""
    settings = bench.line.settings
    voucher = await bench.voucher()
    reservation = id_of((await bench.reserve(voucher)).fit())
    await charge_and_leave(settings, await bench.line.token(), reservation, f"{bench.batch}-broken")

    async def shows() -> bool:
        return bool(await bench.entries(voucher.id))

    shown = await wait_for(bench, shows, max(bench.watch, settings.settle_window + bench.lag))
    if shown is None:
        seconds = max(bench.watch, settings.settle_window + bench.lag)
        evidence = f"the connection was closed, and no charge showed within {seconds:g} s"
        bench.notes.say(_BROKEN, evidence, holds=True)
        return
    after = shown[1]
    evidence = f"the connection was closed, and the charge was carried out: it showed after {after:.1f} s"
    if after > settings.settle_window:
        wanted = math.ceil(2 * after)
        bench.notes.settings["settle_window"] = float(
            max(wanted, bench.notes.settings.get("settle_window", 0.0))
        )
        bench.notes.say(
            _BROKEN,
            evidence,
            holds=False,
            follows=f"set `settle_window` to {wanted}, twice the measured time",
        )
    else:
        bench.notes.say(_BROKEN, evidence, holds=True)


PROBES: Final = (
    Probe("delivery", (_ONCE, _REFUSED), _delivery),
    Probe("broken connection", (_BROKEN,), _broken),
)
