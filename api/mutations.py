"""The Mutation type; what can be expected to fail is a member of its result."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, TypeVar

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api import uploads
from api.context import Context
from api.scalars import Url
from api.types import Blob, Callback, ImageType, UploadTarget
from catalogue import errors
from catalogue.blob import BlobStatus

T = TypeVar("T")


@strawberry.interface(
    description="An expected failure. New ones may join a result: always select "
    "`... on Error { message }`."
)
class Error:
    message: str = strawberry.field(description="For a person: what is wrong and what to do.")


@strawberry.type(description="A value of the input that is out of its range.")
class FieldProblem:
    field: str = strawberry.field(description="The input field's name.")
    message: str


@strawberry.type(description="Some of the input is out of its range.")
class InvalidInput(Error):
    problems: list[FieldProblem]


@strawberry.type(description="No webhook can be sent to that URL.")
class CallbackUrlRefused(Error):
    url: Url


@strawberry.type(description="There is no such blob of yours.")
class BlobNotFound(Error):
    blob_id: strawberry.ID


@strawberry.type(description="The blob's status does not allow that.")
class WrongState(Error):
    status: BlobStatus


@strawberry.type(description="A new blob, and where its bytes go.")
class CreatedUpload:
    blob: Blob
    target: UploadTarget


@strawberry.type(description="A blob that still awaits its bytes, and where they go.")
class RenewedUpload:
    blob: Blob
    target: UploadTarget


@strawberry.type(description="As often as that may be done for now, it has been done.")
class QuotaExceeded(Error):
    retry_at: datetime = strawberry.field(description="When there is room again.")


@strawberry.type(description="No webhook has been due for the blob.")
class NothingToRedeliver(Error):
    pass


@strawberry.type(description="A blob whose webhook is sent again.")
class RedeliveredCallback:
    blob: Blob


@strawberry.type(description="A test event on its way; `callback(id:)` tells what came of it.")
class SentTestWebhook:
    callback: Callback


@strawberry.type(description="What webhooks are signed with from now on.")
class RotatedWebhookSecret:
    secret: str = strawberry.field(description="whsec_ and base64; shown this once.")
    previous_expires_at: datetime = strawberry.field(
        description="Until then webhooks are signed with the secret before, too."
    )


CreateUploadResult = Annotated[
    CreatedUpload | InvalidInput | CallbackUrlRefused,
    strawberry.union("CreateUploadResult"),
]
RenewUploadResult = Annotated[
    RenewedUpload | BlobNotFound | WrongState, strawberry.union("RenewUploadResult")
]

RedeliverCallbackResult = Annotated[
    RedeliveredCallback | BlobNotFound | NothingToRedeliver,
    strawberry.union("RedeliverCallbackResult"),
]
RotateWebhookSecretResult = Annotated[
    RotatedWebhookSecret | QuotaExceeded, strawberry.union("RotateWebhookSecretResult")
]
SendTestWebhookResult = Annotated[
    SentTestWebhook | CallbackUrlRefused, strawberry.union("SendTestWebhookResult")
]


@strawberry.input(description="What will be uploaded, and what is to become of it.")
class CreateUploadInput:
    content_type: ImageType
    size_bytes: int | None = strawberry.field(
        default=UNSET, description="Signed into the URL when given: no other size is taken."
    )
    sha256: str | None = strawberry.field(
        default=UNSET,
        description="Base64. Signed into the URL when given: no other bytes are taken.",
    )
    callback_url: Url | None = strawberry.field(
        default=UNSET, description="Called with a signed webhook once labelled or failed."
    )
    max_labels: int = strawberry.field(
        default=10, description=f"At most this many labels, 1 to {uploads.MAX_LABELS}."
    )
    min_confidence: float = strawberry.field(
        default=55, description="Only labels at least this sure, 0 to 100."
    )


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Ask for an upload: a new blob and where its bytes go.")
    async def create_upload(
        self,
        info: Info[Context, None],
        input: CreateUploadInput,
    ) -> CreateUploadResult:
        """Create a blob that awaits its bytes."""
        wish = uploads.UploadWish(
            content_type=input.content_type.value,
            size_bytes=_given(input.size_bytes),
            sha256=_given(input.sha256),
            callback_url=_given(input.callback_url),
            max_labels=input.max_labels,
            min_confidence=input.min_confidence,
        )
        try:
            blob, target = await uploads.create_upload(
                info.context.services, info.context.owner, wish
            )
        except uploads.InvalidWish as refusal:
            return InvalidInput(
                message=str(refusal),
                problems=[
                    FieldProblem(field=problem.field, message=problem.message)
                    for problem in refusal.problems
                ],
            )
        except errors.CallbackUrlRefused as refusal:
            return CallbackUrlRefused(message=str(refusal), url=Url(refusal.url))
        return CreatedUpload(blob=Blob.of(blob), target=UploadTarget.of(target))

    @strawberry.mutation(description="A fresh URL while the blob still awaits its bytes.")
    async def renew_upload(
        self, info: Info[Context, None], blob_id: strawberry.ID
    ) -> RenewUploadResult:
        """Sign a new URL for a blob."""
        try:
            blob, target = await uploads.renew_upload(
                info.context.services, info.context.owner, blob_id
            )
        except errors.BlobNotFound as refusal:
            return BlobNotFound(message=str(refusal), blob_id=blob_id)
        except errors.WrongState as refusal:
            return WrongState(message=str(refusal), status=BlobStatus(refusal.status))
        return RenewedUpload(blob=Blob.of(blob), target=UploadTarget.of(target))

    @strawberry.mutation(
        description="Send the webhook of a blob's last outcome again, now, whatever came of it. "
        "It keeps its id; one at its end starts its schedule of retries anew."
    )
    async def redeliver_callback(
        self, info: Info[Context, None], blob_id: strawberry.ID
    ) -> RedeliverCallbackResult:
        """Send a webhook again."""
        from api import callbacks  # not for a Lambda's start  # noqa: PLC0415

        try:
            blob = await callbacks.redeliver(info.context.services, info.context.owner, blob_id)
        except errors.BlobNotFound as refusal:
            return BlobNotFound(message=str(refusal), blob_id=blob_id)
        except callbacks.NothingToRedeliver as refusal:
            return NothingToRedeliver(message=str(refusal))
        with suppress(KeyError):  # unless it was looked up for an earlier field
            info.context.deliveries.clear(blob_id)
        return RedeliveredCallback(blob=Blob.of(blob))

    @strawberry.mutation(
        description="Send an event of type webhook.test to a URL, signed like any other, once: "
        "to set up a receiver before the first upload."
    )
    async def send_test_webhook(self, info: Info[Context, None], url: Url) -> SendTestWebhookResult:
        """Send a test event."""
        from api import callbacks  # not for a Lambda's start  # noqa: PLC0415

        try:
            delivery = await callbacks.send_test(info.context.services, info.context.owner, url)
        except errors.CallbackUrlRefused as refusal:
            return CallbackUrlRefused(message=str(refusal), url=Url(refusal.url))
        return SentTestWebhook(callback=Callback.of(url, delivery))

    @strawberry.mutation(
        description="Let webhooks go again to an endpoint (a URL without its query) that answered "
        "410 Gone. False when it was not disabled. What was cancelled meanwhile is sent by "
        "redeliverCallback."
    )
    async def enable_webhook_endpoint(self, info: Info[Context, None], url: Url) -> bool:
        """Enable an endpoint."""
        from api import callbacks  # not for a Lambda's start  # noqa: PLC0415

        return await callbacks.enable_endpoint(info.context.services, info.context.owner, url)

    @strawberry.mutation(
        description="Have webhooks signed with a new secret. The old one signs too for 24 h: give "
        "your receivers the new one meanwhile."
    )
    async def rotate_webhook_secret(self, info: Info[Context, None]) -> RotateWebhookSecretResult:
        """Make a new secret."""
        from api import callbacks  # not for a Lambda's start  # noqa: PLC0415
        from catalogue.owner import TooManyRotations  # noqa: PLC0415

        try:
            owner = await callbacks.rotate_secret(info.context.services, info.context.owner)
        except TooManyRotations as refusal:
            return QuotaExceeded(message=str(refusal), retry_at=refusal.retry_at)
        new, previous = owner.webhook_secrets[:2]
        assert previous.expires_at is not None  # it was replaced just now  # noqa: S101
        return RotatedWebhookSecret(secret=new.value, previous_expires_at=previous.expires_at)


def _given(value: T | None) -> T | None:
    return None if value is UNSET else value
