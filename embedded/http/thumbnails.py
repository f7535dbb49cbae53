"""Thumbnails: made at the first request, by the processes that decode images, and kept.

Each has a signed URL of its own, which stays the same for a while so that browsers can cache it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from api.threads import run_in_thread
from core.domain.blob import Blob, BlobStatus, original_key
from core.domain.errors import LabellingError, ObjectNotFound, PictureRefused
from core.storage.base import URL_LIFETIME
from core.storage.signed_url import RequestExpired, SignatureDoesNotMatch
from labeller.detectors.base import Picture
from labeller.imaging.thumbnail import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

    from core.domain.clock import Clock
    from core.repositories.sqlite.blobs import SqliteBlobRepository
    from core.storage.files import FileStorage
    from core.storage.signed_url import UrlSigner

log = logging.getLogger(__name__)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Thumbnails:
    """Makes, keeps and serves thumbnails; `make` is `labeller.imaging.thumbnail`."""

    def __init__(
        self,
        blobs: SqliteBlobRepository,
        storage: FileStorage,
        signer: UrlSigner,
        clock: Clock,
        make: Callable[[Picture], bytes],
    ) -> None:
        self._blobs = blobs
        self._storage = storage
        self._signer = signer
        self._clock = clock
        self._make = make
        self._in_progress: dict[str, asyncio.Future[None]] = {}

    def url(self, blob: Blob) -> str | None:
        """Return a signed URL of the blob's thumbnail; None if it can't have one."""
        if blob.uploaded_at is None or blob.status is BlobStatus.FAILED:
            return None
        now = self._clock()
        # The same for every request within one span, and valid for at least another.
        begun = now - (now - _EPOCH) % URL_LIFETIME
        return self._signer.sign("GET", _path(blob.owner, blob.id), begun + 2 * URL_LIFETIME, {})

    def routes(self) -> list[Route]:
        """Return GET of `/thumbnails/<owner>/<blob id>`."""
        return [Route("/thumbnails/{owner}/{blob_id}", self.get, methods=["GET"])]

    async def get(self, request: Request) -> Response:
        """Send a thumbnail."""
        owner, blob_id = request.path_params["owner"], request.path_params["blob_id"]
        key = _path(owner, blob_id)
        try:
            self._signer.check("GET", key, request.query_params, self._clock())
            blob = await run_in_thread(self._find, owner, blob_id)
            path = self._storage.derived_path(blob.key)
            if not path.exists():
                await self._make_once(blob, key, path)
        except (SignatureDoesNotMatch, RequestExpired) as error:
            return _error(403, "AccessDenied", str(error))
        except ObjectNotFound:
            return _error(404, "NoSuchKey", "The image no longer exists.")
        except PictureRefused as error:
            return _error(422, error.code, error.message)
        except LabellingError as error:
            log.exception("thumbnail failed", extra={"blob_id": blob_id})
            return _error(503, "ServiceUnavailable", f"Try again later. {error}")
        return FileResponse(
            path,
            media_type=MEDIA_TYPE,
            headers={
                "x-content-type-options": "nosniff",
                "content-security-policy": "default-src 'none'; sandbox",
                "cache-control": f"private, max-age={URL_LIFETIME // timedelta(seconds=1)}",
            },
        )

    def _find(self, owner: str, blob_id: str) -> Blob:
        blob = self._blobs.find(owner, [blob_id]).get(blob_id)
        if blob is None:
            raise ObjectNotFound(original_key(owner, blob_id))
        return blob

    async def _make_once(self, blob: Blob, key: str, path: Path) -> None:
        """Make a thumbnail, once for all concurrent requests."""
        making = self._in_progress.get(key)
        if making is None:
            making = asyncio.ensure_future(run_in_thread(self._make_file, blob, path))
            self._in_progress[key] = making
            making.add_done_callback(lambda _: self._in_progress.pop(key))
        await asyncio.shield(making)  # one client that disconnects must not cancel it for others

    def _make_file(self, blob: Blob, path: Path) -> None:
        picture = Picture(blob.key, blob.content_type, lambda: self._storage.open(blob.key))
        content = self._make(picture)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not synced to disk: one that a power cut loses is made again.
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        temporary.write_bytes(content)
        temporary.replace(path)
        if self._blobs.get(blob.id) is None:  # deleted meanwhile
            path.unlink(missing_ok=True)


def _path(owner: str, blob_id: str) -> str:
    return f"thumbnails/{owner}/{blob_id}"


def _error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status_code=status)
