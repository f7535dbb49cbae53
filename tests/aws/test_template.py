"""The compiled template keeps every rule, and every rule catches its faults."""

from __future__ import annotations

import pytest

from tests.support.aws.iam import Template
from tests.support.aws.template_rules.every_rule import RULES
from tests.support.aws.template_rules.faults import FAULTS, Fault
from tests.support.aws.template_rules.resources import Rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_the_template_keeps(rule: Rule, template: Template) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(
    ("rule", "seed"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_fault_is_caught(rule: Rule, seed: Fault, template: Template) -> None:
    seed(template)

    assert rule(template) != []


def test_every_rule_has_a_fault_that_it_catches() -> None:
    assert {rule for _, rule, _ in FAULTS} == set(RULES)
