"""How fast answers are read, by the converter and by what it might have been made of.

One reservation, and a page of 1,000 vouchers. A set-up that lets wrong values pass says so in its name.
`python -m tests.bench --only decode` prints the table.
"""

from __future__ import annotations

import datetime as dt
import functools
import gc
import importlib
import importlib.util
import json
import operator
import re
import time
import typing
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import cattrs
import msgspec
import pydantic
from cattrs.gen import make_dict_structure_fn, override
from cattrs.preconf.msgspec import MsgspecJsonConverter, make_converter

from tests.bench.bodies import PAGE, RESERVATION
from tests.bench.decode import MANY, OURS, PYDANTIC
from voucher_async import wire
from voucher_async.models import OpenEnum, Reservation, VoucherPage

CASES: list[tuple[str, type[Any], bytes, int]] = [
    ("one reservation", Reservation, json.dumps(RESERVATION).encode(), 20_000),
    (MANY, VoucherPage, json.dumps(PAGE).encode(), 20),
]
AMOUNT = re.compile(r"[0-9]{1,6}\.[0-9]{2}")
Reader = Callable[[bytes], Any]
C = typing.TypeVar("C", bound=cattrs.Converter)


def exactly(cls: type[Any]) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: Any) -> Any:
        if value.__class__ is not cls:
            raise TypeError
        return value

    return check


def amount(value: Any, _: Any) -> Decimal:
    if value.__class__ is not str or AMOUNT.fullmatch(value) is None:
        raise TypeError
    return Decimal(value)


def moment(value: Any, _: Any) -> dt.datetime:
    read = dt.datetime.fromisoformat(value)
    if read.tzinfo is None:
        raise TypeError
    return read


def strict(converter: C) -> C:
    def structure(cls: Any, converter: cattrs.Converter) -> Any:
        fields = attrs.fields(attrs.resolve_types(cls))
        names = {field.name: override(rename=field.metadata.get("name", field.name)) for field in fields}
        return make_dict_structure_fn(cls, converter, **names)  # type: ignore[arg-type]  # overrides, by field

    for cls in (str, int, bool):
        converter.register_structure_hook(cls, exactly(cls))
    converter.register_structure_hook(Decimal, amount)
    converter.register_structure_hook(dt.datetime, moment)
    converter.register_structure_hook(OpenEnum, lambda value, cls: cls(value))
    converter.register_structure_hook_factory(attrs.has, structure)
    return converter


def with_cattrs(cls: type[Any], loads: Reader, *, detailed: bool) -> Reader:
    hook = strict(cattrs.Converter(detailed_validation=detailed)).get_structure_hook(cls)
    return lambda body: hook(loads(body), cls)


def plain_readers() -> dict[str, Reader]:
    """What reads JSON into dicts; orjson is no dependency, and measured where it is installed."""
    found: dict[str, Reader] = {"msgspec": msgspec.json.decode}
    if importlib.util.find_spec("orjson"):
        found["orjson"] = importlib.import_module("orjson").loads
    return found


def with_preconf(cls: type[Any]) -> Reader:
    converter: MsgspecJsonConverter = make_converter(detailed_validation=False)
    return strict(converter).get_loads_hook(cls)


@functools.cache
def pydantic_twin(hint: Any) -> Any:
    if attrs.has(hint):
        fields: dict[str, Any] = {
            field.name: (
                pydantic_twin(field.type),
                pydantic.Field(
                    default=... if field.default is attrs.NOTHING else field.default,
                    alias=field.metadata.get("name", field.name),
                ),
            )
            for field in attrs.fields(attrs.resolve_types(hint))
        }
        return pydantic.create_model(hint.__name__, __config__=pydantic.ConfigDict(frozen=True), **fields)
    parts: list[Any] = [pydantic_twin(part) for part in typing.get_args(hint) if part is not ...]
    if typing.get_origin(hint) is tuple:
        item: Any = parts[0]
        return tuple[item, ...]
    if parts:
        return functools.reduce(operator.or_, parts)
    return pydantic.AwareDatetime if hint is dt.datetime else hint


def readers(cls: Any) -> dict[str, Reader]:
    found: dict[str, Reader] = {OURS: lambda body: wire.decode(cls, body)}
    for name, loads in plain_readers().items():
        found[f"{name} + cattrs"] = with_cattrs(cls, loads, detailed=False)
        found[f"{name} + cattrs, detailed validation"] = with_cattrs(cls, loads, detailed=True)
    return found | {
        "cattrs' msgspec preconf": with_preconf(cls),
        "msgspec alone (amounts, offsets, `from` unchecked)": msgspec.json.Decoder(cls).decode,
        PYDANTIC: pydantic_twin(cls).model_validate_json,
    }


def microseconds(reader: Reader, body: bytes, times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        reader(body)
    return (time.perf_counter() - start) / times * 1e6


def measure(rounds: int = 9, scale: float = 1.0) -> dict[str, dict[str, list[float]]]:
    """The microseconds by case and reader, of rounds in which all readers take turns."""
    results: dict[str, dict[str, list[float]]] = {}
    for case, cls, body, times in CASES:
        racing = readers(cls)
        results[case] = {name: [] for name in racing}
        for reader in racing.values():
            reader(body)
        for _ in range(rounds):
            for name, reader in racing.items():
                gc.collect()
                results[case][name].append(microseconds(reader, body, max(1, int(times * scale))))
    return results
