"""Scopes of API keys and tokens. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class Scope(StrEnum):
    """A set of operations. Scopes are granted separately: none includes another."""

    READ = "read"  # read blobs, labels and webhooks
    UPLOAD = "upload"  # upload pictures
    EDIT = "edit"  # change labels and facts, label again, send webhooks again
    DELETE = "delete"  # delete blobs
    ADMIN = "admin"  # manage webhook secrets and endpoints
    OPERATOR = "operator"  # see and manage the service itself, over all owners


# What an owner may be granted, and has where nothing else is said.
ALL_SCOPES: Final = frozenset(Scope) - {Scope.OPERATOR}

# Before EDIT and DELETE existed, READ and UPLOAD together allowed what they allow.
_SPLIT: Final = frozenset({Scope.READ, Scope.UPLOAD})
_ADDED: Final = frozenset({Scope.EDIT, Scope.DELETE})


def from_earlier(names: Iterable[str]) -> frozenset[Scope]:
    """Return what a key allows whose scopes were stored before EDIT and DELETE existed."""
    scopes = frozenset(map(Scope, names))
    return scopes | _ADDED if scopes >= _SPLIT else scopes


def for_earlier(scopes: frozenset[Scope]) -> frozenset[Scope]:
    """Return scopes that a version without the later ones may grant a key: never more than it has.

    A key with READ and UPLOAD that may not edit and delete loses UPLOAD there.
    """
    known = scopes & ALL_SCOPES - _ADDED
    return known - {Scope.UPLOAD} if known >= _SPLIT and not scopes >= _ADDED else known
