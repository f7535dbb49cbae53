"""Every alarm names a section of the runbooks, and every section says which alarms it is for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
ALARMS: Final[dict[str, Any]] = {
    name: resource["Properties"]
    for name, resource in yaml.safe_load((ROOT / "infra/alarms.yml").read_text())[
        "Resources"
    ].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
SECTIONS: Final = {
    heading.lower().replace(" ", "-"): text
    for heading, text in re.findall(
        r"^## (.+?)\n(.*?)(?=^## |\Z)",
        (ROOT / "docs/runbooks.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
}


def section_of(alarm: str) -> str:
    found = re.search(
        r" Runbook: docs/runbooks\.md#([a-z0-9-]+)$", ALARMS[alarm]["AlarmDescription"]
    )
    assert found, f"{alarm} names no runbook"
    return found[1]


def test_every_alarm_names_a_section_that_names_it() -> None:
    assert len(ALARMS) > 15
    for alarm in ALARMS:
        assert f"`{alarm}`" in SECTIONS[section_of(alarm)], alarm


def test_every_section_is_named_by_an_alarm() -> None:
    assert set(SECTIONS) == {section_of(alarm) for alarm in ALARMS}
    for anchor, text in SECTIONS.items():
        named = set(re.findall(r"`(\w+Alarm)`", text.partition("\n\n")[0] + text[:400]))
        assert named == {alarm for alarm in ALARMS if section_of(alarm) == anchor}
