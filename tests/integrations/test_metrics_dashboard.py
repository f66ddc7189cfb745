"""The dashboard, the alert rules and the page about them name what the code really emits."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import attrs
import promql_parser
import pytest
import yaml

from codegen.dashboards.__main__ import FOLDER, main, written
from tests.docs.blocks import ROOT
from tests.integrations.metered import scraped
from voucher_async import Proof, api_errors, errors, outcomes
from voucher_async.config import Settings
from voucher_async.integrations.measures import INSTRUMENTS
from voucher_async.integrations.prometheus import label_of, name_of
from voucher_async.operations import OPERATIONS

DASHBOARD: Final[dict[str, Any]] = json.loads((FOLDER / "voucher.json").read_text(encoding="utf-8"))
ALERTS: Final[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
RULES: Final[list[dict[str, Any]]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS: Final[list[dict[str, Any]]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS: Final = [target for panel in PANELS for target in panel["targets"]]
QUERIES: Final = [target["expr"] for target in TARGETS] + [rule["expr"] for rule in RULES]
OF_PROMETHEUS: Final = {"job", "instance"}  # labels that it adds to what it scrapes
PAGE: Final = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")


@attrs.define
class Used:
    """What a query selects by, and what it groups by."""

    selected: dict[str, set[str]] = attrs.field(factory=dict[str, set[str]])
    grouped: set[str] = attrs.field(factory=set[str])


def parsed(query: str) -> Used:
    """The metrics of a query with their matchers, and the labels that it groups by."""
    used = Used()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            labels = {matcher.name for matcher in node.matchers.matchers}
            used.selected.setdefault(node.name or "", set()).update(labels)
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            used.grouped.update(node.modifier.labels)

    ranged = query.replace("$__rate_interval", "5m").replace("$__range", "6h")
    promql_parser.walk(promql_parser.parse(ranged), visit)
    return used


@pytest.fixture(scope="module")
def emitted() -> dict[str, set[str]]:
    """The names of the samples that a scrape shows, with their labels."""
    names = dict[str, set[str]]()
    for family in scraped().collect():
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names


def test_the_files_are_what_the_code_makes_of_its_instruments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"]) == 0, f"{capsys.readouterr().out} run: python -m codegen.dashboards"
    changed = {**written(), "alerts.yml": "other"}
    monkeypatch.setattr("codegen.dashboards.__main__.written", lambda: changed)
    assert main(["--check"]) == 1
    assert "alerts.yml" in capsys.readouterr().out


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_is_emitted(query: str, emitted: dict[str, set[str]]) -> None:
    used = parsed(query)
    assert used.selected
    for name, labels in used.selected.items():
        assert name in emitted
        assert labels - OF_PROMETHEUS <= emitted[name]
        assert used.grouped - OF_PROMETHEUS <= emitted[name]


def test_every_metric_is_in_the_dashboard() -> None:
    names = {name for target in TARGETS for name in parsed(target["expr"]).selected}
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in names}
    assert shown == {name_of(instrument) for instrument in INSTRUMENTS}


def test_values_that_queries_select_exist() -> None:
    given = dict[str, set[str]]()
    for family in scraped().collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                given.setdefault(label, set()).add(value)
    for label, value in re.findall(r'(voucher_\w+)="(\w+)"', " ".join(QUERIES)):
        if (label, value) != ("voucher_outcome", "not_taken"):  # no turn is waited for in vain there
            assert value in given[label], label


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["expr"])
def test_a_legend_shows_labels_that_its_query_keeps(target: dict[str, Any]) -> None:
    shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    assert shown <= parsed(target["expr"]).grouped - {"le"}


def test_the_dashboard_can_be_imported_beside_any_data_source() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert {target["datasource"]["uid"] for target in TARGETS} == {"${datasource}"}
    assert all('job=~"$job"' in target["expr"] for target in TARGETS)
    assert variables["job"]["query"]["query"] == "label_values(voucher_call_duration_seconds_count, job)"
    identifiers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identifiers)) == len(identifiers)


def cells(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    place = panel["gridPos"]
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_no_panel_covers_another() -> None:
    taken = [cell for panel in DASHBOARD["panels"] for cell in cells(panel)]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert f"| `{rule['alert']}` |" in PAGE


def test_the_alert_about_open_outcomes_waits_as_long_as_the_sdk_looks() -> None:
    settings = Settings.make(client_id="id", client_secret="secret", environment="sandbox")
    (rule,) = (rule for rule in RULES if rule["alert"] == "VoucherOutcomeOpen")
    assert rule["expr"].endswith(f" > {settings.settle_for:.0f}")


def test_the_page_has_every_metric_with_its_labels() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) ?\| (.+) \|$", PAGE, re.MULTILINE)
    listed = {name: re.findall(r"`(\w+)`", labels) for name, labels, _ in rows if "_" in name}
    assert listed == {name_of(each): [label_of(label) for label in each.labels] for each in INSTRUMENTS}


def error_names() -> set[str]:
    modules = (errors, api_errors, outcomes)
    return {name for module in modules for name, cls in vars(module).items() if inspect.isclass(cls)}


def test_no_label_has_values_without_bounds() -> None:
    samples = [sample for family in scraped().collect() for sample in family.samples]
    allowed = {
        "voucher_operation": {*(operation.id for operation in OPERATIONS), "checkout"},
        "url_template": {operation.path for operation in OPERATIONS},
        "http_request_method": {"GET", "POST", "PATCH", "DELETE"},
        "error_type": {"", "CancelledError", "_OTHER", *error_names()},
        "voucher_proof": {"", *(proof.name.lower() for proof in Proof)},
    }
    for sample in samples:
        for label, value in sample.labels.items():
            if label == "error_type" and value.isdigit():
                continue
            assert value in allowed.get(label, {value}), label
            assert not re.search(r"A-1|T-\d|C-\d|R-1|[0-9a-f]{8}", value), label
