"""Owners' vocabularies on SQLite."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from core.domain.own_vocabulary import NO_VOCABULARY
from core.repositories.sqlite.versioned import put_next
from core.repositories.vocabulary_documents import (
    vocabulary_from_document,
    vocabulary_to_document,
)

if TYPE_CHECKING:
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.own_vocabulary import OwnVocabulary


class SqliteVocabularyRepository:
    """Vocabularies in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, owner: str) -> OwnVocabulary:
        """Return an owner's vocabulary."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT document, version FROM vocabularies WHERE owner = ?", (owner,)
            ).fetchone()
        return _vocabulary(*row) if row else NO_VOCABULARY

    def replace(self, owner: str, vocabulary: OwnVocabulary, at: datetime) -> bool:
        """Store a vocabulary in place of that with the version before; it is on disk then.

        Return False if the stored one has another version.
        """
        document = json.dumps(vocabulary_to_document(vocabulary), ensure_ascii=False)
        return put_next(self._database, "vocabularies", owner, document, vocabulary.version, at)


# Each search reads it.
@lru_cache(maxsize=64)
def _vocabulary(document: str, version: int) -> OwnVocabulary:
    return vocabulary_from_document(json.loads(document), version)
