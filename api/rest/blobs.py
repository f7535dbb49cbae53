"""`/v1/blobs` and `/v1/blobs/{blob_id}`: GraphQL's services without GraphQL."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request

from api.auth.permissions import require
from api.rest import schemas
from api.rest.blob_schemas import Blob, CreatedBlob
from api.rest.body import read_new_blob
from api.rest.openapi import KEYED, SECURITY, responses
from api.services.blobs import find_blob
from api.services.dependencies import Services
from api.services.uploads import UploadRequest, create_upload

# The body is read once the caller is known, so FastAPI does not see it.
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "description": "Without a body: a JPEG, and no webhook.",
        "required": False,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/NewBlob"},
                "examples": {
                    "PNG": {"value": {"content_type": "image/png"}},
                    "webhook": {"value": {"callback_url": "https://example.org/hook"}},
                },
            }
        },
    }
}


def blob_routes(services: Services) -> APIRouter:
    """Return `POST /blobs` and `GET /blobs/{blob_id}`."""
    router = APIRouter(tags=["blobs"])

    @router.post(
        "/blobs",
        status_code=201,
        operation_id="createBlob",
        summary="Create an upload",
        response_description="The upload.",
        responses=responses(
            *KEYED,
            schemas.TooLarge,
            schemas.UnsupportedMediaType,
            schemas.InvalidInput,
            schemas.CallbackUrlRefused,
            schemas.ExternalIdTaken,
            schemas.QuotaExceeded,
            schemas.StorageFull,
        ),
        openapi_extra=SECURITY | _BODY,
    )
    async def create_blob(request: Request) -> CreatedBlob:
        """Create a blob, and the signed URL that accepts its bytes. Needs the scope `upload`."""
        caller = await services.authenticate(request.headers.get("authorization"))
        require(caller, ["Mutation.createUpload"])
        new = await read_new_blob(request)
        upload = UploadRequest(
            content_type=new.content_type,
            size_bytes=new.size_bytes,
            callback_url=new.callback_url,
            file_name=new.file_name,
            external_id=new.external_id,
            metadata=tuple(new.metadata.items()),
        )
        blob, target = await create_upload(services, caller.owner, upload)
        assert target is not None  # the blob is new  # noqa: S101
        return CreatedBlob(
            blob_id=blob.id, upload_url=target.url, upload_headers=dict(target.headers)
        )

    @router.get(
        "/blobs/{blob_id}",
        operation_id="getBlob",
        summary="Get a blob and its labels",
        response_description="The blob.",
        responses=responses(*KEYED, schemas.BlobNotFound),
        openapi_extra=SECURITY,
    )
    async def read_blob(
        request: Request, blob_id: Annotated[str, Path(description="Id of the blob.")]
    ) -> Blob:
        """Return a blob's status, labels and failure. Needs the scope `read`."""
        caller = await services.authenticate(request.headers.get("authorization"))
        require(caller, ["Query.blob"])
        return Blob.of(await find_blob(services, caller.owner, blob_id))

    return router
