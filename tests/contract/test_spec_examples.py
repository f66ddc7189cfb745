"""Every example of the specification goes through its model and comes out as it went in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from tests.specification import SPEC, resolve
from voucher_async import models, wire


def bodies(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for response in operation["responses"].values():
        yield from resolve(response).get("content", {}).values()


def examples() -> Iterator[Any]:
    seen: set[str] = set()
    operations = (
        operation
        for methods in SPEC["paths"].values()
        for operation in methods.values()
        if isinstance(operation, dict)
    )
    for body in (body for operation in operations for body in bodies(operation)):
        model = body["schema"]["$ref"].rpartition("/")[2]
        for reference in body["examples"].values():
            name = reference["$ref"].rpartition("/")[2]
            if name not in seen:
                seen.add(name)
                yield pytest.param(getattr(models, model), resolve(reference)["value"], id=f"{model}-{name}")


EXAMPLES = list(examples())


def test_there_is_an_example_for_every_model() -> None:
    shown = {
        type(wire.decode(cls, json.dumps(value).encode())) for cls, value in (e.values for e in EXAMPLES)
    }
    nested = {models.PageLinks, models.PageMeta, models.FieldError, models.VoucherDetails, models.Voucher}
    classes = {getattr(models, name) for name in models.__all__}
    assert classes - shown - nested == {
        *(models.UNSET, models.Unset, models.OpenEnum, models.ChargeType),
        *(models.ValidityInterval, models.VoucherStatus, models.VoucherType),
    }


@pytest.mark.parametrize(("cls", "value"), EXAMPLES)
def test_an_example_comes_back_as_it_was(cls: type[Any], value: Any) -> None:
    model = wire.decode(cls, json.dumps(value).encode())
    assert type(model) is cls
    assert json.loads(wire.encode(model)) == value


@pytest.mark.parametrize(("cls", "value"), EXAMPLES)
def test_an_example_decodes_into_what_its_class_would_be_made_of(cls: type[Any], value: Any) -> None:
    model = wire.decode(cls, json.dumps(value).encode())
    assert attrs.evolve(model) == model
    for field in attrs.fields(attrs.resolve_types(cls)):
        given = field.metadata.get("name", field.name) in value
        assert given or getattr(model, field.name) == field.default
