"""The shapes of webhook bodies, which receivers rely on. Pure.

scripts/webhook_schema.py makes docs/webhooks.schema.json of these types, their docstrings and the
`Doc` of each field.
"""

from __future__ import annotations

import sys
from datetime import datetime  # noqa: TC003  # the schema is made from the annotations
from typing import Annotated, Any, Literal

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # pydantic can't read those of older Pythons
    from typing_extensions import TypedDict

from core.domain.blob import FailureCode, ImageType
from core.domain.label import LabelSource


class Doc:
    """The description of a field in the JSON Schema, and its other keywords."""

    def __init__(self, description: str, **keywords: Any) -> None:
        self._keywords = {"description": description, **keywords}

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> Any:
        """Add the keywords; pydantic calls this for each annotation of a type."""
        return {**handler(core_schema), **self._keywords}


class BoxBody(TypedDict):
    """A box; each number is a fraction of the picture's width or height."""

    left: Annotated[
        float, Doc("Distance of the left side from the picture's left edge.", minimum=0, maximum=1)
    ]
    top: Annotated[
        float, Doc("Distance of the upper side from the picture's top edge.", minimum=0, maximum=1)
    ]
    width: Annotated[float, Doc("Width of the box.", minimum=0, maximum=1)]
    height: Annotated[float, Doc("Height of the box.", minimum=0, maximum=1)]


class InstanceBody(TypedDict):
    """One occurrence of the label's object in the picture."""

    boundingBox: Annotated[BoxBody, Doc("The position in the picture.")]
    confidence: Annotated[
        float, Doc("The detector's confidence, in percent.", minimum=0, maximum=100)
    ]


class LabelBody(TypedDict):
    """An object or concept in a picture."""

    name: Annotated[str, Doc("The label's name.")]
    confidence: Annotated[
        float,
        Doc(
            "The detector's confidence, in percent; 100 for a label that was added or confirmed.",
            minimum=0,
            maximum=100,
        ),
    ]
    parents: Annotated[tuple[str, ...], Doc("The names of all its ancestors, nearest first.")]
    instances: Annotated[
        list[InstanceBody], Doc("The occurrences in the picture; empty when unknown.")
    ]
    source: Annotated[
        str,
        Doc(
            "Who says that the picture has the label: the detector, or its owner, who added it. "
            "Values may be added.",
            examples=list(LabelSource),
        ),
    ]


class FailureBody(TypedDict):
    """The reason why a picture could not be labelled."""

    code: Annotated[
        str, Doc("The reason, for programs. Codes may be added.", examples=list(FailureCode))
    ]
    message: Annotated[str, Doc("The reason, for the person who uploaded the picture.")]


class BlobBody(TypedDict):
    """A picture: names and values are those of the GraphQL type Blob; metadata is an object."""

    id: Annotated[str, Doc("The blob's id, as returned by createUpload.")]
    contentType: Annotated[
        str,
        Doc(
            "The content type that the client declared. Types may be added.",
            examples=[t.name for t in ImageType],
        ),
    ]
    sizeBytes: Annotated[int | None, Doc("The size of the upload; null when unknown.", minimum=0)]
    width: Annotated[int | None, Doc("Width in pixels as displayed; null when unknown.", minimum=0)]
    height: Annotated[
        int | None, Doc("Height in pixels as displayed; null when unknown.", minimum=0)
    ]
    createdAt: Annotated[datetime, Doc("When the upload was created.")]
    fileName: Annotated[str | None, Doc("The name of its file; null if the client gave none.")]
    externalId: Annotated[
        str | None, Doc("The client's own id of the picture; null if it gave none.")
    ]
    metadata: Annotated[
        dict[str, str], Doc("The client's own facts about the picture: values by key.")
    ]
    labelsOmitted: Annotated[
        int,
        Doc(
            "The number of labels that were left out, the least confident ones, to keep the body "
            "under 20 kB. The API returns all labels.",
            minimum=0,
        ),
    ]
    parentsOmitted: Annotated[
        int,
        Doc(
            "The number of parents of the included labels that were left out for the same reason, "
            "those of the least confident labels first.",
            minimum=0,
        ),
    ]
    instancesOmitted: Annotated[
        int,
        Doc(
            "The number of instances of the included labels that were left out for the same "
            "reason, before any parents and labels.",
            minimum=0,
        ),
    ]


class LabelledBlob(BlobBody):
    """A picture that was labelled."""

    status: Literal["LABELLED"]
    labelledAt: Annotated[datetime, Doc("When the picture was labelled.")]
    labels: Annotated[list[LabelBody], Doc("The labels, most confident first.")]
    failure: None


class FailedBlob(BlobBody):
    """A picture that could not be labelled."""

    status: Literal["FAILED"]
    labelledAt: None
    labels: None
    failure: FailureBody


class LabelledData(TypedDict):
    """The data of a blob.labelled event."""

    blob: LabelledBlob


class FailedData(TypedDict):
    """The data of a blob.failed event."""

    blob: FailedBlob


class TestData(TypedDict):
    """The data of a webhook.test event."""

    message: Annotated[str, Doc("A text for the person who reads it.")]


class BlobLabelled(TypedDict):
    """A picture was labelled, for the first time or again."""

    type: Literal["blob.labelled"]
    timestamp: Annotated[datetime, Doc("When the picture was labelled.")]
    data: LabelledData


class BlobLabelsChanged(TypedDict):
    """Labels of a labelled picture were corrected; sent if createUpload asked for it."""

    type: Literal["blob.labels_changed"]
    timestamp: Annotated[datetime, Doc("When the labels were corrected.")]
    data: LabelledData


class BlobFailed(TypedDict):
    """A picture could not be labelled."""

    type: Literal["blob.failed"]
    timestamp: Annotated[datetime, Doc("When labelling failed.")]
    data: FailedData


class WebhookTest(TypedDict):
    """The owner tests whether webhooks arrive."""

    type: Literal["webhook.test"]
    timestamp: Annotated[datetime, Doc("When the test was requested.")]
    data: TestData


Event = BlobLabelled | BlobLabelsChanged | BlobFailed | WebhookTest
