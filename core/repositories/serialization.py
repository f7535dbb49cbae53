"""Blobs as documents, and as items of DynamoDB. Pure.

A document is a JSON object. An item is the same in DynamoDB's attribute values
(docs.aws.amazon.com: AttributeValue), the form in which stream records contain images.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import Blob, BlobStatus, Failure, FailureCode, ImageType
from core.domain.clock import from_text, to_text
from core.domain.facts import NO_FACTS, Facts, indexed_name, metadata_of
from core.repositories.label_documents import (
    decision_from_document,
    decision_to_document,
    detected_from_document,
    detected_to_document,
    label_from_document,
    label_to_document,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Document = dict[str, Any]

SHARDS: Final = 8

_TIMES = (
    "created_at",
    "uploaded_at",
    "finished_at",
    "changed_at",
    "edited_at",
    "facts_set_at",
    "deletes_at",
    "deletion_set_at",
)
_COMPRESSED = ("labels", "detected_labels", "decisions")
_PLAIN = (
    "id",
    "owner",
    "max_labels",
    "min_confidence",
    "callback_url",
    "declared_size",
    "declared_sha256",
    "size",
    "sha256",
    "width",
    "height",
    "detector",
    "traceparent",
    "version",
)


_STATUSES: Final = {each.value: each for each in BlobStatus}
_TYPES: Final = {each.value: each for each in ImageType}


def blob_to_document(blob: Blob) -> Document:
    """Return a blob as a document, without the fields that are None, empty or at their default."""
    document: Document = {name: getattr(blob, name) for name in _PLAIN}
    document["status"] = blob.status.value
    document["content_type"] = blob.content_type.value
    for name in _TIMES:
        moment: datetime | None = getattr(blob, name)
        document[name] = to_text(moment) if moment else None
    if blob.labels is not None:
        document["labels"] = [label_to_document(label) for label in blob.labels]
    if blob.detected_labels is not None:
        document["detected_labels"] = detected_to_document(blob.detected_labels, blob.labels or ())
    if blob.decisions:
        document["decisions"] = [decision_to_document(each) for each in blob.decisions]
    document["edits"] = blob.edits or None
    document["file_name"], document["external_id"] = blob.facts.file_name, blob.facts.external_id
    document["metadata"] = dict(blob.facts.metadata) or None
    document["callback_on_label_change"] = blob.callback_on_label_change or None
    if blob.failure is not None:
        document["failure"] = {"code": blob.failure.code.value, "message": blob.failure.message}
    return {name: value for name, value in document.items() if value is not None}


def blob_from_document(document: Mapping[str, Any]) -> Blob:
    """Return the blob of a document made by `blob_to_document`; unknown fields are ignored.

    Raises KeyError, TypeError or ValueError if the document is not a blob's.
    """
    get = document.get
    labels, failure = get("labels"), get("failure")
    uploaded_at, finished_at = get("uploaded_at"), get("finished_at")
    changed_at, edited_at = get("changed_at"), get("edited_at")
    facts_set_at, deletes_at = get("facts_set_at"), get("deletes_at")
    deletion_set_at = get("deletion_set_at")
    detected = get("detected_labels")
    read = None if labels is None else tuple(map(label_from_document, labels))
    return Blob(
        id=document["id"],
        owner=document["owner"],
        status=_STATUSES[document["status"]],
        content_type=_TYPES[document["content_type"]],
        created_at=from_text(document["created_at"]),
        max_labels=document["max_labels"],
        min_confidence=float(document["min_confidence"]),  # DynamoDB writes 55.0 as 55
        callback_url=get("callback_url"),
        callback_on_label_change=get("callback_on_label_change", False),
        declared_size=get("declared_size"),
        declared_sha256=get("declared_sha256"),
        size=get("size"),
        sha256=get("sha256"),
        width=get("width"),
        height=get("height"),
        uploaded_at=uploaded_at and from_text(uploaded_at),
        finished_at=finished_at and from_text(finished_at),
        changed_at=changed_at and from_text(changed_at),
        labels=read,
        failure=failure and Failure(FailureCode(failure["code"]), failure["message"]),
        detector=get("detector"),
        detected_labels=None if detected is None else detected_from_document(detected, read or ()),
        decisions=tuple(map(decision_from_document, get("decisions", ()))),
        edits=get("edits", 0),
        edited_at=edited_at and from_text(edited_at),
        facts=_facts_from(document),
        facts_set_at=facts_set_at and from_text(facts_set_at),
        deletes_at=deletes_at and from_text(deletes_at),
        deletion_set_at=deletion_set_at and from_text(deletion_set_at),
        traceparent=get("traceparent"),
        version=get("version", 1),
    )


def _facts_from(document: Mapping[str, Any]) -> Facts:
    file_name, external_id = document.get("file_name"), document.get("external_id")
    metadata = document.get("metadata")
    if file_name is None and external_id is None and not metadata:
        return NO_FACTS
    return Facts(file_name, external_id, metadata_of((metadata or {}).items()))


def index_attributes(document: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the typed attributes that are the keys of a blob in the table's indexes.

    A blob that waits to be deleted is in a list of its own, and in the list of those due.
    """
    owner, status = document["owner"], document["status"]
    if deletes_at := document.get("deletes_at"):
        return {
            "by_owner": {"S": waiting_key(owner)},
            "list": {"S": waiting_list(shard_of(document["id"]))},
            "at": {"S": deletes_at},
        }
    attributes = {"by_owner": {"S": owner}, "by_status": {"S": f"{status}#{owner}"}}
    if digest := document.get("sha256") or document.get("declared_sha256"):
        attributes["by_digest"] = {"S": digest_key(owner, digest)}
    if name := document.get("file_name"):
        attributes["by_name"] = {"S": name_key(indexed_name(name), document["id"])}
    if status == BlobStatus.AWAITING_UPLOAD:
        attributes["list"] = {"S": f"uploads#{shard_of(document['id'])}"}
        attributes["at"] = {"S": document["created_at"]}
    return attributes


def waiting_key(owner: str) -> str:
    """Return the index key of an owner's blobs that wait to be deleted.

    No owner has such a name, because names are printable.
    """
    return f"{owner}\twaiting"


def waiting_list(shard: int) -> str:
    """Return the name of a shard of the list of blobs that wait to be deleted, of all owners."""
    return f"waiting#{shard}"


def digest_key(owner: str, sha256: str) -> str:
    """Return the index key of an owner's blobs with the same bytes."""
    return f"{sha256}#{owner}"


def name_key(name: str, blob_id: str) -> str:
    """Return the sort key of a blob in the index of names, of which `name` is one.

    The keys sort as the pairs do: a name has no control character.
    """
    return f"{name}\t{blob_id}"


def shard_of(blob_id: str) -> int:
    """Return the shard of a global list that contains a blob's items.

    A partition of DynamoDB accepts 1000 writes a second; a list of all uploads needs more.
    """
    return ord(blob_id[-1]) % SHARDS


def blob_keys(blob_id: str) -> dict[str, dict[str, str]]:
    """Return the typed primary key of a blob's item."""
    return {"pk": {"S": f"blob#{blob_id}"}, "sk": {"S": "blob"}}


def blob_to_item(blob: Blob) -> dict[str, Any]:
    """Return a blob as an item of the table, which is also its stream image.

    The labels are compressed, because DynamoDB bills every started kilobyte of an item.
    """
    document = blob_to_document(blob)
    item = document_to_item(document, blob.id)
    for name in document.keys() & _COMPRESSED:
        item[name] = {"B": compress_json(document[name])}
    return item


def document_to_item(document: Document, blob_id: str) -> dict[str, Any]:
    """Return the item of a blob's document: with keys, index keys and DynamoDB types."""
    typed = {name: marshal(value) for name, value in document.items()}
    return {**blob_keys(blob_id), **index_attributes(document), **typed}


def blob_from_item(item: Mapping[str, Mapping[str, Any]]) -> Blob:
    """Return the blob of an item. The labels are compressed, except in early items."""
    document = {
        name: decompress_json(value["B"]) if "B" in value else unmarshal(value)
        for name, value in item.items()
    }
    return blob_from_document(document)


def compress_json(value: Any) -> bytes:
    """Return a JSON value as compressed text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode())


def decompress_json(content: bytes | str) -> Any:
    """Return the value of a text made by `compress_json`, which is base64 in a stream record.

    Raises ValueError if it was made by anything else.
    """
    try:
        compressed = base64.b64decode(content) if isinstance(content, str) else content
        return json.loads(zlib.decompress(compressed))
    except zlib.error as error:
        raise ValueError(f"not compressed JSON: {error}") from error


def marshal(value: Any) -> dict[str, Any]:
    """Return a JSON value as a DynamoDB attribute value."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": repr(value)}
        case str():
            return {"S": value}
        case list() | tuple():
            return {"L": [marshal(part) for part in value]}
        case dict():
            return {"M": {name: marshal(part) for name, part in value.items()}}
    raise TypeError(f"DynamoDB has no type for {type(value).__name__}")


def unmarshal(typed: Mapping[str, Any]) -> Any:
    """Return the value of a DynamoDB attribute value; numbers become int if whole, else float."""
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return value
        case "N":
            number = float(value)
            return int(value) if value.lstrip("-").isdigit() else number
        case "BOOL":
            return value
        case "NULL":
            return None
        case "L":
            return [unmarshal(part) for part in value]
        case "M":
            return {name: unmarshal(part) for name, part in value.items()}
    raise TypeError(f"records have no values of the DynamoDB type {kind}")
