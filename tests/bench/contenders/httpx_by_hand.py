"""A client written by hand on httpx: attrs models, `Decimal` and `datetime`, the status checked.

httpx keeps 20 idle connections by default, fewer than there are calls in flight; it may keep 100 here, as the
other clients do.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import attrs
import httpx

from tests.bench.calls import TOKEN, Call


@attrs.frozen
class Reservation:
    id: str
    voucher_id: str
    voucher_taxable: bool
    voucher_tax_rate: str | None
    client_id: str
    amount: Decimal
    valid_until: dt.datetime
    created_at: dt.datetime
    updated_at: dt.datetime

    @classmethod
    def read(cls, content: dict[str, Any]) -> Reservation:
        return cls(
            id=content["id"],
            voucher_id=content["voucher_id"],
            voucher_taxable=content["voucher_taxable"],
            voucher_tax_rate=content["voucher_tax_rate"],
            client_id=content["client_id"],
            amount=Decimal(content["amount"]),
            valid_until=dt.datetime.fromisoformat(content["valid_until"]),
            created_at=dt.datetime.fromisoformat(content["created_at"]),
            updated_at=dt.datetime.fromisoformat(content["updated_at"]),
        )


@contextlib.asynccontextmanager
async def connect(base_url: str, _work: str) -> AsyncGenerator[Call]:
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, limits=limits) as client:

        async def reserve(code: str) -> object:
            body = {"amount": "10.00", "currency": "EUR", "code": code}
            answer = await client.post("/reservations", json=body)
            answer.raise_for_status()
            return Reservation.read(answer.json())

        yield reserve
