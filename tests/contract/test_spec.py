"""The specification itself: valid, complete, nothing assumed without a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate

from tests.specification import SPEC, resolve
from voucher_async.operations import OPERATIONS, Operation

SCHEMAS: dict[str, Any] = SPEC["components"]["schemas"]
BY_ID: dict[str, tuple[str, str, dict[str, Any]]] = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in SPEC["paths"].items()
    for method, operation in methods.items()
    if isinstance(operation, dict)
}
RETRIES = {"safe", "same-state", "delete", "replaces", "by-id", "settle", "never", "disconnect"}


def nodes(node: Any = SPEC, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from nodes(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from nodes(value, f"{path}/{index}")


def properties(name: str) -> dict[str, Any]:
    schema = SCHEMAS[name]
    inherited = [properties(part["$ref"].rpartition("/")[2]) for part in schema.get("allOf", [])]
    own: dict[str, Any] = dict(schema.get("properties", {}))
    return {key: value for part in [*inherited, own] for key, value in part.items()}


def scalar(node: dict[str, Any]) -> dict[str, Any]:
    parts = [resolve(part) for part in node.get("allOf", [])]
    return {key: value for part in [*parts, node] for key, value in part.items()}


def media_types() -> Iterator[tuple[str, dict[str, Any]]]:
    for id, (_, _, operation) in BY_ID.items():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield f"{id} request", content
        for status, response in operation["responses"].items():
            for content in resolve(response).get("content", {}).values():
                yield f"{id} {status}", content


def test_the_specification_is_valid_openapi() -> None:
    validate(SPEC)
    assert SPEC["openapi"] == "3.0.3"


def test_every_operation_of_the_api_is_there_and_no_other() -> None:
    assert len(BY_ID) == 16
    assert set(BY_ID) == {operation.id for operation in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_the_table_of_operations_says_what_the_specification_says(operation: Operation[Any]) -> None:
    method, path, specified = BY_ID[operation.id]
    assert (operation.method, operation.path) == (method, path)
    assert operation.retry == specified["x-retry"]
    requirements = specified["security"]
    assert bool(requirements) is operation.secured
    scopes = [scope for requirement in requirements for scope in requirement["BearerAuth"]]
    assert scopes == ([operation.scope] if operation.scope else [])
    success = next(resolve(value) for key, value in specified["responses"].items() if key.startswith("2"))
    if operation.answer is type(None):
        assert "content" not in success
    else:
        schema = success["content"]["application/json"]["schema"]
        assert schema == {"$ref": f"#/components/schemas/{operation.answer.__name__}"}


@pytest.mark.parametrize("id", BY_ID)
def test_every_operation_is_described_and_says_what_it_needs(id: str) -> None:
    _, _, operation = BY_ID[id]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"][0] in {tag["name"] for tag in SPEC["tags"]}
    assert operation["x-retry"] in RETRIES
    known = SPEC["components"]["securitySchemes"]["BearerAuth"]["flows"]["clientCredentials"]["scopes"]
    for requirement in operation["security"]:
        assert set(requirement["BearerAuth"]) <= set(known)


@pytest.mark.parametrize("id", BY_ID)
def test_every_operation_tells_its_errors(id: str) -> None:
    method, _, operation = BY_ID[id]
    expected = {"401", "429", "5XX"}
    if operation["security"]:
        expected |= {"403"}
    if "{" in BY_ID[id][1]:
        expected |= {"404"}
    if method in {"POST", "PATCH"} and "requestBody" in operation and id != "requestToken":
        expected |= {"409", "422"}
    assert expected <= set(operation["responses"])


def test_both_environments_are_named_for_the_api_and_for_the_token() -> None:
    hosts = ["https://vouchers.api.jtl-software.com", "https://vouchers-sbx.api.jtl-software.com"]
    assert [server["url"] for server in SPEC["servers"]] == [f"{host}/v1" for host in hosts]
    assert [server["url"] for server in SPEC["paths"]["/oauth/token"]["servers"]] == hosts


def test_every_object_has_a_name() -> None:
    inline = [
        path
        for path, node in nodes()
        if ("properties" in node or node.get("type") == "object")
        and not re.fullmatch(r"#/components/schemas/\w+", path)
    ]
    assert inline == []


def test_every_assumption_has_a_reason_and_every_reason_an_assumption() -> None:
    assumed = [path for path, node in nodes() if "x-assumed" in node]
    wrong = [
        path
        for path, node in nodes()
        if ("x-assumed" in node) is not bool(str(node.get("x-assumed-reason", "")).strip())
        or node.get("x-assumed", True) is not True
    ]
    assert wrong == []
    assert len(assumed) > 50


@pytest.mark.parametrize(
    "place",
    [
        "paths//oauth/token/servers/1",
        "components/responses/ServerError",
        "components/responses/Conflict",
        "components/schemas/OAuthError",
        "components/schemas/PositiveMoney",
        "components/schemas/VoucherType",
        "components/schemas/Voucher/properties/sku",
        "components/schemas/Voucher/properties/batch",
        "components/schemas/Voucher/properties/order_number",
        "components/schemas/Voucher/properties/data",
        "components/schemas/VoucherSecrets/properties/pin",
        "components/schemas/Charge/properties/order_number",
        "components/schemas/ConnectedClient/properties/id",
        "components/schemas/ConnectedClient/properties/secret",
        "components/schemas/CreateVoucherRequest/properties/currency",
        "components/schemas/TokenRequest/properties/scope",
        "components/parameters/VoucherOrderNumber",
        *(f"components/schemas/PageLinks/properties/{name}" for name in ("first", "last", "prev", "next")),
    ],
)
def test_what_the_vendor_does_not_state_is_marked(place: str) -> None:
    assert dict(nodes())[f"#/{place}"]["x-assumed"] is True


def test_every_scope_but_none_of_the_open_operations_is_marked_as_assumed() -> None:
    marked = {id for id, (_, _, operation) in BY_ID.items() if operation.get("x-assumed")}
    assert marked == set(BY_ID) - {"connectClient", "requestToken"}


FIELDS = {
    "Voucher": "id client_id sku batch amount currency valid_until validity_value validity_interval status "
    "type taxable tax_rate order_number data created_at updated_at",
    "VoucherBalance": "remaining_amount deletable",
    "VoucherSecrets": "code pin",
    "Reservation": "id voucher_id voucher_taxable voucher_tax_rate client_id amount valid_until created_at "
    "updated_at",
    "Charge": "id voucher_id client_id type amount order_number created_at updated_at",
    "ConnectedClient": "id client_group_id name secret scopes type created_at updated_at connected_at",
    "PageLinks": "first last prev next",
    "PageMeta": "current_page per_page from to last_page total path",
    "VoucherPage": "data links meta",
    "ChargePage": "data links meta",
    "Error": "status code message errors",
    "FieldError": "code property rule message",
    "OAuthError": "error error_description error_uri",
    "Token": "access_token token_type expires_in scope",
    "TokenRequest": "grant_type client_id client_secret client_type scope",
    "CreateVoucherRequest": "id code pin sku batch amount currency validity_value validity_interval type "
    "taxable tax_rate order_number data",
    "UpdateVoucherRequest": "sku batch",
    "DeleteVoucherRequest": "comment",
    "SetStatusRequest": "status comment",
    "RechargeRequest": "amount currency order_number code id",
    "CreateReservationRequest": "amount currency code pin",
    "ChargeReservationRequest": "order_number",
    "RefundRequest": "amount currency",
    "ConnectRequest": "pin",
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_schema_has_exactly_the_fields_of_the_contract_and_describes_each(name: str) -> None:
    assert set(SCHEMAS[name]["properties"]) == set(FIELDS[name].split())
    assert all(field["description"] for field in SCHEMAS[name]["properties"].values())


def test_details_and_secrets_are_vouchers_with_something_more() -> None:
    assert set(properties("VoucherDetails")) == set(f"{FIELDS['Voucher']} {FIELDS['VoucherBalance']}".split())
    assert set(properties("CompleteVoucher")) == set(
        f"{FIELDS['Voucher']} {FIELDS['VoucherSecrets']}".split()
    )


REQUIRED = {
    "CreateVoucherRequest": {"amount", "currency"},
    "UpdateVoucherRequest": set[str](),
    "DeleteVoucherRequest": {"comment"},
    "SetStatusRequest": {"status"},
    "RechargeRequest": {"amount", "currency", "order_number"},
    "CreateReservationRequest": {"amount", "currency", "code"},
    "ChargeReservationRequest": {"order_number"},
    "RefundRequest": {"amount", "currency"},
    "ConnectRequest": {"pin"},
    "TokenRequest": {"grant_type", "client_id", "client_secret"},
}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_request_requires_what_the_contract_requires(name: str) -> None:
    assert set(SCHEMAS[name].get("required", [])) == REQUIRED[name]


@pytest.mark.parametrize(
    ("place", "keywords"),
    [
        ("CreateVoucherRequest.id", {"maxLength": 255}),
        ("CreateVoucherRequest.code", {"maxLength": 255}),
        ("CreateVoucherRequest.pin", {"maxLength": 255}),
        ("CreateVoucherRequest.sku", {"maxLength": 255}),
        ("CreateVoucherRequest.batch", {"maxLength": 30}),
        ("CreateVoucherRequest.currency", {"pattern": "^[A-Z]{3}$", "minLength": 3, "maxLength": 3}),
        ("CreateVoucherRequest.amount", {"x-minimum": "0.00"}),
        ("CreateVoucherRequest.validity_interval", {"enum": ["days", "weeks", "months", "years"]}),
        ("CreateVoucherRequest.type", {"enum": ["digital", "print"]}),
        ("CreateVoucherRequest.data", {"type": "string", "x-json-text": True}),
        ("CreateVoucherRequest.tax_rate", {"type": "string"}),
        ("UpdateVoucherRequest.sku", {"maxLength": 255, "nullable": True}),
        ("UpdateVoucherRequest.batch", {"maxLength": 30, "nullable": True}),
        ("DeleteVoucherRequest.comment", {"maxLength": 255, "minLength": 1}),
        ("SetStatusRequest.status", {"enum": ["active", "inactive"]}),
        ("RechargeRequest.amount", {"x-minimum": "0.01"}),
        ("CreateReservationRequest.code", {"maxLength": 255}),
        ("CreateReservationRequest.pin", {"maxLength": 255}),
        ("CreateReservationRequest.amount", {"x-minimum": "0.01"}),
        ("RefundRequest.amount", {"x-minimum": "0.01"}),
        ("ConnectRequest.pin", {"maxLength": 255}),
        ("TokenRequest.client_type", {"maxLength": 32}),
        ("ConnectedClient.name", {"maxLength": 255}),
        ("Charge.type", {"enum": ["charge", "recharge", "refund"]}),
        ("Voucher.valid_until", {"format": "date-time", "nullable": True, "readOnly": True}),
        ("Voucher.created_at", {"format": "date-time", "readOnly": True}),
        ("Voucher.client_id", {"readOnly": True}),
        ("Reservation.valid_until", {"format": "date-time"}),
    ],
)
def test_a_field_has_the_rules_of_the_contract(place: str, keywords: dict[str, Any]) -> None:
    name, _, field = place.partition(".")
    schema = scalar(properties(name)[field])
    assert {key: schema.get(key) for key in keywords} == keywords


def test_rules_between_fields_are_written_down() -> None:
    assert SCHEMAS["RechargeRequest"]["x-exactly-one-of"] == ["code", "id"]
    assert SCHEMAS["UpdateVoucherRequest"]["minProperties"] == 1
    assert SCHEMAS["CreateVoucherRequest"]["x-only-with"] == {"tax_rate": "taxable"}


@pytest.mark.parametrize(
    ("amount", "fits"),
    [
        ("0.00", {"Money"}),
        ("00.00", {"Money"}),
        ("0.01", {"Money", "PositiveMoney"}),
        ("0.10", {"Money", "PositiveMoney"}),
        ("10.00", {"Money", "PositiveMoney"}),
        ("999999.99", {"Money", "PositiveMoney"}),
        ("1000000.00", set[str]()),
        ("1.0", set[str]()),
        (".00", set[str]()),
        ("-1.00", set[str]()),
        ("1,00", set[str]()),
        ("\u0661.00", set[str]()),
    ],
)
def test_money_is_a_text_with_two_decimals(amount: str, fits: set[str]) -> None:
    kinds = {"Money", "PositiveMoney"}
    assert {kind for kind in kinds if OAS30Validator(SCHEMAS[kind]).is_valid(amount)} == fits


def test_exactly_the_secret_fields_are_marked_as_secret() -> None:
    secret = {
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, rules in schema.get("properties", {}).items()
        if rules.get("x-secret")
    }
    assert secret == {
        "VoucherSecrets.code",
        "VoucherSecrets.pin",
        "ConnectedClient.secret",
        "Token.access_token",
        "TokenRequest.client_secret",
        "CreateVoucherRequest.code",
        "CreateVoucherRequest.pin",
        "RechargeRequest.code",
        "CreateReservationRequest.code",
        "CreateReservationRequest.pin",
        "ConnectRequest.pin",
    }


def test_the_known_error_codes_are_listed() -> None:
    known = {code for _, node in nodes() for code in node.get("x-known-codes", [])}
    create = {
        *("CUSTOM_ID.STRING", "CUSTOM_ID.MAX:255", "CUSTOM_ID.UNIQUE", "CODE.STRING", "CODE.MAX:255"),
        *("CODE.UNIQUE", "SKU.STRING", "SKU.MAX:255", "PIN.STRING", "PIN.MAX:255", "BATCH.STRING"),
        *("BATCH.MAX:30", "AMOUNT.REQUIRED", "AMOUNT.STRING", "AMOUNT.NUMERIC", "AMOUNT.MIN:0"),
        *("CURRENCY.VALID_CURRENCY", "UNPROCESSABLE_ENTITY"),
    }
    assert known == {
        *(f"VOUCHER.CREATE.{code}" for code in create),
        *("VOUCHER.NOT_FOUND", "CLIENT.CONNECT.PIN.REQUIRED", "CLIENT.CONNECT.PIN.STRING"),
    }


@pytest.mark.parametrize(("place", "content"), [pytest.param(*both, id=both[0]) for both in media_types()])
def test_every_body_has_examples_that_fit_its_schema(place: str, content: dict[str, Any]) -> None:
    assert content["examples"], place
    schema = {**content["schema"], "components": SPEC["components"]}
    for example in content["examples"].values():
        OAS30Validator(schema).validate(resolve(example)["value"])


def test_every_parameter_has_an_example_that_fits_its_schema() -> None:
    for parameter in SPEC["components"]["parameters"].values():
        OAS30Validator(parameter["schema"]).validate(parameter["example"])


def test_no_example_is_left_over() -> None:
    used = {node["$ref"].rpartition("/")[2] for _, node in nodes() if "/examples/" in str(node.get("$ref"))}
    assert used == set(SPEC["components"]["examples"])


def test_every_reference_leads_somewhere() -> None:
    references = [node for _, node in nodes() if isinstance(node.get("$ref"), str)]
    assert len(references) > 100
    assert all(resolve(reference) is not None for reference in references)


def test_every_link_names_an_operation_and_all_of_its_path_parameters() -> None:
    links = [link for path, node in nodes() if path.endswith("/links") for link in node.values()]
    links = [link for link in links if isinstance(link, dict) and "operationId" in link]
    assert len(links) >= 14
    for link in links:
        _, path, _ = BY_ID[link["operationId"]]
        assert set(link["parameters"]) == set(re.findall(r"{(\w+)}", path))
