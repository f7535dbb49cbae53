"""Labelled blobs with their bytes in a data folder."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from core.domain.blob import Blob, BlobStatus
from core.storage.files import path_of
from embedded.stores import Stores
from tests.support.blobs import a_blob, labelled


def add_labelled(data: Path, opened: Stores, content: bytes, **values: object) -> Blob:
    """Store a labelled blob with its bytes."""
    sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
    blob = a_blob(status=BlobStatus.LABELLING, size=len(content), sha256=sha256, **values)
    opened.blobs.create(blob)
    done = labelled(blob, ("Cat", 90.0))
    opened.blobs.save(done, blob)
    path = path_of(data, blob.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return done
