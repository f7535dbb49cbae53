"""Persisted documents: named by the SHA-256 of their text, and listed by the operator.

Automatic persisted queries are Apollo's: the request extension `persistedQuery` has `version` (1)
and `sha256Hash`. https://www.apollographql.com/docs/apollo-server/performance/apq
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from api.errors import Code, RequestError
from core.runtime.settings import BadSetting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def hash_of(text: str) -> str:
    """Return the SHA-256 of a document, in lower-case hex."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def persisted_hash(extensions: Mapping[str, Any] | None) -> str | None:
    """Return the hash in a request's extension `persistedQuery`; None when there is none.

    Raises RequestError when the extension is malformed.
    """
    match (extensions or {}).get("persistedQuery"):
        case None:
            return None
        case {"version": 1, "sha256Hash": str(name)}:
            return name.lower()
        case {"version": int()}:
            raise RequestError(Code.BAD_REQUEST, "Unsupported persisted query version")
    raise RequestError(Code.BAD_REQUEST, "persistedQuery must have a version (1) and a sha256Hash.")


def read_manifest(path: Path) -> dict[str, str]:
    """Read the documents that an operator allows: a JSON object from SHA-256 (hex) to text.

    Apollo's `apollo-persisted-query-manifest` is accepted too. Raises BadSetting.
    """
    try:
        content = json.loads(path.read_bytes())
        if isinstance(content.get("operations"), list):
            content = {each["id"]: each["body"] for each in content["operations"]}
        documents = {name.lower(): text for name, text in content.items()}
        wrong = [name for name, text in documents.items() if hash_of(text) != name]
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as exc:
        raise BadSetting(
            f"{path}, which LABELLING_ALLOWED_DOCUMENTS (--allowed-documents) names, can't be "
            f"read: {exc!r}. The file must be a JSON object from SHA-256 to document."
        ) from exc
    if wrong:
        raise BadSetting(f"{path}: {wrong[0]!r} is not the SHA-256 of its document.")
    return documents


def allowed_text(allowed: Mapping[str, str], query: str | None, name: str | None) -> str:
    """Return the listed document that a request names by text or hash. Raises RequestError."""
    found = allowed.get(name or hash_of(query or ""))
    if found is None or (query and query != found):
        raise document_not_allowed()
    return found


def document_not_allowed() -> RequestError:
    """Return the error for a document that the operator has not listed."""
    return RequestError(
        Code.DOCUMENT_NOT_ALLOWED,
        "This service executes only documents that its operator has listed, and this is not one.",
    )
