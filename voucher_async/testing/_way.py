"""The way from a client to the engine and back: caches, meshes and gateways, still without any I/O."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.testing._state import Outcome

if TYPE_CHECKING:
    from voucher_async.testing._between import Cache, DeliverTwice, ProxyAnswer
    from voucher_async.testing._engine import Call, Engine

__all__ = ["Passage", "Way"]

_MOST_COPIES: Final = 1024
_HTML: Final = "<!doctype html><html><head><title>{0}</title></head><body><h1>{0}</h1><hr>proxy</body></html>"
_MESH: Final = {403: "RBAC: access denied", 429: "local_rate_limited"}  # Envoy's own words
_TITLES: Final = {
    403: "403 Forbidden",
    405: "405 Not Allowed",
    408: "408 Request Time-out",
    413: "413 Request Entity Too Large",
    429: "429 Too Many Requests",
    431: "431 Request Header Fields Too Large",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}
_Key = tuple[str, tuple[tuple[str, str], ...]]


@attrs.frozen
class Passage:
    """Result of one request.

    Attributes:
        outcome: what the client sees.
        delivered: what each delivery to the server led to, in their order; empty when a copy was served.
    """

    outcome: Outcome = attrs.field(repr=False)
    delivered: tuple[Outcome, ...] = attrs.field(repr=False)


@attrs.frozen
class _Copy:
    outcome: Outcome
    made: dt.datetime


class Way:
    """Applies every habit to a request: those of the way here, those of the server in the engine.

    Args:
        engine: what carries requests out; its `habits` count.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._copies: dict[_Key, _Copy] = {}
        self._cache: Cache | None = None  # the cache of these copies

    def answer(self, call: Call) -> Passage:
        """Take a request to the server, or to a cache, and the answer back."""
        copy = self.copy(call)
        return Passage(copy, ()) if copy is not None else self.fetch(call)

    def copy(self, call: Call) -> Outcome | None:
        """The answer that a cache gives without asking the server, if there is one."""
        with self.engine.guard:
            return self._copy(call)

    def _copy(self, call: Call) -> Outcome | None:
        cache = self.engine.habits.cache
        if cache is None or (cache.honour_no_cache and "no-cache" in (call.cache_control or "").lower()):
            return None
        return self._kept(call, cache)

    def stale(self, call: Call) -> Outcome | None:
        """The answer that a cache gives when the server cannot be asked, if there is one."""
        cache = self.engine.habits.cache
        if cache is None or not cache.stale_if_error:
            return None
        with self.engine.guard:
            return self._kept(call, cache, cache.stale_if_error)

    def fetch(self, call: Call, fault: object = None) -> Passage:
        """Take a request past the caches; `fault` is what the request log says that it met."""
        with self.engine.guard:
            return self._fetch(call, fault)

    def _fetch(self, call: Call, fault: object) -> Passage:
        habits, operation = self.engine.habits, self.engine.operation_of(call)
        mesh, proxy = habits.deliver_twice, habits.proxy_answer
        repeated = operation in (mesh.operations if mesh else ()) and habits.meets("deliver_twice")
        times = mesh.times if mesh and repeated else 1
        delivered = tuple(self.engine.answer(call, fault) for _ in range(times))
        outcome = _answer_of(mesh, delivered) if mesh and repeated else delivered[0]
        if proxy is not None and operation in proxy.operations and habits.meets("proxy_answer"):
            outcome = _instead(proxy)
        self._keep(call, operation, outcome)
        return Passage(outcome, delivered)

    def _kept(self, call: Call, cache: Cache, longer: float = 0.0) -> Outcome | None:
        copy = self._copies.get(_key(call, cache)) if cache is self._cache else None
        if copy is None or call.method != "GET":
            return None
        age = (self.engine.now() - copy.made).total_seconds()
        if age >= _lifetime(cache, copy.outcome) + longer:
            return None
        headers = {**copy.outcome.headers, **({"Age": str(int(age))} if cache.age else {})}
        return attrs.evolve(
            copy.outcome, headers=headers, changes=(), at=copy.made if cache.old_date else None
        )

    def _keep(self, call: Call, operation: str | None, outcome: Outcome) -> None:
        cache = self.engine.habits.cache
        if cache is not self._cache:
            self._cache = cache
            self._copies.clear()
        if cache is None or operation not in cache.operations:
            return
        if outcome.status != HTTPStatus.OK and not (outcome.status == HTTPStatus.NOT_FOUND and cache.missing):
            return
        key = _key(call, cache)
        self._copies.pop(key, None)
        self._copies[key] = _Copy(outcome, self.engine.now())
        if len(self._copies) > _MOST_COPIES:
            del self._copies[next(iter(self._copies))]


def _lifetime(cache: Cache, outcome: Outcome) -> float:
    """Seconds for which a cache serves an answer."""
    return cache.missing if outcome.status == HTTPStatus.NOT_FOUND else cache.seconds


def _key(call: Call, cache: Cache) -> _Key:
    return call.raw_path, () if cache.ignore_query else tuple(call.query.items())


def _answer_of(mesh: DeliverTwice, delivered: tuple[Outcome, ...]) -> Outcome:
    match mesh.answer:
        case "last":
            return delivered[-1]
        case "first":
            return delivered[0]
        case status:
            return Outcome(status=status, text=_MESH[status], media_type="text/plain")


def _instead(proxy: ProxyAnswer) -> Outcome:
    title = _TITLES.get(proxy.status, f"{proxy.status} Error")
    headers = {} if proxy.retry_after is None else {"Retry-After": str(proxy.retry_after)}
    match proxy.form:
        case "html":
            text = _HTML.format(title)
            return Outcome(status=proxy.status, headers=headers, text=text, media_type="text/html")
        case "text":
            return Outcome(status=proxy.status, headers=headers, text=title, media_type="text/plain")
        case "empty":
            return Outcome(status=proxy.status, headers=headers)
        case _:
            body = {"status": proxy.status, "code": "GATEWAY", "message": title}
            return Outcome(status=proxy.status, headers=headers, body=body)
