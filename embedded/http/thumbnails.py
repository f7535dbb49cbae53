"""Thumbnails, small and large: made at the first request, by the processes that decode images.

They are kept. Each has a signed URL of its own, which stays the same for a while so that browsers
can cache it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from api.errors import TooManyRequests
from api.threads import run_in_thread
from core.domain.blob import Blob, BlobStatus, ImageType, original_key
from core.domain.errors import LabellingError, ObjectNotFound, PictureRefused, Unavailable
from core.domain.thumbnail import ThumbnailSize
from core.runtime.limited_log import LimitedLog
from core.storage.base import URL_LIFETIME
from core.storage.signed_url import RequestExpired, SignatureDoesNotMatch
from embedded.http.stored_file import UNAVAILABLE, StoredFile, error_response, slow_down
from embedded.limits.concurrency import add_owner
from labeller.detectors.base import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from api.threads import RunInThread
    from core.domain.clock import Clock
    from core.repositories.sqlite.blobs import SqliteBlobRepository
    from core.storage.files import FileStorage
    from core.storage.signed_url import UrlSigner

log = logging.getLogger(__name__)
_failures = LimitedLog(log)

CLIENT_CLOSED_REQUEST: Final = 499  # as nginx logs it
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Thumbnails:
    """Makes, keeps and serves thumbnails; `make` is `labeller.imaging.thumbnail`.

    `check_space` raises StorageFull where so many bytes should not be stored. A thumbnail that
    can't be kept is sent all the same. `read` runs calls that only look, `run` those that make one.
    """

    def __init__(
        self,
        blobs: SqliteBlobRepository,
        storage: FileStorage,
        signer: UrlSigner,
        clock: Clock,
        make: Callable[[Picture, ThumbnailSize], bytes],
        check_space: Callable[[int], None],
        read: RunInThread = run_in_thread,
        run: RunInThread = run_in_thread,
    ) -> None:
        self._read = read
        self._run = run
        self._check_space = check_space
        self._blobs = blobs
        self._storage = storage
        self._signer = signer
        self._clock = clock
        self._make = make
        self._in_progress: dict[str, asyncio.Future[bytes]] = {}
        self._waiting: Counter[asyncio.Future[bytes]] = Counter()

    def url(self, blob: Blob, size: ThumbnailSize) -> str | None:
        """Return a signed URL of the blob's thumbnail of a size; None if it can't have one."""
        if blob.uploaded_at is None or blob.status is BlobStatus.FAILED:
            return None
        now = self._clock()
        # The same for every request within one span, and valid for at least another.
        begun = now - (now - _EPOCH) % URL_LIFETIME
        path = _path(blob.owner, blob.id, size)
        return self._signer.sign("GET", path, begun + 2 * URL_LIFETIME, {})

    def routes(self) -> list[Route]:
        """Return GET of `/thumbnails/<owner>/<blob id>`, and of `.../large`."""
        path = "/thumbnails/{owner}/{blob_id}"
        return [
            Route(path, self.get_small, methods=["GET"]),
            Route(f"{path}/{ThumbnailSize.LARGE}", self.get_large, methods=["GET"]),
        ]

    async def get_small(self, request: Request) -> Response:
        """Send a small thumbnail."""
        return await self._get(request, ThumbnailSize.SMALL)

    async def get_large(self, request: Request) -> Response:
        """Send a large thumbnail."""
        return await self._get(request, ThumbnailSize.LARGE)

    async def _get(self, request: Request, size: ThumbnailSize) -> Response:
        owner, blob_id = request.path_params["owner"], request.path_params["blob_id"]
        key = _path(owner, blob_id, size)
        try:
            self._signer.check("GET", key, request.query_params, self._clock())
            add_owner(owner)
            blob = await self._read(self._find, owner, blob_id)
            content = None
            if not await self._read(self._storage.has_derived, blob.key, size):
                content = await self._make_once(request, blob, size, key)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)  # nobody reads it
        except LabellingError as error:
            return _failure(error, blob_id)
        headers = {
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
            "cache-control": f"private, max-age={URL_LIFETIME // timedelta(seconds=1)}",
        }
        if content is not None:
            return Response(content, media_type=ImageType.WEBP, headers=headers)
        path = self._storage.derived_path(blob.key, size)
        return StoredFile(path, media_type=ImageType.WEBP, headers=headers)

    def _find(self, owner: str, blob_id: str) -> Blob:
        blob = self._blobs.find(owner, [blob_id]).get(blob_id)
        if blob is None:
            raise ObjectNotFound(original_key(owner, blob_id))
        return blob

    async def _make_once(
        self, request: Request, blob: Blob, size: ThumbnailSize, key: str
    ) -> bytes:
        """Make a thumbnail, once for all concurrent requests.

        If all of them are disconnected before its turn, it is not made: clients that scroll ask
        for many and cancel most. Raises ClientDisconnect.
        """
        making = self._in_progress.get(key)
        if making is None or making.cancelled():
            making = asyncio.ensure_future(self._run(self._make_and_keep, blob, size))
            self._in_progress[key] = making
            making.add_done_callback(partial(self._end, key))
        self._waiting[making] += 1
        gone = asyncio.ensure_future(_disconnection(request))
        try:
            either: tuple[asyncio.Future[Any], ...] = (making, gone)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not making.done():
                raise ClientDisconnect
            return making.result()
        finally:
            gone.cancel()
            self._waiting[making] -= 1
            if not self._waiting[making]:
                del self._waiting[making]
                making.cancel()

    def _end(self, key: str, making: asyncio.Future[bytes]) -> None:
        if self._in_progress.get(key) is making:  # not one that has taken its place
            del self._in_progress[key]

    def _make_and_keep(self, blob: Blob, size: ThumbnailSize) -> bytes:
        picture = Picture(blob.key, blob.content_type, lambda: self._storage.open(blob.key))
        content = self._make(picture, size)
        try:
            self._check_space(len(content))
            self._storage.put_derived(blob.key, size, content)
        except Unavailable as error:  # it is made again at the next request
            _failures.warning("thumbnails are not kept", blob_id=blob.id, error=str(error))
            return content
        is_known = False
        try:
            is_known = self._blobs.get(blob.id) is not None
        finally:
            if not is_known:  # deleted meanwhile
                self._storage.delete_derived(blob.key)
        return content


async def _disconnection(request: Request) -> None:
    """Wait until the client of a request without a body disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _path(owner: str, blob_id: str, size: ThumbnailSize) -> str:
    path = f"thumbnails/{owner}/{blob_id}"
    return path if size is ThumbnailSize.SMALL else f"{path}/{size}"


def _failure(error: LabellingError, blob_id: str) -> Response:
    match error:
        case SignatureDoesNotMatch() | RequestExpired():
            return error_response(403, "AccessDenied", str(error))
        case TooManyRequests():
            return slow_down(error)
        case ObjectNotFound():
            return error_response(404, "NoSuchKey", "The image no longer exists.")
        case PictureRefused():
            return error_response(422, error.code, error.message)
        case Unavailable():
            _failures.error("thumbnails can't be made", blob_id=blob_id, error=str(error))
            return error_response(503, "ServiceUnavailable", UNAVAILABLE)
    log.error("thumbnail failed", extra={"blob_id": blob_id}, exc_info=error)
    return error_response(503, "ServiceUnavailable", UNAVAILABLE)
