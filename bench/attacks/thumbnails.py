"""Thumbnails of large pictures against small uploads."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import httpx

from bench.attacks.target import SECONDS, Row, Target
from tests.support.photos import as_jpeg, large_photo, photo
from tests.support.process import CREATE

GOAL_MS = 100
THUMBNAIL = "query ($id: ID!) { blob(id: $id) { status thumbnailUrl } }"
PATIENCE = 600  # seconds, for all pictures and thumbnails


def thumbnails(target: Target, *, full: bool) -> Iterator[Row]:
    """60 thumbnails of large PNGs at once; createUpload and small PUTs go on."""
    count, side = (60, 5000) if full else (2, 800)
    created, sent, seconds = asyncio.run(_measure(target, large_photo(side), count))
    megapixels = side * side * 3 / 4 / 1e6
    for name, times in (("createUpload", created), ("small PUT", sent)):
        p50, p99 = (sorted(times)[len(times) * rank // 100] * 1000 for rank in (50, 99))
        yield Row(
            f"{count} thumbnails of {megapixels:.0f} megapixels: {name}",
            f"p99 {GOAL_MS} ms",
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms of {len(times)} in {seconds:.0f} s",
            p99 < GOAL_MS,
            is_timed=True,
        )


async def _measure(
    target: Target, picture: bytes, count: int
) -> tuple[list[float], list[float], float]:
    limits = httpx.Limits(keepalive_expiry=1)
    async with httpx.AsyncClient(base_url=target.url, timeout=PATIENCE, limits=limits) as client:
        ids = [(await _upload(client, "PNG", picture))[0] for _ in range(count)]
        urls = [await _thumbnail_url(client, each) for each in ids]
        small = as_jpeg(photo("rocket.jpg"))[:20_000]  # broken off: it takes no time to label
        began = time.perf_counter()
        making = [asyncio.create_task(client.get(url)) for url in urls]
        created, sent = [], []
        while not all(each.done() for each in making):
            _, creation, put = await _upload(client, "JPEG", small + os.urandom(8))
            created.append(creation)
            sent.append(put)
            await asyncio.sleep(0.02)
        assert all(each.result().is_success for each in making)
        return created, sent, time.perf_counter() - began


async def _upload(
    client: httpx.AsyncClient, content_type: str, picture: bytes
) -> tuple[str, float, float]:
    """Upload a picture; return the blob's id, and the seconds of createUpload and of the PUT."""
    began = time.perf_counter()
    body = {"query": CREATE, "variables": {"input": {"contentType": content_type}}}
    answer = await client.post("/graphql", json=body)
    creation = time.perf_counter() - began
    created = answer.json()["data"]["createUpload"]
    target = created["target"]
    headers = {each["name"]: each["value"] for each in target["headers"]}
    began = time.perf_counter()
    assert (await client.put(target["url"], content=picture, headers=headers)).is_success
    return created["blob"]["id"], creation, time.perf_counter() - began


async def _thumbnail_url(client: httpx.AsyncClient, blob_id: str) -> str:
    """Wait until a blob is labelled; return the URL of its thumbnail."""
    until = time.monotonic() + PATIENCE
    body = {"query": THUMBNAIL, "variables": {"id": blob_id}}
    while True:
        blob = (await client.post("/graphql", json=body, timeout=SECONDS)).json()["data"]["blob"]
        if blob["status"] == "LABELLED":
            return str(blob["thumbnailUrl"])
        assert time.monotonic() < until, blob
        await asyncio.sleep(0.05)
