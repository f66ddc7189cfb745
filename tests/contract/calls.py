"""Every call the SDK offers, once with all its arguments and once with as few as it takes."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from voucher_async.resources.charges import Charges
from voucher_async.resources.clients import Clients
from voucher_async.resources.reservations import Reservations
from voucher_async.resources.vouchers import Vouchers

RESOURCES: Final = {
    "vouchers": Vouchers,
    "reservations": Reservations,
    "charges": Charges,
    "clients": Clients,
}
SHORTHANDS: Final = {
    "vouchers.activate": "vouchers.set_status",
    "vouchers.deactivate": "vouchers.set_status",
    "vouchers.charges": "vouchers.list_charges",
    "charges.get": "vouchers.get_charge",
    "charges.list": "vouchers.list_charges",
}
"""They are `set_status` with the status filled in."""
COMPOSED: Final = {"vouchers.issue_many"}
"""They send several operations."""


class Api(Protocol):
    """A `VoucherClient`, or its resources around another sender."""

    @property
    def vouchers(self) -> Vouchers: ...
    @property
    def reservations(self) -> Reservations: ...
    @property
    def charges(self) -> Charges: ...
    @property
    def clients(self) -> Clients: ...


Call = Callable[[Api], Awaitable[Any]]

_FROM: Final = dt.datetime(2026, 1, 1, 8, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
_TO: Final = dt.datetime(2026, 12, 31, tzinfo=dt.UTC)
_WHEN: Final[dict[str, Any]] = {"created_from": _FROM, "created_to": _TO}
# as in the examples of openapi/voucher.yaml: an answer about other money counts as contradicting
_MONEY: Final[dict[str, Any]] = {"amount": "10.00", "currency": "EUR"}
_VOUCHER: Final = "GIFT-2017-0042"
_ALL_OF_A_VOUCHER: Final[dict[str, Any]] = {
    "id": "GIFT/1 ü",
    "code": "CODE-1",
    "pin": "1234",
    "sku": "GIFT",
    "batch": "2026-01",
    "validity_value": 3,
    "validity_interval": "years",
    "type": "print",
    "taxable": True,
    "tax_rate": "19",
    "order_number": "S-1",
    "data": '{"from": "Ada"}',
}

CALLS: Final[dict[str, dict[str, Call]]] = {
    "vouchers.create": {
        "least": lambda api: api.vouchers.create(amount="0.00", currency="EUR"),
        "numbered by the server": lambda api: api.vouchers.create(**_MONEY, id=None),
        "all": lambda api: api.vouchers.create(**_MONEY, **_ALL_OF_A_VOUCHER),
    },
    "vouchers.get": {
        "least": lambda api: api.vouchers.get("V-1"),
        "odd": lambda api: api.vouchers.get("a b/ü?#"),
    },
    "vouchers.get_complete": {"least": lambda api: api.vouchers.get_complete("V-1")},
    "vouchers.list": {
        "least": lambda api: api.vouchers.list().first_page(),
        "all": lambda api: api.vouchers.list(**_WHEN, order_number="S & 1", page=2, per_page=50).first_page(),
    },
    "vouchers.update": {
        "least": lambda api: api.vouchers.update("V-1", sku="GIFT"),
        "cleared": lambda api: api.vouchers.update("V-1", sku=None, batch=None),
    },
    "vouchers.set_status": {
        "least": lambda api: api.vouchers.set_status("V-1", "active"),
        "all": lambda api: api.vouchers.set_status("V-1", "inactive", comment="lost"),
    },
    "vouchers.activate": {"least": lambda api: api.vouchers.activate("V-1")},
    "vouchers.deactivate": {"all": lambda api: api.vouchers.deactivate("V-1", comment="lost")},
    "vouchers.delete": {"least": lambda api: api.vouchers.delete("V-1", comment="printed twice")},
    "vouchers.recharge": {
        "by code": lambda api: api.vouchers.recharge(**_MONEY, order_number="S-2", code="CODE-1"),
        "by id": lambda api: api.vouchers.recharge(**_MONEY, order_number="S-2", id=_VOUCHER),
    },
    "vouchers.list_charges": {
        "least": lambda api: api.vouchers.list_charges("V-1").first_page(),
        "all": lambda api: api.vouchers.list_charges(
            "V-1", **_WHEN, order_number="A-1", page=3, per_page=1
        ).first_page(),
    },
    "vouchers.charges": {"least": lambda api: api.vouchers.charges("V-1").first_page()},
    "vouchers.get_charge": {"least": lambda api: api.vouchers.get_charge("V-1", "C-1")},
    "reservations.create": {
        "least": lambda api: api.reservations.create(**_MONEY, code="CODE-1"),
        "all": lambda api: api.reservations.create(**_MONEY, code="CODE-1", pin="1234"),
    },
    "reservations.charge": {"least": lambda api: api.reservations.charge("R-1", order_number="A-1")},
    "charges.get": {"least": lambda api: api.charges.get("C-1", voucher_id="V-1")},
    "charges.list": {
        "least": lambda api: api.charges.list("V-1").first_page(),
        "all": lambda api: api.charges.list(
            "V-1", **_WHEN, order_number="A-1", page=3, per_page=1
        ).first_page(),
    },
    "charges.refund": {"least": lambda api: api.charges.refund("C-1", "4.50", currency="EUR")},
    "clients.connect": {"least": lambda api: api.clients.connect("48151623")},
    "clients.disconnect": {"least": lambda api: api.clients.disconnect()},
}

VARIANTS: Final = [(name, variant) for name, variants in CALLS.items() for variant in variants]


def offered() -> set[str]:
    """The calls of the resources, found by what tells a call: it takes `timeout=`."""
    return {
        f"{attribute}.{name}"
        for attribute, resource in RESOURCES.items()
        for name, method in inspect.getmembers(resource, inspect.isfunction)
        if not name.startswith("_") and "timeout" in inspect.signature(method).parameters
    } - COMPOSED
