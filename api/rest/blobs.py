"""Two plain routes over the same code as GraphQL, for curl and old clients."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.auth.permissions import require
from api.services.dependencies import Services
from api.services.uploads import InvalidUpload, UploadRequest, create_upload
from api.threads import run_in_thread
from core.domain.blob import ImageType
from core.domain.errors import CallbackUrlRefused, QuotaExceeded

if TYPE_CHECKING:
    from core.domain.blob import Blob


class NewBlob(BaseModel):
    """What a client may say of the picture it will send."""

    model_config = ConfigDict(extra="forbid")

    callback_url: str | None = Field(
        default=None, description="Called with a signed webhook once labelled or failed."
    )
    content_type: ImageType = Field(
        default=ImageType.JPEG, description="The picture's media type; its PUT must carry the same."
    )


def blob_routes(services: Services) -> APIRouter:
    """Return `POST /blobs` and `GET /blobs/{blob_id}`."""
    router = APIRouter()

    @router.post("/blobs", status_code=201)
    async def create_blob(request: Request) -> JSONResponse:
        caller = await services.authenticate(request.headers.get("authorization"))
        require(caller, ["Mutation.createUpload"])
        try:
            wanted = NewBlob.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            return _refused("InvalidInput", _problems(error))
        wish = UploadRequest(content_type=wanted.content_type, callback_url=wanted.callback_url)
        try:
            blob, target = await create_upload(services, caller.owner, wish)
        except (CallbackUrlRefused, InvalidUpload) as refusal:
            return _refused(type(refusal).__name__, str(refusal))
        except QuotaExceeded as refusal:
            answer = _refused("QuotaExceeded", str(refusal), status=429)
            left = refusal.retry_at - services.clock()
            answer.headers["retry-after"] = str(max(1, ceil(left.total_seconds())))
            return answer
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
        blob = (await run_in_thread(services.blobs.find, caller.owner, [blob_id])).get(blob_id)
        if blob is None:
            return _refused("BlobNotFound", f"No blob {blob_id}.", status=404)
        return JSONResponse(_shown(blob))

    return router


def _refused(code: str, message: str, *, status: int = 422) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status_code=status)


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )


def _shown(blob: Blob) -> dict[str, Any]:
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
