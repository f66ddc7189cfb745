"""The steps between this machine and the API, from names to scopes."""

from __future__ import annotations

import asyncio
import contextlib
from ssl import create_default_context
from typing import TYPE_CHECKING, Final

from voucher_async.cli.checking.asking import Asking
from voucher_async.cli.checking.certificates import shake_hands
from voucher_async.cli.checking.findings import Finding, State, skipped
from voucher_async.cli.checking.places import Place, Route, place_of, places_of, proxy_for
from voucher_async.cli.checking.reaching import Reached, connect_to, look_up, try_proxy
from voucher_async.cli.checking.scopes import PROBES, Scopes, a_read
from voucher_async.cli.checking.steps import the_finding
from voucher_async.cli.checking.timing import READS, judge_clock, judge_round_trip
from voucher_async.cli.checking.tokens import Granted, log_in
from voucher_async.masking import conceal
from voucher_async.proxy import without_login

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Iterable

    from voucher_async.cli.checking.steps import Steps
    from voucher_async.clock import Clock
    from voucher_async.config import Settings

__all__ = ["Network", "all_skipped"]

_CONNECTING: Final = 5.0  # seconds for a connection, at most; a swallowed one is waited for twice
_SILENT: Final = 2  # requests without an answer, after which no further one is made


def all_skipped(reason: str, names: Iterable[str] = ("dns", "tcp", "tls", "token")) -> Iterable[Finding]:
    """All steps of this module, or those from some names on, as skipped.

    Args:
        reason: the reason.
        names: the steps before the scopes.
    """
    yield from (skipped(name, "", reason) for name in names)
    yield from (skipped("scope", operation.scope or "", reason) for operation in PROBES)
    yield from (skipped(name, "", reason) for name in ("clock", "round trip"))


class Network:
    """The steps between this machine and the API.

    Args:
        steps: does them.
        settings: of the client.
        clock: the local clock.
    """

    def __init__(self, steps: Steps, settings: Settings, clock: Clock) -> None:
        self._steps = steps
        self._settings = settings
        self._clock = clock
        self._limit = min(settings.timeout.connect, _CONNECTING)
        self._blocked: dict[Place, str] = {}  # with the step that failed

    async def findings(self) -> AsyncGenerator[Finding, None]:
        """The findings, as they are made."""
        context = self._settings.ssl
        if context is None:
            context = await asyncio.to_thread(create_default_context)
        for place in places_of(self._settings):
            async with contextlib.aclosing(self._reach(place, context)) as found:
                async for finding in found:
                    yield finding
        async with contextlib.aclosing(self._talk()) as found:
            async for finding in found:
                yield finding

    async def _reach(self, place: Place, context: ssl.SSLContext) -> AsyncGenerator[Finding, None]:
        proxy = conceal(proxy_for(self._settings, place))
        if proxy is not None:
            about = str(place_of(without_login(proxy)))
            route = Route(place, proxy, context, limit=self._limit)
            work = try_proxy(route)
            finding = await self._steps.do("proxy", about, work, the_finding)
            yield finding
            yield skipped("dns", place.host, "the proxy looks the name up")
            yield skipped("tcp", str(place), "the proxy connects")
            if finding.state is State.FAILED:
                self._blocked[place] = "proxy"
        else:
            found = await self._steps.do("dns", place.host, look_up(place), Reached)
            yield found.finding
            reached = await self._connected(place, found)
            yield reached.finding
            route = Route(place, address=next(iter(reached.addresses), None), limit=self._limit)
        yield await self._encrypted(route, context)

    async def _connected(self, place: Place, found: Reached) -> Reached:
        if not found.addresses:
            self._blocked[place] = "dns"
            return Reached(skipped("tcp", str(place), "there is no address to connect to"))
        work = connect_to(place, found.addresses, self._limit)
        reached = await self._steps.do("tcp", str(place), work, Reached)
        if not reached.addresses:
            self._blocked[place] = "tcp"
        return reached

    async def _encrypted(self, route: Route, context: ssl.SSLContext) -> Finding:
        place = route.place
        if place in self._blocked:
            return skipped("tls", str(place), f"there is no connection: see {self._blocked[place]}")
        if not place.secure:
            return skipped("tls", str(place), "plain http is spoken there, as the settings say")
        work = shake_hands(route, context, self._clock.now())
        finding = await self._steps.do("tls", str(place), work, the_finding)
        if finding.state is State.FAILED:
            self._blocked[place] = "tls"
        return finding

    async def _talk(self) -> AsyncGenerator[Finding, None]:
        settings = self._settings
        tokens, api = place_of(settings.token_url), place_of(settings.base_url)
        if tokens in self._blocked:
            reason = f"{tokens} is not reached: see {self._blocked[tokens]}"
            for finding in all_skipped(reason, ["token"]):
                yield finding
            return
        async with Asking(settings, self._clock) as asking:
            work = log_in(asking, settings)
            granted = await self._steps.do("token", settings.token_url, work, _not_granted)
            yield granted.finding
            if not granted.is_there or api in self._blocked:
                reason = "there is no token"
                if granted.is_there:
                    reason = f"{api} is not reached: see {self._blocked[api]}"
                for finding in all_skipped(reason, []):
                    yield finding
                return
            async with contextlib.aclosing(self._use(asking, granted)) as found:
                async for finding in found:
                    yield finding

    async def _use(self, asking: Asking, granted: Granted) -> AsyncGenerator[Finding, None]:
        settings = self._settings
        scopes = Scopes(asking, settings.scopes, granted.scopes)
        for operation in PROBES:
            about = operation.scope or ""
            if asking.unanswered >= _SILENT:
                yield skipped("scope", about, f"{_SILENT} requests before it were not answered")
                continue
            yield await self._steps.do("scope", about, scopes.look(operation), the_finding)
        yield await self._steps.do("clock", "", self._clocks(asking), the_finding)
        yield judge_round_trip(asking.round_trips, settings)

    async def _clocks(self, asking: Asking) -> Finding:
        for _ in range(READS - len(asking.round_trips)):
            if asking.unanswered < _SILENT:
                await asking.ask(a_read())
        return judge_clock(asking.samples, self._settings)


def _not_granted(finding: Finding) -> Granted:
    return Granted(finding, is_there=False)
