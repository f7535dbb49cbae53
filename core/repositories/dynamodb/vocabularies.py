"""Owners' vocabularies on DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.clock import to_text
from core.domain.own_vocabulary import NO_VOCABULARY, OwnVocabulary
from core.repositories.dynamodb.expressions import Item, fits_key, key
from core.repositories.dynamodb.versioned import put_next
from core.repositories.serialization import compress_json, decompress_json
from core.repositories.vocabulary_documents import (
    vocabulary_from_document,
    vocabulary_to_document,
)

if TYPE_CHECKING:
    from datetime import datetime

    from core.repositories.dynamodb.table import Table


class DynamoVocabularyRepository:
    """Vocabularies in a `Table`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, owner: str) -> OwnVocabulary:
        """Return an owner's vocabulary."""
        item = self._table.get(*_keys(owner)) if fits_key(owner) else None
        if item is None:
            return NO_VOCABULARY
        document = decompress_json(item["document"]["B"])
        return vocabulary_from_document(document, int(item["version"]["N"]))

    def replace(self, owner: str, vocabulary: OwnVocabulary, at: datetime) -> bool:
        """Store a vocabulary in place of that with the version before.

        Return False if the stored one has another version.
        """
        item = vocabulary_to_item(owner, vocabulary, at)
        return put_next(self._table, item, vocabulary.version) or self.find(owner) == vocabulary


def vocabulary_to_item(owner: str, vocabulary: OwnVocabulary, at: datetime) -> Item:
    """Return an owner's vocabulary, set at a time, as an item."""
    return {
        **key(*_keys(owner)),
        "version": {"N": str(vocabulary.version)},
        "document": {"B": compress_json(vocabulary_to_document(vocabulary))},
        "set_at": {"S": to_text(at)},
    }


def _keys(owner: str) -> tuple[str, str]:
    return f"owner#{owner}", "vocabulary"
