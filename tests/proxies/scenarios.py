"""The scenarios: a proxy, its configuration, and the events it goes through while calls are made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

import attrs

from tests.proxies.processes import Proxy
from voucher_async.testing import faults

MONEY: Final = ("chargeReservation", "refundCharge", "rechargeVoucher")
Events = Callable[[Proxy], Coroutine[None, None, None]]


async def _calm(proxy: Proxy) -> None:
    del proxy


async def _killed(proxy: Proxy) -> None:
    while True:
        await asyncio.sleep(0.8)
        await proxy.kill()
        await asyncio.sleep(0.3)
        await proxy.start()


async def _reloaded(proxy: Proxy) -> None:
    while True:
        await asyncio.sleep(0.4)
        await proxy.reload()


async def _stalled(proxy: Proxy) -> None:
    while True:
        await asyncio.sleep(1.0)
        proxy.pause()
        try:
            await asyncio.sleep(1.5)
        finally:
            proxy.resume()


@attrs.frozen(kw_only=True)
class Scenario:
    """One scenario.

    Attributes:
        name: its name in the table.
        package: the proxy.
        habit: the habit of a proxy that it shows, in words.
        lines: the configuration beyond the usual.
        share: the share of requests that meet a fault of the server behind the proxy.
        kinds: those faults.
        operations: the operations that meet them.
        events: the proxy's life while calls are made; cancelled when they are.
    """

    name: str
    package: str
    habit: str
    lines: str = ""
    share: float = 0.3
    kinds: tuple[faults.Fault, ...] = (faults.BreakBefore(), faults.BreakAfter())
    operations: tuple[str, ...] = MONEY
    events: Events = _calm


_SLOW: Final = (faults.SlowHeaders(seconds=0.1),)
_CACHED: Final = (
    "proxy_cache copies;\nproxy_cache_valid 200 {seconds}s;\n{more}"
    "---\nproxy_cache_path @FOLDER@/cache keys_zone=copies:1m;\n---\n"
)
_VCL: Final = (
    'sub vcl_recv { if (req.method == "GET") { return (hash); } return (pass); }\n'
    "sub vcl_backend_response { if (beresp.status == 200) { set beresp.ttl = 120s; } }\n"
)
_RETRY: Final = (faults.BreakAfter(), faults.BreakBefore(), faults.SlowHeaders(seconds=0.5))


def _under_load(name: str, package: str, habit: str, events: Events, lines: str = "") -> Scenario:
    """What happens to the proxy while most answers are slow."""
    return Scenario(
        name=name, package=package, habit=habit, lines=lines, share=0.7, kinds=_SLOW, events=events
    )


SCENARIOS: Final = (
    _under_load(
        "nginx killed",
        "nginx",
        "The proxy is killed and started again; answers on their way are lost, connections refused.",
        _killed,
    ),
    _under_load(
        "haproxy killed",
        "haproxy",
        "The same with haproxy.",
        _killed,
    ),
    _under_load(
        "varnish killed",
        "varnish",
        "The same with Varnish, which comes back with an empty cache.",
        _killed,
        lines="sub vcl_recv { return (pass); }\n",
    ),
    _under_load(
        "nginx reloads",
        "nginx",
        "`nginx -s reload` under load: old workers close idle connections as requests arrive on them.",
        _reloaded,
    ),
    _under_load(
        "haproxy reloads",
        "haproxy",
        "`haproxy -sf` under load: a new process takes the port, the old one ends its connections.",
        _reloaded,
    ),
    Scenario(
        name="nginx repeats a POST",
        package="nginx",
        habit="`proxy_next_upstream ... non_idempotent`: a POST whose answer is lost or late goes to the "
        "next server, and the refusal of the second delivery may be what the client sees.",
        lines="proxy_next_upstream error timeout http_502 http_503 non_idempotent;\n"
        "proxy_next_upstream_tries 2;\nproxy_read_timeout 300ms;\n",
        kinds=_RETRY,
    ),
    Scenario(
        name="haproxy repeats a POST",
        package="haproxy",
        habit="`retry-on all-retryable-errors`, which includes POST.",
        lines="retries 2\noption redispatch 1\nretry-on all-retryable-errors\ntimeout server 300ms\n",
        kinds=_RETRY,
    ),
    Scenario(
        name="nginx mirrors",
        package="nginx",
        habit="`mirror`: traffic is copied to a second server for a test, which here is the real one: every "
        "request is delivered twice, behind one good answer.",
        lines="mirror /copy;\n---\n---\n"
        "location = /copy { internal; proxy_pass http://emulator$request_uri; }\n",
        share=0.0,
    ),
    Scenario(
        name="nginx caches",
        package="nginx",
        habit="`proxy_cache_valid 200 30s`: a list is answered from a copy that is older than the charge.",
        lines=_CACHED.format(seconds=30, more=""),
    ),
    Scenario(
        name="varnish caches",
        package="varnish",
        habit="GET requests are answered from copies for 120 s, the default, whatever the request asks for.",
        lines=_VCL,
    ),
    Scenario(
        name="nginx, stale while error",
        package="nginx",
        habit="`proxy_cache_use_stale`: while the server fails, a list is answered from an old copy.",
        lines=_CACHED.format(
            seconds=1,
            more="proxy_cache_use_stale error timeout updating http_500 http_502 http_503;\n"
            "proxy_next_upstream off;\n",
        ),
        share=0.6,
        kinds=(faults.BreakAfter(), faults.ServerError(status=503)),
        operations=(*MONEY, "listCharges"),
    ),
    Scenario(
        name="nginx, maintenance page",
        package="nginx",
        habit="A static `error_page` stands in for a lost answer; a static file answers a POST with 405.",
        lines="error_page 502 504 @maintenance;\nproxy_read_timeout 300ms;\n---\n---\n"
        "location @maintenance { root @FOLDER@; rewrite ^ /configuration break; }\n",
        kinds=_RETRY,
    ),
    Scenario(
        name="nginx, made-up 413, 408, 431",
        package="nginx",
        habit="A gateway tells a lost answer as 413, 408 or 431, which sounds like a refusal.",
        lines="error_page 502 504 = $made_up;\nproxy_read_timeout 300ms;\n---\n"
        "split_clients $request_id $made_up { 33% /made/413; 33% /made/408; * /made/431; }\n---\n"
        + "".join(
            f"location = /made/{status} {{ internal; return {status}; }}\n" for status in (413, 408, 431)
        ),
        kinds=_RETRY,
    ),
    _under_load(
        "nginx stalls",
        "nginx",
        "The proxy's processes stand still for 1.5 s (SIGSTOP) and then forward what has queued up.",
        _stalled,
    ),
    _under_load(
        "haproxy stalls",
        "haproxy",
        "The same with haproxy.",
        _stalled,
    ),
)
