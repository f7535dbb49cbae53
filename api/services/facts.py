"""Operations of an owner on the client's facts about a blob: name, external id, metadata."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from api.services.blobs import find
from api.services.dependencies import Services
from api.services.uploads import InvalidUpload
from core.domain.blob import Blob
from core.domain.edits import set_facts
from core.domain.errors import Unavailable, VersionConflict
from core.domain.facts import Facts, metadata_of, problems_in

log = logging.getLogger(__name__)

_MAX_ATTEMPTS: Final = 8


class Kept:
    """Stands for a value that stays as it is."""


KEPT: Final = Kept()


@dataclass(frozen=True, slots=True)
class FactsChange:
    """New values of facts, not checked yet: None clears one, KEPT leaves it."""

    file_name: str | Kept | None = KEPT
    external_id: str | Kept | None = KEPT
    metadata: Sequence[tuple[str, str]] | Kept = KEPT

    def applied_to(self, facts: Facts) -> Facts:
        """Return facts with the new values."""
        given: dict[str, Any] = {
            "file_name": self.file_name,
            "external_id": self.external_id,
            "metadata": self.metadata
            if isinstance(self.metadata, Kept)
            else metadata_of(self.metadata),
        }
        changed = {name: each for name, each in given.items() if not isinstance(each, Kept)}
        return replace(facts, **changed)


async def update_blob(services: Services, owner: str, blob_id: str, change: FactsChange) -> Blob:
    """Change the facts of a blob in any state; return its new state.

    Raises:
        InvalidUpload: a value is out of range.
        BlobNotFound: the owner has no such blob.
        ExternalIdTaken: another blob of the owner has the external id.
        Unavailable: a store can't answer now; call again.

    """
    problems = problems_in(
        None if isinstance(change.file_name, Kept) else change.file_name,
        None if isinstance(change.external_id, Kept) else change.external_id,
        () if isinstance(change.metadata, Kept) else change.metadata,
    )
    if found := tuple(problems):
        raise InvalidUpload(found)
    return await services.write(_update, services, owner, blob_id, change)


def _update(services: Services, owner: str, blob_id: str, change: FactsChange) -> Blob:
    for _ in range(_MAX_ATTEMPTS):
        blob = find(services, owner, blob_id)
        changed = set_facts(blob, services.clock(), change.applied_to(blob.facts))
        if changed is blob:
            return blob
        with suppress(VersionConflict):  # the labeller or another request was faster
            services.blobs.save(changed, blob)
            log.info("facts changed", extra={"blob_id": blob_id, "owner": owner})
            return changed
    raise Unavailable(f"Blob {blob_id} is being changed by too many requests at once.")
