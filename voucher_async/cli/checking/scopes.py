"""The steps `scope`: one request for each, which tells 403 from anything else and changes nothing.

Each request that could change something lacks what the API requires, so that it is refused (422) by a server
that looks at the body, and names an id that no voucher has, or none at all:

* `use`: a reservation with neither code nor amount. No voucher is named, so no other reservation ends.
* `manage`: the deletion of a voucher that does not exist, without the comment that has to be given.
* `update`: a change of a voucher that does not exist, to nothing.
* `recharge`: a recharge with neither voucher nor amount.

A server may look for the voucher before it looks at the scope (Laravel binds the models of a route first).
So a 404 says that the scope was not missed, not that it is there; `is_sure` is False then, unless the token
names the scope.
"""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from voucher_async.api_errors import ApiError, AuthenticationError, MissingScope, RateLimited, ServerError
from voucher_async.cli.checking.findings import Finding, failed, ok, warning
from voucher_async.operations import (
    CREATE_RESERVATION,
    DELETE_VOUCHER,
    GET_COMPLETE_VOUCHER,
    GET_VOUCHER,
    LIST_VOUCHERS,
    RECHARGE_VOUCHER,
    UPDATE_VOUCHER,
)
from voucher_async.sansio import Request, build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.cli.checking.asking import Asking, Told
    from voucher_async.cli.checking.findings import Fact
    from voucher_async.operations import Operation

__all__ = ["PROBES", "Scopes", "a_read"]

PROBES: Final[tuple[Operation[Any], ...]] = (
    LIST_VOUCHERS,
    GET_VOUCHER,
    GET_COMPLETE_VOUCHER,
    CREATE_RESERVATION,
    DELETE_VOUCHER,
    UPDATE_VOUCHER,
    RECHARGE_VOUCHER,
)
"""The operation that each scope is tried with."""

_NAME: Final = "scope"
_NEEDED: Final = {
    "read-lists": "looking for what a lost answer has left undecided (a charge stays open without it)",
    "read": "reading a voucher and its balance",
    "read-secrets": "reading codes and PINs",
    "use": "redeeming, refunding, activating and deactivating",
    "manage": "creating and deleting vouchers",
    "update": "changing vouchers",
    "recharge": "recharging vouchers",
}
_GRANT: Final = "Give it to the client's group in the Admin UI"


def a_read() -> Request[Any]:
    """A read of a voucher that does not exist."""
    return _request(GET_VOUCHER)


def _request(operation: Operation[Any]) -> Request[Any]:
    query = [("page", "1"), ("per_page", "1")] if operation is LIST_VOUCHERS else []
    ids = {"id": f"check-{uuid.uuid4().hex}"} if "{id}" in operation.path else None
    request = build(operation, ids=ids, query=query)
    if operation.method != "GET":
        request.body = b"{}"  # not one of the fields that are required
    return request


class Scopes:
    """Tries scopes one by one.

    Args:
        asking: makes the requests.
        asked: the scopes that the settings ask for; None for all that the client has.
        named: those that the token names; None when it names none.
    """

    def __init__(self, asking: Asking, asked: Sequence[str] | None, named: Sequence[str] | None) -> None:
        self._asking = asking
        self._asked = asked
        self._named = named

    async def look(self, operation: Operation[Any]) -> Finding:
        """Try the scope of an operation, with that."""
        told = await self._asking.ask(_request(operation))
        scope = operation.scope or ""
        facts: dict[str, Fact] = {
            "request": f"{operation.method} {operation.path}",
            "status": told.status,
            "works": None,
            "is_named": None if self._named is None else scope in self._named,
        }
        if isinstance(told.error, MissingScope):
            return self._missing(scope, told.error, facts)
        if _is_unknown(told):
            return _unclear(scope, told, facts)
        return self._works(scope, operation, told, facts)

    def _missing(self, scope: str, error: MissingScope, facts: dict[str, Fact]) -> Finding:
        facts["works"] = False
        if facts["is_named"]:
            seen = f"{scope!r} is refused, though the token names it: {_words(error)}"
            advice = f"Look for a firewall or proxy that refuses {facts['request']}; else ask the vendor."
            return failed(_NAME, scope, seen, advice, **facts)
        if not error.has_envelope and self._named is None:
            seen = f"{scope!r} is refused (HTTP 403), perhaps not by the API: {_words(error)}"
            advice = f"{_GRANT}, or look for a firewall or proxy that refuses {facts['request']}."
            return failed(_NAME, scope, seen, advice, **facts)
        seen = f"{scope!r} is missing (HTTP 403)"
        advice = f"{_GRANT}, if this client is for {_NEEDED[scope]}."
        if self._asked is None and self._named is None:
            advice = f"{advice[:-1]}; or ask for it with the setting scopes."
        if scope == "read-lists" or scope in (self._asked or ()):
            return failed(_NAME, scope, seen, advice, **facts)
        return warning(_NAME, scope, seen, advice, **facts)

    def _works(self, scope: str, operation: Operation[Any], told: Told, facts: dict[str, Fact]) -> Finding:
        is_change = operation.method != "GET"
        facts["is_sure"] = told.error is None or "{id}" not in operation.path or bool(facts["is_named"])
        facts["works"] = facts["is_named"] is not False or None
        if is_change and told.error is None:
            seen = f"{scope!r}: the server took a request that is invalid (HTTP {told.status})"
            advice = "Tell the vendor: it names no voucher, so nothing was changed, but has to be refused."
            return warning(_NAME, scope, seen, advice, **facts)
        if facts["is_named"] is False:
            seen = f"{scope!r} is not named by the token, and was not missed (HTTP {told.status})"
            advice = f"{_GRANT}, if this client is for {_NEEDED[scope]}."
            return warning(_NAME, scope, seen, advice, **facts)
        how = "" if facts["is_sure"] else " for a voucher that does not exist, so it was not missed"
        return ok(_NAME, scope, f"{scope!r} works: HTTP {told.status}{how}", **facts)


def _is_unknown(told: Told) -> bool:
    """True for an end that says nothing of scopes."""
    error = told.error
    if error is None:
        return False
    if not isinstance(error, ApiError) or isinstance(error, (AuthenticationError, RateLimited, ServerError)):
        return True
    return not error.has_envelope


def _unclear(scope: str, told: Told, facts: dict[str, Fact]) -> Finding:
    error = told.error
    seen = f"{scope!r} could not be tried: {_words(error)}"
    if isinstance(error, AuthenticationError):
        return failed(
            _NAME, scope, seen, "Check that base_url and token_url are of one environment.", **facts
        )
    if isinstance(error, ApiError) and (told.status or 0) < HTTPStatus.INTERNAL_SERVER_ERROR:
        if isinstance(error, RateLimited):
            return warning(_NAME, scope, seen, "Wait a minute, and check again.", **facts)
        advice = (
            "Correct VOUCHER_BASE_URL (it ends in /v1), or look for a proxy that answers in the API's place."
        )
        return failed(_NAME, scope, seen, advice, **facts)
    return warning(_NAME, scope, seen, "Check again in a minute.", **facts)


def _words(error: Exception | None) -> str:
    return str(error.args[0]) if error is not None else ""
