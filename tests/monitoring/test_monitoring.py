"""The alerts, the dashboard and the page on monitoring use the metrics that the daemon has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from winter_sync.core.errors import Cause
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.monitoring.metric_definitions import METRICS, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parent.parent.parent
ALERTS = CHECKOUT / "config" / "prometheus-alerts.yaml"
DASHBOARD = CHECKOUT / "config" / "grafana-dashboard.json"
PAGE = CHECKOUT / "docs" / "monitoring.md"
REFERENCE = CHECKOUT / "docs" / "reference" / "metrics.md"

SELECTOR = re.compile(r"\b((?:winter_sync|process)_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
SHOWN_LABEL = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\}\}")
LEGEND = re.compile(r"\{\{(\w+)\}\}")
FROM_PROMETHEUS = {"job", "instance", "le"}
OF_THE_PROCESS = {
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
}
VALUES = {
    "state": {
        *("wanted", "claimed", "missing", "published", "damaged", "withdrawn"),
        *("here", "pending", "not_kept"),
    },
    "damage": {"missing", "changed", "unreadable"},
    "outcome": {"published", "unchanged", "adopted", "missing", "failed"},
    "change": {"new", "changed", "returned", "withdrawn"},
    "cause": set(map(str, Cause)),
    "result": {SUCCEEDED, *map(str, Cause)},
    "instrument": set(map(str, Instrument)),
    "image_type": set(map(str, ImageType)),
}


def exposed() -> dict[str, set[str]]:
    """Return the labels of everything that can be asked for, by its name."""
    names: dict[str, set[str]] = {"up": set(), **{name: set() for name in OF_THE_PROCESS}}
    for metric in METRICS:
        endings = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        names |= {f"{metric.full_name}{ending}": set(metric.labels) for ending in endings}
    return names


EXPOSED = exposed()


def alerts() -> list[dict[str, Any]]:
    """Return the rules of the alerts."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard that show something."""
    dashboard = json.loads(DASHBOARD.read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def faults(expression: str, shown: set[str]) -> Iterator[str]:
    """Return what an expression asks for that is not there, and what is shown and is not."""
    labels = set(FROM_PROMETHEUS)
    selectors = SELECTOR.findall(expression)
    if not selectors:
        yield "it asks for nothing"
    for name, matchers in selectors:
        if name not in EXPOSED:
            yield f"there is no {name}"
            continue
        labels |= EXPOSED[name]
        for label, sign, value in MATCHER.findall(matchers):
            if label not in EXPOSED[name] | FROM_PROMETHEUS:
                yield f"{name} has no {label}"
            known = VALUES.get(label)
            if known and not set(value.split("|") if "~" in sign else [value]) <= known:
                yield f"{label} is never {value}"
    grouped = {word.strip() for words in GROUPING.findall(expression) for word in words.split(",")}
    if unknown := (grouped | shown) - labels:
        yield f"nothing there has {sorted(unknown)}"


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    """Its metrics, their labels and values exist, and it says what is wrong and what to do."""
    said = rule["annotations"]
    shown = set(SHOWN_LABEL.findall(" ".join(said.values())))
    assert list(faults(rule["expr"], shown)) == []
    assert set(said) == {"summary", "description"}
    assert rule["labels"]["severity"] in {"warning", "critical"}


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_asks_for_what_there_is(panel: dict[str, Any]) -> None:
    """Its metrics, their labels and their values exist."""
    for target in panel["targets"]:
        expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
        assert list(faults(expression, set(LEGEND.findall(target["legendFormat"])))) == []


def test_what_is_asked_for_in_vain_would_be_found() -> None:
    """The check above sees a wrong name, label, value and grouping."""
    for wrong in (
        "winter_sync_absent == 1",
        'winter_sync_products{program="2024A000"} > 0',
        'winter_sync_products{state=~"wanted|lost"} > 0',
        "sum by (program) (winter_sync_products)",
        "1 > 0",
    ):
        assert list(faults(wrong, set())), wrong
    assert list(faults("winter_sync_products", {"program"}))
    assert not list(faults('sum by (state) (winter_sync_products{state="wanted"})', {"state"}))


def test_the_dashboard_can_be_imported_anywhere() -> None:
    """Each panel has its own number, and takes its data from where the user says."""
    dashboard = json.loads(DASHBOARD.read_text())
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert "id" not in dashboard
    sources = {panel["datasource"]["uid"] for panel in panels()}
    assert sources == {"${datasource}"}
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]\w*)", DASHBOARD.read_text())) <= known


def test_the_page_describes_every_alert() -> None:
    """Its table has the alerts that there are."""
    assert set(re.findall(r"`(WinterSync\w+)`", PAGE.read_text())) == {
        rule["alert"] for rule in alerts()
    }


def test_the_reference_has_every_value_of_a_label() -> None:
    """What the alerts and the dashboard may ask of a label is explained there."""
    table = REFERENCE.read_text().partition("## Labels")[2]
    written = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    assert {label for metric in METRICS for label in metric.labels} == set(written)
    for label, values in VALUES.items():
        said = written[label] + written["cause"] * (label == "result")
        assert values <= set(re.findall(r"`(\w+)`", said)), label
