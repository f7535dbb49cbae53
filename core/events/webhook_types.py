"""The shapes of webhook bodies, which receivers rely on. Pure.

scripts/webhook_schema.py makes docs/webhooks.schema.json of these types, their docstrings and the
`Doc` of each field.
"""

from __future__ import annotations

import sys
from datetime import datetime  # read by what makes the schema  # noqa: TC003
from typing import Annotated, Any, Literal

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # pydantic can't read those of older Pythons
    from typing_extensions import TypedDict

from core.domain.blob import FailureCode, ImageType


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
