"""The GraphQL types of labels. Their descriptions are the API's documentation."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from datetime import datetime

import strawberry

from core.domain.label import LabelSource


@strawberry.type(
    description="A rectangle in an image. Each number is a fraction of the image's width or "
    "height, from 0 to 1."
)
class BoundingBox:
    left: float = strawberry.field(description="Left edge, measured from the left.")
    top: float = strawberry.field(description="Top edge, measured from the top.")
    width: float = strawberry.field(description="Width of the rectangle.")
    height: float = strawberry.field(description="Height of the rectangle.")


@strawberry.type(description="One place in the image where the label was detected.")
class Instance:
    bounding_box: BoundingBox = strawberry.field(description="Rectangle around the object.")
    confidence: float = strawberry.field(description="Confidence, from 0 to 100.")


strawberry.enum(
    LabelSource,
    description="Who says that an image has a label. DETECTOR: the detector found it. OWNER: it "
    "was added with addLabels, or was confirmed and the detector does not find it any more.",
)


@strawberry.type(description="Something that is in an image.")
class Label:
    name: str = strawberry.field(
        description="Name, as the detector or the owner's policy or correction writes it. "
        "Searches ignore its case."
    )
    confidence: float = strawberry.field(
        description="Confidence, from 0 to 100; 100 when it was added or confirmed."
    )
    parents: list[str] = strawberry.field(
        description="Names of all ancestors in the detector's taxonomy, nearest first."
    )
    instances: list[Instance] = strawberry.field(
        description="Where in the image it was detected, if known."
    )
    aliases: list[str] = strawberry.field(description="Other names with the same meaning.")
    categories: list[str] = strawberry.field(
        description="Categories it belongs to, if known. Example: `Animals and Pets`."
    )
    source: LabelSource = strawberry.field(description="Who says that it is in the image.")
    confirmed_at: datetime | None = strawberry.field(
        description="When it was added or confirmed; null when it was not."
    )
