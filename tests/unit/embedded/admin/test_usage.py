"""Bytes by owner, the page of owners, and when they are measured."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.clock import to_text
from core.domain.scope import Scope
from core.domain.thumbnail import ThumbnailSize
from embedded.admin import usage
from embedded.admin.owners import list_owners
from embedded.admin.usage import KEPT, UsageMeter, measure_usage
from tests.support.services.embedded_stores import EmbeddedStores


def test_bytes_of_all_blobs_are_counted_by_owner(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several short reads."""
    monkeypatch.setattr(usage, "_BATCH", 2)
    blobs = [stores.labelling("anna") for _ in range(3)]
    stores.labelling("boris")
    stores.awaiting("clara")
    stores.storage.put_derived(blobs[0].key, ThumbnailSize.SMALL, b"small")
    stores.storage.put_derived(blobs[0].key, ThumbnailSize.LARGE, b"large")
    found = measure_usage(stores.database, stores.root, stores.clock())
    assert found.by_owner == {"anna": 15, "boris": 5, "clara": 0}
    assert (found.originals, found.derived, found.at) == (
        20,
        len(b"small") + len(b"large"),
        stores.clock(),
    )


def test_owners_are_listed_by_the_number_of_their_blobs(stores: EmbeddedStores) -> None:
    """Those with keys alone too; bytes are unknown until they were measured."""
    stores.labelling("anna")
    stores.awaiting("boris")
    stores.failed("boris")
    stores.key_for("clara", last_used_at=stores.clock(), scopes=frozenset({Scope.READ}))
    boris, anna, clara = list_owners(stores.database, None, 9)
    assert boris == {
        "owner": "boris",
        "blobs": 2,
        "bytes": None,
        "open_uploads": 1,
        "failed": 1,
        "keys": 0,
        "last_used_at": None,
    }
    assert (anna["owner"], anna["blobs"]) == ("anna", 1)
    assert (clara["owner"], clara["blobs"], clara["keys"]) == ("clara", 0, 1)
    assert clara["last_used_at"] == to_text(stores.clock())
    measured = measure_usage(stores.database, stores.root, stores.clock())
    assert [each["bytes"] for each in list_owners(stores.database, measured, 2, 1)] == [5, 0]


def test_usage_is_measured_again_when_it_is_old(stores: EmbeddedStores) -> None:
    meter = UsageMeter(stores.database, stores.root, stores.clock)
    assert meter.is_due()
    meter.measure()
    assert not meter.is_due()
    stores.labelling("anna")
    assert meter.latest is not None
    assert meter.latest.originals == 0
    stores.clock.advance(KEPT + timedelta(seconds=1))
    assert meter.is_due()
    meter.measure()
    assert meter.latest.originals == 5


def test_failed_measurement_is_logged_and_tried_again(
    stores: EmbeddedStores, caplog: pytest.LogCaptureFixture
) -> None:
    meter = UsageMeter(stores.database, stores.root, stores.clock)
    stores.database.close()
    meter.measure()
    assert "usage not measured" in caplog.text
    assert meter.latest is None
    assert meter.is_due()
