"""Thumbnails: made when they are first looked at, by the processes that decode pictures, and kept.

Each has a signed URL of its own, which stays the same for a while so that browsers can keep what
it gave.
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
        self._making: dict[str, asyncio.Future[None]] = {}

    def url(self, blob: Blob) -> str | None:
        """Return a signed URL of the blob's thumbnail; None where there can't be one."""
        if blob.uploaded_at is None or blob.status is BlobStatus.FAILED:
            return None
        now = self._clock()
        # The same for all who ask within one span, and good for at least another.
        begun = now - (now - _EPOCH) % URL_LIFETIME
        return self._signer.sign("GET", _path(blob.owner, blob.id), begun + 2 * URL_LIFETIME, {})

    def routes(self) -> list[Route]:
        """Return GET of `/thumbnails/<owner>/<blob id>`."""
        return [Route("/thumbnails/{owner}/{blob_id}", self.get, methods=["GET"])]

    async def get(self, request: Request) -> Response:
        """Give a thumbnail."""
        owner, blob_id = request.path_params["owner"], request.path_params["blob_id"]
        key = _path(owner, blob_id)
        try:
            self._signer.check("GET", key, request.query_params, self._clock())
            blob = await run_in_thread(self._found, owner, blob_id)
            path = self._storage.derived_path(blob.key)
            if not path.exists():
                await self._made(blob, key, path)
        except (SignatureDoesNotMatch, RequestExpired) as refusal:
            return _refused(403, "AccessDenied", str(refusal))
        except ObjectNotFound:
            return _refused(404, "NoSuchKey", "There is no such picture any more.")
        except PictureRefused as refusal:
            return _refused(422, refusal.code, refusal.message)
        except LabellingError as trouble:
            log.exception("thumbnail not made", extra={"blob_id": blob_id})
            return _refused(503, "ServiceUnavailable", f"Try again. {trouble}")
        return FileResponse(
            path,
            media_type=MEDIA_TYPE,
            headers={
                "x-content-type-options": "nosniff",
                "content-security-policy": "default-src 'none'; sandbox",
                "cache-control": f"private, max-age={URL_LIFETIME // timedelta(seconds=1)}",
            },
        )

    def _found(self, owner: str, blob_id: str) -> Blob:
        blob = self._blobs.find(owner, [blob_id]).get(blob_id)
        if blob is None:
            raise ObjectNotFound(original_key(owner, blob_id))
        return blob

    async def _made(self, blob: Blob, key: str, path: Path) -> None:
        """Make a thumbnail and keep it, once however many ask."""
        under_way = self._making.get(key)
        if under_way is None:
            under_way = asyncio.ensure_future(run_in_thread(self._keep, blob, path))
            self._making[key] = under_way
            under_way.add_done_callback(lambda _: self._making.pop(key))
        await asyncio.shield(under_way)  # whoever hangs up leaves the others theirs

    def _keep(self, blob: Blob, path: Path) -> None:
        picture = Picture(blob.key, blob.content_type, lambda: self._storage.open(blob.key))
        content = self._make(picture)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not synced: one that is lost in a power cut is made again.
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        temporary.write_bytes(content)
        temporary.replace(path)
        if self._blobs.get(blob.id) is None:  # deleted meanwhile
            path.unlink(missing_ok=True)


def _path(owner: str, blob_id: str) -> str:
    return f"thumbnails/{owner}/{blob_id}"


def _refused(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status_code=status)
