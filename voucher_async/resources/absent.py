"""Operations that users look for and the API does not have: their names lead to what there is."""

from __future__ import annotations

from typing import Final

__all__ = ["absent"]

_NO_READ: Final = "the API reads and lists no reservations: keep what `reservations.create` returned"
_NO_RELEASE: Final = (
    "the API releases no reservation: it ends by itself after 30 minutes, or as its voucher is reserved anew"
)
_NO_SEARCH: Final = (
    "the API finds no voucher by its code: `vouchers.get` takes the id, which a reservation of the code has "
    "as `voucher_id`"
)
_REFUND: Final = "a charge is undone by `charges.refund`"
_CHARGE: Final = "a charge is made by `redeem` and `checkout` of the client, or by `reservations.charge`"
_CLIENTS: Final = "the API reads no clients: it connects and disconnects them"

_ADVICE: Final[dict[str, dict[str, str]]] = {
    "Reservations": {
        **dict.fromkeys(("get", "list", "retrieve"), _NO_READ),
        **dict.fromkeys(("cancel", "delete", "release"), _NO_RELEASE),
        "refund": _REFUND,
    },
    "Vouchers": {
        **dict.fromkeys(("find", "get_by_code", "lookup", "search"), _NO_SEARCH),
        **dict.fromkeys(("list_reservations", "reservations", "get_reservation"), _NO_READ),
        **dict.fromkeys(("charge", "redeem"), _CHARGE),
        "refund": _REFUND,
        "reserve": "an amount is reserved by `reservations.create`",
        "status": "a status is changed by `vouchers.set_status`, and read by `vouchers.get`",
        "complete": "the code and the pin are read by `vouchers.get_complete`",
    },
    "Charges": {
        **dict.fromkeys(("cancel", "delete", "reverse"), _REFUND),
        **dict.fromkeys(("charge", "create"), _CHARGE),
        "recharge": "credit is added by `vouchers.recharge`",
    },
    "Clients": dict.fromkeys(("get", "list"), _CLIENTS),
}


def absent(resource: object, name: str) -> object:
    """The `__getattr__` of a resource: an AttributeError that says what there is instead.

    Raises:
        AttributeError: always.
    """
    for cls in type(resource).__mro__:
        advice = _ADVICE.get(cls.__name__, {}).get(name)
        if advice is not None:
            raise AttributeError(f"{cls.__name__.lower()} has no {name!r}: {advice}")
    message = f"{type(resource).__name__!r} object has no attribute {name!r}"
    raise AttributeError(message, name=name, obj=resource)
