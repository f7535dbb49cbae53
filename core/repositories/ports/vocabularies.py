"""The port of the vocabularies that owners define."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from core.domain.errors import VocabularyConflict
from core.domain.own_vocabulary import OwnVocabulary, check_vocabulary

if TYPE_CHECKING:
    from datetime import datetime


class VocabularyRepository(Protocol):
    """Vocabularies of owners, in the store of their blobs."""

    def find(self, owner: str) -> OwnVocabulary:
        """Return an owner's vocabulary; that of one that never set any is empty."""

    def replace(self, owner: str, vocabulary: OwnVocabulary, at: datetime) -> bool:
        """Store a vocabulary in place of that with the version before.

        Return False, and change nothing, if the stored one has another version.
        """


def set_vocabulary_of(
    vocabularies: VocabularyRepository, owner: str, wanted: OwnVocabulary, at: datetime
) -> OwnVocabulary:
    """Store an owner's vocabulary in place of the one with the version of `wanted`; return it.

    Repeated after a lost response it changes nothing. Raises InvalidVocabulary, VocabularyConflict.
    """
    vocabulary = replace(check_vocabulary(wanted), version=wanted.version + 1)
    if vocabularies.replace(owner, vocabulary, at):
        return vocabulary
    stored = vocabularies.find(owner)
    if stored != vocabulary:
        raise VocabularyConflict(wanted.version, stored.version)
    return stored
