"""`labelling policy` and `labelling vocabulary`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from embedded.stores import Stores
from tests.support.services.commands import Run

POLICY = {
    "minConfidence": 30.5,
    "maxLabels": 7,
    "rules": [{"action": "RENAME", "label": "Automobile", "replacement": "Gefährt für zwei"}],
}


def test_label_policy_is_set_from_what_is_shown(run: Run, stores: Stores, tmp_path: Path) -> None:
    """With its version, so that a file of an earlier one is refused. The audit log names it."""
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(POLICY), encoding="utf-8")
    run("keys", "create", "--owner", "anna")
    set_ = ("policy", "set", "--owner", "anna", str(file))
    assert run(*set_) == (0, "The label policy of anna has version 1.\n", "")
    status, shown, _ = run("policy", "show", "--owner", "anna")
    found = json.loads(shown)
    assert status == 0
    assert {name: found[name] for name in POLICY} == POLICY
    assert (found["version"], found["progress"]) == (1, {"examined": 0, "finishedAt": None})
    assert stores.blobs.policies.find("anna").policy.rules[0].replacement == "Gefährt für zwei"
    file.write_text(shown, encoding="utf-8")
    assert run(*set_)[:2] == (0, "The label policy of anna has version 2.\n")
    file.write_text(json.dumps({**found, "maxLabels": 9}), encoding="utf-8")
    status, _, problem = run(*set_)
    assert (status, "no longer at version 1 but at version 2" in problem) == (1, True)
    assert "label-policy.set  anna" in run("audit", "list")[1]
    assert json.loads(run("policy", "show")[1])["version"] == 0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "FILE: must be JSON: "),
        ("[]", "FILE: must have an object with minConfidence, maxLabels and rules"),
        ('{"least": 1}', "FILE: has the unknown field 'least'"),
        ('{"version": true}', "version: must be the number that 'labelling policy show' prints"),
        ('{"minConfidence": "high"}', "minConfidence: must be a number"),
        ('{"maxLabels": 41}', "maxLabels: must be 1 to 40"),
        ('{"maxLabels": 1.5}', "maxLabels: must be a whole number"),
        ('{"rules": {}}', "rules: must be a list"),
        ('{"rules": ["HIDE"]}', "rules.0: must be an object whose action is one of HIDE, ALLOW"),
        ('{"rules": [{"action": []}]}', "rules.0: must be an object whose action is one of HIDE"),
        ('{"rules": [{"action": "HIDE", "name": "Cat"}]}', "rules.0: has the unknown field"),
        ('{"rules": [{"action": "HIDE", "label": 5}]}', "rules.0.label: must be a text"),
        ('{"rules": [{"action": "RENAME", "label": "Cat"}]}', "rules.0.replacement: RENAME needs"),
    ],
)
def test_wrong_label_policy_is_refused(
    run: Run, tmp_path: Path, content: str, problem: str
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(content, encoding="utf-8")
    status, _, told = run("policy", "set", str(file))
    assert (status, f"labelling: {problem}" in told) == (1, True)
    assert json.loads(run("policy", "show")[1])["version"] == 0


def test_label_policy_of_a_service_on_aws_is_in_its_table(
    run: Run, table: str, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(POLICY), encoding="utf-8")
    assert run("policy", "set", str(file), "--table", table)[0] == 0
    shown = json.loads(run("policy", "show", "--table", table)[1])
    assert {name: shown[name] for name in POLICY} == POLICY
    assert json.loads(run("policy", "show")[1])["version"] == 0


def test_vocabulary_is_set_from_what_is_shown(run: Run, stores: Stores, tmp_path: Path) -> None:
    """With its version, so that a file of an earlier one is refused. The audit log names it."""
    file = tmp_path / "vocabulary.json"
    labels = [{"name": "Rex", "parents": ["Dog"], "aliases": ["Straßenköter"]}]
    file.write_text(json.dumps({"labels": labels}), encoding="utf-8")
    run("keys", "create", "--owner", "anna")
    set_ = ("vocabulary", "set", "--owner", "anna", str(file))
    assert run(*set_) == (0, "The vocabulary of anna has version 1.\n", "")
    status, shown, _ = run("vocabulary", "show", "--owner", "anna")
    assert (status, json.loads(shown)) == (0, {"version": 1, "labels": labels})
    assert stores.blobs.vocabularies.find("anna").labels[0].aliases == ("Straßenköter",)
    file.write_text(shown, encoding="utf-8")
    assert run(*set_)[:2] == (0, "The vocabulary of anna has version 2.\n")
    file.write_text('{"version": 1, "labels": []}', encoding="utf-8")
    status, _, problem = run(*set_)
    assert (status, "no longer at version 1 but at version 2" in problem) == (1, True)
    assert "vocabulary.set  anna" in run("audit", "list")[1]
    assert json.loads(run("vocabulary", "show")[1]) == {"version": 0, "labels": []}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "FILE: must be JSON: "),
        ("{}", "FILE: must have an object with labels"),
        ('{"labels": [], "rules": []}', "FILE: has the unknown field 'rules'"),
        (
            '{"labels": [], "version": "1"}',
            "version: must be the number that 'labelling voc",
        ),
        ('{"labels": {}}', "labels: must be a list"),
        ('{"labels": ["Rex"]}', "labels.0: must be an object with a name"),
        ('{"labels": [{"name": "Rex", "parent": "Dog"}]}', "labels.0: has the unknown field"),
        ('{"labels": [{"name": "Rex", "parents": "Dog"}]}', "labels.0.parents: must be a list of"),
        ('{"labels": [{"name": ""}]}', "labels.0.name: must have 1 to 100 characters"),
    ],
)
def test_wrong_vocabulary_is_refused(run: Run, tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "vocabulary.json"
    file.write_text(content, encoding="utf-8")
    status, _, told = run("vocabulary", "set", str(file))
    assert (status, f"labelling: {problem}" in told) == (1, True)
    assert json.loads(run("vocabulary", "show")[1])["version"] == 0


def test_vocabulary_of_a_service_on_aws_is_in_its_table(
    run: Run, table: str, tmp_path: Path
) -> None:
    file = tmp_path / "vocabulary.json"
    file.write_text('{"labels": [{"name": "Rex"}]}', encoding="utf-8")
    assert run("vocabulary", "set", str(file), "--table", table)[0] == 0
    shown = json.loads(run("vocabulary", "show", "--table", table)[1])
    assert shown == {"version": 1, "labels": [{"name": "Rex"}]}
    assert json.loads(run("vocabulary", "show")[1])["version"] == 0
