"""A real Prometheus scrapes a real service: the page, alerts and dashboard fit what it exposes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from embedded.cli.main import main
from tests.support.images.models import link_models
from tests.support.images.photos import photo
from tests.support.services.process import ServiceProcess
from tests.support.services.prometheus import MONITORING, Prometheus, promtool, require
from tests.support.waiting import PATIENCE
from tests.support.webhooks.receiver import Receiver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="some series are of Linux only")

PANELS: Final = json.loads((MONITORING / "grafana.json").read_text())["panels"]
# Events that the test can't cause: the schema has no deprecated element now.
NEVER: Final = "labelling_deprecated_uses_total"


class Scrape(NamedTuple):
    """The metrics of a service, in Prometheus' text format, and Prometheus that scrapes it."""

    text: str
    prometheus: Prometheus


@pytest.fixture(scope="module")
def scrape(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Iterator[Scrape]:
    """Scrape a service after two uploads, a webhook and some refusals."""
    require("prometheus")  # before the service starts in vain
    folder = tmp_path_factory.mktemp("monitoring")
    data = folder / "data"
    link_models(data, model_path)
    flags = ("--workers", "1", "--faces", "no", "--failed-keys-per-minute", "1")
    backups = ("--backup-to", f"{folder}/backups")
    with redirect_stdout(StringIO()) as printed:
        main(["keys", "create", "--owner", "monitoring", "--scope", "read", "--data", str(data)])
    key = printed.getvalue().split()[0]
    with ExitStack() as stack:
        receiver = stack.enter_context(closing(Receiver()))
        service = ServiceProcess(data, *flags, *backups).start()
        stack.callback(service.stop)
        read_metrics(service, key)
        use(service, receiver)
        # The address has sent a wrong key too often, but a key that it used before is admitted.
        text = read_metrics(service, key)
        with Prometheus(folder / "prometheus", service.url, key) as prometheus:
            yield Scrape(text, prometheus)


def read_metrics(service: ServiceProcess, key: str) -> str:
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.get(f"{service.url}/metrics", headers=headers, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return answer.text


def use(service: ServiceProcess, receiver: Receiver) -> None:
    """Cause at least one event of each series with labels."""
    sent = service.upload(photo("rocket.jpg"), "JPEG", callback=receiver.url)
    damaged = service.upload(b"not a picture")
    for blob_id in (sent, damaged):
        service.wait_for(blob_id, lambda blob: blob["status"] in {"LABELLED", "FAILED"})
    receiver.wait_for(lambda _: True)
    url = f"{service.url}/graphql"
    for _ in range(3):  # the second is refused
        httpx.post(url, headers={"authorization": "Bearer wrong"}, json={}, timeout=PATIENCE)
    httpx.get(url, headers={"x": "y" * 70_000}, timeout=PATIENCE)


def series_on_page() -> dict[str, tuple[str, set[str]]]:
    """Return the type and labels of each series that docs/metrics.md lists."""
    page = (MONITORING.parent / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(labelling_\w+)`[ \\*]* \| (\w+) \| ([^|]*)\|", page, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def selectors(expression: str) -> list[tuple[str, str]]:
    """Return (name, matchers) of each series that an expression of PromQL selects."""
    return re.findall(r"\b(labelling_\w+)(?:\{(.*?)\})?", expression)


def test_names_and_types_follow_the_conventions(scrape: Scrape) -> None:
    assert promtool("check", "metrics", stdin=scrape.text) == ""


def test_page_lists_exactly_the_series_of_a_scrape(scrape: Scrape) -> None:
    listed = series_on_page()
    found = {}
    for family in text_string_to_metric_families(scrape.text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = family.type, labels
    assert found.pop(NEVER) == ("counter", set())
    assert listed.pop(NEVER) == ("counter", {"element"})
    assert listed == found


def test_alerts_select_series_that_exist(scrape: Scrape) -> None:
    for rule in scrape.prometheus.rules():
        found: list[dict[str, Any]] = [{"metric": {"instance": "of up"}}]
        for name, matchers in selectors(rule["query"]):
            # No request of the test fails with a 5xx.
            found = scrape.prometheus.query(f"{name}{{{matchers.replace('5xx', '2xx')}}}")
            assert found, (rule["name"], name, matchers)
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert named <= set(found[0]["metric"]), rule["name"]


def test_alerts_are_evaluated_without_errors(scrape: Scrape) -> None:
    rules = scrape.prometheus.rules()
    assert len(rules) >= 10
    assert {(rule["health"], rule.get("lastError")) for rule in rules} == {("ok", None)}


def test_alerts_are_tried_on_series_as_they_are() -> None:
    listed = {**series_on_page(), "up": ("gauge", set())}
    for file in Path(__file__).parent.glob("*.test.yml"):
        for test in yaml.safe_load(file.read_text())["tests"]:
            for series in test["input_series"]:
                name, _, matchers = series["series"].partition("{")
                kind, labels = listed.get(name) or listed[name.rpartition("_")[0]]
                tried = set(re.findall(r"(\w+)=", matchers)) - {"job", "instance", "le"}
                assert (tried, kind == "counter") == (labels, name.endswith("_total")), name


def test_every_panel_shows_data(scrape: Scrape) -> None:
    for panel in PANELS:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            found = scrape.prometheus.query(expression)
            assert found or NEVER in expression, (panel["title"], target["expr"])
            legend = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
            assert not found or legend <= set(found[0]["metric"]), panel["title"]


def test_panels_do_not_overlap() -> None:
    places = [
        (x, y)
        for panel in PANELS
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24  # the columns of Grafana
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
