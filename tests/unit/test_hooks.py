"""Hooks hear everything in order and harm nothing."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.calls import Calls
from tests.recorder import Recorder
from voucher_async import CallEnded, ManualClock, TurnWaited
from voucher_async.calls import WaitedFor, calling, take_id
from voucher_async.errors import ConfigurationError, Fate
from voucher_async.events import AttemptEnded, AttemptStarted, Happened, Repeating, Settled, TokenRefresh
from voucher_async.hooks import Hook, Hooks

STARTED = AttemptStarted(operation="getVoucher", method="GET", path="/vouchers/v-1", attempt=1)
ENDED = AttemptEnded(
    operation="getVoucher",
    method="GET",
    path="/vouchers/v-1",
    attempt=1,
    fate=Fate.ANSWERED,
    status=200,
    elapsed=0.1,
)
REPEATING = Repeating(operation="getVoucher", attempt=1, pause=0.2, reason="HTTP 503")
REFRESHED = TokenRefresh(succeeded=True, background=False, elapsed=0.1)
SETTLED = Settled(what=Happened.REFUNDED, operation="checkout", amount=Decimal("2.00"), order_number="A-1")
EVENTS: list[Any] = [STARTED, ENDED, REPEATING, REFRESHED, SETTLED]


def tell_everything(hooks: Hooks) -> None:
    hooks.attempt_started(STARTED)
    hooks.attempt_ended(ENDED)
    hooks.repeating(REPEATING)
    hooks.token_refreshed(REFRESHED)
    hooks.settled(SETTLED)


class OnlyMoney:
    """Has one of the methods, and does not derive from Hook."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def on_settled(self, event: Settled) -> None:
        self.heard.append(event)


class Calling:
    """Does as the test says when money moved."""

    def __init__(self, do: Callable[[Any], Any]) -> None:
        self.on_settled = do


def test_a_hook_hears_every_event() -> None:
    hook = Recorder()
    tell_everything(Hooks([hook]))
    assert hook.heard == EVENTS


def test_a_hook_with_one_method_hears_its_event_alone() -> None:
    hook = OnlyMoney()
    tell_everything(Hooks([hook]))
    assert hook.heard == [SETTLED]


def test_a_hook_that_overrides_nothing_is_fine() -> None:
    tell_everything(Hooks([Hook()]))


def test_hooks_that_hear_of_no_calls_cost_none() -> None:
    class OnlyAttempts:
        def on_attempt_ended(self, event: AttemptEnded) -> None:
            raise AssertionError(event)

    assert not Hooks([OnlyMoney(), Hook()]).wants_calls
    assert Hooks([OnlyMoney(), OnlyAttempts()]).wants_calls
    with calling(Hooks([OnlyMoney()]), "redeem") as call:
        assert call is None
    hooks = Hooks([OnlyAttempts()])
    with calling(hooks, "redeem") as call:
        assert call is not None
        assert (take_id(hooks), take_id(hooks)) == (call.id, None)
        assert take_id(Hooks()) is None
    assert take_id(hooks) is None


def test_calls_and_turns_are_measured_by_the_clients_clock() -> None:
    clock, calls = ManualClock(), Calls()
    with calling(Hooks([calls], clock), "redeem"):
        with WaitedFor("voucher"):
            clock.advance(3)
        clock.advance(4)
    assert [event.seconds for event in calls.of(TurnWaited)] == [3]
    assert [event.elapsed for event in calls.of(CallEnded)] == [7]


def test_hooks_are_told_in_their_order() -> None:
    told: list[int] = []
    Hooks([Calling(lambda _: told.append(1)), Calling(lambda _: told.append(2))]).settled(SETTLED)
    assert told == [1, 2]


def test_without_hooks_nothing_is_active() -> None:
    assert not Hooks().active
    assert Hooks([OnlyMoney()]).active
    tell_everything(Hooks())


@pytest.mark.parametrize(
    "error", [RuntimeError("broken"), KeyError(), AssertionError(), asyncio.CancelledError()]
)
def test_a_hook_that_raises_is_logged_and_harms_neither_the_call_nor_the_next_hook(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise error

    after = OnlyMoney()
    Hooks([Calling(fail), after]).settled(SETTLED)
    assert after.heard == [SETTLED]
    assert [record.message for record in caplog.records] == ["a hook failed and was ignored"]
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is error


def test_a_hook_does_not_swallow_what_ends_the_program() -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Hooks([Calling(stop)]).settled(SETTLED)


class AsyncHook:
    """The mistake: nobody awaits it."""

    async def on_settled(self, event: Settled) -> None:
        raise AssertionError(f"nobody awaits this: {event}")


async def nobody_awaits(_: object, __: object = None) -> None:
    raise AssertionError("nobody awaits this")


@pytest.mark.parametrize(
    "hook", [AsyncHook(), Calling(nobody_awaits), Calling(functools.partial(nobody_awaits, 1))]
)
def test_an_async_hook_method_is_refused_when_the_client_is_made(hook: object) -> None:
    name = type(hook).__name__
    with pytest.raises(ConfigurationError, match=rf"hooks: {name}\.on_settled must not be async"):
        Hooks([hook])


def test_a_coroutine_that_comes_out_of_a_plain_method_is_closed_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def start(event: object) -> object:
        return nobody_awaits(event)

    Hooks([Calling(start)]).settled(SETTLED)
    assert [(record.levelno, "must not be async" in record.message) for record in caplog.records] == [
        (logging.ERROR, True)
    ]


def test_a_class_in_place_of_an_instance_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="OnlyMoney is a class"):
        Hooks([OnlyMoney])


@pytest.mark.parametrize("hook", [object(), "hook", print, None])
def test_an_object_without_any_of_the_methods_is_refused(hook: object) -> None:
    with pytest.raises(ConfigurationError, match="has none of the methods on_attempt_started, "):
        Hooks([hook])


def test_no_event_can_be_changed_by_a_hook() -> None:
    for event in EVENTS:
        with pytest.raises(AttributeError):
            setattr(event, attrs.fields(type(event))[0].name, "other")
