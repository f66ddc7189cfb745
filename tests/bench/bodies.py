"""What the canned answers say; needs nothing but the standard library, so that every process can read it."""

from __future__ import annotations

from typing import Any

RESERVATION = {
    "id": "2b1f3c9e-53d8-4a6c-9b6c-0d7c5d1f8e21",
    "voucher_id": "GIFT-2017-0042",
    "voucher_taxable": True,
    "voucher_tax_rate": "19",
    "client_id": "b2a4c1de-0f6b-4f3e-9d43-2b0a5f1f7c11",
    "amount": "10.00",
    "valid_until": "2017-07-22T10:30:00+00:00",
    "created_at": "2017-07-22T10:00:00+00:00",
    "updated_at": "2017-07-22T10:00:00+00:00",
}
VOUCHER: dict[str, Any] = {
    "client_id": "b2a4c1de-0f6b-4f3e-9d43-2b0a5f1f7c11",
    "sku": "GIFT-25",
    "batch": None,
    "currency": "EUR",
    "valid_until": "2020-07-21T17:45:00+00:00",
    "validity_value": 3,
    "validity_interval": "years",
    "status": "active",
    "type": "digital",
    "taxable": False,
    "tax_rate": None,
    "order_number": None,
    "data": None,
    "created_at": "2017-07-21T17:32:28+00:00",
    "updated_at": "2017-07-21T17:45:00+00:00",
    "remaining_amount": "15.00",
    "deletable": False,
}
PAGE: dict[str, Any] = {
    "data": [{**VOUCHER, "id": f"GIFT-{n:04}", "amount": f"{n % 90 + 10}.{n % 100:02}"} for n in range(1000)],
    "links": {"first": "http://domain/1", "last": "http://domain/9", "prev": None, "next": None},
    "meta": {
        "current_page": 1,
        "per_page": 1000,
        "from": 1,
        "to": 1000,
        "last_page": 1,
        "total": 1000,
        "path": "http://domain",
    },
}
