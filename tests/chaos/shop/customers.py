"""Customers: they click "pay" until an answer is final, whatever becomes of the shop meanwhile."""

from __future__ import annotations

import asyncio
import collections
import random
from typing import Any, Final, Literal

import attrs
import httpx

from tests.chaos.shop.plan import Order

MOST: Final = 150  # answered clicks
_CONFLICT: Final = 409

Ending = Literal["done", "refused", "none"]


@attrs.frozen
class Told:
    """The final answer to a customer.

    Attributes:
        order: the order's number.
        act: what was asked for.
        ending: `none` where no final answer came.
        amounts: the charges, or the refund, by id.
        status: of the answer.
    """

    order: str
    act: str
    ending: Ending
    amounts: dict[str, str] = attrs.Factory(dict[str, str])
    status: int = 0


class Customers:
    """All customers of a storm, and the clerks who give back.

    Args:
        http: reaches the shop.
        rng: draws their pauses.

    Attributes:
        answers: how often each answer came, by its status; 0: the connection was lost before.
    """

    def __init__(self, http: httpx.AsyncClient, rng: random.Random) -> None:
        self._http = http
        self._rng = rng
        self.answers: collections.Counter[int] = collections.Counter()

    async def buy(self, order: Order) -> list[Told]:
        """Pay an order, and have some of it given back; what everybody was told in the end."""
        told = await self._together(order, order.way, {"codes": order.codes}, order.clicks)
        if order.back is None or not any(each.ending == "done" for each in told):
            return told
        return told + await self._together(order, "refund", {"amount": str(order.back)}, order.returns)

    async def _together(self, order: Order, act: str, body: Any, clicks: int) -> list[Told]:
        return await asyncio.gather(*(self._insist(order, act, body) for _ in range(clicks)))

    async def _insist(self, order: Order, act: str, body: Any) -> Told:
        """Click, and click again after an answer that is not final."""
        path = f"/orders/{order.number}/{act}"
        status = clicks = 0
        while clicks < MOST:
            answer = await self._click(path, body)
            if answer is not None:
                status = answer.status_code
                clicks += 1
                if answer.is_success:
                    return Told(order.number, act, "done", answer.json(), status)
                if answer.is_client_error and status != _CONFLICT:
                    return Told(order.number, act, "refused", status=status)
            await asyncio.sleep(self._rng.uniform(0.2, 1.0))
        return Told(order.number, act, "none", status=status)

    async def _click(self, path: str, body: Any) -> httpx.Response | None:
        """The answer, if one comes; none does while the shop is closed, however long it takes to start."""
        try:
            answer = await self._http.post(path, json=body)
        except httpx.ConnectError:
            return None
        except httpx.TransportError:
            self.answers[0] += 1
            return None
        self.answers[answer.status_code] += 1
        return answer
