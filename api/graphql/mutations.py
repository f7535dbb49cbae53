"""The Mutation type. Expected failures are members of the results, not GraphQL errors."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from contextlib import suppress
from typing import Annotated

import strawberry
from strawberry.types import Info

from api.graphql.batch_results import (
    BlobIds,
    RelabelBlobsResult,
    relabelled_blobs,
    too_many,
)
from api.graphql.context import Context
from api.graphql.deletions import DeletionMutations
from api.graphql.facts import FactsMutations
from api.graphql.label_mutations import LabelMutations
from api.graphql.label_policy import LabelPolicyMutations
from api.graphql.mutation_results import (
    CreatedUpload,
    CreateUploadResult,
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
from api.graphql.own_vocabulary import VocabularyMutations
from api.graphql.scalars import Url
from api.graphql.types import Blob
from api.graphql.upload_input import CreateUploadInput
from api.graphql.upload_types import UploadTarget
from api.graphql.webhook_types import WebhookDelivery, WebhookEndpoint
from api.services import blobs, uploads, webhooks
from core.domain.errors import (
    BlobNotFound,
    CallbackUrlRefused,
    ExternalIdTaken,
    IdempotencyKeyReused,
    QuotaExceeded,
    StorageFull,
    WrongState,
)
from core.repositories.ports.audit import AuditAction

BlobId = Annotated[strawberry.ID, strawberry.argument(description="Id of the blob.")]


@strawberry.type(description="Mutations. Each changes only what the caller owns.")
class Mutation(
    DeletionMutations, LabelMutations, LabelPolicyMutations, FactsMutations, VocabularyMutations
):
    @strawberry.mutation(description="Create an upload: a new blob, and where to send its bytes.")
    async def create_upload(
        self,
        info: Info[Context, None],
        input: Annotated[CreateUploadInput, strawberry.argument(description="The upload.")],
    ) -> CreateUploadResult:
        """Create a blob that awaits its bytes."""
        context = info.context
        try:
            blob, target = await uploads.create_upload(
                context.services, context.owner, input.to_request()
            )
        except (
            uploads.InvalidUpload,
            CallbackUrlRefused,
            ExternalIdTaken,
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
