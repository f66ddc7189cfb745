"""What the vendor's specification may say in another way: none of it is a difference."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from codegen.spec_diff.document import Document
from codegen.spec_diff.report import Ours
from tests.specification import SPEC

OURS = Ours(Document(SPEC))
ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


def _operations(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for item in made["paths"].values() for entry in item.values() if isinstance(entry, dict)]


def _schema(made: dict[str, Any], owner: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = made["components"]["schemas"][owner]["properties"][name]
    return found


def http_bearer(made: dict[str, Any]) -> None:
    made["components"]["securitySchemes"] = {"Token": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"Token": []}]
    for operation in _operations(made):
        if operation["security"]:
            operation["security"] = [{"Token": []}]


def all_scopes_on_each(made: dict[str, Any]) -> None:
    for operation in _operations(made):
        if operation["security"]:
            operation["security"] = deepcopy(made["security"])


def statuses_for_ranges(made: dict[str, Any]) -> None:
    for operation in _operations(made):
        operation["responses"]["500"] = operation["responses"].pop("5XX")
        operation["responses"]["503"] = operation["responses"]["500"]


def ranges_for_statuses(made: dict[str, Any]) -> None:
    for operation in _operations(made):
        if operation["operationId"] != "requestToken":
            left = {status: answer for status, answer in operation["responses"].items() if status < "4"}
            operation["responses"] = {**left, "4xx": {"description": "Refused.", "content": ERROR}}


def one_default(made: dict[str, Any]) -> None:
    ranges_for_statuses(made)
    for operation in _operations(made):
        if "4xx" in operation["responses"]:
            operation["responses"]["default"] = operation["responses"].pop("4xx")


def charset(made: dict[str, Any]) -> None:
    for operation in _operations(made):
        content = operation.get("requestBody", {}).get("content", {})
        for name in list(content):
            content[f"{name.upper()}; charset=utf-8"] = content.pop(name)


def deep_object(made: dict[str, Any]) -> None:
    for path in ("/vouchers", "/vouchers/{id}/charges"):
        parameters = made["paths"][path]["get"]["parameters"]
        number = {"type": "string", "minLength": 1}
        moment = {"type": "string", "format": "date-time"}
        parts = {"created_from": moment, "created_to": moment, "order_number": number}
        schema = {"type": "object", "properties": parts}
        parameters[2:] = [{"in": "query", "name": "filter", "style": "deepObject", "schema": schema}]


def null_beside(made: dict[str, Any]) -> None:
    found = _schema(made, "Voucher", "valid_until")
    rest = {key: found.pop(key) for key in ("type", "format", "nullable")}
    found["anyOf"] = [{"type": rest["type"], "format": rest["format"]}, {"type": "null"}]


def composed_once_more(made: dict[str, Any]) -> None:
    found = made["components"]["schemas"]["Charge"]
    required = found.pop("required")
    made["components"]["schemas"]["Charge"] = {"allOf": [{"oneOf": [found]}, {"required": required}]}


def read_only_in_a_request(made: dict[str, Any]) -> None:
    fields = made["components"]["schemas"]["CreateVoucherRequest"]["properties"]
    fields["status"] = {"type": "string", "readOnly": True}
    made["components"]["schemas"]["Voucher"]["properties"]["note"] = {"type": "string", "writeOnly": True}


def ignored_headers(made: dict[str, Any]) -> None:
    for operation in _operations(made):
        operation.setdefault("parameters", []).append({"in": "header", "name": "Accept", "schema": {}})


def what_has_no_effect(made: dict[str, Any]) -> None:
    _schema(made, "Charge", "id").update(
        {"minLength": 0, "nullable": False, "title": "Id", "examples": ["x"]}
    )
    made["components"]["schemas"]["Charge"].update({"additionalProperties": True, "minProperties": 0})
    made["components"]["schemas"]["Money"]["pattern"] = r"^\d+\.\d{2}$"
    made["paths"]["/vouchers"]["x-internal"] = {"a": 1}
    made["tags"] = made["externalDocs"] = None


def deprecated_beside(made: dict[str, Any]) -> None:
    made["paths"]["/charges/{id}/cancel"] = {"post": {"deprecated": True, "responses": {}}}
    _schema(made, "Charge", "id")["deprecated"] = False
    fields = made["components"]["schemas"]["Charge"]["properties"]
    fields["value"] = {"type": "number", "deprecated": True}


def body_of_204(made: dict[str, Any]) -> None:
    answer = made["paths"]["/clients/disconnect"]["post"]["responses"]["204"]
    answer["content"] = {"application/json": {"schema": {"type": "string"}}}


def no_servers(made: dict[str, Any]) -> None:
    made["servers"] = [{"url": "/v1"}]
    del made["paths"]["/oauth/token"]["servers"]


def exclusive_bounds(made: dict[str, Any]) -> None:
    made["components"]["parameters"]["Page"]["schema"] |= {"exclusiveMaximum": False}


@pytest.mark.parametrize(
    "change",
    [
        http_bearer,
        all_scopes_on_each,
        statuses_for_ranges,
        ranges_for_statuses,
        one_default,
        charset,
        deep_object,
        null_beside,
        composed_once_more,
        read_only_in_a_request,
        ignored_headers,
        what_has_no_effect,
        deprecated_beside,
        body_of_204,
        no_servers,
        exclusive_bounds,
    ],
)
def test_what_is_said_in_another_way_is_no_difference(change: Callable[[dict[str, Any]], None]) -> None:
    made = deepcopy(SPEC)
    change(made)
    result = OURS.against(Document(made))
    assert result.findings == []
    assert [entry for entry in result.assumptions if entry.verdict == "refuted"] == []
    assert not result.differs


def test_bounds_that_exclude_are_the_same_in_both_versions() -> None:
    older, newer = deepcopy(SPEC), deepcopy(SPEC)
    older["components"]["parameters"]["Page"]["schema"]["exclusiveMinimum"] = True
    schema = newer["components"]["parameters"]["Page"]["schema"]
    schema["exclusiveMinimum"] = schema.pop("minimum")
    results = [OURS.against(Document(made)) for made in (older, newer)]
    assert results[0] == results[1]
    assert [entry.what for entry in results[0].findings] == ["exclusiveMinimum", "minimum"]


@pytest.mark.parametrize("prefix", ["/v1", "/api/voucher/v1"])
def test_a_prefix_may_stand_in_the_paths_and_parameters_have_any_name(prefix: str) -> None:
    made: dict[str, Any] = deepcopy(SPEC)
    made["servers"] = [{"url": server["url"].removesuffix("/v1")} for server in made["servers"]]
    made["paths"] = {
        path if path == "/oauth/token" else prefix + path.replace("{id}", "{no}") + "/": item
        for path, item in made["paths"].items()
    }
    for name in ("VoucherId", "ChargeId", "ReservationId"):
        made["components"]["parameters"][name]["name"] = "no"
    hosts = [server["url"] for server in SPEC["servers"]]
    moved = [host.removesuffix("/v1") + prefix for host in hosts]
    wrong = [("added", f"server {url}") for url in moved] + [("removed", f"server {url}") for url in hosts]
    shown = [(entry.kind, entry.what) for entry in OURS.against(Document(made)).findings]
    assert shown == ([] if prefix == "/v1" else sorted(wrong))
