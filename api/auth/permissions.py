"""The scopes that each root field of the schema needs. Pure.

Some fields of a blob and of the viewer need scopes too, at any depth: a caller that may only upload
sees that a blob exists, but none of its contents, even where a mutation returns an existing blob.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.errors import Code, RequestError
from core.domain.scope import ALL_SCOPES, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from api.auth.caller import Caller

_READ: Final = frozenset({Scope.READ})
_UPLOAD: Final = frozenset({Scope.UPLOAD})
_EDIT: Final = frozenset({Scope.EDIT})
_DELETE: Final = frozenset({Scope.DELETE})
_ADMIN: Final = frozenset({Scope.ADMIN})
_NONE: Final[frozenset[Scope]] = frozenset()

NEEDED: Final[Mapping[str, frozenset[Scope]]] = {
    "Query.node": _READ,
    "Query.nodes": _READ,
    "Query.blob": _READ,
    "Query.blobs": _READ,
    "Query.blobsByLabel": _READ,
    "Query.label": _READ,
    "Query.labels": _READ,
    "Query.search": _READ,
    "Query.webhookDelivery": _READ,
    "Query.disabledWebhookEndpoints": _READ,
    "Query.viewer": _NONE,
    "Mutation.createUpload": _UPLOAD,
    "Mutation.renewUpload": _UPLOAD,
    "Mutation.relabelBlob": _EDIT,
    "Mutation.redeliverWebhook": _EDIT,
    "Mutation.relabelBlobs": _EDIT,
    "Mutation.addLabels": _EDIT,
    "Mutation.removeLabels": _EDIT,
    "Mutation.confirmLabels": _EDIT,
    "Mutation.resetLabels": _EDIT,
    "Mutation.setLabelPolicy": _EDIT,
    "Mutation.updateBlob": _EDIT,
    "Mutation.setVocabulary": _EDIT,
    "Mutation.deleteBlob": _DELETE,
    "Mutation.deleteBlobs": _DELETE,
    "Mutation.restoreBlobs": _DELETE,
    "Mutation.rotateWebhookSecret": _ADMIN,
    "Mutation.enableWebhookEndpoint": _ADMIN,
    "Mutation.sendTestWebhook": _ADMIN,
    "Subscription.blobEvents": _READ,
    "Blob.sha256": _READ,
    "Blob.labels": _READ,
    "Blob.detectedLabels": _READ,
    "Blob.rejectedLabels": _READ,
    "Blob.detector": _READ,
    "Blob.failure": _READ,
    "Blob.fileName": _READ,
    "Blob.externalId": _READ,
    "Blob.metadata": _READ,
    "Blob.callback": _READ,
    "Blob.downloadUrl": _READ,
    "Blob.thumbnailUrl": _READ,
    "Blob.previewUrl": _READ,
    "Blob.similar": _READ,
    "Viewer.labelPolicy": _READ,
    "Viewer.vocabulary": _READ,
}
GUARDED: Final = frozenset(
    field for field in NEEDED if field.partition(".")[0] in ("Blob", "Viewer")
)


def require(caller: Caller, fields: Iterable[str]) -> None:
    """Check that a caller has the scopes of all these fields. Raises RequestError.

    `__typename` and introspection need no scope. A field that is missing in NEEDED needs all.
    """
    for field in sorted(fields, key=GUARDED.__contains__):
        needed = frozenset() if ".__" in field else NEEDED.get(field, ALL_SCOPES)
        require_scopes(caller, field, needed)


def require_scopes(caller: Caller, what: str, needed: frozenset[Scope]) -> None:
    """Check that a caller has the scopes that `what` needs. Raises RequestError."""
    missing = sorted(needed - caller.scopes)
    if missing:
        names = " and ".join(f"'{each}'" for each in missing)
        raise RequestError(
            Code.FORBIDDEN,
            f"{what} needs the scope {names}, which the key or token does not have.",
            # RFC 6750, 3.1
            headers={
                "www-authenticate": 'Bearer error="insufficient_scope", '
                f'scope="{" ".join(missing)}"'
            },
            missingScopes=[str(each) for each in missing],
        )
