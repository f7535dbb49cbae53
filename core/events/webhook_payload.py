"""What a webhook says: the shapes of its body, which receivers rely on. Pure.

scripts/webhook_schema.py makes docs/webhooks.schema.json of these types, their docstrings and what
`Doc` says of their fields.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime  # read by what makes the schema  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # pydantic can't read those of older Pythons
    from typing_extensions import TypedDict

from core.domain.blob import BlobStatus, FailureCode, ImageType
from core.domain.clock import to_text
from core.domain.errors import WrongState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.domain.blob import Blob, Failure, Label

MAX_BODY: Final = 19_999  # bytes: Standard Webhooks 1.0.0 asks for less than 20 kB
CUT_TEXT: Final = 500  # characters left of a text, in a body that would otherwise be too long


class Doc:
    """A field's description in the JSON Schema, and other keywords of it."""

    def __init__(self, description: str, **keywords: Any) -> None:
        self._keywords = {"description": description, **keywords}

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> Any:
        """Add the keywords: pydantic asks whatever annotates a type."""
        return {**handler(core_schema), **self._keywords}


class BoxBody(TypedDict):
    """A box; each number is a share of the picture's width or height."""

    left: Annotated[float, Doc("Of its left side, from the left.", minimum=0, maximum=1)]
    top: Annotated[float, Doc("Of its upper side, from the top.", minimum=0, maximum=1)]
    width: Annotated[float, Doc("From left to right.", minimum=0, maximum=1)]
    height: Annotated[float, Doc("From top to bottom.", minimum=0, maximum=1)]


class InstanceBody(TypedDict):
    """One place in the picture where the label's thing was found."""

    boundingBox: Annotated[BoxBody, Doc("Where it is.")]
    confidence: Annotated[float, Doc("How sure that is, in percent.", minimum=0, maximum=100)]


class LabelBody(TypedDict):
    """A thing seen in a picture."""

    name: Annotated[str, Doc("What it is called.")]
    confidence: Annotated[float, Doc("How sure that is, in percent.", minimum=0, maximum=100)]
    parents: Annotated[tuple[str, ...], Doc("The names of all its ancestors, nearest first.")]
    instances: Annotated[list[InstanceBody], Doc("Where it was found, if that is known.")]


class FailureBody(TypedDict):
    """Why a picture could not be labelled."""

    code: Annotated[
        str, Doc("The reason, for programs. More may be added.", examples=list(FailureCode))
    ]
    message: Annotated[str, Doc("The reason, for the person who uploaded the picture.")]


class BlobBody(TypedDict):
    """A picture: names and values as in the GraphQL type Blob."""

    id: Annotated[str, Doc("Its id: that which createUpload gave.")]
    contentType: Annotated[
        str,
        Doc("What it was announced as. More may be added.", examples=[t.name for t in ImageType]),
    ]
    sizeBytes: Annotated[int | None, Doc("Its size; null when unknown.", minimum=0)]
    width: Annotated[int | None, Doc("In pixels as displayed; null when unknown.", minimum=0)]
    height: Annotated[int | None, Doc("In pixels as displayed; null when unknown.", minimum=0)]
    createdAt: Annotated[datetime, Doc("When its upload was created.")]
    labelsOmitted: Annotated[
        int,
        Doc(
            "How many labels, the least confident ones, were left out to keep the body under "
            "20 kB. The API has them all.",
            minimum=0,
        ),
    ]
    parentsOmitted: Annotated[
        int,
        Doc(
            "How many parents of the labels that are here were left out for the same reason, "
            "those of the least confident labels first.",
            minimum=0,
        ),
    ]
    instancesOmitted: Annotated[
        int,
        Doc(
            "How many instances of the labels that are here were left out for the same reason, "
            "before any parents and labels.",
            minimum=0,
        ),
    ]


class LabelledBlob(BlobBody):
    """A picture that was labelled."""

    status: Literal["LABELLED"]
    labelledAt: Annotated[datetime, Doc("When it was labelled.")]
    labels: Annotated[list[LabelBody], Doc("What was seen, most confident first.")]
    failure: None


class FailedBlob(BlobBody):
    """A picture that could not be labelled."""

    status: Literal["FAILED"]
    labelledAt: None
    labels: None
    failure: FailureBody


class LabelledData(TypedDict):
    """What a blob.labelled event is about."""

    blob: LabelledBlob


class FailedData(TypedDict):
    """What a blob.failed event is about."""

    blob: FailedBlob


class TestData(TypedDict):
    """What a webhook.test event says."""

    message: Annotated[str, Doc("A word to whoever reads it.")]


class BlobLabelled(TypedDict):
    """A picture was labelled, for the first time or again."""

    type: Literal["blob.labelled"]
    timestamp: Annotated[datetime, Doc("When it was labelled.")]
    data: LabelledData


class BlobFailed(TypedDict):
    """A picture could not be labelled."""

    type: Literal["blob.failed"]
    timestamp: Annotated[datetime, Doc("When that was known.")]
    data: FailedData


class WebhookTest(TypedDict):
    """Somebody tries whether webhooks arrive."""

    type: Literal["webhook.test"]
    timestamp: Annotated[datetime, Doc("When it was asked for.")]
    data: TestData


Event = BlobLabelled | BlobFailed | WebhookTest


def blob_event(blob: Blob) -> bytes:
    """Write the body that tells how a blob's labelling ended: at most `MAX_BODY` bytes.

    Where that is too few, long texts are cut; if need be instances go too, those of the least
    confident label first; then parents, in the same order; and then labels, the least confident
    first. Raises WrongState where labelling has not ended.
    """
    at, labels, failure = blob.finished_at, blob.labels, blob.failure
    if blob.status is BlobStatus.LABELLED and at and labels is not None:
        bodies = (_json(_labelled(blob, at, labels, kept)) for kept in _ever_fewer(labels))
    elif blob.status is BlobStatus.FAILED and at and failure:
        bodies = (_json(_failed(blob, at, told)) for told in (failure, _short(failure)))
    else:
        raise WrongState(blob.id, blob.status, "told of")
    return next(body for body in bodies if len(body) <= MAX_BODY)


def test_event(now: datetime) -> bytes:
    """Write the body of a webhook that tries whether webhooks arrive."""
    message = "This is a test. Nothing has happened."
    return _json({"type": "webhook.test", "timestamp": now, "data": {"message": message}})


def _labelled(
    blob: Blob, at: datetime, labels: tuple[Label, ...], kept: tuple[Label, ...]
) -> BlobLabelled:
    told: LabelledBlob = {
        **_blob(blob),
        "status": "LABELLED",
        "labelledAt": at,
        "labels": [_label(label) for label in kept],
        "labelsOmitted": len(labels) - len(kept),
        "parentsOmitted": _parents(labels[: len(kept)]) - _parents(kept),
        "instancesOmitted": _instances(labels[: len(kept)]) - _instances(kept),
        "failure": None,
    }
    return {"type": "blob.labelled", "timestamp": at, "data": {"blob": told}}


def _label(label: Label) -> LabelBody:
    return {
        "name": label.name,
        "confidence": label.confidence,
        "parents": label.parents,
        "instances": [
            {
                "boundingBox": {
                    "left": found.bounding_box.left,
                    "top": found.bounding_box.top,
                    "width": found.bounding_box.width,
                    "height": found.bounding_box.height,
                },
                "confidence": found.confidence,
            }
            for found in label.instances
        ],
    }


def _failed(blob: Blob, at: datetime, failure: Failure) -> BlobFailed:
    told: FailedBlob = {
        **_blob(blob),
        "status": "FAILED",
        "labelledAt": None,
        "labels": None,
        "failure": {"code": failure.code.value, "message": failure.message},
    }
    return {"type": "blob.failed", "timestamp": at, "data": {"blob": told}}


def _blob(blob: Blob) -> BlobBody:
    return {
        "id": blob.id,
        "contentType": blob.content_type.name,
        "sizeBytes": blob.size,
        "width": blob.width,
        "height": blob.height,
        "createdAt": blob.created_at,
        "labelsOmitted": 0,
        "parentsOmitted": 0,
        "instancesOmitted": 0,
    }


def _ever_fewer(labels: tuple[Label, ...]) -> Iterator[tuple[Label, ...]]:
    """Yield the labels, then ever less of them, down to none."""
    yield labels
    cut = tuple(
        replace(label, name=_cut(label.name), parents=tuple(map(_cut, label.parents)))
        for label in labels
    )
    yield cut
    placeless = tuple(replace(label, instances=()) for label in cut)
    for placed in range(len(cut) - 1, -1, -1):
        if cut[placed].instances:
            yield cut[:placed] + placeless[placed:]
    bare = tuple(replace(label, parents=()) for label in placeless)
    for full in range(len(bare) - 1, -1, -1):
        yield placeless[:full] + bare[full:]
    for kept in range(len(bare) - 1, -1, -1):
        yield bare[:kept]


def _short(failure: Failure) -> Failure:
    return replace(failure, message=_cut(failure.message))


def _cut(text: str) -> str:
    return text if len(text) <= CUT_TEXT else text[: CUT_TEXT - 1] + "…"


def _parents(labels: tuple[Label, ...]) -> int:
    return sum(len(label.parents) for label in labels)


def _instances(labels: tuple[Label, ...]) -> int:
    return sum(len(label.instances) for label in labels)


def _json(event: Event) -> bytes:
    text = json.dumps(event, default=to_text, ensure_ascii=False, separators=(",", ":"))
    return text.encode()
