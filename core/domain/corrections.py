"""Corrections: what owners decide about the labels of their pictures. Pure.

A decision is a fact that stays when a picture is labelled again. It is kept beside what the
detector found; `effective_labels` makes the picture's labels of both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from core.domain.errors import InvalidValue, TooManyCorrections
from core.domain.label import MAX_LABELS, Instance, Label, LabelSource
from core.domain.label_policy import NO_POLICY, LabelPolicy, shown_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from core.domain.label import BoundingBox

MAX_DECISIONS: Final = 100  # of a picture, which its record contains
CERTAIN: Final = 100.0  # confidence of a label that the owner added or confirmed
_ROUNDING: Final = 1e-6  # by which the edges of a box may exceed the picture


class DecisionKind(StrEnum):
    """What an owner decided about a label of a picture."""

    ADDED = "ADDED"
    CONFIRMED = "CONFIRMED"
    REMOVED = "REMOVED"


@dataclass(frozen=True, slots=True)
class Decision:
    """An owner's decision about one label of a picture.

    `label` is the label as it was then; of a removed one only the name. `by` names who decided, as
    the audit log does.
    """

    kind: DecisionKind
    label: Label
    at: datetime
    by: str

    @property
    def key(self) -> str:
        """The folded name of the label; a picture has one decision for each."""
        return self.label.name.casefold()


@dataclass(frozen=True, slots=True)
class Correction:
    """A requested decision about a label. Without `kind` an earlier decision is withdrawn.

    `boxes` are where the object is in the picture, if the owner tells it.
    """

    kind: DecisionKind | None
    name: str
    boxes: tuple[BoundingBox, ...] = ()


def effective_labels(
    detected: Iterable[Label], decisions: Sequence[Decision], policy: LabelPolicy = NO_POLICY
) -> tuple[Label, ...]:
    """Return a picture's labels: those that its owner added or confirmed, then the detected ones.

    Of the detected ones, removed labels are left out, and the others are as the owner's policy
    shows them. A decision about a label precedes the policy, whether it names the label as the
    detector does or as the policy does. The labels are most confident first, at most MAX_LABELS.
    """
    decided = {decision.key for decision in decisions}
    shown = shown_labels(detected, policy, decided) if policy.changes_labels else detected
    found = {label.name.casefold(): label for label in shown}
    certain = [
        _certain(decision, found.get(decision.key))
        for decision in decisions
        if decision.kind is not DecisionKind.REMOVED
    ]
    rest = [label for key, label in found.items() if key not in decided]
    return (*certain, *rest[: max(0, policy.max_labels - len(certain))])


def label_fields(
    detected: tuple[Label, ...], decisions: Sequence[Decision], policy: LabelPolicy
) -> dict[str, Any]:
    """Return a blob's `labels`, and its `detected_labels` where they differ."""
    same = not decisions and not policy.changes_labels
    labels = detected if same else effective_labels(detected, decisions, policy)
    return {"labels": labels, "detected_labels": None if labels == detected else detected}


def _certain(decision: Decision, detected: Label | None) -> Label:
    """Return the label of a decision; its places come from the owner or else from the detector."""
    added = decision.kind is DecisionKind.ADDED
    source = LabelSource.OWNER if added or detected is None else LabelSource.DETECTOR
    instances = decision.label.instances
    if detected is not None and not (added and instances):
        instances = detected.instances
    return replace(
        detected or decision.label,
        confidence=CERTAIN,
        instances=instances,
        source=source,
        confirmed_at=decision.at,
    )


def decide(
    blob_id: str,
    decisions: Sequence[Decision],
    corrections: Iterable[Correction],
    known: Mapping[str, Label],
    at: datetime,
    by: str,
) -> tuple[Decision, ...]:
    """Return a picture's decisions after some corrections, in the order in which they were made.

    `known` has labels by their folded names, of which decisions take the spelling, parents, aliases
    and categories. A correction that is repeated changes nothing, not even the time.

    Raises TooManyCorrections.
    """
    by_key = {decision.key: decision for decision in decisions}
    for correction in corrections:
        key = correction.name.casefold()
        former = by_key.get(key)
        if correction.kind is None:
            by_key.pop(key, None)
            continue
        label = _decided_label(correction, known.get(key))
        if former is None or former.kind is not correction.kind or _differs(former, correction):
            by_key.pop(key, None)  # the latest decision is the last
            by_key[key] = Decision(correction.kind, label, at, by)
    decided = tuple(by_key.values())
    _check_number(blob_id, decided)
    return decided


def _decided_label(correction: Correction, known: Label | None) -> Label:
    if correction.kind is DecisionKind.REMOVED:
        return Label(known.name if known else correction.name, 0)
    label = replace(
        known or Label(correction.name, 0),
        confidence=CERTAIN,
        source=LabelSource.DETECTOR,
        confirmed_at=None,
    )
    if correction.boxes:
        return replace(label, instances=tuple(Instance(box, CERTAIN) for box in correction.boxes))
    return label if correction.kind is DecisionKind.CONFIRMED else replace(label, instances=())


def _differs(former: Decision, correction: Correction) -> bool:
    """Tell whether a correction names other places than a former decision of the same kind."""
    places = tuple(each.bounding_box for each in former.label.instances)
    return bool(correction.boxes) and correction.boxes != places


def _check_number(blob_id: str, decisions: Sequence[Decision]) -> None:
    certain = sum(decision.kind is not DecisionKind.REMOVED for decision in decisions)
    if certain > MAX_LABELS:
        raise TooManyCorrections(
            blob_id,
            f"An image can have {MAX_LABELS} added or confirmed labels, and this would be "
            f"{certain}: withdraw some with resetLabels.",
        )
    if len(decisions) > MAX_DECISIONS:
        raise TooManyCorrections(
            blob_id,
            f"An image can have {MAX_DECISIONS} decisions about labels, and this would be "
            f"{len(decisions)}: withdraw some with resetLabels.",
        )


def check_box(box: BoundingBox) -> None:
    """Check that a box is within the picture and not empty. Raises InvalidValue."""
    inside = (
        box.left >= 0
        and box.top >= 0
        and box.width > 0
        and box.height > 0
        and box.left + box.width <= 1 + _ROUNDING
        and box.top + box.height <= 1 + _ROUNDING
    )
    if not inside:  # as for values that are not numbers
        raise InvalidValue(
            "boundingBox",
            "must be within the image and not empty: fractions of its width or height, from 0 to 1",
        )
