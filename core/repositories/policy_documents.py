"""Label policies as documents: JSON objects whose fields have their names in GraphQL. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from core.domain.label_policy import LabelAction, LabelPolicy, LabelRule

if TYPE_CHECKING:
    from collections.abc import Mapping

Document = dict[str, Any]

_RULE: Final = {
    "label": "label",
    "category": "category",
    "replacement": "replacement",
    "minConfidence": "min_confidence",
}


def policy_to_document(policy: LabelPolicy) -> Document:
    """Return a policy as a document, without its version."""
    return {
        "minConfidence": policy.min_confidence,
        "maxLabels": policy.max_labels,
        "rules": [
            {
                "action": rule.action.value,
                **{
                    name: value
                    for name, field in _RULE.items()
                    if (value := getattr(rule, field)) is not None
                },
            }
            for rule in policy.rules
        ],
    }


def policy_from_document(document: Mapping[str, Any], version: int) -> LabelPolicy:
    """Return the policy of a document made by `policy_to_document`."""
    return LabelPolicy(
        version,
        float(document["minConfidence"]),
        document["maxLabels"],
        tuple(
            LabelRule(
                LabelAction(rule["action"]),
                **{field: rule[name] for name, field in _RULE.items() if name in rule},
            )
            for rule in document["rules"]
        ),
    )
