"""Label policies by GraphQL: what is shown and stored, versions, limits and scopes."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.label import MAX_LABELS, Label
from core.domain.label_policy import MAX_RULES
from core.domain.scope import Scope
from labeller.policy_run import PolicyRun
from tests.support.graphql_client import GraphQL
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

POLICY = """fragment Policy on LabelPolicy {
  version setAt minConfidence maxLabels
  rules { action label category replacement minConfidence }
  progress { examined total finishedAt }
}"""
SHOW = "{ viewer { labelPolicy { ...Policy } } }" + POLICY
SET = (
    """mutation ($input: SetLabelPolicyInput!) {
  result: setLabelPolicy(input: $input) {
    __typename
    ... on LabelPolicySet { policy { ...Policy } }
    ... on InvalidInput { message problems { field path message } }
    ... on VersionConflict { message currentVersion }
  }
}"""
    + POLICY
)
RULES = [
    {"action": "HIDE", "label": "Text"},
    {"action": "ALLOW", "category": "Vehicles"},
    {"action": "RENAME", "label": "Automobile", "replacement": "Car"},
    {"action": "REQUIRE_CONFIDENCE", "label": "Boat", "minConfidence": 80.5},
]
NOTHING = {"label": None, "category": None, "replacement": None, "minConfidence": None}


def shown(client: GraphQL) -> dict[str, Any]:
    found: dict[str, Any] = client.ask(SHOW)["viewer"]["labelPolicy"]
    return found


def set_policy(client: GraphQL, expected: int, **values: Any) -> dict[str, Any]:
    given = {"expectedVersion": expected, **values}
    found: dict[str, Any] = client.ask(SET, input=given)["result"]
    return found


def test_owner_without_a_policy_has_the_default(anna: GraphQL) -> None:
    assert shown(anna) == {
        "version": 0,
        "setAt": None,
        "minConfidence": 0.0,
        "maxLabels": MAX_LABELS,
        "rules": [],
        "progress": None,
    }


def test_policy_is_shown_as_it_was_set(
    stores: EmbeddedStores, anna: GraphQL, boris: GraphQL
) -> None:
    """To its owner alone."""
    stores.labelled("anna")
    answer = set_policy(anna, 0, minConfidence=33.5, maxLabels=7, rules=RULES)
    assert answer["__typename"] == "LabelPolicySet"
    assert answer["policy"] == shown(anna)
    assert answer["policy"] == {
        "version": 1,
        "setAt": "2026-01-31T12:00:00.124Z",
        "minConfidence": 33.5,
        "maxLabels": 7,
        "rules": [{**NOTHING, **rule} for rule in RULES],
        "progress": {"examined": 0, "total": 1, "finishedAt": None},
    }
    assert shown(boris)["version"] == 0


def test_omitted_fields_hide_nothing(anna: GraphQL) -> None:
    """A policy replaces the one before as a whole."""
    set_policy(anna, 0, minConfidence=33.5, maxLabels=7, rules=RULES)
    policy = set_policy(anna, 1)["policy"]
    assert (policy["version"], policy["minConfidence"], policy["maxLabels"]) == (2, 0.0, MAX_LABELS)
    assert policy["rules"] == []


def test_policy_that_was_changed_meanwhile_stays(anna: GraphQL) -> None:
    set_policy(anna, 0, maxLabels=7)
    before = shown(anna)
    assert set_policy(anna, 0, maxLabels=8) == {
        "__typename": "VersionConflict",
        "message": "The label policy is no longer at version 0 but at version 1: read "
        "viewer.labelPolicy, and send your change again with its version.",
        "currentVersion": 1,
    }
    assert shown(anna) == before


def test_repeated_request_changes_nothing(anna: GraphQL) -> None:
    assert set_policy(anna, 0, rules=RULES) == set_policy(anna, 0, rules=RULES)


def test_each_value_that_is_out_of_range_is_named(anna: GraphQL) -> None:
    answer = set_policy(
        anna, 0, minConfidence=-1, maxLabels=41, rules=[{"action": "RENAME", "label": "a\nb"}]
    )
    assert answer["__typename"] == "InvalidInput"
    assert answer["problems"] == [
        {
            "field": "minConfidence",
            "path": ["input", "minConfidence"],
            "message": "must be 0 to 100",
        },
        {"field": "maxLabels", "path": ["input", "maxLabels"], "message": "must be 1 to 40"},
        {
            "field": "label",
            "path": ["input", "rules", "0", "label"],
            "message": "must have printable characters only",
        },
        {
            "field": "replacement",
            "path": ["input", "rules", "0", "replacement"],
            "message": "RENAME needs it",
        },
    ]
    assert shown(anna)["version"] == 0


def test_most_rules_are_accepted_and_one_more_is_not(anna: GraphQL) -> None:
    rules = [{"action": "HIDE", "label": f"{n:03}".ljust(100, "é")} for n in range(MAX_RULES + 1)]
    assert set_policy(anna, 0, rules=rules)["__typename"] == "InvalidInput"
    assert len(set_policy(anna, 0, rules=rules[:-1])["policy"]["rules"]) == MAX_RULES


@pytest.mark.parametrize("scope", [Scope.READ, Scope.EDIT])
def test_policy_needs_the_scopes_of_labels(
    stores: EmbeddedStores, client: AppClient, scope: Scope
) -> None:
    """EDIT sets it. READ shows it, in the result too."""
    with_one = GraphQL(client, stores.key_for("anna", scopes=frozenset({scope})))
    answers = {
        Scope.READ: with_one.post(SHOW),
        Scope.EDIT: with_one.post(SET, input={"expectedVersion": 0}),
    }
    assert {each: answer.status_code for each, answer in answers.items()} == {
        each: 200 if each is scope else 403 for each in answers
    }


def test_applied_policy_shows_its_progress_and_its_labels(
    stores: EmbeddedStores, anna: GraphQL
) -> None:
    blob = stores.labelled("anna", Label("Cat", 90.0), Label("Dog", 80.0))
    set_policy(anna, 0, rules=[{"action": "RENAME", "label": "Dog", "replacement": "Hound"}])
    PolicyRun(stores.blobs, stores.clock)(60)
    progress = shown(anna)["progress"]
    assert (progress["examined"], progress["total"]) == (1, 1)
    assert progress["finishedAt"] is not None
    query = "query ($id: ID!) { blob(id: $id) { labels { name } detectedLabels { name } } }"
    found = anna.ask(query, id=blob.id)["blob"]
    assert [each["name"] for each in found["labels"]] == ["Cat", "Hound"]
    assert [each["name"] for each in found["detectedLabels"]] == ["Cat", "Dog"]
