"""Thumbnails of large pictures against small uploads."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import httpx

from bench.attacks.target import SECONDS, Row, Target
from tests.support.images.photos import as_jpeg, large_photo, photo
from tests.support.services.process import CREATE

GOAL_MS = 100
QUIET = 100  # uploads that are measured before the thumbnails
THUMBNAIL = "query ($id: ID!) { blob(id: $id) { status thumbnailUrl } }"
PATIENCE = 600  # seconds, for all pictures and thumbnails


def thumbnails(target: Target, *, full: bool) -> Iterator[Row]:
    """60 thumbnails of large PNGs at once; createUpload and small PUTs go on."""
    count, side = (60, 4000) if full else (2, 800)
    before, during = asyncio.run(_measure(target, large_photo(side), count))
    megapixels = side * side * 3 / 4 / 1e6
    for place, name in enumerate(("createUpload", "small PUT")):
        quiet, busy = ([pair[place] for pair in pairs] for pairs in (before, during))
        yield Row(
            f"{count} thumbnails of {megapixels:.0f} megapixels: {name}",
            f"p99 {GOAL_MS} ms",
            f"p50 {_ms(busy, 50)}, p99 {_ms(busy, 99)} of {len(busy)}; before the thumbnails "
            f"p50 {_ms(quiet, 50)}, p99 {_ms(quiet, 99)}",
            _percentile(busy, 99) * 1000 < GOAL_MS,
            is_timed=True,
        )


def _percentile(seconds: list[float], rank: int) -> float:
    return sorted(seconds)[len(seconds) * rank // 100]


def _ms(seconds: list[float], rank: int) -> str:
    return f"{_percentile(seconds, rank) * 1000:.0f} ms"


Times = list[tuple[float, float]]  # seconds of createUpload and of the PUT


async def _measure(target: Target, picture: bytes, count: int) -> tuple[Times, Times]:
    limits = httpx.Limits(keepalive_expiry=1)
    async with httpx.AsyncClient(base_url=target.url, timeout=PATIENCE, limits=limits) as client:
        ids = [(await _upload(client, "PNG", picture))[0] for _ in range(count)]
        urls = [await _thumbnail_url(client, each) for each in ids]
        small = as_jpeg(photo("rocket.jpg"))[:20_000]  # broken off: it takes no time to label
        before: Times = []
        during: Times = []
        while len(before) < QUIET:
            before.append((await _upload(client, "JPEG", small + os.urandom(8)))[1:])
        making = [asyncio.create_task(client.get(url)) for url in urls]
        while not during or not all(each.done() for each in making):
            during.append((await _upload(client, "JPEG", small + os.urandom(8)))[1:])
        assert all(each.result().is_success for each in making)
        return before, during


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
