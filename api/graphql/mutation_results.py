"""The types that mutations return, and the mapper from domain errors to expected failures."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from datetime import datetime
from typing import Annotated, overload

import strawberry

from api.graphql.scalars import Url
from api.graphql.types import Blob
from api.graphql.upload_types import UploadTarget
from api.graphql.webhook_types import WebhookDelivery, WebhookEndpoint
from api.services import webhooks
from api.services.uploads import InvalidUpload
from core.domain import errors
from core.domain.blob import BlobStatus


@strawberry.interface(
    description="An expected failure. More types may join a result: always select "
    "`... on Error { message }`."
)
class Error:
    message: str = strawberry.field(description="What is wrong and what to do, for people.")


@strawberry.type(description="An input value that is out of range.")
class FieldProblem:
    field: str = strawberry.field(description="Name of the input field.")
    path: list[str] = strawberry.field(
        description="Where the value is in the arguments: names, and positions in lists from 0. "
        'Example: `["input", "maxLabels"]`.'
    )
    message: str = strawberry.field(description="The allowed values.")


@strawberry.type(description="Input values are out of range.")
class InvalidInput(Error):
    problems: list[FieldProblem] = strawberry.field(description="Each value that is out of range.")


@strawberry.type(description="No webhook can be sent to this URL.")
class CallbackUrlRefused(Error):
    url: Url = strawberry.field(description="The URL in the request.")


@strawberry.type(description="You have no blob with this id.")
class BlobNotFound(Error):
    blob_id: strawberry.ID = strawberry.field(description="The id in the request.")


@strawberry.type(description="The blob's status does not allow this operation.")
class WrongState(Error):
    status: BlobStatus = strawberry.field(description="Current status of the blob.")


@strawberry.type(description="Another blob of yours has this externalId.")
class ExternalIdTaken(Error):
    blob_id: strawberry.ID = strawberry.field(description="Id of that blob.")


@strawberry.type(description="The idempotencyKey was used with another input.")
class IdempotencyKeyReused(Error):
    blob_id: strawberry.ID = strawberry.field(
        description="Id of the blob that the other input created."
    )


@strawberry.type(description="Rate limit or quota exceeded.")
class QuotaExceeded(Error):
    retry_at: datetime = strawberry.field(description="When a retry can succeed.")


@strawberry.type(description="The service has no space left. Deleting blobs makes room.")
class StorageFull(Error):
    pass


@strawberry.type(description="You have no webhook with this id.")
class WebhookDeliveryNotFound(Error):
    delivery_id: strawberry.ID = strawberry.field(description="The id in the request.")


@strawberry.type(description="The webhook is not due before its blob has an outcome.")
class NothingToRedeliver(Error):
    pass


@strawberry.type(description="The endpoint is not disabled, so there is nothing to do.")
class WebhookEndpointNotDisabled(Error):
    url: Url = strawberry.field(description="The endpoint.")


@strawberry.type(description="A blob, and where to send its bytes.")
class CreatedUpload:
    blob: Blob = strawberry.field(
        description="A new blob; for an idempotencyKey that was used before, the existing blob in "
        "its current state."
    )
    target: UploadTarget | None = strawberry.field(
        description="Where to send the bytes. Null for an existing blob that no longer awaits "
        "them: there is nothing left to send."
    )


@strawberry.type(description="A blob that still awaits its bytes, and where to send them.")
class RenewedUpload:
    blob: Blob = strawberry.field(description="The blob.")
    target: UploadTarget = strawberry.field(description="Where to send its bytes.")


@strawberry.type(description="A blob that is being labelled again.")
class RelabelledBlob:
    blob: Blob = strawberry.field(
        description="The blob. It keeps its old labels until the new ones replace them."
    )


@strawberry.type(description="A webhook that is sent again.")
class RedeliveredWebhook:
    delivery: WebhookDelivery = strawberry.field(description="The webhook.")


@strawberry.type(
    description="A test event that is being sent. `webhookDelivery(id:)` shows the outcome."
)
class SentTestWebhook:
    delivery: WebhookDelivery = strawberry.field(description="The webhook, like any other.")


@strawberry.type(description="An endpoint to which webhooks are sent again.")
class EnabledWebhookEndpoint:
    endpoint: WebhookEndpoint = strawberry.field(description="The endpoint.")


@strawberry.type(description="The new secret that webhooks are signed with.")
class RotatedWebhookSecret:
    secret: str = strawberry.field(
        description="The secret: `whsec_` and base64. Store it; no other response shows it."
    )
    previous_expires_at: datetime = strawberry.field(
        description="When the previous secret expires. Until then, webhooks are signed with both."
    )


CreateUploadResult = Annotated[
    CreatedUpload
    | InvalidInput
    | CallbackUrlRefused
    | IdempotencyKeyReused
    | ExternalIdTaken
    | QuotaExceeded
    | StorageFull,
    strawberry.union("CreateUploadResult", description="The upload, or why it was not created."),
]
RenewUploadResult = Annotated[
    RenewedUpload | BlobNotFound | WrongState,
    strawberry.union("RenewUploadResult", description="The upload, or why it was not renewed."),
]
RelabelBlobResult = Annotated[
    RelabelledBlob | BlobNotFound | WrongState,
    strawberry.union(
        "RelabelBlobResult", description="The blob, or why it can't be labelled again."
    ),
]
RedeliverWebhookResult = Annotated[
    RedeliveredWebhook | WebhookDeliveryNotFound | NothingToRedeliver,
    strawberry.union(
        "RedeliverWebhookResult", description="The webhook, or why it is not sent again."
    ),
]
EnableWebhookEndpointResult = Annotated[
    EnabledWebhookEndpoint | WebhookEndpointNotDisabled,
    strawberry.union(
        "EnableWebhookEndpointResult", description="The endpoint, or why it was not enabled."
    ),
]
RotateWebhookSecretResult = Annotated[
    RotatedWebhookSecret | QuotaExceeded,
    strawberry.union(
        "RotateWebhookSecretResult",
        description="The new secret, or when another one can be created.",
    ),
]
SendTestWebhookResult = Annotated[
    SentTestWebhook | CallbackUrlRefused,
    strawberry.union("SendTestWebhookResult", description="The webhook, or why it was not sent."),
]


@overload
def failure_of(error: InvalidUpload) -> InvalidInput: ...
@overload
def failure_of(error: errors.CallbackUrlRefused) -> CallbackUrlRefused: ...
@overload
def failure_of(error: errors.BlobNotFound) -> BlobNotFound: ...
@overload
def failure_of(error: errors.WrongState) -> WrongState: ...
@overload
def failure_of(error: errors.ExternalIdTaken) -> ExternalIdTaken: ...
@overload
def failure_of(error: errors.IdempotencyKeyReused) -> IdempotencyKeyReused: ...
@overload
def failure_of(error: errors.QuotaExceeded) -> QuotaExceeded: ...
@overload
def failure_of(error: errors.StorageFull) -> StorageFull: ...
@overload
def failure_of(error: webhooks.DeliveryNotFound) -> WebhookDeliveryNotFound: ...
@overload
def failure_of(error: webhooks.NothingToRedeliver) -> NothingToRedeliver: ...
@overload
def failure_of(error: webhooks.EndpointNotDisabled) -> WebhookEndpointNotDisabled: ...
def failure_of(error: Exception) -> Error:  # noqa: C901, PLR0911  # one for each type
    """Return the expected failure that a mutation returns for a domain error."""
    message = str(error)
    match error:
        case InvalidUpload():
            problems = [
                FieldProblem(field=each.field, path=["input", *each.path], message=each.message)
                for each in error.problems
            ]
            return InvalidInput(message=message, problems=problems)
        case errors.CallbackUrlRefused():
            return CallbackUrlRefused(message=message, url=Url(error.url))
        case errors.BlobNotFound():
            return BlobNotFound(message=message, blob_id=strawberry.ID(error.blob_id))
        case errors.WrongState():
            return WrongState(message=message, status=BlobStatus(error.status))
        case errors.ExternalIdTaken():
            return ExternalIdTaken(message=message, blob_id=strawberry.ID(error.blob_id))
        case errors.IdempotencyKeyReused():
            return IdempotencyKeyReused(message=message, blob_id=strawberry.ID(error.blob_id))
        case errors.QuotaExceeded():
            return QuotaExceeded(message=message, retry_at=error.retry_at)
        case errors.StorageFull():
            return StorageFull(message=message)
        case webhooks.DeliveryNotFound():
            found = strawberry.ID(error.delivery_id)
            return WebhookDeliveryNotFound(message=message, delivery_id=found)
        case webhooks.NothingToRedeliver():
            return NothingToRedeliver(message=message)
        case webhooks.EndpointNotDisabled():
            return WebhookEndpointNotDisabled(message=message, url=Url(error.endpoint))
    raise error  # a programming error: no mutation expects it
