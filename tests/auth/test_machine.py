"""A provider against a token endpoint, a clock and callers that do whatever Hypothesis thinks of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from voucher_async.api_errors import AuthenticationError, ServerError
from voucher_async.auth import MemoryTokenStore, Token, TokenGrant, TokenProvider
from voucher_async.clock import ManualClock
from voucher_async.errors import VoucherError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

LIVES = st.sampled_from([1, 60, 300, 3600, 86_400, None, 0, -5, float("nan"), 1e30])
FAILURES = st.sampled_from(
    [
        ServerError("the server failed", status=500),
        ServerError("come back later", status=503, retry_after=30.0),
        AuthenticationError("refused", status=401),
        ZeroDivisionError("a bug"),
        asyncio.CancelledError(),
    ]
)
VALUES = st.integers(1, 6)


@attrs.define(eq=False)
class Caller:
    """Somebody who asked for a token."""

    task: asyncio.Task[Token]
    cancelled: bool = False


class ProviderMachine(RuleBasedStateMachine):
    """Requests hang until a rule answers them; every request and every token handed out is looked at."""

    stored = False

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        store = MemoryTokenStore(self.clock) if self.stored else None
        self.provider = TokenProvider(self._fetch, clock=self.clock, store=store, key="key")
        self.requests: list[asyncio.Future[TokenGrant]] = []
        self.fetches = 0
        self.callers: list[Caller] = []
        self.complaints: list[dict[str, object]] = []
        self.refused: set[Token] = set()
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(context))

    async def _fetch(self) -> TokenGrant:
        self.fetches += 1
        request: asyncio.Future[TokenGrant] = self.loop.create_future()
        self.requests.append(request)
        try:
            return await request
        finally:
            self.requests.remove(request)

    def _run(self, work: Coroutine[Any, Any, object] | None = None) -> None:
        async def steps() -> None:
            if work is not None:
                await work
            for _ in range(30):
                await asyncio.sleep(0)

        self.loop.run_until_complete(steps())
        self._look_at_callers()

    def _look_at_callers(self) -> None:
        for caller in [caller for caller in self.callers if caller.task.done()]:
            self.callers.remove(caller)
            assert caller.task.cancelled() == caller.cancelled
            if not caller.cancelled and caller.task.exception() is None:
                self._handed_out(caller.task.result())

    def _handed_out(self, token: Token) -> None:
        assert token not in self.refused
        assert self.clock.monotonic() < token.obtained + token.lifetime

    @rule(number=st.integers(1, 20))
    def callers_come(self, number: int) -> None:
        for _ in range(number):
            task = self.loop.create_task(self.provider.acquire())
            self.callers.append(Caller(task))
        self._run()

    @rule()
    def somebody_looks(self) -> None:
        async def look() -> None:
            fetches = self.fetches
            token = self.provider.current()
            assert self.fetches == fetches  # nothing was awaited, so no task has run
            if token is not None:
                self._handed_out(token)
                assert self.clock.monotonic() < token.hard

        self._run(look())

    @precondition(lambda self: self.callers)
    @rule(data=st.data())
    def callers_give_up(self, data: st.DataObject) -> None:
        for caller in data.draw(st.lists(st.sampled_from(self.callers), max_size=5)):
            caller.cancelled = True
            caller.task.cancel()
        self._run()

    @precondition(lambda self: self.requests)
    @rule(expires_in=LIVES, value=VALUES)
    def the_endpoint_answers(self, expires_in: float | None, value: int) -> None:
        self.requests[0].set_result(TokenGrant(access_token=f"token-{value}", expires_in=expires_in))
        self._run()
        if not self.requests:
            assert not self.callers

    @precondition(lambda self: self.requests)
    @rule(failure=FAILURES)
    def the_endpoint_fails(self, failure: BaseException) -> None:
        waiting = [caller for caller in self.callers if not caller.cancelled]
        if isinstance(failure, asyncio.CancelledError):
            self.requests[0].cancel()
        else:
            self.requests[0].set_exception(failure)
        self._run()
        assert all(isinstance(caller.task.exception(), VoucherError) for caller in waiting)
        assert not self.callers

    @precondition(lambda self: self.requests)
    @rule()
    def the_request_is_cancelled_by_a_stranger(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            if task.get_name() == "voucher-token":
                task.cancel()
        self._run()
        assert bool(self.callers) == bool(self.requests)  # a request was started anew, if a caller waits

    @rule(seconds=st.sampled_from([0.01, 0.5, 1, 5, 40, 250, 3000, 90_000]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._run()

    @rule()
    def the_server_refuses_the_token(self) -> None:
        token = self.provider._token
        if token is not None:
            self.provider.invalidate(token)
            self.refused.add(token)
            assert self.provider.current() is None

    @precondition(lambda self: self.refused)
    @rule(data=st.data())
    def a_late_complaint_comes(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(sorted(self.refused, key=id)))
        token = self.provider._token
        self.provider.invalidate(old)
        assert self.provider._token is token

    @invariant()
    def never_two_requests_at_once(self) -> None:
        assert len(self.requests) <= 1

    @invariant()
    def whoever_waits_waits_for_a_request(self) -> None:
        assert not self.callers or self.requests

    @invariant()
    def nothing_is_complained_about(self) -> None:
        assert not self.complaints

    def teardown(self) -> None:
        self._run(self.provider.aclose())
        assert not self.requests
        assert not self.callers
        assert not asyncio.all_tasks(self.loop)
        assert not self.complaints
        self.loop.close()


class SharedProviderMachine(ProviderMachine):
    """The same with a token store."""

    stored = True


@pytest.mark.parametrize("machine", [ProviderMachine, SharedProviderMachine])
def test_no_order_of_events_breaks_a_promise(machine: type[ProviderMachine]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=30, stateful_step_count=30, deadline=None)
    )
