"""The generator: the file is current, edits are found, a field needs nothing but its entry in the spec."""

from __future__ import annotations

import ast
import copy
import datetime as dt
import functools
import importlib.util
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
import yaml

from codegen.document import Document, SpecificationError
from codegen.generate import OUTPUT, SPECIFICATION, main, render
from voucher_async import wire
from voucher_async.errors import InvalidInput, InvalidInputType

NOON = dt.datetime(2027, 1, 2, 12, tzinfo=dt.UTC)
ADDED: dict[str, Any] = {
    "note": {
        "type": "string",
        "minLength": 2,
        "maxLength": 6,
        "pattern": "^[a-z]+$",
        "x-secret": True,
        "description": "A note.",
    },
    "fee": {"allOf": [{"$ref": "#/components/schemas/PositiveMoney"}], "description": "A fee."},
    "starts_at": {"type": "string", "format": "date-time", "description": "A start."},
    "class": {"type": "integer", "minimum": 1, "maximum": 3, "description": "A name Python keeps to itself."},
    "gift": {"type": "boolean", "description": "A flag."},
    "unit": {"allOf": [{"$ref": "#/components/schemas/ValidityInterval"}], "description": "An enum."},
    "label": {"type": "string", "enum": ["red", "blue"], "description": "A choice."},
    "memo": {"type": "string", "nullable": True, "x-trimmed": True, "description": "Clearable."},
}
NEW = {"amount": 1, "currency": "EUR"}


@functools.cache
def read() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))
    return document


def specification() -> dict[str, Any]:
    """One that a test may change."""
    return copy.deepcopy(read())


def written(document: dict[str, Any], folder: Path) -> Path:
    path = folder / "voucher.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The models of a specification with more fields, in a request and in an answer."""
    folder = tmp_path_factory.mktemp("more")
    document = specification()
    for name in ("CreateVoucherRequest", "Voucher"):
        document["components"]["schemas"][name]["properties"] |= ADDED
    document["components"]["schemas"]["Voucher"]["properties"]["charges"] = {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Charge"},
        "description": "Models in a list that may be missing.",
    }
    source = folder / "models_with_more.py"
    source.write_text(render(written(document, folder)), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("models_with_more", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_check_passes_on_the_file_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_the_check_finds_an_edit_of_one_line_and_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = tmp_path / "_generated.py"
    edited.write_text(OUTPUT.read_text(encoding="utf-8").replace("max_length=30", "max_length=31", 1))
    before = edited.read_bytes()
    assert main(["--check", "--output", str(edited)]) == 1
    shown = capsys.readouterr()
    assert (
        "-        default=None, validator=optional(text(max_length=31)), metadata=OMITTED" in shown.out
        or ("max_length=31" in shown.out and "max_length=30" in shown.out)
    )
    assert "make codegen" in shown.err
    assert edited.read_bytes() == before


def test_the_check_finds_a_change_of_the_specification(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = specification()
    document["components"]["schemas"]["UpdateVoucherRequest"]["properties"]["batch"]["maxLength"] = 40
    assert main(["--check", "--spec", str(written(document, tmp_path))]) == 1
    assert "max_length=40" in capsys.readouterr().out


def test_the_check_finds_that_the_file_is_missing(tmp_path: Path) -> None:
    assert main(["--check", "--output", str(tmp_path / "none.py")]) == 1


def test_generating_writes_the_file(tmp_path: Path) -> None:
    fresh = tmp_path / "fresh.py"
    assert main(["--output", str(fresh)]) == 0
    assert fresh.read_text(encoding="utf-8") == OUTPUT.read_text(encoding="utf-8")


def test_the_file_says_on_line_1_that_and_how_it_was_generated() -> None:
    first = OUTPUT.read_text(encoding="utf-8").partition("\n")[0]
    assert "GENERATED" in first
    assert "DO NOT EDIT" in first
    assert "python -m codegen.generate" in first


def test_the_file_imports_one_module_of_ours() -> None:
    imported = {
        node.module
        for node in ast.walk(ast.parse(OUTPUT.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("voucher_async")
    }
    assert imported == {"voucher_async.models._rules"}


def test_every_schema_with_fields_becomes_a_class_unless_it_is_a_part() -> None:
    schemas = specification()["components"]["schemas"]
    expected = {
        name
        for name, schema in schemas.items()
        if ("properties" in schema or "allOf" in schema) and not schema.get("x-part")
    }
    assert set(Document(SPECIFICATION).for_templates()) == expected


def test_a_new_field_of_a_request_is_left_out_unless_it_is_given(models: ModuleType) -> None:
    assert json.loads(wire.encode(models.CreateVoucherRequest(**NEW))) == {
        "amount": "1.00",
        "currency": "EUR",
    }


def test_new_fields_of_a_request_are_converted_and_written(models: ModuleType) -> None:
    request = models.CreateVoucherRequest(
        **NEW,
        note="abc",
        fee="0.5",
        starts_at=NOON,
        class_=2,
        gift=True,
        unit="days",
        label="red",
        memo=None,
    )
    assert request.fee == Decimal("0.50")
    assert request.unit is models.ValidityInterval.DAYS
    assert json.loads(wire.encode(request)) == {
        "amount": "1.00",
        "currency": "EUR",
        "note": "abc",
        "fee": "0.50",
        "starts_at": "2027-01-02T12:00:00+00:00",
        "class": 2,
        "gift": True,
        "unit": "days",
        "label": "red",
        "memo": None,
    }


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("note", "a", "must have at least 2 characters"),
        ("note", "abcdefg", "must have at most 6 characters"),
        ("note", "ABC", "must match ^[a-z]+$"),
        ("note", "abc\n", "must match ^[a-z]+$"),
        ("fee", "0.00", "must be at least 0.01"),
        ("fee", "0.001", ""),
        ("starts_at", NOON.replace(tzinfo=None), "must be an aware datetime: which time zone?"),
        ("class", 0, "must be at least 1"),
        ("class", 4, "must be at most 3"),
        ("unit", "hours", "must be one of days, weeks, months, years"),
        ("label", "green", "must be one of red, blue"),
        ("memo", " x", "must not begin or end with white space"),
    ],
)
def test_new_fields_of_a_request_are_checked_by_their_rules(
    models: ModuleType, field: str, value: object, rule: str
) -> None:
    name = {"class": "class_"}.get(field, field)
    with pytest.raises(InvalidInput) as caught:
        models.CreateVoucherRequest(**NEW, **{name: value})
    assert caught.value.field == field
    assert rule in caught.value.rule
    assert not isinstance(caught.value, InvalidInputType)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("note", 5),
        ("fee", 0.5),
        ("starts_at", "2027-01-02T12:00:00Z"),
        ("class", True),
        ("class", 2.0),
        ("gift", 1),
        ("unit", 3),
        ("label", None.__class__),
        ("memo", b"x"),
    ],
)
def test_new_fields_of_a_request_are_checked_by_their_types(
    models: ModuleType, field: str, value: object
) -> None:
    name = {"class": "class_"}.get(field, field)
    with pytest.raises(InvalidInputType) as caught:
        models.CreateVoucherRequest(**NEW, **{name: value})
    assert caught.value.field == field


def test_a_new_secret_field_shows_neither_in_repr_nor_in_errors(models: ModuleType) -> None:
    assert "abc" not in repr(models.CreateVoucherRequest(**NEW, note="abc"))
    with pytest.raises(InvalidInput) as caught:
        models.CreateVoucherRequest(**NEW, note="SECRET-NOTE")
    assert "SECRET" not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


def test_new_fields_of_an_answer_are_read_strictly_and_by_their_names(models: ModuleType) -> None:
    examples = specification()["components"]["examples"]
    answer = {
        **examples["VoucherDetails"]["value"],
        "class": 7,
        "fee": "2.50",
        "starts_at": "2027-01-02T12:00:00+00:00",
        "memo": None,
    }
    voucher = wire.decode(models.VoucherDetails, json.dumps(answer).encode())
    assert (voucher.class_, voucher.fee, voucher.starts_at) == (7, Decimal("2.50"), NOON)
    assert json.loads(wire.encode(voucher)) == answer
    page = {**examples["VoucherPage"]["value"], "data": [answer, answer]}
    assert wire.decode(models.VoucherPage, json.dumps(page).encode()).data == (voucher, voucher)
    for field, wrong in {"class": "7", "fee": 2.5, "starts_at": "2027-01-02T12:00:00"}.items():
        with pytest.raises(wire.WireError) as caught:
            wire.decode(models.VoucherDetails, json.dumps({**answer, field: wrong}).encode())
        assert caught.value.path == field


@pytest.mark.parametrize("charges", [{}, {"charges": None}, {"charges": []}])
def test_a_new_list_of_an_answer_may_be_missing_or_null(models: ModuleType, charges: dict[str, Any]) -> None:
    answer = {**specification()["components"]["examples"]["VoucherDetails"]["value"], **charges}
    assert wire.decode(models.VoucherDetails, json.dumps(answer).encode()).charges == ()


def test_the_items_of_a_new_list_of_an_answer_are_read_strictly(models: ModuleType) -> None:
    examples = specification()["components"]["examples"]
    answer = {**examples["VoucherDetails"]["value"], "charges": [examples["Charge"]["value"]]}
    assert wire.decode(models.VoucherDetails, json.dumps(answer).encode()).charges[0].amount == Decimal(10)
    answer["charges"] = [{**examples["Charge"]["value"], "amount": 10}]
    with pytest.raises(wire.WireError) as caught:
        wire.decode(models.VoucherDetails, json.dumps(answer).encode())
    assert caught.value.path == "charges[0].amount"


def test_a_new_field_is_documented_where_editors_look(models: ModuleType) -> None:
    assert "\n        class_: A name Python keeps to itself.\n" in models.Voucher.__doc__
    assert "\n        starts_at: A start.\n" in models.CreateVoucherRequest.__doc__


def test_the_fields_of_a_class_stand_in_the_order_of_the_specification(models: ModuleType) -> None:
    names = [field.metadata.get("name", field.name) for field in attrs.fields(models.CreateVoucherRequest)]
    properties = specification()["components"]["schemas"]["CreateVoucherRequest"]["properties"]
    assert names == [*properties, *ADDED]


def test_a_request_field_of_a_type_without_rules_is_refused_not_passed_unchecked(tmp_path: Path) -> None:
    document = specification()
    fields = document["components"]["schemas"]["RefundRequest"]["properties"]
    fields["tags"] = {"type": "array", "items": {"type": "string"}, "description": "Tags."}
    with pytest.raises(SpecificationError, match=r"RefundRequest\.tags"):
        Document(written(document, tmp_path)).for_templates()


def test_a_class_composed_of_two_whole_schemas_is_refused(tmp_path: Path) -> None:
    document = specification()
    document["components"]["schemas"]["Odd"] = {
        "allOf": [{"$ref": "#/components/schemas/Voucher"}, {"$ref": "#/components/schemas/Charge"}]
    }
    with pytest.raises(SpecificationError, match="Odd"):
        Document(written(document, tmp_path)).for_generator()
