"""The vendor's specification against ours: each difference is told once, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from codegen.spec_diff.assumptions import BEYOND, PLACES, assumptions
from codegen.spec_diff.document import Document
from codegen.spec_diff.report import Ours, Report
from codegen.spec_diff.text import lines
from tests.contract.upstream import in_3_1, inlined, reworded, vendors
from tests.specification import SPEC

Change = Callable[[dict[str, Any]], object]
OURS = Ours(Document(SPEC))
SCHEMAS = "components/schemas"


def upstream(*changes: Change) -> dict[str, Any]:
    made: dict[str, Any] = deepcopy(SPEC)
    for change in changes:
        change(made)
    return made


def against(made: dict[str, Any]) -> Report:
    return OURS.against(Document(made))


def at(made: Any, place: str) -> Any:
    for name in place.split(" ") if " " in place else place.split("/"):
        made = made[name]
    return made


def put(place: str, name: str, value: Any = True) -> Change:  # noqa: FBT002 - a keyword that is set
    return lambda made: at(made, place).__setitem__(name, value)


def drop(place: str, name: str) -> Change:
    return lambda made: at(made, place).pop(name)


def found(result: Report) -> list[tuple[str, str, Any, Any]]:
    return [(entry.kind, entry.what, entry.ours, entry.theirs) for entry in result.findings]


def verdicts(result: Report, verdict: str) -> set[str]:
    return {entry.pointer.removeprefix("#/") for entry in result.assumptions if entry.verdict == verdict}


def test_ours_does_not_differ_from_itself_and_only_words_can_tell_the_rest() -> None:
    result = against(SPEC)
    assert not result.differs
    assert found(result) == []
    unknown = {entry.pointer for entry in result.assumptions if entry.verdict == "unknown"}
    assert unknown == {
        "#/paths/~1reservations~1{id}~1charge/post",
        "#/paths/~1charges~1{id}~1refund/post",
        "#/components/schemas/Charge/properties/order_number",
        "#/components/schemas/ConnectedClient/properties/id",
        "#/components/schemas/ConnectedClient/properties/secret",
    }
    assert verdicts(result, "refuted") == set()


def test_each_assumption_is_looked_for_and_each_exception_is_one() -> None:
    known = assumptions(Document(SPEC))
    assert known.keys() == {entry.pointer for entry in against(SPEC).assumptions if entry.evidence}
    assert known.keys() >= BEYOND | PLACES


VOUCHER = f"{SCHEMAS}/Voucher/properties"
CREATE = f"{SCHEMAS}/CreateVoucherRequest"
PATHS = "paths /vouchers"
CANCEL = {"responses": {"200": {"description": "OK"}}, "description": "Releases it."}

ONE: dict[str, tuple[Change, tuple[str, str, Any, Any]]] = {
    "operation added": (
        put("paths", "/reservations/{no}/cancel", {"post": CANCEL}),
        ("added", "POST /reservations/{}/cancel", None, "Releases it."),
    ),
    "operation removed": (
        drop("paths /vouchers/{id}", "patch"),
        (
            "removed",
            "PATCH /vouchers/{}",
            "Only while the voucher is inactive. Omitted properties keep their values.",
            None,
        ),
    ),
    "webhook": (
        lambda made: made.update(webhooks={"charged": {"post": {}}}),
        ("added", "webhook charged", None, ""),
    ),
    "operation deprecated": (
        put(f"{PATHS} get", "deprecated"),
        ("changed", "deprecated", None, True),
    ),
    "field added": (
        put(VOUCHER, "note", {"type": "string", "maxLength": 9}),
        ("added", "property note", None, "string, maxLength 9"),
    ),
    "field removed": (
        drop(f"{SCHEMAS}/Charge/properties", "voucher_id"),
        ("removed", "property voucher_id", "string, always present true", None),
    ),
    "field of a request added": (
        put(f"{CREATE}/properties", "note", {"type": "string"}),
        ("added", "property note", None, "string"),
    ),
    "required": (
        lambda made: at(made, CREATE)["required"].append("sku"),
        ("changed", "required", None, True),
    ),
    "not required": (
        lambda made: at(made, f"{SCHEMAS}/RefundRequest")["required"].remove("currency"),
        ("changed", "required", True, None),
    ),
    "not always present": (
        lambda made: at(made, f"{SCHEMAS}/Reservation")["required"].remove("valid_until"),
        ("changed", "always present", True, None),
    ),
    "fields removed": (
        drop(f"{SCHEMAS}/Error/properties", "errors"),
        ("removed", "property errors", "array, with entries", None),
    ),
    "pattern": (
        put(f"{SCHEMAS}/Money", "pattern", r"^\d+\.\d{3}$"),
        ("changed", "pattern", r"^[0-9]+\.[0-9]{2}$", r"^[0-9]+\.[0-9]{3}$"),
    ),
    "length": (put(f"{SCHEMAS}/Money", "maxLength", 8), ("changed", "maxLength", 9, 8)),
    "length added": (
        put(f"{CREATE}/properties/order_number", "maxLength", 40),
        ("changed", "maxLength", None, 40),
    ),
    "enum value added": (
        lambda made: at(made, f"{SCHEMAS}/ChargeType")["enum"].append("expiry"),
        ("added", "value expiry", None, "expiry"),
    ),
    "enum value removed": (
        lambda made: at(made, f"{SCHEMAS}/VoucherStatus")["enum"].remove("inactive"),
        ("removed", "value inactive", "inactive", None),
    ),
    "null": (
        put(f"{SCHEMAS}/Voucher/properties/currency", "nullable"),
        ("changed", "nullable", None, True),
    ),
    "no null": (drop(f"{VOUCHER}/valid_until", "nullable"), ("changed", "nullable", True, None)),
    "parameter added": (
        lambda made: made["paths"]["/vouchers"]["get"]["parameters"].append(
            {"in": "query", "name": "sort", "schema": {"type": "string"}}
        ),
        ("added", "query parameter sort", None, "string"),
    ),
    "parameter removed": (
        lambda made: made["paths"]["/vouchers"]["get"]["parameters"].pop(0),
        ("removed", "query parameter page", "integer, default 1, minimum 1", None),
    ),
    "default": (
        put("components/parameters/PerPage/schema", "default", 15),
        ("changed", "default", 25, 15),
    ),
    "parameter required": (
        put("components/parameters/CreatedFrom", "required"),
        ("changed", "required", None, True),
    ),
    "body not required": (
        drop(f"{PATHS} post requestBody", "required"),
        ("changed", "body required", True, None),
    ),
    "body form": (
        lambda made: at(made, f"{PATHS} post requestBody content").update({"text/csv": {}}),
        ("added", "body text/csv", None, ""),
    ),
    "status added": (
        put(f"{PATHS} get responses", "418", {"description": "Tea."}),
        ("added", "response 418", None, ""),
    ),
    "status removed": (
        drop(f"{PATHS} get responses", "422"),
        ("removed", "response 422", "with application/json", None),
    ),
    "body without a schema": (
        put("components/responses/NotFound/content", "application/json", {}),
        ("changed", "schema", "object, with status, code, message, errors", None),
    ),
    "a path like another": (
        put("paths", "/charges/{no}/refund", {"post": CANCEL}),
        ("added", "POST /charges/{no}/refund", None, "Releases it."),
    ),
    "success of another status": (
        lambda made: (answers := at(made, "paths /reservations post responses")).update(
            {"201": answers.pop("200")}
        ),
        ("changed", "status", "200", "201"),
    ),
    "token needed": (
        put("paths /clients/connect post", "security", [{"BearerAuth": ["use"]}]),
        ("changed", "authentication", "not needed", "needed"),
    ),
    "scope added": (
        put("components/securitySchemes/BearerAuth/flows/clientCredentials/scopes", "release", "Release"),
        ("added", "scope release", None, "Release"),
    ),
    "server": (
        lambda made: made["servers"].append({"url": "https://eu.example/v1", "description": "Europe"}),
        ("added", "server https://eu.example/v1", None, "Europe"),
    ),
    "token address": (
        put(
            "components/securitySchemes/BearerAuth/flows/clientCredentials",
            "tokenUrl",
            "https://eu.example/t",
        ),
        (
            "changed",
            "token address",
            "https://vouchers.api.jtl-software.com/oauth/token",
            "https://eu.example/t",
        ),
    ),
    "error of another form": (
        put(f"{SCHEMAS}/Error/properties/status", "type", "string"),
        ("changed", "type", "integer", "string"),
    ),
}


@pytest.mark.parametrize("name", ONE)
def test_one_change_is_one_finding(name: str) -> None:
    change, expected = ONE[name]
    result = against(upstream(change))
    extra = [expected] if name != "token needed" else [expected, ("changed", "scopes", None, ["use"])]
    assert found(result) == extra
    assert result.differs
    assert verdicts(result, "refuted") == set()
    assert result.codes == {}


def places() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for owner, schema in SPEC["components"]["schemas"].items():
        for name, value in schema.get("properties", {}).items():
            yield owner, name, value


HOLDERS = {"data", "links", "meta", "errors"}  # what goes with them is not told beside them


def test_each_field_that_goes_is_told_by_its_name() -> None:
    columns = max(len(schema.get("properties", {})) for schema in SPEC["components"]["schemas"].values())
    assert columns > 15
    for column in range(0, columns, 3):
        made, gone = upstream(), list[str]()
        for owner, schema in made["components"]["schemas"].items():
            names = set(list(schema.get("properties", {}))[column : column + 3]) - HOLDERS
            for name in names:
                del schema["properties"][name]
            # what is assumed as a whole, or to be there, is judged and not found
            gone += [
                name for name in names if owner != "OAuthError" and (owner, name) != ("TokenRequest", "scope")
            ]
        shown = [entry for entry in against(made).findings if entry.kind == "removed"]
        assert sorted(entry.what for entry in shown) == sorted(f"property {name}" for name in gone)


@pytest.mark.parametrize(
    ("keyword", "value"), [("maxLength", 7), ("type", "number"), ("deprecated", True), ("multipleOf", 5)]
)
def test_each_keyword_that_changes_anywhere_is_told_where(keyword: str, value: Any) -> None:
    made, expected = upstream(), set[str]()
    for owner, name, old in places():
        if owner not in {"OAuthError", "TokenRequest", "SetStatusRequest"} and (
            keyword in old or keyword not in {"maxLength", "type"}
        ):
            made["components"]["schemas"][owner]["properties"][name][keyword] = value
            expected.add(name)
    result = against(made)
    shown = {
        place.rpartition(" > ")[2].partition("[")[0] for entry in result.findings for place in entry.places
    }
    assert {entry.what for entry in result.findings} == {keyword}
    assert shown == expected


@pytest.mark.parametrize(
    "form", [in_3_1, inlined, lambda made: inlined(in_3_1(made)), lambda made: in_3_1(inlined(made))]
)
def test_the_form_of_the_file_changes_nothing(form: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    made = upstream(*(change for name, (change, _) in ONE.items() if "operation" not in name))
    drop(f"{VOUCHER}/sku", "nullable")(made)
    put(f"{SCHEMAS}/Charge/properties/id", "description", "Or VOUCHER.CREATE.SKU.ALPHA.")(made)
    expected = against(made)
    assert len(expected.findings) > 25
    assert expected.codes == {"VOUCHER.CREATE.SKU.ALPHA": ["POST /vouchers"]}
    assert verdicts(expected, "refuted") == {f"{VOUCHER}/sku"}
    assert against(form(made)) == expected
    assert not against(form(upstream())).differs


def test_words_and_order_never_count() -> None:
    result = against(reworded(SPEC))
    assert not result.differs
    assert verdicts(result, "confirmed") == verdicts(against(SPEC), "confirmed")


def test_a_file_that_says_less_and_mislabels_refutes_nothing() -> None:
    result = against(vendors(SPEC))
    assert found(result) == []
    assert not result.differs
    assert result.deprecated == ["POST /reservations/{}/cancel"]
    assert result.silent == ["always present", "nullable"]
    assert {"#/paths/~1vouchers/post", "#/components/responses/Conflict"} <= {
        entry.pointer for entry in result.assumptions if entry.verdict == "unknown"
    }


REFUTED: dict[str, tuple[Change, str]] = {
    "paths/~1vouchers/post": (
        put(f"{PATHS} post", "security", [{"BearerAuth": ["use"]}]),
        "scopes manage -> use",
    ),
    "paths/~1vouchers/post/responses/201": (
        lambda made: (answers := at(made, f"{PATHS} post responses")).update({"200": answers.pop("201")}),
        "status 201 -> 200",
    ),
    "components/schemas/VoucherType": (
        lambda made: at(made, f"{SCHEMAS}/VoucherType")["enum"].append("pos"),
        "enum digital, print -> digital, pos, print",
    ),
    "components/schemas/Voucher/properties/sku": (
        drop(f"{VOUCHER}/sku", "nullable"),
        "nullable true -> nothing",
    ),
    "components/schemas/CreateVoucherRequest/properties/currency": (
        lambda made: at(made, CREATE)["required"].remove("currency"),
        "required true -> nothing",
    ),
    "components/schemas/CreateVoucherRequest/properties/validity_value": (
        put(f"{CREATE}/properties/validity_value", "minimum", 2),
        "minimum 1 -> 2",
    ),
    "components/parameters/ReservationId": (
        put("components/parameters/ReservationId", "schema", {"type": "string", "maxLength": 36}),
        "maxLength 255 -> 36",
    ),
    "components/responses/Conflict": (
        put("components/responses/Conflict", "content", {"application/json": {"schema": {"type": "array"}}}),
        "type object -> array",
    ),
    "components/schemas/UpdateVoucherRequest": (
        put(f"{SCHEMAS}/UpdateVoucherRequest", "minProperties", 2),
        "minProperties 1 -> 2",
    ),
}


def test_an_assumption_is_refuted_where_the_vendor_says_otherwise() -> None:
    result = against(upstream(*(change for change, _ in REFUTED.values())))
    assert found(result) == []
    assert result.differs
    refuted = {
        entry.pointer.removeprefix("#/"): entry for entry in result.assumptions if entry.verdict == "refuted"
    }
    assert refuted.keys() == REFUTED.keys()
    text = list(lines(result))
    for name, (_, says) in REFUTED.items():
        evidence = refuted[name].evidence[0]
        assert says in evidence.says
        assert any(says in line and evidence.place in line for line in text)


UNKNOWN: dict[str, Change] = {
    "paths/~1vouchers/post": drop(f"{PATHS} post", "security"),
    "components/schemas/VoucherType": drop(f"{SCHEMAS}/VoucherType", "enum"),
    "components/schemas/PositiveMoney": put(f"{SCHEMAS}/PositiveMoney", "pattern", r"^\d+\.\d{2}$"),
    "components/schemas/CreateVoucherRequest/properties/validity_value": drop(
        f"{CREATE}/properties/validity_value", "minimum"
    ),
    "components/responses/Conflict": drop("components/responses/Conflict", "content"),
    "components/parameters/VoucherOrderNumber": lambda made: at(made, f"{PATHS} get parameters").pop(),
    "components/schemas/TokenRequest/properties/scope": drop(f"{SCHEMAS}/TokenRequest/properties", "scope"),
}


def test_an_assumption_stays_unknown_where_the_vendor_says_nothing() -> None:
    result = against(upstream(*UNKNOWN.values()))
    assert found(result) == []
    assert not result.differs
    assert verdicts(result, "unknown") >= UNKNOWN.keys()
    assert not UNKNOWN.keys() & verdicts(against(SPEC), "unknown")
