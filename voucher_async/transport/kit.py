"""The kit that all calls of a client share: its session, its clocks, its budget of repeats."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import attrs

from voucher_async.auth import TokenProvider
from voucher_async.clock import Clock, ServerClock, clock_uptime
from voucher_async.config import Settings
from voucher_async.hooks import Hooks
from voucher_async.transport.retry import Backoff, Budget
from voucher_async.transport.session import Session

__all__ = ["TransportKit"]

_PORTS: Final = {"http": 80, "https": 443}


@attrs.define(eq=False, repr=False)
class TransportKit:
    """Kit that a call works with.

    Attributes:
        settings: addresses, limits and time-outs.
        session: makes the exchanges.
        clock: measures time and waits out pauses.
        server_clock: learns from the `Date` of answers.
        hooks: told what happens.
        rng: where jitter comes from.
        backoff: how long to pause.
        budget: how many repeats there may be.
        tokens: what calls are authorised with; None: nothing.
        uptime: the clock's, where it has one: seconds, those counted in which the machine slept.
        place: the host and the port of the API.
        token_place: the host and the port that tokens come from.
        is_one_host: whether tokens come from the host of the API, and so by its clock.
    """

    settings: Settings
    session: Session
    clock: Clock = attrs.field(kw_only=True)
    server_clock: ServerClock = attrs.field(kw_only=True)
    hooks: Hooks = attrs.field(kw_only=True)
    rng: random.Random = attrs.field(init=False, factory=random.SystemRandom)
    backoff: Backoff = attrs.field(init=False, factory=Backoff)
    budget: Budget = attrs.field(init=False, factory=Budget)
    tokens: TokenProvider | None = attrs.field(init=False, default=None)
    uptime: Callable[[], float] = attrs.field(
        init=False, default=attrs.Factory(lambda self: clock_uptime(self.clock), takes_self=True)
    )
    place: tuple[str, int | None] = attrs.field(
        init=False, default=attrs.Factory(lambda self: _place_of(self.settings.base_url), takes_self=True)
    )
    token_place: tuple[str, int | None] = attrs.field(
        init=False, default=attrs.Factory(lambda self: _place_of(self.settings.token_url), takes_self=True)
    )
    is_one_host: bool = attrs.field(
        init=False, default=attrs.Factory(lambda self: _is_one_host(self.settings), takes_self=True)
    )


def _place_of(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def _is_one_host(settings: Settings) -> bool:
    return urlsplit(settings.token_url).netloc == urlsplit(settings.base_url).netloc
