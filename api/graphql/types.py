"""The GraphQL types of what is on record. Their descriptions are the API's documentation."""

# Annotations are not put off: Strawberry would compile each anew (docs/decisions/0010).

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar, cast

import strawberry
from strawberry.types import Info

from api.graphql.context import Context
from api.graphql.scalars import Url
from core.domain import blob as domain
from core.domain.blob import BlobStatus, FailureCode
from core.repositories.ports.blobs import LabelOrder

if TYPE_CHECKING:
    from core.domain.delivery import Delivery
    from core.storage.base import UploadTarget as Target

T = TypeVar("T")


@strawberry.enum(description="The kinds of picture that can be uploaded.")
class ImageType(Enum):
    JPEG = domain.ImageType.JPEG
    PNG = domain.ImageType.PNG
    WEBP = domain.ImageType.WEBP
    GIF = domain.ImageType.GIF
    TIFF = domain.ImageType.TIFF
    BMP = domain.ImageType.BMP
    AVIF = domain.ImageType.AVIF
    HEIC = domain.ImageType.HEIC


strawberry.enum(
    BlobStatus,
    description="Where a blob stands between the promise of an upload and its labels.",
)
strawberry.enum(FailureCode, description="Why a picture could not be labelled.")
strawberry.enum(
    LabelOrder,
    name="LabelledBlobOrder",
    description="NEWEST first, or most confident first (ties newest first).",
)


@strawberry.enum(
    description="Where a webhook stands. PENDING: not tried yet. DELIVERED: answered with 2xx. "
    "RETRYING: tried, and to be tried again. GAVE_UP: `reason` says why."
)
class CallbackStatus(Enum):
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    RETRYING = "RETRYING"
    GAVE_UP = "GAVE_UP"


@strawberry.interface(description="Anything with an id (Relay's Node).")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque, unique among all nodes.")


@strawberry.type(description="Relay's PageInfo.")
class PageInfo:
    has_next_page: bool = strawberry.field(
        description="Whether more follow: ask for them with `after`."
    )
    has_previous_page: bool = strawberry.field(description="Whether `after` was given.")
    start_cursor: str | None = strawberry.field(
        description="The first entry's cursor; null when there is none."
    )
    end_cursor: str | None = strawberry.field(
        description="Where the next page begins: give it as `after`."
    )


@strawberry.type(description="A box; each number is a share of the picture's width or height.")
class BoundingBox:
    left: float = strawberry.field(description="Of its left side, from the left.")
    top: float = strawberry.field(description="Of its upper side, from the top.")
    width: float = strawberry.field(description="From left to right.")
    height: float = strawberry.field(description="From top to bottom.")


@strawberry.type(description="One place in the picture where the label's thing was found.")
class Instance:
    bounding_box: BoundingBox = strawberry.field(description="Where it is.")
    confidence: float = strawberry.field(description="From 0 to 100.")


@strawberry.type(description="A thing seen in a picture.")
class Label:
    name: str = strawberry.field(
        description="As the detector writes it; it is searched for in any case."
    )
    confidence: float = strawberry.field(description="From 0 to 100.")
    parents: list[str] = strawberry.field(description="All its ancestors, nearest first.")
    instances: list[Instance] = strawberry.field(description="Where it was found, if known.")
    aliases: list[str] = strawberry.field(description="Other names for the same thing.")
    categories: list[str] = strawberry.field(
        description="The fields it belongs to, if known: Animals and Pets, Transport, ..."
    )


@strawberry.type(description="Why labelling failed, for a program and for a person.")
class Failure:
    code: FailureCode = strawberry.field(description="For a program.")
    message: str = strawberry.field(description="For the person who sent the picture.")


@strawberry.type(description="One POST to the callback URL.")
class CallbackAttempt:
    at: datetime = strawberry.field(description="When it began.")
    response_status: int | None = strawberry.field(
        description="The HTTP status answered; null when no answer came."
    )
    error: str | None = strawberry.field(
        description="timeout, dns, connect, connection, tls, protocol, status, internal; "
        "rejected when the address is none that is sent to; "
        "disabled when the endpoint had answered 410 before, so that nothing was sent; "
        "unknown when the service stopped before the outcome was recorded; null on success."
    )
    duration_ms: int | None = strawberry.field(
        description="How long it took; null while it is under way."
    )
    response_body: str | None = strawberry.field(
        description="The first 4096 bytes answered, as UTF-8, or why there was no answer."
    )
    address: str | None = strawberry.field(description="The IP address connected to.")


@strawberry.type(description="A webhook: of a blob's last outcome, or a test event.")
class Callback:
    id: strawberry.ID | None = strawberry.field(
        description="The webhook-id header of every attempt; null before there is an outcome."
    )
    url: Url = strawberry.field(description="Where it goes.")
    status: CallbackStatus = strawberry.field(description="Where it stands.")
    reason: str | None = strawberry.field(description="Why it was given up; else null.")
    attempts: list[CallbackAttempt] = strawberry.field(description="Oldest first.")
    next_attempt_at: datetime | None = strawberry.field(
        description="Null when no attempt is to come, or before there is an outcome to tell."
    )

    @staticmethod
    def of(url: str, delivery: "Delivery | None") -> "Callback":
        """Show how a callback stands; without a delivery there is nothing to tell yet."""
        from core.domain.delivery import (  # not for a Lambda's start  # noqa: PLC0415
            DeliveryState,
            failure_reason,
        )

        if delivery is None:
            return Callback(
                id=None,
                url=Url(url),
                status=CallbackStatus.PENDING,
                reason=None,
                attempts=[],
                next_attempt_at=None,
            )
        pending = delivery.state is DeliveryState.PENDING
        status = {
            DeliveryState.PENDING: (
                CallbackStatus.RETRYING if delivery.schedule_attempts else CallbackStatus.PENDING
            ),
            DeliveryState.DELIVERED: CallbackStatus.DELIVERED,
        }.get(delivery.state, CallbackStatus.GAVE_UP)
        last = delivery.attempts[-1] if delivery.attempts else None
        return Callback(
            id=strawberry.ID(delivery.id),
            url=Url(delivery.url),
            status=status,
            reason=failure_reason(delivery),
            attempts=[
                CallbackAttempt(
                    at=attempt.started,
                    response_status=attempt.status,
                    # The last one of a pending delivery may be under way still.
                    error="unknown"
                    if attempt.ended is None and not (pending and attempt is last)
                    else attempt.error,
                    duration_ms=None
                    if attempt.ended is None
                    else round((attempt.ended - attempt.started).total_seconds() * 1000),
                    response_body=attempt.response.decode(errors="replace") or None,
                    address=attempt.address,
                )
                for attempt in delivery.attempts
            ],
            next_attempt_at=delivery.due_at if pending else None,
        )


@strawberry.type(description="One picture: promised, uploaded, labelled.")
class Blob(Node):
    record: strawberry.Private[domain.Blob]
    status: BlobStatus = strawberry.field(description="Where it stands.")
    content_type: ImageType = strawberry.field(description="What it was declared to be.")
    size_bytes: int | None = strawberry.field(description="Null until the bytes are there.")
    sha256: str | None = strawberry.field(
        description="The SHA-256 of its bytes, in base64. Null until they are there, and on AWS "
        "where createUpload did not declare it."
    )
    width: int | None = strawberry.field(description="In pixels, as displayed.")
    height: int | None = strawberry.field(description="In pixels, as displayed.")
    created_at: datetime = strawberry.field(description="When its upload was asked for.")
    labelled_at: datetime | None = strawberry.field(
        description="When it got its labels; null when it has none."
    )
    detector: str | None = strawberry.field(
        description="Which detector looked at it last, and its version: "
        "name/version. Null before one has."
    )
    failure: Failure | None = strawberry.field(description="Set when status is FAILED.")

    @staticmethod
    def of(record: domain.Blob) -> "Blob":
        """Show a blob."""
        return Blob(
            id=strawberry.ID(record.id),
            record=record,
            status=record.status,
            content_type=ImageType(record.content_type),
            size_bytes=record.size,
            sha256=record.sha256,
            width=record.width,
            height=record.height,
            created_at=record.created_at,
            labelled_at=None if record.labels is None else record.finished_at,
            detector=record.detector,
            failure=Failure(code=record.failure.code, message=record.failure.message)
            if record.failure
            else None,
        )

    @strawberry.field(
        description="Null: not labelled yet. Empty: labelled, nothing found. Most confident first."
    )
    def labels(
        self,
        min_confidence: Annotated[float, strawberry.argument(description="From 0 to 100.")] = 0,
    ) -> list[Label] | None:
        """Show the labels that are sure enough."""
        if self.record.labels is None:
            return None
        sure = [label for label in self.record.labels if label.confidence >= min_confidence]
        return cast("list[Label]", sure)  # which have all that is shown of them

    @strawberry.field(description="Null when no callback was asked for.")
    async def callback(self, info: Info[Context, None]) -> Callback | None:
        """Show how the webhook stands."""
        if self.record.callback_url is None:
            return None
        delivery = await info.context.deliveries.load(self.record.id)
        return Callback.of(self.record.callback_url, delivery)

    @strawberry.field(
        description="Gives the picture's bytes; signed, lives minutes. Null when there are none."
    )
    def download_url(self, info: Info[Context, None]) -> Url | None:
        """Sign a URL."""
        if self.record.uploaded_at is None:
            return None
        services = info.context.services
        return Url(
            services.storage.presign_get(
                self.record.key, self.record.content_type.value, now=services.clock()
            )
        )

    @strawberry.field(
        description="Gives a WebP of at most 320 pixels a side; signed, lives minutes. Null when "
        "there are no bytes, when they could not be labelled, and where the service makes none: "
        "on AWS."
    )
    def thumbnail_url(self, info: Info[Context, None]) -> Url | None:
        """Sign a URL."""
        url = info.context.services.thumbnail_url(self.record)
        return Url(url) if url else None


@strawberry.type(description="A label in use.")
class LabelSummary:
    name: str = strawberry.field(description="As it was first met with.")
    blob_count: int = strawberry.field(description="How many blobs carry it.")


@strawberry.type(description="An entry of a connection.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="Its place in the list, for `after`.")
    node: T = strawberry.field(description="What is listed.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The entries of the page, in order.")
    nodes: list[T] = strawberry.field(description="The edges' nodes.")
    page_info: PageInfo = strawberry.field(description="What is before and after the page.")


@strawberry.type(description="A blob found by a label.")
class LabelledBlobEdge:
    cursor: str = strawberry.field(description="Its place in the list, for `after`.")
    node: Blob = strawberry.field(description="The blob.")
    confidence: float = strawberry.field(description="The label's, from 0 to 100.")


@strawberry.type(description="One page of the blobs that carry a label.")
class LabelledBlobConnection:
    edges: list[LabelledBlobEdge] = strawberry.field(
        description="The entries of the page, in order."
    )
    nodes: list[Blob] = strawberry.field(description="The edges' nodes.")
    page_info: PageInfo = strawberry.field(description="What is before and after the page.")


@strawberry.type(description="A header of an HTTP request.")
class HttpHeader:
    name: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="Its value.")


@strawberry.type(description="Where and how to send the picture's bytes.")
class UploadTarget:
    method: str = strawberry.field(description="The HTTP method: PUT.")
    url: Url = strawberry.field(
        description="Signed for this upload; whoever has it may send the bytes."
    )
    headers: list[HttpHeader] = strawberry.field(description="Send each exactly so.")
    expires_at: datetime = strawberry.field(
        description="Until when it may begin; renewUpload gives a later one."
    )
    max_bytes: int = strawberry.field(description="The most bytes that are taken.")

    @staticmethod
    def of(target: "Target") -> "UploadTarget":
        """Show an upload target."""
        return UploadTarget(
            method=target.method,
            url=Url(target.url),
            headers=[HttpHeader(name=name, value=value) for name, value in target.headers],
            expires_at=target.expires_at,
            max_bytes=target.max_bytes,
        )
