"""Routes: the operation that a method and a path stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote

import attrs

from voucher_async.testing._charges import get_charge, recharge_voucher, refund_charge
from voucher_async.testing._clients import connect_client, disconnect_client
from voucher_async.testing._lists import list_charges, list_vouchers
from voucher_async.testing._oauth import request_token
from voucher_async.testing._refusals import Refusal
from voucher_async.testing._reservations import charge_reservation, create_reservation
from voucher_async.testing._state import Command, Outcome
from voucher_async.testing._vouchers import (
    create_voucher,
    delete_voucher,
    get_complete_voucher,
    get_voucher,
    set_voucher_status,
    update_voucher,
)

__all__ = ["ROUTES", "Route", "match"]


@attrs.frozen(kw_only=True)
class Route:
    """One operation of the API.

    Attributes:
        operation_id: its name in the request log.
        method: the HTTP method.
        path: the path template, with `{id}` for an identifier.
        scope: the scope that the token needs; None when any token will do.
        public: whether it is answered without a token.
        body: what its body is: `json`, `form` or nothing.
    """

    operation_id: str
    method: str
    path: str
    perform: Callable[[Command], Outcome] = attrs.field(repr=False)
    scope: str | None = None
    public: bool = False
    body: str | None = None
    segments: tuple[str, ...] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.path.split("/")[1:]))


def _route(
    operation_id: str,
    method: str,
    path: str,
    perform: Callable[[Command], Outcome],
    scope: str | None = None,
    *,
    public: bool = False,
) -> Route:
    return Route(
        operation_id=operation_id,
        method=method,
        path=f"/v1{path}",
        perform=perform,
        scope=scope,
        public=public,
        body="json" if method != "GET" and operation_id != "disconnectClient" else None,
    )


_VOUCHER = "/vouchers/{id}"
ROUTES = (
    _route("createVoucher", "POST", "/vouchers", create_voucher, "manage"),
    _route("listVouchers", "GET", "/vouchers", list_vouchers, "read-lists"),
    _route("rechargeVoucher", "POST", "/vouchers/recharge", recharge_voucher, "recharge"),
    _route("getVoucher", "GET", _VOUCHER, get_voucher, "read"),
    _route("updateVoucher", "PATCH", _VOUCHER, update_voucher, "update"),
    _route("deleteVoucher", "DELETE", _VOUCHER, delete_voucher, "manage"),
    _route("getCompleteVoucher", "GET", f"{_VOUCHER}/complete", get_complete_voucher, "read-secrets"),
    _route("setVoucherStatus", "PATCH", f"{_VOUCHER}/status", set_voucher_status, "use"),
    _route("listCharges", "GET", f"{_VOUCHER}/charges", list_charges, "read-lists"),
    _route("getCharge", "GET", f"{_VOUCHER}/charges/{{charge_id}}", get_charge, "read"),
    _route("createReservation", "POST", "/reservations", create_reservation, "use"),
    _route("chargeReservation", "POST", "/reservations/{id}/charge", charge_reservation, "use"),
    _route("refundCharge", "POST", "/charges/{id}/refund", refund_charge, "use"),
    _route("connectClient", "POST", "/clients/connect", connect_client, public=True),
    _route("disconnectClient", "POST", "/clients/disconnect", disconnect_client),
    Route(
        operation_id="requestToken",
        method="POST",
        path="/oauth/token",
        perform=request_token,
        public=True,
        body="form",
    ),
)
_BY_LENGTH: dict[int, list[Route]] = {}
for _each in ROUTES:
    _BY_LENGTH.setdefault(len(_each.segments), []).append(_each)


def match(method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
    """The route and the decoded identifiers of a path as it was sent.

    A literal path goes before one with an identifier in its place, as OpenAPI has it.

    Raises:
        Refusal: 404 for an unknown path, 405 with `Allow` for a method the path does not have.
    """
    sent = raw_path.split("/")[1:]
    fitting = [route for route in _BY_LENGTH.get(len(sent), ()) if _fits(route.segments, sent)]
    if not fitting:
        raise Refusal(404, "NOT_FOUND", "There is nothing at this path.")
    exact = [route for route in fitting if "{" not in route.path] or fitting
    for route in exact:
        if route.method == method:
            return route, dict(_ids(route.segments, sent))
    allowed = ", ".join(sorted({route.method for route in exact}))
    raise Refusal(405, "METHOD_NOT_ALLOWED", f"Allowed here: {allowed}.", headers={"Allow": allowed})


def _fits(segments: tuple[str, ...], sent: list[str]) -> bool:
    return all(part if known[0] == "{" else part == known for known, part in zip(segments, sent, strict=True))


def _ids(segments: tuple[str, ...], sent: list[str]) -> Mapping[str, str]:
    return {known[1:-1]: unquote(part) for known, part in zip(segments, sent, strict=True) if known[0] == "{"}
