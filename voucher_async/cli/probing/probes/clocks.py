"""Clocks: the moments on records, the header `Date`, and the clock of this machine."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

from voucher_async.cli.probing.bench import Probe
from voucher_async.cli.probing.findings import Question

if TYPE_CHECKING:
    from voucher_async.cli.probing.bench import Bench, Charged
    from voucher_async.cli.probing.line import Reply

__all__ = ["PROBES"]

_GRAIN: Final = 2.0  # seconds: whole seconds on both sides, and the way between two servers
_TAKEN: Final = 30.0  # seconds that the clock of this machine may be off before somebody should look

_RECORDS = Question(
    "clocks-records", "Are charges, refunds and recharges dated by the clock of reservations?"
)
_DATE = Question("clocks-date", "Is `Date` by the clock that dates the records?")
_AHEAD = Question("clocks-ahead", "Is no record dated later than the `Date` of its answer?")
_WHOLE = Question("clocks-seconds", "Are moments in whole seconds?")
_LOCAL = Question("clocks-local", "Is the clock of this machine that of the server?")


def _moment(reply: Reply) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(reply.text("created_at") or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _behind(reply: Reply, reference: dt.datetime) -> float | None:
    moment = _moment(reply)
    return None if moment is None else (moment - reference).total_seconds()


async def _clocks(bench: Bench) -> None:
    voucher = await bench.voucher()
    charged = [await bench.charge(voucher, f"{bench.batch}-clock") for _ in range(3)]
    charge = charged[-1]
    replies = {
        "charge": charge.reply,
        "refund": await bench.refund(charge.id),
        "recharge": await bench.recharge(voucher, f"{bench.batch}-clock"),
    }
    _say_records(bench, charge, replies)
    everything = [*replies.values(), *(each.reservation for each in charged)]
    _say_dates(bench, everything)
    moments = [text for each in everything if (text := each.text("created_at"))]
    fine = [text for text in moments if re.search(r"\.[0-9]*[1-9]", text)]
    evidence = f"{len(fine)} of {len(moments)} have a fraction"
    bench.notes.say(
        _WHOLE, evidence, holds=not fine if moments else None, follows="compare moments, not their texts"
    )


def _say_records(bench: Bench, charge: Charged, replies: dict[str, Reply]) -> None:
    """Compare with the reservation's moment, less the time that passed here between the two answers."""
    base = _moment(charge.reservation)
    if base is None:
        bench.notes.say(_RECORDS, "a reservation has no moment that can be read", holds=None)
        return
    ahead: dict[str, float] = {}
    for kind, reply in replies.items():
        passed = reply.came - charge.reservation.came
        seconds = _behind(reply, base + passed)
        if seconds is not None:
            ahead[kind] = seconds
    slack = _GRAIN + max(each.elapsed for each in (charge.reservation, *replies.values()))
    evidence = ", ".join(f"{kind} {seconds:+.1f} s" for kind, seconds in ahead.items())
    fits = all(abs(seconds) <= slack for seconds in ahead.values()) if ahead else None
    follows = "do not compare moments of charges with those of reservations or of your own records"
    bench.notes.say(
        _RECORDS, f"beside a reservation: {evidence or 'no moments'}", holds=fits, follows=follows
    )


def _say_dates(bench: Bench, replies: list[Reply]) -> None:
    """Compare records of reservations with the `Date` of their answers, and that with our clock."""
    reservations = [each for each in replies if each.operation == "createReservation" and each.date]
    apart = [
        seconds for each in reservations if each.date and (seconds := _behind(each, each.date)) is not None
    ]
    if not apart:
        bench.notes.say(_DATE, "no answer has a `Date` and a moment that can be read", holds=None)
        return
    middle = sorted(apart)[len(apart) // 2]
    slack = _GRAIN + max(each.elapsed for each in reservations)
    evidence = f"reservations are dated {middle:+.1f} s beside the `Date` of their answers"
    bench.notes.say(
        _DATE, evidence, holds=abs(middle) <= slack, follows="a proxy on the way writes `Date` by its clock"
    )
    ahead = [
        seconds
        for each in replies
        if each.date and (seconds := _behind(each, each.date)) is not None and seconds >= 1
    ]
    evidence = f"{len(ahead)} of {len(replies)} are dated a second or more after the `Date` of their answer"
    bench.notes.say(
        _AHEAD,
        evidence,
        holds=not ahead,
        follows="a record may be dated up to a second ahead: do not cut there",
    )
    local = sorted((each.date - each.came).total_seconds() for each in reservations if each.date)
    offset = local[len(local) // 2]
    evidence = f"the server's `Date` is {offset:+.1f} s beside the clock here"
    bench.notes.say(
        _LOCAL, evidence, holds=abs(offset) <= _TAKEN, follows="set the clock of this machine by NTP"
    )


PROBES: Final = (Probe("clocks", (_RECORDS, _DATE, _AHEAD, _WHOLE, _LOCAL), _clocks),)
