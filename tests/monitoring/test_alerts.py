"""The alerts of monitoring/alerts.yml, as promtool evaluates them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.services.prometheus import MONITORING, promtool

TESTS: Final = sorted(Path(__file__).parent.glob("*.test.yml"))
RULES: Final[dict[str, dict[str, Any]]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}


def test_rules_and_configuration_are_valid() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", MONITORING / "alerts.yml")
    promtool("check", "config", "--syntax-only", MONITORING / "prometheus.yml")


def test_alerts_fire_and_are_silent_when_they_should() -> None:
    promtool("test", "rules", *TESTS)


def test_every_alert_is_tried_firing_and_silent() -> None:
    moments = [
        (moment["alertname"], bool(moment.get("exp_alerts")))
        for file in TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for moment in test["alert_rule_test"]
    ]
    assert set(moments) == {(name, fires) for name in RULES for fires in (True, False)}


def test_every_alert_has_a_known_severity() -> None:
    assert {rule["labels"]["severity"] for rule in RULES.values()} == {"critical", "warning"}
