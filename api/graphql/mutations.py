"""The Mutation type. Expected failures are members of the results, not GraphQL errors."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from contextlib import suppress
from typing import Annotated, TypeVar

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.batch_results import (
    BlobIds,
    DeleteBlobsResult,
    RelabelBlobsResult,
    deleted_blobs,
    relabelled_blobs,
    too_many,
)
from api.graphql.context import Context
from api.graphql.label_mutations import LabelMutations
from api.graphql.label_policy import LabelPolicyMutations
from api.graphql.mutation_results import (
    CreatedUpload,
    CreateUploadResult,
    DeleteBlobResult,
    DeletedBlob,
    EnabledWebhookEndpoint,
    EnableWebhookEndpointResult,
    RedeliveredWebhook,
    RedeliverWebhookResult,
    RelabelBlobResult,
    RelabelledBlob,
    RenewedUpload,
    RenewUploadResult,
    RotatedWebhookSecret,
    RotateWebhookSecretResult,
    SendTestWebhookResult,
    SentTestWebhook,
    failure_of,
)
from api.graphql.scalars import Url
from api.graphql.types import Blob, ImageType
from api.graphql.upload_types import UploadTarget
from api.graphql.webhook_types import WebhookDelivery, WebhookEndpoint
from api.services import blobs, uploads, webhooks
from core.domain.errors import (
    BlobNotFound,
    CallbackUrlRefused,
    IdempotencyKeyReused,
    QuotaExceeded,
    StorageFull,
    WrongState,
)
from core.repositories.ports.audit import AuditAction

T = TypeVar("T")

BlobId = Annotated[strawberry.ID, strawberry.argument(description="Id of the blob.")]


@strawberry.input(
    description="What will be uploaded, and how to label it. Example: `{contentType: JPEG, "
    'callbackUrl: "https://example.org/hook", maxLabels: 5}`.'
)
class CreateUploadInput:
    content_type: ImageType = strawberry.field(
        description="Type of the image. The upload must send the same Content-Type. An image whose "
        "bytes are of another supported type is labelled too; `contentType` then becomes that type."
    )
    size_bytes: int | None = strawberry.field(
        default=UNSET,
        description="Size of the image in bytes. If given, it is signed into the URL and an upload "
        "of another size is rejected.",
    )
    sha256: str | None = strawberry.field(
        default=UNSET,
        description="SHA-256 of the image, in base64. If given, it is signed into the URL and "
        "other bytes are rejected.",
    )
    callback_url: Url | None = strawberry.field(
        default=UNSET,
        description="Receives a signed webhook once the blob is LABELLED or FAILED.",
    )
    callback_on_label_change: bool = strawberry.field(
        default=False,
        description="Send a webhook to `callbackUrl` too when labels of the blob are corrected: "
        "`blob.labels_changed`.",
    )
    max_labels: int | None = strawberry.field(
        default=UNSET,
        description=f"Maximum number of labels, from 1 to {uploads.MAX_LABELS}. Null or omitted: "
        f"the service decides, at present {uploads.DEFAULT_MAX_LABELS}.",
    )
    min_confidence: float | None = strawberry.field(
        default=UNSET,
        description="Minimum confidence of a label, from 0 to 100. Null or omitted: the service "
        f"decides, at present {uploads.DEFAULT_MIN_CONFIDENCE:g}.",
    )
    idempotency_key: str | None = strawberry.field(
        default=UNSET,
        description="Any text of 1 to 255 characters, chosen by the client: it makes a retry safe "
        "when a response is lost. For 24 h, the same key with the same input returns the existing "
        "blob and creates no other; with another input it is rejected. Deleting the blob frees "
        "the key.",
    )


@strawberry.type(description="Mutations. Each changes only what the caller owns.")
class Mutation(LabelMutations, LabelPolicyMutations):
    @strawberry.mutation(description="Create an upload: a new blob, and where to send its bytes.")
    async def create_upload(
        self,
        info: Info[Context, None],
        input: Annotated[CreateUploadInput, strawberry.argument(description="The upload.")],
    ) -> CreateUploadResult:
        """Create a blob that awaits its bytes."""
        request = uploads.UploadRequest(
            content_type=input.content_type.value,
            size_bytes=_given(input.size_bytes),
            sha256=_given(input.sha256),
            callback_url=_given(input.callback_url),
            callback_on_label_change=input.callback_on_label_change,
            max_labels=_given(input.max_labels),
            min_confidence=_given(input.min_confidence),
            idempotency_key=_given(input.idempotency_key),
        )
        context = info.context
        try:
            blob, target = await uploads.create_upload(context.services, context.owner, request)
        except (
            uploads.InvalidUpload,
            CallbackUrlRefused,
            IdempotencyKeyReused,
            QuotaExceeded,
            StorageFull,
        ) as error:
            return failure_of(error)
        return CreatedUpload(
            blob=Blob.of(blob), target=None if target is None else UploadTarget.of(target)
        )

    @strawberry.mutation(description="Get a new upload URL for a blob that still awaits its bytes.")
    async def renew_upload(self, info: Info[Context, None], blob_id: BlobId) -> RenewUploadResult:
        """Sign a new URL for a blob."""
        context = info.context
        try:
            blob, target = await uploads.renew_upload(context.services, context.owner, blob_id)
        except (BlobNotFound, WrongState) as error:
            return failure_of(error)
        return RenewedUpload(blob=Blob.of(blob), target=UploadTarget.of(target))

    @strawberry.mutation(
        description="Label a LABELLED or FAILED blob again. The blob keeps its old labels until "
        "the new ones replace them, or labelling fails. Its webhook is sent as for the first "
        "labelling."
    )
    async def relabel_blob(self, info: Info[Context, None], blob_id: BlobId) -> RelabelBlobResult:
        """Label a blob again."""
        try:
            blob = await blobs.relabel(info.context.services, info.context.owner, blob_id)
        except (BlobNotFound, WrongState) as error:
            return failure_of(error)
        return RelabelledBlob(blob=Blob.of(blob))

    @strawberry.mutation(
        description="Delete a blob in any status. Its image, labels and webhooks are deleted at "
        "once; the counts of labels in use follow within moments. A webhook that is being sent "
        "may still arrive. A repeated call returns the same result for 35 days, then "
        "BlobNotFound."
    )
    async def delete_blob(self, info: Info[Context, None], blob_id: BlobId) -> DeleteBlobResult:
        """Delete a blob."""
        try:
            await blobs.delete(info.context.services, info.context.owner, blob_id)
        except BlobNotFound as error:
            return failure_of(error)
        await _audit(info.context, AuditAction.BLOB_DELETED, blob_id)
        return DeletedBlob(blob_id=blob_id)

    @strawberry.mutation(
        description="Delete many blobs as deleteBlob does. The others are deleted even if one "
        "can't be."
    )
    async def delete_blobs(self, info: Info[Context, None], ids: BlobIds) -> DeleteBlobsResult:
        """Delete blobs."""
        context = info.context
        if refused := too_many(ids):
            return refused
        done = await blobs.delete_many(context.services, context.owner, ids)
        failures = {blob_id: error for blob_id, error in done.items() if error}
        for blob_id in done:
            if blob_id not in failures:
                await _audit(context, AuditAction.BLOB_DELETED, blob_id)
        return deleted_blobs(ids, failures)

    @strawberry.mutation(
        description="Label many blobs again as relabelBlob does. The others are labelled even if "
        "one can't be."
    )
    async def relabel_blobs(self, info: Info[Context, None], ids: BlobIds) -> RelabelBlobsResult:
        """Label blobs again."""
        if refused := too_many(ids):
            return refused
        done = await blobs.relabel_many(info.context.services, info.context.owner, ids)
        return relabelled_blobs(ids, done)

    @strawberry.mutation(
        description="Send a webhook again now, whatever its status. It keeps its id. One that was "
        "delivered or given up starts its retry schedule again."
    )
    async def redeliver_webhook(
        self,
        info: Info[Context, None],
        delivery_id: Annotated[
            strawberry.ID,
            strawberry.argument(description="Id of the webhook, as in `Blob.callback`."),
        ],
    ) -> RedeliverWebhookResult:
        """Send a webhook again."""
        context = info.context
        try:
            delivery = await webhooks.redeliver(context.services, context.owner, delivery_id)
        except (webhooks.DeliveryNotFound, webhooks.NothingToRedeliver) as error:
            return failure_of(error)
        with suppress(KeyError):  # it was not loaded for an earlier field
            context.deliveries.clear(delivery.blob_id)
        return RedeliveredWebhook(delivery=WebhookDelivery.of(delivery))

    @strawberry.mutation(
        description="Send an event of type `webhook.test` to a URL once, signed like any other "
        "webhook: use it to set up a receiver before the first upload."
    )
    async def send_test_webhook(
        self,
        info: Info[Context, None],
        url: Annotated[Url, strawberry.argument(description="URL of the receiver.")],
    ) -> SendTestWebhookResult:
        """Send a test event."""
        try:
            delivery = await webhooks.send_test(info.context.services, info.context.owner, url)
        except CallbackUrlRefused as error:
            return failure_of(error)
        return SentTestWebhook(delivery=WebhookDelivery.of(delivery))

    @strawberry.mutation(
        description="Enable an endpoint (a URL without its query) that was disabled because it "
        "answered 410 Gone. To send the webhooks that were cancelled meanwhile, use "
        "redeliverWebhook."
    )
    async def enable_webhook_endpoint(
        self,
        info: Info[Context, None],
        url: Annotated[Url, strawberry.argument(description="Any URL of the endpoint.")],
    ) -> EnableWebhookEndpointResult:
        """Enable an endpoint."""
        context = info.context
        try:
            endpoint = await webhooks.enable_endpoint(context.services, context.owner, url)
        except webhooks.EndpointNotDisabled as error:
            return failure_of(error)
        await _audit(context, AuditAction.ENDPOINT_ENABLED, endpoint)
        return EnabledWebhookEndpoint(endpoint=WebhookEndpoint(url=Url(endpoint), disabled_at=None))

    @strawberry.mutation(
        description="Sign webhooks with a new secret. For 24 h they are signed with the previous "
        "secret too: give your receivers the new one in that time."
    )
    async def rotate_webhook_secret(self, info: Info[Context, None]) -> RotateWebhookSecretResult:
        """Create a new secret."""
        try:
            owner = await webhooks.rotate_secret(info.context.services, info.context.owner)
        except QuotaExceeded as error:
            return failure_of(error)
        await _audit(info.context, AuditAction.WEBHOOK_SECRET_ROTATED, info.context.owner)
        new, previous = owner.webhook_secrets[:2]
        assert previous.expires_at is not None  # it was just replaced  # noqa: S101
        return RotatedWebhookSecret(secret=new.value, previous_expires_at=previous.expires_at)


async def _audit(context: Context, action: AuditAction, subject: str) -> None:
    await context.services.write(context.services.audit, context.caller, action, subject)


def _given(value: T | None) -> T | None:
    return None if value is UNSET else value
