"""The examples of the contract, as bodies."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.specification import SPEC
from voucher_async import Charge, ChargeType, wire

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def seconds(number: float) -> dt.timedelta:
    return dt.timedelta(seconds=number)


def example(name: str, **changes: Any) -> dict[str, Any]:
    return {**SPEC["components"]["examples"][name]["value"], **changes}


def charge(id: str = "c", **changes: Any) -> Charge:
    """A charge of 5.00 for order A-1, made at noon."""
    made = Charge(
        id=id,
        type=ChargeType.CHARGE,
        voucher_id="V",
        client_id="shop",
        amount=Decimal("5.00"),
        order_number="A-1",
        created_at=NOON,
        updated_at=NOON,
    )
    return attrs.evolve(made, **changes)


def raw(content: Any) -> bytes:
    return json.dumps(content).encode()


def problem(cls: type[Any], body: bytes) -> wire.WireError:
    with pytest.raises(wire.WireError) as caught:
        wire.decode(cls, body)
    return caught.value
