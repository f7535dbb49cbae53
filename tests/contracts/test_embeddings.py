"""Embeddings, on every store. Only SQLite keeps them: nothing on AWS searches them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.domain.blob import Blob
from core.domain.errors import VersionConflict
from core.domain.label import Embedding
from core.repositories.ports.blobs import BlobRepository
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner
from labeller.label_blob import BlobLabeller
from labeller.s3_event import Upload
from tests.support.blobs import NOON, a_blob, again, failed, labelled, moments, uploaded
from tests.support.images.detectors import CAT, ScriptedDetector
from tests.support.images.embeddings import embedding


def cat(blob: Blob) -> Blob:
    return labelled(blob, ("Cat", 90.0))


@pytest.fixture
def kept(store: str) -> list[Embedding]:
    """What the store returns of `embedding()`: itself, or nothing."""
    return [embedding()] if store == "sqlite" else []


def stored(blobs: BlobRepository, blob: Blob) -> list[Embedding]:
    found = blobs.find_embedding(blob.owner, blob.id)
    return [found] if found else []


def with_embedding(blobs: BlobRepository, blob: Blob) -> Blob:
    """Store a labelled blob with `embedding()`."""
    blobs.create(blob)
    blobs.save(uploaded(blob), blob)
    done = cat(uploaded(blob))
    blobs.save(done, uploaded(blob), embedding())
    return done


def test_embedding_is_stored_with_the_labels(blobs: BlobRepository, kept: list[Embedding]) -> None:
    """And the blob is the same as without one."""
    blob = with_embedding(blobs, a_blob())
    assert stored(blobs, blob) == kept
    assert blobs.get(blob.id) == blob


def test_other_owners_get_no_embedding(blobs: BlobRepository) -> None:
    blob = with_embedding(blobs, a_blob())
    assert blobs.find_embedding("boris", blob.id) is None


def test_relabelling_replaces_the_embedding(blobs: BlobRepository, kept: list[Embedding]) -> None:
    """Until then the blob keeps it, as it keeps its labels."""
    blob = with_embedding(blobs, a_blob())
    waiting = again(blob)
    blobs.save(waiting, blob)
    assert stored(blobs, blob) == kept
    blobs.save(cat(waiting), waiting, embedding(0.5))
    assert stored(blobs, blob) == [embedding(0.5) for _ in kept]


def test_failed_blob_has_no_embedding(blobs: BlobRepository) -> None:
    blob = with_embedding(blobs, a_blob())
    waiting = again(blob)
    blobs.save(waiting, blob)
    blobs.save(failed(waiting), waiting)
    assert stored(blobs, blob) == []


def test_deleted_blob_has_no_embedding(blobs: BlobRepository) -> None:
    blob = with_embedding(blobs, a_blob())
    blobs.delete(blob, NOON)
    assert stored(blobs, blob) == []


def test_refused_save_stores_no_embedding(blobs: BlobRepository, kept: list[Embedding]) -> None:
    blob = with_embedding(blobs, a_blob())
    stale = replace(blob, version=blob.version - 1)
    with pytest.raises(VersionConflict):
        blobs.save(cat(again(stale)), stale, embedding(0.5))
    assert stored(blobs, blob) == kept


def test_labels_that_are_reused_bring_their_embedding(
    blobs: BlobRepository, kept: list[Embedding], tmp_path: Path, clock: Any
) -> None:
    """The second upload of the same bytes is not detected again."""
    storage = FileStorage(tmp_path, UrlSigner(b"secret", "http://testserver"))
    detector = ScriptedDetector(replace(CAT, embedding=embedding()))
    labeller = BlobLabeller(blobs, storage, detector, clock)
    each_moment = moments()
    done = []
    for _ in range(2):
        blob = a_blob(next(each_moment))
        blobs.create(blob)
        storage.put(blob.key, b"bytes")
        blobs.save(uploaded(blob), blob)
        labeller.label(Upload("", blob.key, 5))
        done.append(stored(blobs, blob))
    assert done == [kept, kept]
    assert len(detector.calls) == 1
