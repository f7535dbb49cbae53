"""Changes of a blob by its owner: of its labels by decisions and a policy, of its facts. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.domain.clock import later
from core.domain.corrections import label_fields
from core.domain.errors import WrongState
from core.domain.label_policy import NO_POLICY

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob
    from core.domain.corrections import Decision
    from core.domain.facts import Facts
    from core.domain.label import Label
    from core.domain.label_policy import LabelPolicy


def set_decisions(
    blob: Blob, at: datetime, decisions: tuple[Decision, ...], policy: LabelPolicy = NO_POLICY
) -> Blob:
    """Record the owner's decisions and the labels that follow from them; the state stays.

    The same decisions change nothing. Raises WrongState for a blob without labels.
    """
    if blob.labels is None or blob.detected is None:
        raise WrongState(blob.id, blob.status, "corrected")
    if decisions == blob.decisions:
        return blob
    return _edited(replace(blob, decisions=decisions), at, blob.detected, policy)


def set_policy(blob: Blob, at: datetime, policy: LabelPolicy) -> Blob:
    """Record the labels that follow from the owner's policy; the same labels change nothing."""
    if blob.labels is None or blob.detected is None:
        return blob
    changed = _edited(blob, at, blob.detected, policy)
    return blob if changed.labels == blob.labels else changed


def set_facts(blob: Blob, at: datetime, facts: Facts) -> Blob:
    """Record the client's facts about a blob in any state; the same facts change nothing."""
    if facts == blob.facts:
        return blob
    return replace(
        blob,
        facts=facts,
        facts_set_at=later(at, blob.facts_set_at),
        edits=blob.edits + 1,
        version=blob.version + 1,
    )


def _edited(blob: Blob, at: datetime, detected: tuple[Label, ...], policy: LabelPolicy) -> Blob:
    return replace(
        blob,
        **label_fields(detected, blob.decisions, policy),
        edits=blob.edits + 1,
        edited_at=later(at, blob.labels_set_at),
        version=blob.version + 1,
    )


def is_same_labelling(one: Blob, other: Blob) -> bool:
    """Tell whether two versions of a blob differ by its owner's edits alone."""
    return one == replace(
        other,
        labels=one.labels,
        detected_labels=one.detected_labels,
        decisions=one.decisions,
        edits=one.edits,
        edited_at=one.edited_at,
        facts=one.facts,
        facts_set_at=one.facts_set_at,
        deletes_at=one.deletes_at,
        deletion_set_at=one.deletion_set_at,
        version=one.version,
    )
