"""Facts that the headers of an answer tell: for `CallFacts`, and whether it is a cached copy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from voucher_async.clock import parse_date
from voucher_async.masking.text import Masker

if TYPE_CHECKING:
    from voucher_async.sansio import Response

__all__ = ["facts_of", "is_copy"]

_HEADER: Final = "X-Request-Id"
_LONGEST: Final = 200

_STATUS: Final = "Cache-Status"  # RFC 9211: caches separated by commas; nginx may give one word
_CACHES: Final = ("X-Cache", "X-Cache-Status", "X-Proxy-Cache", "CF-Cache-Status")
# nginx, Varnish, CDNs; behind TCP_REFRESH_HIT the server has confirmed the copy
_KEPT: Final = re.compile(r"(?<![a-z])(?<!refresh_)(hit|stale|updating)(?![a-z])", re.IGNORECASE)
_HIT: Final = re.compile(r";\s*hit(=\?1)?\s*([;,]|$)|^\s*(hit|stale|updating)\s*$", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"(\\.|[^"\\])*"')


def facts_of(response: Response | None) -> dict[str, Any]:
    """The fields of `CallFacts` that an answer has; none when there was no answer."""
    if response is None:
        return {}
    named = response.headers.get(_HEADER)
    return {
        "status": response.status,
        "date": parse_date(response.headers.get("Date")),
        "server_request_id": Masker(response.secrets).shown(named, _LONGEST) if named else None,
    }


def is_copy(response: Response) -> bool:
    """True when a cache says that it has kept the answer: by an `Age`, or by what caches call a hit."""
    headers = response.headers
    if headers.get("Age", "").strip() not in {"", "0"}:
        return True
    is_hit = _HIT.search(_QUOTED.sub("", headers.get(_STATUS, "")))
    return is_hit is not None or any(_KEPT.search(headers.get(name, "")) for name in _CACHES)
