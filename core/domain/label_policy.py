"""An owner's policy: which labels of the detector its pictures show, and by which names. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from core.domain.errors import InvalidValue, LabellingError
from core.domain.label import MAX_LABELS, Label, read_name

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from collections.abc import Set as AbstractSet

MAX_RULES: Final = 200
MAX_CONFIDENCE: Final = 100.0


class LabelAction(StrEnum):
    """What a rule does with a label."""

    HIDE = "HIDE"
    ALLOW = "ALLOW"
    RENAME = "RENAME"
    REQUIRE_CONFIDENCE = "REQUIRE_CONFIDENCE"


@dataclass(frozen=True, slots=True)
class LabelRule:
    """A rule about one label, or about all labels of a category. Case is ignored.

    `replacement` is the new name of a label that is renamed. `min_confidence`, 0 to 100, is that of
    REQUIRE_CONFIDENCE.
    """

    action: LabelAction
    label: str | None = None
    category: str | None = None
    replacement: str | None = None
    min_confidence: float | None = None


@dataclass(frozen=True)
class LabelPolicy:
    """What an owner's pictures show of what a detector found.

    Labels are renamed first; those that become one are merged. Then labels are hidden that the
    rules hide, or that have too little confidence. The rule of a label precedes those of its
    categories. If a rule allows anything, everything else is hidden. `version` counts the changes.
    """

    version: int = 0
    min_confidence: float = 0.0
    max_labels: int = MAX_LABELS
    rules: tuple[LabelRule, ...] = ()

    @property
    def changes_labels(self) -> bool:
        """Whether any label can be shown otherwise than it was detected."""
        return bool(self.rules) or self.min_confidence > 0 or self.max_labels < MAX_LABELS

    @cached_property
    def _index(self) -> _Rules:
        return _Rules(self)

    def shows(self, label: Label) -> bool:
        """Tell whether a label is shown, which has its new name already."""
        return self._index.allows(label) and label.confidence >= self._index.least(label)

    def name_of(self, label: Label) -> str:
        """Return the name by which a label is shown."""
        return self._index.names.get(label.name.casefold(), label.name)


NO_POLICY: Final = LabelPolicy()


class _Rules:
    """The rules of a policy by the folded names of labels and categories."""

    def __init__(self, policy: LabelPolicy) -> None:
        self.names: dict[str, str] = {}
        self._default = policy.min_confidence
        self._labels: dict[LabelAction, dict[str, float]] = defaultdict(dict)
        self._categories: dict[LabelAction, dict[str, float]] = defaultdict(dict)
        for rule in policy.rules:
            if rule.action is LabelAction.RENAME:
                self.names[(rule.label or "").casefold()] = rule.replacement or ""
            elif rule.label is not None:
                self._labels[rule.action][rule.label.casefold()] = rule.min_confidence or 0.0
            else:
                category = (rule.category or "").casefold()
                self._categories[rule.action][category] = rule.min_confidence or 0.0

    def allows(self, label: Label) -> bool:
        key, categories = label.name.casefold(), _categories(label)
        if key in self._labels[LabelAction.HIDE]:
            return False
        if key in self._labels[LabelAction.ALLOW]:
            return True
        if categories & self._categories[LabelAction.HIDE].keys():
            return False
        allowed = self._categories[LabelAction.ALLOW]
        has_list = bool(allowed or self._labels[LabelAction.ALLOW])
        return not has_list or bool(categories & allowed.keys())

    def least(self, label: Label) -> float:
        own = self._labels[LabelAction.REQUIRE_CONFIDENCE].get(label.name.casefold())
        if own is not None:
            return own
        required = self._categories[LabelAction.REQUIRE_CONFIDENCE]
        return max(
            (required[each] for each in _categories(label) & required.keys()),
            default=self._default,
        )


def _categories(label: Label) -> AbstractSet[str]:
    return {each.casefold() for each in label.categories}


def shown_labels(
    detected: Iterable[Label], policy: LabelPolicy, decided: Container[str] = ()
) -> tuple[Label, ...]:
    """Return detected labels as a policy shows them, most confident first, however many.

    Labels whose folded names are in `decided` are subject to no rule.
    """
    merged: dict[str, Label] = {}
    for each in detected:
        shown = each
        if each.name.casefold() not in decided:
            shown = _renamed(each, policy.name_of(each))
        key = shown.name.casefold()
        merged[key] = _merged(merged[key], shown) if key in merged else shown
    kept = [label for key, label in merged.items() if key in decided or policy.shows(label)]
    return tuple(sorted(kept, key=lambda label: -label.confidence))


def _renamed(label: Label, name: str) -> Label:
    if name == label.name:
        return label
    return replace(
        label,
        name=name,
        parents=_without(label.parents, name),
        aliases=_without((*label.aliases, label.name), name),
    )


def _merged(one: Label, other: Label) -> Label:
    """Return two labels of the same name as one: the higher confidence, and all places."""
    first, second = (one, other) if one.confidence >= other.confidence else (other, one)
    return replace(
        first,
        instances=(*first.instances, *second.instances),
        aliases=_without((*first.aliases, *second.aliases), first.name),
    )


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return names once each, without one of them."""
    folded = name.casefold()
    return tuple(each for each in dict.fromkeys(names) if each.casefold() != folded)


class InvalidPolicy(LabellingError):
    """A policy has values that are out of range; `problems` are all of them."""

    def __init__(self, problems: Sequence[InvalidValue]) -> None:
        super().__init__("; ".join(f"{'.'.join(each.path)}: {each.message}" for each in problems))
        self.problems = problems


def check_policy(given: LabelPolicy) -> LabelPolicy:
    """Return a policy with its names as they are stored. Raises InvalidPolicy."""
    problems = []
    if not 0 <= given.min_confidence <= MAX_CONFIDENCE:
        problems.append(InvalidValue("minConfidence", "must be 0 to 100"))
    if not 1 <= given.max_labels <= MAX_LABELS:
        problems.append(InvalidValue("maxLabels", f"must be 1 to {MAX_LABELS}"))
    if len(given.rules) > MAX_RULES:
        raise InvalidPolicy([*problems, InvalidValue("rules", f"must be at most {MAX_RULES}")])
    rules = []
    for number, each in enumerate(given.rules):
        rule, wrong = _read_rule(each)
        rules.append(rule)
        problems += [_in_rules(number, error) for error in wrong]
    problems += _contradictions(rules)
    if problems:
        raise InvalidPolicy(problems)
    return replace(given, rules=tuple(rules))


def _read_rule(rule: LabelRule) -> tuple[LabelRule, list[InvalidValue]]:
    problems: list[InvalidValue] = []
    names: dict[str, Any] = {}
    for field in ("label", "category", "replacement"):
        name: str | None = getattr(rule, field)
        try:
            names[field] = None if name is None else read_name(name)
        except InvalidValue as error:
            names[field] = name
            problems.append(InvalidValue(field, error.message))
    renames = rule.action is LabelAction.RENAME
    requires = rule.action is LabelAction.REQUIRE_CONFIDENCE
    if (rule.label is None) == (rule.category is None):
        problems.append(InvalidValue("label", "must be given, or else category; not both"))
    elif renames and rule.label is None:
        problems.append(InvalidValue("label", "must be given: only a label can be renamed"))
    if renames != (rule.replacement is not None):
        problems.append(InvalidValue("replacement", _only("RENAME", missing=renames)))
    if requires != (rule.min_confidence is not None):
        message = _only("REQUIRE_CONFIDENCE", missing=requires)
        problems.append(InvalidValue("minConfidence", message))
    elif rule.min_confidence is not None and not 0 <= rule.min_confidence <= MAX_CONFIDENCE:
        problems.append(InvalidValue("minConfidence", "must be 0 to 100"))
    return replace(rule, **names), problems


def _only(action: str, *, missing: bool) -> str:
    return f"{action} needs it" if missing else f"only {action} may have it"


def _contradictions(rules: list[LabelRule]) -> list[InvalidValue]:
    """Return what is wrong with rules that are right each for itself."""
    problems = []
    renamed = {
        (rule.label or "").casefold(): (rule.replacement or "").casefold()
        for rule in rules
        if rule.action is LabelAction.RENAME
    }
    seen: set[tuple[bool, str, str]] = set()
    for number, rule in enumerate(rules):
        key = (rule.label or rule.category or "").casefold()
        # HIDE and ALLOW of the same label contradict each other.
        shows = rule.action in (LabelAction.HIDE, LabelAction.ALLOW)
        same = (rule.label is None, key, "shows" if shows else rule.action)
        if same in seen:
            problems.append(
                _in_rules(number, InvalidValue("label", "has another rule of this kind"))
            )
        seen.add(same)
        renames = rule.action is LabelAction.RENAME
        target = renamed.get(key) if rule.label is not None else None
        if not renames and target is not None and target != key:
            message = "is renamed by another rule: give its replacement here"
            problems.append(_in_rules(number, InvalidValue("label", message)))
        replacement = (rule.replacement or "").casefold()
        if renames and renamed.get(replacement, replacement) != replacement:
            message = "is renamed itself: give the last name"
            problems.append(_in_rules(number, InvalidValue("replacement", message)))
    return problems


def _in_rules(number: int, error: InvalidValue) -> InvalidValue:
    return InvalidValue(error.field, error.message, ("rules", str(number), error.field))
