"""The dashboard as Grafana imports it."""

from __future__ import annotations

from typing import Any, Final

from codegen.dashboards.panels import ROWS, Panel
from codegen.dashboards.queries import matching
from voucher_async.integrations.measures import CALL_DURATION

__all__ = ["dashboard"]

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 24
_VERSION: Final = 39  # of Grafana's schema: that of Grafana 10 and later


def dashboard() -> dict[str, Any]:
    """The whole dashboard."""
    return {
        "title": "JTL-Voucher",
        "uid": "voucher-async",
        "description": "Metrics of voucher_async: docs/observability.md has what each of them tells.",
        "tags": ["voucher"],
        "schemaVersion": _VERSION,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), _job()]},
        "panels": _panels(),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _job() -> dict[str, Any]:
    query = f"label_values({matching(CALL_DURATION, suffix='_count')}, job)"
    return {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "job"},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panels() -> list[dict[str, Any]]:
    panels, top = list[dict[str, Any]](), 0
    for row in ROWS:
        place = {"x": 0, "y": top, "w": _WIDTH, "h": 1}
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": row.title, "gridPos": place, "panels": []}
        )
        top += 1
        is_chart = row.panels[0].limit is None
        width, height = (8, 8) if is_chart else (_WIDTH // len(row.panels), 4)
        for number, panel in enumerate(row.panels):
            down, across = divmod(number * width, _WIDTH)
            place = {"x": across, "y": top + down * height, "w": width, "h": height}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
        top += height * -(-len(row.panels) * width // _WIDTH)
    return panels


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    said = {
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "targets": _targets(panel),
    }
    if panel.limit is None:
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
        options: dict[str, Any] = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        kind = "timeseries"
    else:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.limit}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        options = {"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}}
        kind = "stat"
    return {"type": kind, **said, "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}


def _targets(panel: Panel) -> list[dict[str, Any]]:
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": _SOURCE,
            "expr": query.expression,
            "legendFormat": query.legend,
            "range": panel.limit is None,
            "instant": panel.limit is not None,
        }
        for number, query in enumerate(panel.queries)
    ]
