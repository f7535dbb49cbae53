"""Downloads and thumbnails where files fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from api.rest.app import create_app
from core.domain.blob import Blob
from core.domain.errors import StorageFull, Unavailable
from core.domain.thumbnail import ThumbnailSize
from core.storage.disk_reserve import DiskReserve
from embedded.http.object_routes import ObjectRoutes
from embedded.http.thumbnails import CLIENT_CLOSED_REQUEST, Thumbnails
from labeller.detectors.base import Picture
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores


class Routes:
    """The routes of pictures and thumbnails, over a thumbnailer and a check of the space."""

    def __init__(self, stores: EmbeddedStores) -> None:
        self.stores = stores
        self.blob = stores.labelled("anna")
        self.make: Callable[[Picture], bytes] = lambda _: b"small"
        self.check_space: Callable[[int], None] = lambda _: None
        thumbnails = Thumbnails(
            stores.blobs,
            stores.storage,
            stores.signer,
            stores.clock,
            lambda picture, _size: self.make(picture),  # tests replace it
            lambda size: self.check_space(size),  # noqa: PLW0108
        )
        objects = ObjectRoutes(
            stores.database,
            stores.blobs,
            stores.storage,
            stores.queue(),
            stores.signer,
            stores.clock,
            DiskReserve(stores.root, 0),
        )
        self.app = create_app(replace(stores.services("anna"), thumbnail_url=thumbnails.url))
        self.app.router.routes.extend([*objects.routes(), *thumbnails.routes()])
        self.thumbnail_url = thumbnails.url(self.blob, ThumbnailSize.SMALL)
        self.download_url = stores.storage.presign_get(
            self.blob.key, "image/jpeg", now=stores.clock()
        )

    def thumbnail(self) -> httpx.Response:
        assert self.thumbnail_url
        return self.get(self.thumbnail_url)

    def get(self, url: str, **headers: str) -> httpx.Response:
        with AppClient(self.app) as client:
            return client.get(url, headers=headers)

    def derived(self) -> list[Path]:
        return [path for path in (self.stores.root / "derived").rglob("*") if path.is_file()]


@pytest.fixture
def routes(stores: EmbeddedStores) -> Routes:
    return Routes(stores)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def unreadable(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_thumbnail_is_made_once(routes: Routes) -> None:
    made = []
    routes.make = lambda picture: made.append(picture) or b"small"  # type: ignore[func-returns-value]
    for _ in range(2):
        answer = routes.thumbnail()
        assert (answer.status_code, answer.content) == (200, b"small")
        assert answer.headers["content-type"] == "image/webp"
    assert len(made) == 1


@pytest.mark.parametrize("error", [OSError(28, "No space left"), OSError(5, "I/O error")])
def test_thumbnail_that_cannot_be_kept_is_sent(
    routes: Routes, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("core.storage.durable_files.IncomingFile.write", fail)
    answer = routes.thumbnail()
    assert (answer.status_code, answer.content) == (200, b"small")
    assert routes.derived() == []
    assert routes.stores.incoming() == []


def test_thumbnail_is_not_kept_in_the_reserve(routes: Routes) -> None:
    def full(_size: int) -> None:
        raise StorageFull("full")

    routes.check_space = full
    assert routes.thumbnail().content == b"small"
    assert routes.derived() == []


def test_thumbnail_of_a_blob_deleted_meanwhile_is_not_kept(routes: Routes) -> None:
    def make(_picture: Picture) -> bytes:
        routes.stores.blobs.delete(routes.blob, routes.stores.clock())
        return b"small"

    routes.make = make
    routes.thumbnail()
    assert routes.derived() == []


def test_thumbnail_is_made_for_a_client_that_comes_when_the_last_one_leaves(
    stores: EmbeddedStores,
) -> None:
    """The one before was cancelled, but not yet forgotten."""
    blob = stores.labelled("anna")

    async def ask_twice() -> Response:
        came = asyncio.Event()
        turns: list[asyncio.Future[bytes]] = []

        class Turn(asyncio.Future[bytes]):
            def cancel(self, msg: object = None) -> bool:
                came.set()
                return super().cancel(msg)

        def run(*_: object) -> asyncio.Future[bytes]:
            turns.append(Turn())
            if len(turns) > 1:
                turns[-1].set_result(b"small")
            return turns[-1]

        thumbnails = Thumbnails(
            *(stores.blobs, stores.storage, stores.signer, stores.clock),
            lambda _picture, _size: b"small",
            lambda _: None,
            read=read_at_once,
            run=run,
        )
        url = urlsplit(thumbnails.url(blob, ThumbnailSize.SMALL) or "")
        params = {"owner": blob.owner, "blob_id": blob.id}
        scope = {"type": "http", "query_string": url.query.encode(), "path_params": params}
        scope["headers"] = []

        async def stay() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        async def leave() -> Message:
            return {"type": "http.disconnect"}

        async def come() -> Response:
            await came.wait()
            return await thumbnails.get_small(Request(scope, stay))

        coming = asyncio.ensure_future(come())
        await asyncio.sleep(0)
        left = await thumbnails.get_small(Request(scope, leave))
        assert left.status_code == CLIENT_CLOSED_REQUEST
        return await coming

    answer = asyncio.run(ask_twice())
    assert (answer.status_code, answer.body) == (200, b"small")


async def read_at_once(call: Callable[..., Any], *args: Any) -> Any:
    return call(*args)


def test_thumbnail_is_not_kept_if_the_store_fails(
    routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: object, _blob_id: str) -> Blob:
        raise Unavailable("locked")

    monkeypatch.setattr(type(routes.stores.blobs), "get", fail)
    assert refused(routes.thumbnail()) == (503, "ServiceUnavailable")
    assert routes.derived() == []


def test_folder_of_thumbnails_that_cannot_be_read_gives_503(
    routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "stat", unreadable)
    assert refused(routes.thumbnail()) == (503, "ServiceUnavailable")
    assert refused(routes.get(routes.download_url)) == (503, "ServiceUnavailable")


@pytest.mark.parametrize("header", [{}, {"range": "bytes=0-2"}, {"range": "bytes=0-1,3-4"}])
def test_file_that_cannot_be_opened_gives_503(
    routes: Routes, monkeypatch: pytest.MonkeyPatch, header: dict[str, str]
) -> None:
    monkeypatch.setattr(anyio, "open_file", unreadable)
    assert refused(routes.get(routes.download_url, **header)) == (503, "ServiceUnavailable")


def test_file_deleted_before_it_is_sent_gives_404(
    routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = routes.stores.storage.path(routes.blob.key)
    real = os.stat

    def stat_of_deleted(*args: object, **options: object) -> os.stat_result:
        if args[0] == path:
            path.unlink(missing_ok=True)
        return real(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("starlette.responses.os.stat", stat_of_deleted)
        assert refused(routes.get(routes.download_url)) == (404, "NoSuchKey")


def test_file_is_sent_whole_or_in_part(routes: Routes) -> None:
    assert routes.get(routes.download_url).content == b"bytes"
    part = routes.get(routes.download_url, range="bytes=1-2")
    assert (part.status_code, part.content) == (206, b"yt")
    beyond = routes.get(routes.download_url, range="bytes=9-")
    assert beyond.status_code == 416
