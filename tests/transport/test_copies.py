"""Answers that caches have kept, as their headers tell."""

from __future__ import annotations

import pytest

from voucher_async.sansio import Response
from voucher_async.transport.replied import is_copy

COPIES = [
    ("Age", "7"),
    ("X-Cache", "HIT"),
    ("X-Cache", "MISS, HIT"),
    ("X-Cache", "Hit from cloudfront"),
    ("X-Cache", "TCP_HIT from a23-1-1-1.deploy.example (AkamaiGHost)"),
    ("X-Cache", "TCP_MEM_HIT from a23-1-1-1"),
    ("X-Cache", "TCP_REMOTE_HIT"),
    ("X-Cache", "TCP_REFRESH_FAIL_HIT from a23-1-1-1"),
    ("X-Cache-Status", "STALE"),
    ("X-Cache-Status", "UPDATING"),
    ("X-Proxy-Cache", "HIT"),
    ("CF-Cache-Status", "HIT"),
    ("CF-Cache-Status", "UPDATING"),
    ("Cache-Status", '"shop"; hit; ttl=30'),
    ("Cache-Status", "Edge;hit"),
    ("Cache-Status", "Edge; hit=?1; ttl=-30"),
    ("Cache-Status", "Origin; hit; ttl=1100, Edge; fwd=uri-miss; stored"),
    ("Cache-Status", "Origin; fwd=miss, Edge; ttl=3; hit"),
    ("Cache-Status", "HIT"),
    ("Cache-Status", "STALE"),
]
ANSWERS = [
    ("Age", "0"),
    ("Age", ""),
    ("X-Cache", "MISS"),
    ("X-Cache", "Miss from cloudfront"),
    ("X-Cache", "RefreshHit from cloudfront"),
    ("X-Cache", "TCP_REFRESH_HIT from a23-1-1-1"),
    ("X-Cache", "TCP_MISS from a23-1-1-1"),
    ("X-Cache", "Error from whitehouse"),
    ("X-Cache-Status", "EXPIRED"),
    ("X-Cache-Status", "REVALIDATED"),
    ("CF-Cache-Status", "DYNAMIC"),
    ("Cache-Status", "Edge; fwd=stale; stored"),
    ("Cache-Status", '"hit-proxy"; fwd=miss'),
    ("Cache-Status", '"a; hit"; fwd=uri-miss'),
    ("Cache-Status", "hit-proxy; fwd=bypass"),
    ("Cache-Status", 'Edge; hit=?0; fwd=stale; detail="; hit"'),
    ("Cache-Status", "Edge; fwd=miss; detail=hit"),
    ("Cache-Status", "Edge; fwd=miss; hits=3"),
]


@pytest.mark.parametrize(("name", "value"), COPIES)
def test_an_answer_that_a_cache_has_kept_is_a_copy(name: str, value: str) -> None:
    assert is_copy(Response(status=200, headers={name: value}, body=b""))


@pytest.mark.parametrize(("name", "value"), ANSWERS)
def test_an_answer_that_the_server_gave_or_confirmed_is_none(name: str, value: str) -> None:
    assert not is_copy(Response(status=200, headers={name: value}, body=b""))
