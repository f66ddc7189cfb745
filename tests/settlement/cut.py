"""A worker that is cut off at any of its steps: each call of its journal, each request."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import attrs

from tests.journals.around import Around
from tests.settlement.adversary import Lot
from tests.settlement.town import Client
from voucher_async.operations import Retry

__all__ = ["Cut", "Mode"]

Mode = Literal["before", "after", "late"]


@attrs.define(eq=False)
class Cut:
    """Stops a worker at one step.

    Attributes:
        at: the number of the step, from 1; 0 for none.
        mode: the step was not begun, or it was done, or its request that moves money is carried out later.
        late: seconds after which it is, for `late`.
        steps: how many steps there were.
        met: set at the step.
        over: lets the worker go on.
        is_dead: it does nothing more then.
    """

    at: int = 0
    mode: Mode = "before"
    late: float = 20.0
    steps: int = 0
    met: asyncio.Event = attrs.Factory(asyncio.Event)
    over: asyncio.Event = attrs.Factory(asyncio.Event)
    is_dead: bool = False

    def off(self, client: Client) -> Client:
        """The client, which will be cut off."""
        client.journal.journal = _Journal(client.journal.journal, self)
        send: Any = client.wire.send

        async def sending(request: Any, deadline: Any) -> Any:
            number = await self.begin()
            is_money = request.operation.retry is Retry.SETTLE
            if number == self.at and self.mode == "late" and is_money:
                client.town.adversary.money.appendleft(Lot("late", late=self.late))
            try:
                return await send(request, deadline)
            finally:
                await self.end(number)

        vars(client.wire)["send"] = sending
        return client

    async def begin(self) -> int:
        """A step is about to be done."""
        self.steps += 1
        number = self.steps
        if self.mode == "before":
            await self._stop(number)
        return number

    async def end(self, number: int) -> None:
        """A step was done."""
        if self.mode != "before":
            await self._stop(number)

    async def _stop(self, number: int) -> None:
        if self.at and number >= self.at:
            self.met.set()
            await self.over.wait()
            if self.is_dead:
                raise asyncio.CancelledError

    async def die(self, client: Client, call: asyncio.Task[Any]) -> None:
        """Let the worker die, which stands still."""
        self.is_dead = True
        self.over.set()
        await client.die()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)


class _Journal(Around):
    def __init__(self, journal: Any, cut: Cut) -> None:
        super().__init__(journal)
        self._cut = cut

    async def begin(self) -> int:
        return await self._cut.begin()

    async def end(self, number: int) -> None:
        await self._cut.end(number)
