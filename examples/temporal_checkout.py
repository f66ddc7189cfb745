"""Temporal: a voucher is held while the customer pays the rest by card, then charged.

`python -m examples.temporal_checkout` is a worker. The shop starts `Checkout` with the order's number as the
id of the workflow, asks `is_held`, shows the card's page, and signals what came of it.
"""

import asyncio
from dataclasses import dataclass

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, CancelledError

with workflow.unsafe.imports_passed_through():  # or the sandbox loads all of it anew for each workflow
    from examples.temporal_payments import LIMIT, SILENCE, Payments, serve

CHARGE = workflow.ActivityConfig(start_to_close_timeout=LIMIT, heartbeat_timeout=SILENCE)  # until it is known
HOLD = CHARGE | {"retry_policy": RetryPolicy(maximum_attempts=4)}  # a customer waits


@dataclass
class Order:
    """What Temporal keeps and shows: the voucher's code is no part of it."""

    number: str
    rounds: int = 6  # of waiting for the card
    round_s: float = 1200.0  # a reservation lives for 1800 s


@workflow.defn
class Checkout:
    """Hold, wait for the card, charge or let go."""

    def __init__(self) -> None:
        self.held = False
        self.card: bool | None = None

    @workflow.query
    def is_held(self) -> bool:
        return self.held

    @workflow.signal
    def card_authorized(self) -> None:
        self.card = True

    @workflow.signal
    def card_declined(self) -> None:
        self.card = False

    @workflow.run
    async def run(self, order: Order) -> str | None:
        """The charge's id; None where no card was authorized: the reservation ends by itself."""
        for _ in range(order.rounds):
            await self.hold(order.number)
            if await self.is_decided(order.round_s):
                break
        if not self.card:
            return None
        charging = workflow.start_activity_method(Payments.charge, order.number, **CHARGE)
        try:
            return await asyncio.shield(charging)
        except asyncio.CancelledError:
            return await charging  # too late to cancel: the money moves

    async def hold(self, number: str) -> None:
        try:
            await workflow.execute_activity_method(Payments.hold, number, **HOLD)
        except ActivityError as error:
            is_final = getattr(error.cause, "non_retryable", False)  # a refusal
            if not self.held or is_final or isinstance(error.cause, CancelledError):
                raise
            # not renewed: the charge makes a reservation of its own
        self.held = True

    async def is_decided(self, seconds: float) -> bool:
        try:
            await workflow.wait_condition(lambda: self.card is not None, timeout=seconds)
        except TimeoutError:
            return False
        return True


if __name__ == "__main__":
    asyncio.run(serve("checkouts", Checkout))
