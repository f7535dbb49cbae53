"""Every alarm and alert names a section of the runbooks, which says what it is for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
# The section of each: alarms of the AWS stack, and alerts of Prometheus on one machine.
ALARMS: Final[dict[str, str]] = {
    name: resource["Properties"]["AlarmDescription"].rpartition(" Runbook: ")[2]
    for name, resource in yaml.safe_load((ROOT / "infra/alarms.yml").read_text())[
        "Resources"
    ].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
GROUPS: Final[list[dict[str, Any]]] = yaml.safe_load((ROOT / "monitoring/alerts.yml").read_text())[
    "groups"
]
ALERTS: Final[dict[str, str]] = {
    rule["alert"]: rule["annotations"]["runbook"] for group in GROUPS for rule in group["rules"]
}
NAMED: Final = ALARMS | ALERTS
SECTIONS: Final = {
    "docs/runbooks.md#" + re.sub(r"[^a-z0-9 ]", "", heading.lower()).replace(" ", "-"): text
    for heading, text in re.findall(
        r"^### (.+?)\n(.*?)(?=^##|\Z)",
        (ROOT / "docs/runbooks.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
}


def named_in(text: str) -> set[str]:
    """Return the names in the section's first sentence, as "**Alarms** `A`, `B`."."""
    found = re.match(r"\n\*\*(?:Alarm|Alert)s?\*\* ((?:`\w+`[,\s]*)+)\.", text)
    return set(re.findall(r"`(\w+)`", found[1])) if found else set()


def test_every_alarm_has_a_section_that_names_it() -> None:
    assert len(ALARMS) > 15
    assert len(ALERTS) > 15
    for name, section in NAMED.items():
        assert name in named_in(SECTIONS[section]), name


def test_every_section_names_its_alarms_alone() -> None:
    for section, text in SECTIONS.items():
        assert named_in(text) == {name for name, its in NAMED.items() if its == section}, section
