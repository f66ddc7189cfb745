"""The server of a storm, in a process of its own: `python -m tests.chaos.server STORM`.

It prints a line of JSON with what clients need to reach it, then answers each line on its standard input:
`calm` ends the faults and waits for everything that is still to be carried out; `blow` begins them anew;
`ledger PATH` writes the ledger and what happened; the end of the input ends it.
"""

from __future__ import annotations

import asyncio
import collections
import json
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from tests.chaos.config import Storm
from tests.chaos.plan import COMMON, FRAGILE, OWN, POOR, code_of, common, fragile, is_own, own
from tests.chaos.records import Entry, Tokens, Turn
from tests.chaos.twins import Twins
from voucher_async.testing import VoucherEmulator, faults
from voucher_async.testing.habits import KINDS

_OFFSETS: Final = (0.0, 3600.0, -3600.0)
_BEAT: Final = 0.05
_OK: Final = range(200, 300)
LIFETIME: Final = 600
"""Seconds that a token lives."""


def kinds(delay: float) -> tuple[faults.Fault, ...]:
    """What goes wrong, one as likely as the other; the server takes `delay` seconds at the longest."""
    # Closing the port and revoking all tokens hit every caller at once, so they are drawn seldom, or hardly
    # any other fault would show.
    rare = (faults.Refuse(seconds=0.05), faults.Revoked())
    often = (
        faults.BreakBefore(),
        faults.BreakAfter(),
        faults.CommitLate(seconds=delay / 10),
        faults.CommitLate(seconds=delay / 2),
        faults.CommitLate(seconds=delay),
        faults.ServerError(status=500, acted=False),
        faults.ServerError(status=500, acted=True),
        faults.BadGateway(acted=False),
        faults.BadGateway(acted=True),
        faults.Unavailable(retry_after=1),
        faults.TooMany(retry_after=1),
        faults.CutOff(),
        faults.SlowHeaders(seconds=delay / 3),
        faults.SlowHeaders(seconds=delay),
        faults.SlowBody(seconds=delay / 3),
        faults.SlowBody(seconds=delay),
        faults.WrongContentType(),
    )
    return rare + often * 12


def populate(emulator: VoucherEmulator, storm: Storm) -> None:
    """Make the vouchers of all workers."""
    names = [common(number) for number in range(COMMON)]
    for worker in range(storm.workers):
        names += [own(worker, number) for number in range(OWN)]
        names += [fragile(worker, number) for number in range(FRAGILE)]
    for name in names:
        is_poor = is_own(name) and int(name.rpartition("-")[2]) >= OWN - POOR
        emulator.add_voucher(id=name, code=code_of(name), amount="30.00" if is_poor else "99999.00")


class Weather:
    """Makes the storm and the calm.

    Args:
        emulator: the server.
        storm: the storm.
    """

    def __init__(self, emulator: VoucherEmulator, storm: Storm) -> None:
        self._emulator = emulator
        self._storm = storm
        self._outages = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._turns: list[Turn] = []
        self._revoked: list[float] = []
        self._gusts = 0
        self._twins = Twins(emulator)
        self._pulse = asyncio.create_task(self._measure())
        self.late = 0.0  # longest delay, in seconds, of anything that was due in this process

    def begin(self) -> None:
        """Let it blow."""
        storm, injected = self._storm, self._emulator.faults
        if storm.variant == "lag":
            injected.list_lag = storm.delay
        if storm.share:
            injected.chance(storm.share, seed=storm.seed + self._gusts, kinds=kinds(storm.delay))
            self._gusts += 1
            self._tasks.append(asyncio.create_task(self._shake()))
        if storm.has_habits:
            self._tasks.append(asyncio.create_task(self._take_turns()))

    async def calm(self) -> None:
        """End it, and wait for what is still to be carried out."""
        for task in self._tasks:
            task.cancel()
        self._turn("")
        self._emulator.faults.clear()
        self._emulator.faults.date_offset = 0.0
        await self._emulator.faults.settled()

    def end(self) -> None:
        """Stop measuring."""
        self._pulse.cancel()

    async def _shake(self) -> None:
        """The token endpoint goes down with every token revoked, and the date goes wrong, now and then."""
        rng = random.Random(f"{self._storm.seed}/weather")
        while True:
            await asyncio.sleep(rng.uniform(4.0, 12.0) * (4 if self._storm.has_habits else 1))
            down = (faults.Unavailable(retry_after=1), faults.BreakBefore(), faults.ServerError())
            self._emulator.faults.script("requestToken", *rng.choices(down, k=3))
            self._emulator.revoke_tokens()
            self._revoked.append(time.monotonic())
            self._emulator.faults.date_offset = rng.choice(_OFFSETS)
            self._outages += 1

    async def _take_turns(self) -> None:
        """Each habit has its turn, and between two of them the server is as it should be."""
        names = sorted(KINDS)
        rng = random.Random(f"{self._storm.seed}/habits")
        while True:
            rng.shuffle(names)
            for name in names:
                self._turn("")
                await asyncio.sleep(self._storm.turn / 4)
                self._turn(name)
                await asyncio.sleep(self._storm.turn * 3 / 4)

    def _turn(self, name: str) -> None:
        self._emulator.habits.clear()
        self._emulator.habits.set(**KINDS.get(name, {}))
        self._turns.append(Turn(at=time.monotonic(), habit=name))

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _BEAT
            await asyncio.sleep(_BEAT)
            self.late = max(self.late, loop.time() - due)

    def report(self) -> dict[str, Any]:
        """What happened, and the ledger."""
        emulator = self._emulator
        emulator.ledger.check()
        injected = collections.Counter(type(each.fault).__name__ for each in emulator.faults.injected)
        return {
            "requests": len(emulator.requests),
            "injected": dict(injected),
            "outages": self._outages,
            "late": self.late,
            "turns": [attrs.asdict(turn) for turn in self._turns],
            "tokens": attrs.asdict(self._tokens()),
            "entries": [attrs.asdict(entry) for entry in entries_of(emulator, self._twins)],
        }

    def _tokens(self) -> Tokens:
        """The tokens that were given out."""
        now = time.monotonic() - self._emulator.now().timestamp()
        asked = self._emulator.requests.of("requestToken")
        given = [now + entry.at.timestamp() for entry in asked if entry.status in _OK]
        injected = self._emulator.faults.injected
        met = [now + each.at.timestamp() for each in injected if isinstance(each.fault, faults.Revoked)]
        return Tokens(given=given, revoked=self._revoked + met)


def entries_of(emulator: VoucherEmulator, twins: Twins) -> list[Entry]:
    """The emulator's charges, recharges and refunds as plain records."""
    return [
        Entry(
            id=charge.id,
            kind=charge.type,
            voucher=charge.voucher_id,
            amount=str(charge.amount),
            order=charge.sent_order_number,
            reservation=charge.reservation_id or "",
            refund_of=charge.refund_of or "",
            twin_of=twins.first.get(charge.id, ""),
            told_well=charge.id in twins.told_well,
            made=twins.made.get(charge.id, 0.0),
            replaced=twins.replaced.get(charge.reservation_id or "", 0.0),
        )
        for charge in emulator.charges()
    ]


async def serve(storm: Storm) -> None:
    """Serve until the standard input ends."""
    async with VoucherEmulator(
        allow_double_charge=storm.variant == "double", token_lifetime=LIFETIME, host=storm.host
    ) as emulator:
        populate(emulator, storm)
        weather = Weather(emulator, storm)
        if not storm.by_turns:
            weather.begin()
        _answer(emulator.settings())
        while line := await asyncio.to_thread(sys.stdin.readline):
            command, _, argument = line.strip().partition(" ")
            if command == "calm":
                await weather.calm()
                _answer({})
            elif command == "blow":
                weather.begin()
                _answer({})
            elif command == "ledger":
                await asyncio.to_thread(Path(argument).write_text, json.dumps(weather.report()), "utf-8")
                _answer({})
        weather.end()


def _answer(values: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(Storm.from_json(sys.argv[1])))
