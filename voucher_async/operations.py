"""The operations of the API, as a table.

It is held against `openapi/voucher.yaml` by a contract test: id, method, path, scope and retry class.
"""

from __future__ import annotations

import enum
from typing import Any, Final, Generic, TypeVar

import attrs

from voucher_async.models import (
    Charge,
    ChargePage,
    CompleteVoucher,
    ConnectedClient,
    Reservation,
    Token,
    Voucher,
    VoucherDetails,
    VoucherPage,
)

T = TypeVar("T")


class Retry(enum.StrEnum):
    """Effect of a second request of the same operation, and so when it may be made (contract: retries)."""

    SAFE = "safe"
    """Nothing: repeat."""

    SAME_STATE = "same-state"
    """It sets the same state again: repeat."""

    DELETE = "delete"
    """404 the second time: repeat, and 404 after an unknown outcome means done."""

    REPLACES = "replaces"
    """The newer one replaces the older one: repeat, the newest answer counts."""

    BY_ID = "by-id"
    """A second voucher, unless an id was set: repeat only with an id."""

    SETTLE = "settle"
    """It may move money twice: never repeat blindly after an unknown outcome."""

    NEVER = "never"
    """It uses up something that cannot be used again: never repeat after an unknown outcome."""

    DISCONNECT = "disconnect"
    """401 the second time: repeat, and 401 after an unknown outcome, also to a new token, means done."""

    __hash__ = str.__hash__  # `Enum.__hash__` is written in Python, and slow


@attrs.frozen(eq=False)
class Operation(Generic[T]):
    """One operation of the API.

    Attributes:
        id: its `operationId` in `openapi/voucher.yaml`.
        method: the HTTP method.
        path: below the API base, with `{placeholders}`.
        retry: its retry class.
        scope: the scope it needs; None when none is known.
        answer: the model of its answer; None when the answer has no content.
        secured: whether it is sent with a token.
    """

    id: str
    method: str
    path: str
    retry: Retry
    scope: str | None
    answer: type[T]
    secured: bool = True


_None = type(None)

CREATE_VOUCHER: Final = Operation(
    "createVoucher", "POST", "/vouchers", Retry.BY_ID, "manage", CompleteVoucher
)
LIST_VOUCHERS: Final = Operation("listVouchers", "GET", "/vouchers", Retry.SAFE, "read-lists", VoucherPage)
GET_VOUCHER: Final = Operation("getVoucher", "GET", "/vouchers/{id}", Retry.SAFE, "read", VoucherDetails)
UPDATE_VOUCHER: Final = Operation(
    "updateVoucher", "PATCH", "/vouchers/{id}", Retry.SAME_STATE, "update", Voucher
)
DELETE_VOUCHER: Final = Operation("deleteVoucher", "DELETE", "/vouchers/{id}", Retry.DELETE, "manage", _None)
GET_COMPLETE_VOUCHER: Final = Operation(
    "getCompleteVoucher", "GET", "/vouchers/{id}/complete", Retry.SAFE, "read-secrets", CompleteVoucher
)
SET_VOUCHER_STATUS: Final = Operation(
    "setVoucherStatus", "PATCH", "/vouchers/{id}/status", Retry.SAME_STATE, "use", Voucher
)
LIST_CHARGES: Final = Operation(
    "listCharges", "GET", "/vouchers/{id}/charges", Retry.SAFE, "read-lists", ChargePage
)
GET_CHARGE: Final = Operation(
    "getCharge", "GET", "/vouchers/{id}/charges/{charge_id}", Retry.SAFE, "read", Charge
)
RECHARGE_VOUCHER: Final = Operation(
    "rechargeVoucher", "POST", "/vouchers/recharge", Retry.SETTLE, "recharge", Charge
)
CREATE_RESERVATION: Final = Operation(
    "createReservation", "POST", "/reservations", Retry.REPLACES, "use", Reservation
)
CHARGE_RESERVATION: Final = Operation(
    "chargeReservation", "POST", "/reservations/{id}/charge", Retry.SETTLE, "use", Charge
)
REFUND_CHARGE: Final = Operation("refundCharge", "POST", "/charges/{id}/refund", Retry.SETTLE, "use", Charge)
CONNECT_CLIENT: Final = Operation(
    "connectClient", "POST", "/clients/connect", Retry.NEVER, None, ConnectedClient, secured=False
)
DISCONNECT_CLIENT: Final = Operation(
    "disconnectClient", "POST", "/clients/disconnect", Retry.DISCONNECT, None, _None
)
REQUEST_TOKEN: Final = Operation(
    "requestToken", "POST", "/oauth/token", Retry.SAFE, None, Token, secured=False
)

OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    CREATE_VOUCHER,
    LIST_VOUCHERS,
    GET_VOUCHER,
    UPDATE_VOUCHER,
    DELETE_VOUCHER,
    GET_COMPLETE_VOUCHER,
    SET_VOUCHER_STATUS,
    LIST_CHARGES,
    GET_CHARGE,
    RECHARGE_VOUCHER,
    CREATE_RESERVATION,
    CHARGE_RESERVATION,
    REFUND_CHARGE,
    CONNECT_CLIENT,
    DISCONNECT_CLIENT,
    REQUEST_TOKEN,
)
"""Every operation, the token request included."""
