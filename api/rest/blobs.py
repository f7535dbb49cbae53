"""`POST /blobs` and `GET /blobs/{blob_id}`: GraphQL's services for curl and old clients."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.auth.permissions import require
from api.rest.errors import error_response
from api.services.blobs import find_blob
from api.services.dependencies import Services
from api.services.uploads import InvalidUpload, UploadRequest, create_upload
from core.domain.blob import ImageType
from core.domain.errors import BlobNotFound, CallbackUrlRefused, QuotaExceeded, StorageFull

if TYPE_CHECKING:
    from core.domain.blob import Blob


class NewBlob(BaseModel):
    """The body of `POST /blobs`."""

    model_config = ConfigDict(extra="forbid")

    callback_url: str | None = Field(
        default=None, description="Receives a signed webhook once the blob is LABELLED or FAILED."
    )
    content_type: ImageType = Field(
        default=ImageType.JPEG, description="Media type of the image; its PUT must send the same."
    )


def blob_routes(services: Services) -> APIRouter:
    """Return `POST /blobs` and `GET /blobs/{blob_id}`."""
    router = APIRouter()

    @router.post("/blobs", status_code=201)
    async def create_blob(request: Request) -> JSONResponse:
        caller = await services.authenticate(request.headers.get("authorization"))
        require(caller, ["Mutation.createUpload"])
        try:
            new = NewBlob.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            return error_response("InvalidInput", _problems(error))
        upload = UploadRequest(content_type=new.content_type, callback_url=new.callback_url)
        try:
            blob, target = await create_upload(services, caller.owner, upload)
        except (CallbackUrlRefused, InvalidUpload) as error:
            return error_response(type(error).__name__, str(error))
        except QuotaExceeded as error:
            seconds = ceil((error.retry_at - services.clock()).total_seconds())
            headers = {"retry-after": str(max(1, seconds))}
            return error_response("QuotaExceeded", str(error), status=429, headers=headers)
        except StorageFull as error:
            return error_response("StorageFull", str(error), status=507)  # RFC 4918, 11.5
        return JSONResponse(
            {
                "blob_id": blob.id,
                "upload_url": target.url,
                "upload_headers": dict(target.headers),
            },
            status_code=201,
        )

    @router.get("/blobs/{blob_id}")
    async def read_blob(request: Request, blob_id: str) -> JSONResponse:
        caller = await services.authenticate(request.headers.get("authorization"))
        require(caller, ["Query.blob"])
        try:
            blob = await find_blob(services, caller.owner, blob_id)
        except BlobNotFound as error:
            return error_response("BlobNotFound", str(error), status=404)
        return JSONResponse(_body(blob))

    return router


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )


def _body(blob: Blob) -> dict[str, Any]:
    return {
        "blob_id": blob.id,
        "status": blob.status.value,
        "labels": None
        if blob.labels is None
        else [
            {"label": label.name, "confidence": label.confidence, "parents": label.parents}
            for label in blob.labels
        ],
        "failure": {"code": blob.failure.code.value, "message": blob.failure.message}
        if blob.failure
        else None,
    }
