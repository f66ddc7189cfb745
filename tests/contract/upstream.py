"""Made-up files of the vendor: ours in another form."""

from __future__ import annotations

from typing import Any

__all__ = ["CANCEL", "in_3_1", "inlined", "reworded", "vendors"]

CANCEL = "/reservations/{id}/cancel"
_TYPES = {"string", "integer", "number", "boolean", "array", "object"}
_SCOPES = ["read", "read-lists", "read-secrets", "use", "manage", "update", "recharge"]
_UNDOCUMENTED = ("400", "401", "403", "409", "413", "415", "429", "5XX")


def _each(value: Any, change: Any) -> Any:
    """A copy in which every mapping has gone through a function, the innermost first."""
    if isinstance(value, dict):
        return change({key: _each(item, change) for key, item in value.items()})
    return [_each(item, change) for item in value] if isinstance(value, list) else value


def in_3_1(made: dict[str, Any]) -> dict[str, Any]:
    """The same in the words of OpenAPI 3.1."""

    def renewed(node: dict[str, Any]) -> dict[str, Any]:
        if node.get("nullable") is True:
            if node.get("type") in _TYPES:
                node["type"] = [node["type"], "null"]
                if "enum" in node:
                    node["enum"] = [*node["enum"], None]
                del node["nullable"]
            elif "allOf" in node:
                node["oneOf"] = [*node.pop("allOf"), {"type": "null"}]
                del node["nullable"]
        if isinstance(node.get("allOf"), list) and len(node["allOf"]) == 1:
            node = {**node.pop("allOf")[0], **node}  # in 3.1 a reference has other keywords beside it
        if isinstance(node.get("enum"), list) and len(node["enum"]) == 1:
            node["const"] = node.pop("enum")[0]
        return node

    result: dict[str, Any] = _each(made, renewed)
    return result | {"openapi": "3.1.0"}


def inlined(made: dict[str, Any]) -> dict[str, Any]:
    """The same with nothing referred to, and schemas that are composed of one as they are."""

    def target(node: dict[str, Any]) -> Any:
        if not isinstance(node.get("$ref"), str):
            return node
        found: Any = made
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {**_each(found, target), **beside}

    result: dict[str, Any] = _each(made, target)
    result["components"] = {"securitySchemes": result["components"]["securitySchemes"]}
    return result


def reworded(made: dict[str, Any]) -> dict[str, Any]:
    """The same in another order, in other words, and under other names."""

    def turned(node: dict[str, Any]) -> dict[str, Any]:
        node = {key: node[key] for key in reversed(node)}
        for key, value in node.items():
            if key in {"description", "summary", "operationId"} and isinstance(value, str):
                node[key] = "Other words."
            if key in {"required", "enum", "parameters", "servers"} and isinstance(value, list):
                node[key] = list(reversed(value))
        return node

    result: dict[str, Any] = _each(made, turned)
    return result


def vendors(made: dict[str, Any]) -> dict[str, Any]:
    """A file that says what the vendor's reference says, as wrongly as that does."""
    result: dict[str, Any] = _each(made, _bare)
    del result["paths"]["/oauth/token"]
    for name, schema in result["components"]["schemas"].items():
        if not name.endswith("Request"):
            schema.pop("required", None)
    for path, item in result["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                _mislabel(operation, f"{method} {path}")
    result["security"] = [{"BearerAuth": _SCOPES}]
    recharge = result["components"]["schemas"]["RechargeRequest"]
    recharge["oneOf"] = [{"required": ["id"]}, {"required": ["code"]}]
    lists = result["paths"]["/vouchers"]["get"]["responses"]["200"]["content"]["application/json"]
    lists["example"] = {"links": {"next": "http://domain/v1/vouchers?page=2"}, "meta": {"per_page": 15}}
    cancel = {"deprecated": True, "responses": {"200": {"description": "OK"}}}
    result["paths"][CANCEL] = {"post": cancel}
    return result


def _bare(node: dict[str, Any]) -> dict[str, Any]:
    """A node without our extensions, and without null."""
    return {key: value for key, value in node.items() if not str(key).startswith("x-") and key != "nullable"}


def _mislabel(operation: dict[str, Any], name: str) -> None:
    if name != "post /clients/connect":
        operation.pop("security", None)
    operation.pop("operationId")
    if name == "post /vouchers":
        operation["operationId"] = "create"
    answers = operation["responses"]
    for status in _UNDOCUMENTED:
        answers.pop(status, None)
    if "204" in answers:
        text = {"schema": {"type": "string", "example": "No Content"}}
        answers["204"] = {"description": "No Content", "content": {"application/json": text}}
