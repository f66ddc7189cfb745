"""Habits of what stands between a client and the server: meshes, gateways and caches."""

from __future__ import annotations

from typing import Final, Literal

import attrs

from voucher_async.testing._names import LISTS, MONEY, OPERATIONS, POSTS, READS
from voucher_async.testing._validating import LONGEST, among, each_among, named, within

__all__ = ["Cache", "DeliverTwice", "ProxyAnswer"]

_FORMS: Final = ("html", "text", "empty", "envelope")


@attrs.frozen
class DeliverTwice:
    """A mesh or load balancer delivers a POST more than once; the client sees one answer.

    Istio repeats twice by default, and gateways repeat what their upstream reset.

    Attributes:
        times: how often each of them is delivered.
        operations: which POSTs.
        answer: the delivery whose answer the client sees, `last` or `first`; or 403 or 429: the mesh says so
            itself, once all is delivered, as Envoy's RBAC and rate limit filters do.
        share: of the requests that are delivered more than once, from 0 to 1.
        seed: of the random choices.
    """

    times: int = attrs.field(default=2, validator=within(1, 100))
    operations: tuple[str, ...] = attrs.field(
        default=(*MONEY, "createReservation", "createVoucher"),
        converter=named,
        validator=each_among(POSTS),
    )
    answer: Literal["last", "first", 403, 429] = attrs.field(
        default="last", validator=among("last", "first", 403, 429)
    )
    share: float = attrs.field(default=1.0, validator=within(0, 1))
    seed: int = 0


@attrs.frozen
class ProxyAnswer:
    """The server carries a request out, and a proxy answers in its place.

    Nginx answers a POST with 405 from a static maintenance page; gateways say 413, 408 or 431.

    Attributes:
        status: the status.
        operations: of which requests.
        form: a page of HTML, a line of text, nothing, or the API's error `envelope` all the same.
        retry_after: seconds that a `Retry-After` header asks for; None leaves it out.
        share: of the requests that are answered so, from 0 to 1.
        seed: of the random choices.
    """

    status: int = attrs.field(default=405, validator=within(300, 599))
    operations: tuple[str, ...] = attrs.field(
        default=MONEY, converter=named, validator=each_among(OPERATIONS)
    )
    form: Literal["html", "text", "empty", "envelope"] = attrs.field(default="html", validator=among(*_FORMS))
    retry_after: int | None = attrs.field(default=None, validator=within(0, LONGEST))
    share: float = attrs.field(default=1.0, validator=within(0, 1))
    seed: int = 0


@attrs.frozen
class Cache:
    """Answers with status 200 are served from a copy for a while: nginx's `proxy_cache`, Varnish, a CDN.

    The copy is found by path and query, whoever asks, and the server does not see the request: it is not in
    the request log and meets no fault. Seconds pass on the emulator's time.

    Attributes:
        seconds: how long a copy is served (`proxy_cache_valid 200 30s`).
        operations: what is kept: lists, or any other reads.
        ignore_query: the query is no part of the key, as a CDN drops parameters it was not told of.
        honour_no_cache: a request with `Cache-Control: no-cache` gets a fresh answer; nginx does not care.
        age: answers from a copy carry an `Age`, as Varnish's do; nginx's do not.
        old_date: an answer from a copy has the `Date` of the copy; otherwise a new one, as nginx writes it.
        stale_if_error: for so many more seconds the copy is served in place of a fault that is an error or a
            broken connection (`proxy_cache_use_stale`).
        missing: how long an answer of 404 is kept, which caches may do unasked (`proxy_cache_valid 404 2m`).
    """

    seconds: float = attrs.field(default=30.0, validator=within(0, LONGEST))
    operations: tuple[str, ...] = attrs.field(default=LISTS, converter=named, validator=each_among(READS))
    ignore_query: bool = False
    honour_no_cache: bool = False
    age: bool = False
    old_date: bool = True
    stale_if_error: float = attrs.field(default=0.0, validator=within(0, LONGEST))
    missing: float = attrs.field(default=0.0, validator=within(0, LONGEST))
