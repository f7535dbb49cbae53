"""Owners' vocabularies as documents: JSON objects with the names of GraphQL. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from core.domain.errors import InvalidValue
from core.domain.own_vocabulary import LabelDefinition, OwnVocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

Document = dict[str, Any]

_LISTS: Final = ("parents", "aliases", "categories")


def vocabulary_to_document(vocabulary: OwnVocabulary) -> Document:
    """Return a vocabulary as a document, without its version."""
    return {
        "labels": [
            {
                "name": each.name,
                **{field: list(names) for field in _LISTS if (names := getattr(each, field))},
            }
            for each in vocabulary.labels
        ]
    }


def vocabulary_from_document(document: Mapping[str, Any], version: int) -> OwnVocabulary:
    """Return the vocabulary of a document.

    Its names are not checked. Raises InvalidValue for a value of a wrong type.
    """
    labels = document.get("labels", [])
    if not isinstance(labels, list):
        raise InvalidValue("labels", "must be a list")
    return OwnVocabulary(version, tuple(_definition(*each) for each in enumerate(labels)))


def _definition(number: int, given: Any) -> LabelDefinition:
    path = ("labels", str(number))
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise InvalidValue(".".join(path), "must be an object with a name")
    unknown = sorted(given.keys() - {"name", *_LISTS})
    if unknown:
        raise InvalidValue(".".join(path), f"has the unknown field {unknown[0]!r}")
    lists: dict[str, tuple[str, ...]] = {}
    for field in _LISTS:
        names = given.get(field) or []
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise InvalidValue(".".join((*path, field)), "must be a list of texts")
        lists[field] = tuple(names)
    return LabelDefinition(given["name"], **lists)
