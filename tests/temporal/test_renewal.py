"""What ends a checkout whose renewal failed, by the reason that Temporal gives."""

from __future__ import annotations

import pytest
from temporalio import exceptions, workflow
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutType

from examples.temporal_checkout import Checkout

LOST = exceptions.TimeoutError("no heartbeat", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[])
DOWN = ApplicationError("HTTP 503", type="ServerError")
REFUSED = ApplicationError("INSUFFICIENT_BALANCE", type="Conflict", non_retryable=True)
CANCELLED = CancelledError()


def failing(cause: BaseException, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout each of whose activities fails."""
    facts = {"scheduled_event_id": 1, "started_event_id": 2, "activity_id": "1", "retry_state": None}

    async def execute(*_: object, **__: object) -> None:
        raise ActivityError("failed", identity="worker", activity_type="hold", **facts) from cause  # type: ignore[arg-type]

    monkeypatch.setattr(workflow, "execute_activity_method", execute)
    return Checkout()


@pytest.mark.parametrize("cause", [LOST, DOWN], ids=["its workers were lost", "the API is down"])
async def test_a_renewal_that_cannot_be_made_is_left_out(
    cause: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = failing(cause, monkeypatch)
    checkout.held = True
    await checkout.hold("A-1")
    assert checkout.held


@pytest.mark.parametrize("cause", [REFUSED, CANCELLED], ids=["refused", "cancelled"])
async def test_a_refusal_and_a_cancellation_end_the_checkout(
    cause: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = failing(cause, monkeypatch)
    checkout.held = True
    with pytest.raises(ActivityError):
        await checkout.hold("A-1")


@pytest.mark.parametrize(
    "cause", [LOST, DOWN, REFUSED, CANCELLED], ids=["lost", "down", "refused", "cancelled"]
)
async def test_a_voucher_that_was_never_held_ends_the_checkout(
    cause: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = failing(cause, monkeypatch)
    with pytest.raises(ActivityError):
        await checkout.hold("A-1")
    assert not checkout.held
