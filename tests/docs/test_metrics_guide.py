"""docs/metrics.md lists every alert and every metric of ours in CloudWatch.

tests/monitoring/test_scrape.py compares its series with a real scrape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from core.runtime.metrics import Metric

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/metrics.md").read_text()


def test_every_alert_has_its_severity_and_runbook() -> None:
    for group in yaml.safe_load((ROOT / "monitoring/alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            runbook = rule["annotations"]["runbook"].removeprefix("docs/")
            row = f"| [`{rule['alert']}`]({runbook}) | {rule['labels']['severity']} | "
            assert row in PAGE


def test_every_metric_of_cloudwatch_is_named() -> None:
    for metric in set(Metric) - {Metric.UPLOADED_BYTES}:
        assert f"`{metric}`" in PAGE
