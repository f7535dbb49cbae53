"""Uploads and downloads by signed URL, with the contract of S3's presigned URLs.

An error response is JSON, `{"code": ..., "message": ...}`, with S3's code where S3 has one
(docs.aws.amazon.com: "Error responses", Amazon S3 API).
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.errors import TooManyRequests
from api.threads import run_in_thread
from core.domain.blob import Blob, BlobStatus, original_key, receive_upload
from core.domain.errors import LabellingError, ObjectNotFound, StorageFull, Unavailable
from core.runtime.limited_log import LimitedLog
from core.runtime.metrics import Metric, no_metrics
from core.runtime.tracing import BLOB_ID, Kind, no_tracer
from core.storage.base import disposition
from core.storage.files import CHECKSUM_HEADER
from core.storage.signed_url import RequestExpired, SignatureDoesNotMatch
from embedded.events import object_created
from embedded.http.stored_file import UNAVAILABLE, StoredFile, error_response, slow_down
from embedded.http.upload_checks import ObjectRequestError, check_content, check_headers
from embedded.limits.concurrency import add_owner
from labeller.keyed_lock import KeyedLock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.threads import RunInThread
    from core.backends.sqlite import Database
    from core.domain.clock import Clock
    from core.queues.base import Queue
    from core.repositories.sqlite.blobs import SqliteBlobRepository
    from core.runtime.metrics import Metrics
    from core.runtime.tracing import Tracer
    from core.storage.disk_reserve import DiskReserve
    from core.storage.durable_files import IncomingFile
    from core.storage.files import FileStorage
    from core.storage.signed_url import UrlSigner

log = logging.getLogger(__name__)

NO_SPACE: Final = (
    "uploads are refused, no space is left: make room, or change --reserve-bytes where the disk has"
)
NOT_STORED: Final = "uploads can't be stored: 'labelling doctor' says what is wrong and what to do"
NOT_READ: Final = "images can't be read: 'labelling doctor' says what is wrong and what to do"


class ObjectRoutes:
    """Receives uploads and sends downloads by signed URL.

    `read` runs calls that find an image for a download, `keep` those that sync an upload to disk.
    """

    def __init__(
        self,
        database: Database,
        blobs: SqliteBlobRepository,
        storage: FileStorage,
        uploads: Queue,
        signer: UrlSigner,
        clock: Clock,
        reserve: DiskReserve,
        read: RunInThread = run_in_thread,
        keep: RunInThread = run_in_thread,
        metrics: Metrics = no_metrics,
        tracer: Tracer = no_tracer,
    ) -> None:
        self._reserve = reserve
        self._metrics = metrics
        self._tracer = tracer
        self._read = read
        self._run_keep = keep
        self._database = database
        self._blobs = blobs
        self._storage = storage
        self._uploads = uploads
        self._signer = signer
        self._clock = clock
        self._lock = KeyedLock()
        self._failures = LimitedLog(log)  # each request fails alike until the disk is well again

    def routes(self) -> list[Route]:
        """Return PUT and GET of `/originals/<owner>/<blob id>`."""
        path = "/originals/{owner}/{blob_id}"
        return [Route(path, self.put, methods=["PUT"]), Route(path, self.get, methods=["GET"])]

    async def put(self, request: Request) -> Response:
        """Receive an image's bytes; they are on disk when the response is 200."""
        owner, blob_id = request.path_params["owner"], request.path_params["blob_id"]
        try:
            sha256 = await self._receive(request, owner, blob_id)
        except ObjectRequestError as error:
            log.info("upload rejected", extra={"blob_id": blob_id, "code": error.code})
            return _response(error)
        except TooManyRequests as error:
            return slow_down(error)
        except ClientDisconnect:
            log.info("upload interrupted", extra={"blob_id": blob_id})
            return _response(
                ObjectRequestError(400, "IncompleteBody", "The connection closed before the end.")
            )
        except Unavailable as error:
            return self._store_failure(error, NOT_STORED, blob_id=blob_id)
        except LabellingError:
            log.exception("upload failed", extra={"blob_id": blob_id})
            return _response(ObjectRequestError(503, "ServiceUnavailable", UNAVAILABLE))
        log.info("uploaded", extra={"blob_id": blob_id})
        return Response(status_code=200, headers={CHECKSUM_HEADER: sha256})

    async def get(self, request: Request) -> Response:
        """Send an image's bytes."""
        key = original_key(request.path_params["owner"], request.path_params["blob_id"])
        try:
            # A URL signed for GET is valid for HEAD too.
            terms = self._checked_terms("GET", key, request)
            add_owner(request.path_params["owner"])
            stored = await self._read(self._storage.file_of, key)
        except ObjectRequestError as error:
            return _response(error)
        except TooManyRequests as error:
            return slow_down(error)
        except ObjectNotFound:
            return _response(
                ObjectRequestError(404, "NoSuchKey", "The image's bytes no longer exist.")
            )
        except Unavailable as error:
            return self._store_failure(error, NOT_READ, key=key)
        except LabellingError:
            log.exception("download failed", extra={"key": key})
            return _response(ObjectRequestError(503, "ServiceUnavailable", UNAVAILABLE))
        return StoredFile(
            stored.path,
            release=stored.release,
            media_type=terms["content-type"],
            headers={
                "content-disposition": disposition(
                    key, terms["content-type"], terms.get("file-name")
                ),
                # Browsers show it as an image or not at all, whatever its bytes are.
                "x-content-type-options": "nosniff",
                "content-security-policy": "default-src 'none'; sandbox",
                "cache-control": "private, max-age=600",
            },
        )

    def _store_failure(self, error: Unavailable, message: str, **extra: str) -> Response:
        """Return the response to a request that the disk or the database does not allow."""
        if isinstance(error, StorageFull):
            self._failures.error(NO_SPACE, **extra, error=str(error))
            # RFC 4918, 11.5: the only status that says it. S3 itself is never full.
            return error_response(
                507, "InsufficientStorage", "The service's disk is full. Try again later."
            )
        self._failures.error(message, **extra, error=str(error))
        return error_response(503, "ServiceUnavailable", UNAVAILABLE)

    async def _receive(self, request: Request, owner: str, blob_id: str) -> str:
        key = original_key(owner, blob_id)
        terms = self._checked_terms("PUT", key, request)
        add_owner(owner)
        length = check_headers(terms, request.headers)
        blob = self._awaiting_blob(owner, blob_id)  # a read by key: not worth a thread
        with (
            self._tracer.span("PUT", Kind.SERVER, parent=blob.traceparent) as span,
            self._reserve.expecting(length),
            self._storage.receive(key) as incoming,
        ):
            span.set({BLOB_ID: blob_id, "http.request.body.size": length})
            async for chunk in request.stream():
                if incoming.size + len(chunk) > length:
                    raise ObjectRequestError(
                        400, "IncompleteBody", "The body is longer than its Content-Length."
                    )
                incoming.write(chunk)
            check_content(terms, request.headers, incoming, length)
            await self._run_keep(self._keep, blob, incoming)
            self._metrics(Metric.UPLOADED_BYTES, incoming.size)
            return incoming.sha256

    def _keep(self, blob: Blob, incoming: IncomingFile) -> None:
        with self._lock.hold(blob.id):  # of two uploads the second must not replace the bytes
            self._awaiting_blob(blob.owner, blob.id)
            incoming.sync()
            self._record(blob, incoming)
        incoming.sync_name()  # not inside: others wait to write

    def _record(self, blob: Blob, incoming: IncomingFile) -> None:
        now = self._clock()
        event = object_created(blob.key, size=incoming.size, sha256=incoming.sha256, at=now)
        message = json.dumps(event)
        try:
            # One transaction for record, file name and queue row: of two uploads one succeeds.
            with self._database.write():
                blob = self._awaiting_blob(blob.owner, blob.id)  # its facts may have changed
                received = receive_upload(blob, now, size=incoming.size, sha256=incoming.sha256)
                self._blobs.save(received, blob)
                incoming.keep()
                self._uploads.send(message)
        except ObjectRequestError as error:  # the blob ended meanwhile
            # Maintenance labels a blob that waits for long by the bytes that it finds: they stay.
            if error.code != "AlreadyUploaded":
                incoming.withdraw()
            raise

    def _awaiting_blob(self, owner: str, blob_id: str) -> Blob:
        blob = self._blobs.get(blob_id)
        if blob is None or blob.owner != owner:
            raise ObjectRequestError(404, "NoSuchKey", "The blob no longer exists.")
        if blob.status is BlobStatus.EXPIRED:
            raise ObjectRequestError(
                409, "BlobExpired", "The blob has expired. Create a new upload."
            )
        if blob.status is not BlobStatus.AWAITING_UPLOAD:
            raise ObjectRequestError(409, "AlreadyUploaded", "The image was uploaded already.")
        return blob

    def _checked_terms(self, method: str, key: str, request: Request) -> Mapping[str, str]:
        try:
            self._signer.check(method, key, request.query_params, self._clock())
        except SignatureDoesNotMatch as exc:
            raise ObjectRequestError(403, "SignatureDoesNotMatch", str(exc)) from exc
        except RequestExpired as exc:
            raise ObjectRequestError(403, "AccessDenied", str(exc)) from exc
        return request.query_params


def _response(error: ObjectRequestError) -> JSONResponse:
    return error_response(error.status, error.code, str(error))
