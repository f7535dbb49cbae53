"""The Mutation type; what can be expected to fail is a member of its result."""

# Annotations are not put off: Strawberry would compile each anew (docs/decisions/0010).

from contextlib import suppress
from datetime import datetime
from typing import Annotated, TypeVar

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.context import Context
from api.graphql.scalars import Url
from api.graphql.types import Blob, Callback, ImageType, UploadTarget
from api.services import uploads
from core.domain import errors
from core.domain.blob import BlobStatus

T = TypeVar("T")

BlobId = Annotated[strawberry.ID, strawberry.argument(description="The blob's id.")]


@strawberry.interface(
    description="An expected failure. New ones may join a result: always select "
    "`... on Error { message }`."
)
class Error:
    message: str = strawberry.field(description="For a person: what is wrong and what to do.")


@strawberry.type(description="A value of the input that is out of its range.")
class FieldProblem:
    field: str = strawberry.field(description="The input field's name.")
    message: str = strawberry.field(description="What is allowed.")


@strawberry.type(description="Some of the input is out of its range.")
class InvalidInput(Error):
    problems: list[FieldProblem] = strawberry.field(description="Each of them.")


@strawberry.type(description="No webhook can be sent to that URL.")
class CallbackUrlRefused(Error):
    url: Url = strawberry.field(description="The URL that was given.")


@strawberry.type(description="There is no such blob of yours.")
class BlobNotFound(Error):
    blob_id: strawberry.ID = strawberry.field(description="The id that was asked for.")


@strawberry.type(description="The blob's status does not allow that.")
class WrongState(Error):
    status: BlobStatus = strawberry.field(description="The status that it has.")


@strawberry.type(description="That idempotencyKey was used for another input.")
class IdempotencyKeyReused(Error):
    blob_id: strawberry.ID = strawberry.field(description="What came of that input.")


@strawberry.type(description="A blob, and where its bytes go.")
class CreatedUpload:
    blob: Blob = strawberry.field(
        description="A new one; or, with an idempotencyKey used before, that one as it is now."
    )
    target: UploadTarget = strawberry.field(
        description="Takes the bytes while the blob's status is AWAITING_UPLOAD. Where they are "
        "there already it refuses them (409 or 412): nothing is left to be sent."
    )


@strawberry.type(description="A blob that still awaits its bytes, and where they go.")
class RenewedUpload:
    blob: Blob = strawberry.field(description="That blob.")
    target: UploadTarget = strawberry.field(description="Where its bytes go.")


@strawberry.type(description="A blob that is being labelled again.")
class RelabelledBlob:
    blob: Blob = strawberry.field(description="With its old labels until the new replace them.")


@strawberry.type(description="A blob that is no more.")
class DeletedBlob:
    blob_id: strawberry.ID = strawberry.field(description="The id it had.")


@strawberry.type(description="As often as that may be done for now, it has been done.")
class QuotaExceeded(Error):
    retry_at: datetime = strawberry.field(description="When there is room again.")


@strawberry.type(description="No webhook has been due for the blob.")
class NothingToRedeliver(Error):
    pass


@strawberry.type(description="A blob whose webhook is sent again.")
class RedeliveredCallback:
    blob: Blob = strawberry.field(description="That blob.")


@strawberry.type(description="A test event on its way; `callback(id:)` tells what came of it.")
class SentTestWebhook:
    callback: Callback = strawberry.field(description="As any other webhook is shown.")


@strawberry.type(description="What webhooks are signed with from now on.")
class RotatedWebhookSecret:
    secret: str = strawberry.field(description="whsec_ and base64; shown this once.")
    previous_expires_at: datetime = strawberry.field(
        description="Until then webhooks are signed with the secret before, too."
    )


CreateUploadResult = Annotated[
    CreatedUpload | InvalidInput | CallbackUrlRefused | IdempotencyKeyReused | QuotaExceeded,
    strawberry.union("CreateUploadResult", description="The upload, or why there is none."),
]
RenewUploadResult = Annotated[
    RenewedUpload | BlobNotFound | WrongState,
    strawberry.union("RenewUploadResult", description="The upload, or why there is none."),
]

RelabelBlobResult = Annotated[
    RelabelledBlob | BlobNotFound | WrongState,
    strawberry.union(
        "RelabelBlobResult", description="The blob, or why it can't be labelled again."
    ),
]
DeleteBlobResult = Annotated[
    DeletedBlob | BlobNotFound,
    strawberry.union("DeleteBlobResult", description="That it is gone, or that there was none."),
]
RedeliverCallbackResult = Annotated[
    RedeliveredCallback | BlobNotFound | NothingToRedeliver,
    strawberry.union(
        "RedeliverCallbackResult", description="The blob, or why there is nothing to send."
    ),
]
RotateWebhookSecretResult = Annotated[
    RotatedWebhookSecret | QuotaExceeded,
    strawberry.union(
        "RotateWebhookSecretResult", description="The new secret, or when there may be one."
    ),
]
SendTestWebhookResult = Annotated[
    SentTestWebhook | CallbackUrlRefused,
    strawberry.union("SendTestWebhookResult", description="The webhook, or why there is none."),
]


@strawberry.input(description="What will be uploaded, and what is to become of it.")
class CreateUploadInput:
    content_type: ImageType = strawberry.field(
        description="What the bytes will be; the upload must say the same."
    )
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
    idempotency_key: str | None = strawberry.field(
        default=UNSET,
        description="Of your own making, 1 to 255 characters: makes it safe to ask again when an "
        "answer is lost. The same key with the same input gives the same blob for 24 h, and makes "
        "no other; with another input it is refused. Free again once that blob is deleted.",
    )


@strawberry.type(description="What can be changed. Each change is of what the caller owns.")
class Mutation:
    @strawberry.mutation(description="Ask for an upload: a new blob and where its bytes go.")
    async def create_upload(
        self,
        info: Info[Context, None],
        input: Annotated[CreateUploadInput, strawberry.argument(description="What is wished for.")],
    ) -> CreateUploadResult:
        """Create a blob that awaits its bytes."""
        wish = uploads.UploadRequest(
            content_type=input.content_type.value,
            size_bytes=_given(input.size_bytes),
            sha256=_given(input.sha256),
            callback_url=_given(input.callback_url),
            max_labels=input.max_labels,
            min_confidence=input.min_confidence,
            idempotency_key=_given(input.idempotency_key),
        )
        try:
            blob, target = await uploads.create_upload(
                info.context.services, info.context.owner, wish
            )
        except uploads.InvalidUpload as refusal:
            return InvalidInput(
                message=str(refusal),
                problems=[
                    FieldProblem(field=problem.field, message=problem.message)
                    for problem in refusal.problems
                ],
            )
        except errors.CallbackUrlRefused as refusal:
            return CallbackUrlRefused(message=str(refusal), url=Url(refusal.url))
        except errors.IdempotencyKeyReused as refusal:
            return IdempotencyKeyReused(
                message=str(refusal), blob_id=strawberry.ID(refusal.blob_id)
            )
        except errors.QuotaExceeded as refusal:
            return QuotaExceeded(message=str(refusal), retry_at=refusal.retry_at)
        return CreatedUpload(blob=Blob.of(blob), target=UploadTarget.of(target))

    @strawberry.mutation(description="A fresh URL while the blob still awaits its bytes.")
    async def renew_upload(self, info: Info[Context, None], blob_id: BlobId) -> RenewUploadResult:
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
        description="Label a LABELLED or FAILED blob again. The old labels hold until the new "
        "replace them, or it fails; its webhook is sent as for the first labelling."
    )
    async def relabel_blob(self, info: Info[Context, None], blob_id: BlobId) -> RelabelBlobResult:
        """Label a blob again."""
        from api.services import blobs  # not for a Lambda's start  # noqa: PLC0415

        try:
            blob = await blobs.relabel(info.context.services, info.context.owner, blob_id)
        except errors.BlobNotFound as refusal:
            return BlobNotFound(message=str(refusal), blob_id=blob_id)
        except errors.WrongState as refusal:
            return WrongState(message=str(refusal), status=BlobStatus(refusal.status))
        return RelabelledBlob(blob=Blob.of(blob))

    @strawberry.mutation(
        description="Delete a blob, whatever its status: picture, labels and webhooks are gone at "
        "once, counts of labels in use follow within moments. A webhook that is being sent may "
        "still arrive. Repeated, the answer is the same for 35 days, then BlobNotFound."
    )
    async def delete_blob(self, info: Info[Context, None], blob_id: BlobId) -> DeleteBlobResult:
        """Delete a blob."""
        from api.services import blobs  # not for a Lambda's start  # noqa: PLC0415

        try:
            await blobs.delete(info.context.services, info.context.owner, blob_id)
        except errors.BlobNotFound as refusal:
            return BlobNotFound(message=str(refusal), blob_id=blob_id)
        return DeletedBlob(blob_id=blob_id)

    @strawberry.mutation(
        description="Send the webhook of a blob's last outcome again, now, whatever came of it. "
        "It keeps its id; one at its end starts its schedule of retries anew."
    )
    async def redeliver_callback(
        self, info: Info[Context, None], blob_id: BlobId
    ) -> RedeliverCallbackResult:
        """Send a webhook again."""
        from api.services import webhooks  # not for a Lambda's start  # noqa: PLC0415

        try:
            blob = await webhooks.redeliver(info.context.services, info.context.owner, blob_id)
        except errors.BlobNotFound as refusal:
            return BlobNotFound(message=str(refusal), blob_id=blob_id)
        except webhooks.NothingToRedeliver as refusal:
            return NothingToRedeliver(message=str(refusal))
        with suppress(KeyError):  # unless it was looked up for an earlier field
            info.context.deliveries.clear(blob_id)
        return RedeliveredCallback(blob=Blob.of(blob))

    @strawberry.mutation(
        description="Send an event of type webhook.test to a URL, signed like any other, once: "
        "to set up a receiver before the first upload."
    )
    async def send_test_webhook(
        self,
        info: Info[Context, None],
        url: Annotated[Url, strawberry.argument(description="Where it goes.")],
    ) -> SendTestWebhookResult:
        """Send a test event."""
        from api.services import webhooks  # not for a Lambda's start  # noqa: PLC0415

        try:
            delivery = await webhooks.send_test(info.context.services, info.context.owner, url)
        except errors.CallbackUrlRefused as refusal:
            return CallbackUrlRefused(message=str(refusal), url=Url(refusal.url))
        return SentTestWebhook(callback=Callback.of(url, delivery))

    @strawberry.mutation(
        description="Let webhooks go again to an endpoint (a URL without its query) that answered "
        "410 Gone. False when it was not disabled. What was cancelled meanwhile is sent by "
        "redeliverCallback."
    )
    async def enable_webhook_endpoint(
        self,
        info: Info[Context, None],
        url: Annotated[Url, strawberry.argument(description="Any URL of the endpoint.")],
    ) -> bool:
        """Enable an endpoint."""
        from api.services import webhooks  # not for a Lambda's start  # noqa: PLC0415

        return await webhooks.enable_endpoint(info.context.services, info.context.owner, url)

    @strawberry.mutation(
        description="Have webhooks signed with a new secret. The old one signs too for 24 h: give "
        "your receivers the new one meanwhile."
    )
    async def rotate_webhook_secret(self, info: Info[Context, None]) -> RotateWebhookSecretResult:
        """Make a new secret."""
        from api.services import webhooks  # not for a Lambda's start  # noqa: PLC0415
        from core.domain.owner import TooManyRotations  # noqa: PLC0415

        try:
            owner = await webhooks.rotate_secret(info.context.services, info.context.owner)
        except TooManyRotations as refusal:
            return QuotaExceeded(message=str(refusal), retry_at=refusal.retry_at)
        new, previous = owner.webhook_secrets[:2]
        assert previous.expires_at is not None  # it was replaced just now  # noqa: S101
        return RotatedWebhookSecret(secret=new.value, previous_expires_at=previous.expires_at)


def _given(value: T | None) -> T | None:
    return None if value is UNSET else value
