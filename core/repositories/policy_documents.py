"""Label policies as documents: JSON objects whose fields have their names in GraphQL. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from core.domain.errors import InvalidValue
from core.domain.label_policy import NO_POLICY, LabelAction, LabelPolicy, LabelRule

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
    """Return the policy of a document; what it lacks hides nothing.

    The names and numbers are not checked. Raises InvalidValue for a value of a wrong type.
    """
    rules = _typed(document, "rules", list, [])
    return LabelPolicy(
        version,
        float(_typed(document, "minConfidence", int | float, NO_POLICY.min_confidence)),
        _typed(document, "maxLabels", int, NO_POLICY.max_labels),
        tuple(_rule(each, ("rules", str(number))) for number, each in enumerate(rules)),
    )


def _rule(rule: Any, path: tuple[str, ...]) -> LabelRule:
    actions = ", ".join(LabelAction)
    if not isinstance(rule, dict) or rule.get("action") not in list(LabelAction):
        raise InvalidValue(".".join(path), f"must be an object whose action is one of {actions}")
    unknown = sorted(rule.keys() - {"action", *_RULE})
    if unknown:
        raise InvalidValue(".".join(path), f"has the unknown field {unknown[0]!r}")
    return LabelRule(
        LabelAction(rule["action"]),
        label=_typed(rule, "label", str, None, path),
        category=_typed(rule, "category", str, None, path),
        replacement=_typed(rule, "replacement", str, None, path),
        min_confidence=_typed(rule, "minConfidence", int | float, None, path),
    )


def _typed(
    document: Mapping[str, Any], name: str, kind: Any, default: Any, path: tuple[str, ...] = ()
) -> Any:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = {str: "a text", list: "a list", int: "a whole number"}.get(kind, "a number")
        raise InvalidValue(".".join((*path, name)), f"must be {expected}")
    return value
