"""The upload door: signed URLs on our own port, with the contract of S3's presigned URLs.

Each refusal is JSON, `{"code": ..., "message": ...}`; codes are S3's where S3 has one
(docs.aws.amazon.com: "Error responses", Amazon S3 API).
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from api.threads import run_in_thread
from core.domain.blob import Blob, BlobStatus, original_key, receive_upload
from core.domain.errors import LabellingError, ObjectNotFound, VersionConflict
from core.storage.files import CHECKSUM_HEADER
from core.storage.signed_url import RequestExpired, SignatureDoesNotMatch
from embedded.events import object_created

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.backends.sqlite import Database
    from core.domain.clock import Clock
    from core.queues.base import Queue
    from core.repositories.sqlite.blobs import SqliteBlobRepository
    from core.storage.files import FileStorage, IncomingFile
    from core.storage.signed_url import UrlSigner

log = logging.getLogger(__name__)

SILENCE: Final = 30.0  # seconds without a byte after which an upload is given up


class UploadRefused(LabellingError):
    """A request the door does not let in."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ObjectRoutes:
    """Takes uploads and gives downloads by signed URL."""

    def __init__(
        self,
        database: Database,
        blobs: SqliteBlobRepository,
        storage: FileStorage,
        uploads: Queue,
        signer: UrlSigner,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._storage = storage
        self._uploads = uploads
        self._signer = signer
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return PUT and GET of `/originals/<owner>/<blob id>`."""
        path = "/originals/{owner}/{blob_id}"
        return [Route(path, self.put, methods=["PUT"]), Route(path, self.get, methods=["GET"])]

    async def put(self, request: Request) -> Response:
        """Take a picture's bytes; they are safe once 200 is answered."""
        owner, blob_id = request.path_params["owner"], request.path_params["blob_id"]
        try:
            sha256 = await self._take(request, owner, blob_id)
        except UploadRefused as refusal:
            log.info("upload refused", extra={"blob_id": blob_id, "code": refusal.code})
            return _answer(refusal)
        except ClientDisconnect:
            log.info("upload broken off", extra={"blob_id": blob_id})
            return _answer(UploadRefused(400, "IncompleteBody", "The connection ended early."))
        except LabellingError as trouble:
            log.exception("upload not kept", extra={"blob_id": blob_id})
            return _answer(UploadRefused(503, "ServiceUnavailable", f"Try again. {trouble}"))
        log.info("uploaded", extra={"blob_id": blob_id})
        return Response(status_code=200, headers={CHECKSUM_HEADER: sha256})

    async def get(self, request: Request) -> Response:
        """Give a picture's bytes."""
        key = original_key(request.path_params["owner"], request.path_params["blob_id"])
        try:
            # A HEAD may be asked with a URL made for GET.
            terms = self._checked_terms("GET", key, request)
            await run_in_thread(self._storage.size, key)
        except UploadRefused as refusal:
            return _answer(refusal)
        except ObjectNotFound:
            return _answer(UploadRefused(404, "NoSuchKey", "There are no bytes any more."))
        return FileResponse(
            self._storage.path(key),
            media_type=terms["content-type"],
            headers={
                # A picture is shown as a picture or not at all, whatever its bytes pretend to be.
                "x-content-type-options": "nosniff",
                "content-security-policy": "default-src 'none'; sandbox",
                "cache-control": "private, max-age=600",
            },
        )

    async def _take(self, request: Request, owner: str, blob_id: str) -> str:
        key = original_key(owner, blob_id)
        terms = self._checked_terms("PUT", key, request)
        length = check_headers(terms, request.headers)
        blob = self._awaited(owner, blob_id)  # a look by key: not worth a thread
        with self._storage.receive(key) as incoming:
            stream = request.stream()
            while True:
                try:
                    async with asyncio.timeout(SILENCE):
                        chunk = await anext(stream, None)
                except TimeoutError:
                    raise UploadRefused(
                        408, "RequestTimeout", f"No byte came for {SILENCE:g} s; send it again."
                    ) from None
                if chunk is None:
                    break
                if incoming.size + len(chunk) > length:
                    raise UploadRefused(
                        400, "IncompleteBody", "More bytes came than Content-Length."
                    )
                incoming.write(chunk)
            check_content(terms, request.headers, incoming, length)
            await run_in_thread(self._keep, blob, incoming)
            return incoming.sha256

    def _keep(self, blob: Blob, incoming: IncomingFile) -> None:
        incoming.sync()
        now = self._clock()
        received = receive_upload(blob, now, size=incoming.size, sha256=incoming.sha256)
        event = object_created(blob.key, size=incoming.size, sha256=incoming.sha256, at=now)
        message = json.dumps(event)
        try:
            # Record, name and queue row together: of two uploads at once only one gets in.
            with self._database.write():
                self._blobs.save(received, blob)
                incoming.keep()
                self._uploads.send(message)
        except VersionConflict:
            self._awaited(blob.owner, blob.id)  # says what came between
            raise
        incoming.sync_name()  # not inside: others wait to write

    def _awaited(self, owner: str, blob_id: str) -> Blob:
        blob = self._blobs.get(blob_id)
        if blob is None or blob.owner != owner:
            raise UploadRefused(404, "NoSuchKey", "There is no such blob any more.")
        if blob.status is BlobStatus.EXPIRED:
            raise UploadRefused(409, "BlobExpired", "The blob has expired; ask for a new upload.")
        if blob.status is not BlobStatus.AWAITING_UPLOAD:
            raise UploadRefused(409, "AlreadyUploaded", "The picture is there already.")
        return blob

    def _checked_terms(self, method: str, key: str, request: Request) -> Mapping[str, str]:
        try:
            self._signer.check(method, key, request.query_params, self._clock())
        except SignatureDoesNotMatch as exc:
            raise UploadRefused(403, "SignatureDoesNotMatch", str(exc)) from exc
        except RequestExpired as exc:
            raise UploadRefused(403, "AccessDenied", str(exc)) from exc
        return request.query_params


def check_headers(terms: Mapping[str, str], headers: Mapping[str, str]) -> int:
    """Check what can be checked before the bytes; return their length. Raises Refused."""
    content_type = headers.get("content-type", "")
    if content_type.strip().lower() != terms["content-type"]:
        raise UploadRefused(
            415,
            "ContentTypeMismatch",
            f"Send 'Content-Type: {terms['content-type']}', not {content_type!r}.",
        )
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        raise UploadRefused(411, "MissingContentLength", "Send a Content-Length header.")
    length, largest = int(text), int(terms["max-bytes"])
    if length > largest:
        raise UploadRefused(413, "EntityTooLarge", f"{length} bytes are more than {largest}.")
    if length == 0:
        raise UploadRefused(400, "EmptyBody", "Send the picture's bytes as the body.")
    if "content-length" in terms and length != int(terms["content-length"]):
        raise UploadRefused(
            400,
            "ContentLengthMismatch",
            f"{terms['content-length']} bytes were agreed on, not {length}.",
        )
    agreed = terms.get(CHECKSUM_HEADER)
    if agreed is not None and headers.get(CHECKSUM_HEADER) != agreed:
        raise UploadRefused(400, "ChecksumMismatch", f"Send '{CHECKSUM_HEADER}: {agreed}'.")
    return length


def check_content(
    terms: Mapping[str, str], headers: Mapping[str, str], incoming: IncomingFile, length: int
) -> None:
    """Check the bytes that came. Raises Refused."""
    if incoming.size != length:
        raise UploadRefused(400, "IncompleteBody", f"{incoming.size} of {length} bytes came.")
    for wanted in (terms.get(CHECKSUM_HEADER), headers.get(CHECKSUM_HEADER)):
        if wanted is not None and wanted != incoming.sha256:
            raise UploadRefused(400, "BadDigest", f"The bytes' SHA-256 is {incoming.sha256}.")


def _answer(refusal: UploadRefused) -> JSONResponse:
    body = {"code": refusal.code, "message": str(refusal)}
    return JSONResponse(body, status_code=refusal.status)
