"""Corrections on SQLite: on disk before the client has a response."""

from __future__ import annotations

import os

import pytest

from core.domain.corrections import DecisionKind
from core.domain.label import Label
from tests.support.blobs import again, corrected
from tests.support.services.embedded_stores import EmbeddedStores


def test_correction_is_on_disk_when_it_is_accepted(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relabelling is not: its event is, and after a power cut the picture is labelled again."""
    blob = stores.labelled("anna", Label("Cat", 90.0))
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    changed = corrected(blob, DecisionKind.ADDED, "Cow")
    stores.blobs.save(changed, blob)
    assert len(synced) == 1
    stores.blobs.save(again(changed), changed)
    assert len(synced) == 1
