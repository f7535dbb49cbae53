"""A disk that is full to the last byte, and a database that is deleted under the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench.attacks.target import SECONDS, Row, Target, running
from tests.support.images.photos import photo
from tests.support.services.small_disk import fill, small_disk
from tests.support.waiting import wait_until

CREATE = "mutation { createUpload(input: {contentType: JPEG}) { __typename } }"
DELETE = "mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }"


def ask(target: Target, query: str, **variables: Any) -> str:
    """Return the type of a mutation's result, or the code of its error."""
    body = {"query": query, "variables": variables}
    answer = httpx.post(f"{target.url}/graphql", json=body, timeout=SECONDS).json()
    if "errors" in answer:
        return str(answer["errors"][0]["extensions"]["code"])
    (result,) = answer["data"].values()
    return str(result["__typename"])


def readiness(target: Target) -> int:
    """Return the status of the readiness check."""
    return httpx.get(f"{target.url}/readyz", timeout=SECONDS).status_code


def full_disk(folder: Path, model: Path) -> Iterator[Row]:
    """Another program fills the disk."""
    with small_disk(folder, megabytes=64) as is_mounted:
        if not is_mounted:
            yield Row("full disk", "-", "not run: mounting needs root", held=True)
            return
        flags = ("--reserve-bytes", "2000000", "--workers", "1", "--log-level", "error")
        with running(folder / "data", model, *flags) as target:
            picture = target.service.upload(photo("rocket.jpg"), "JPEG")
            target.service.wait_for(picture, lambda blob: blob["status"] == "LABELLED")
            other = fill(folder)
            created, ready = ask(target, CREATE), readiness(target)
            deleted = ask(target, DELETE, id=picture)
            other.unlink()
            wait_until(lambda: readiness(target) == 200)  # OK
            again = ask(target, CREATE)
    yield Row(
        "full disk",
        "uploads refused, not ready, deletion works, then uploads again",
        f"{created}, readiness {ready}, {deleted}, then {again}",
        (created, ready, deleted, again) == ("StorageFull", 503, "DeletedBlob", "CreatedUpload"),
    )


def deleted_database(target: Target, *, full: bool) -> Iterator[Row]:  # noqa: ARG001  # as all
    """Its files are deleted under the service, which must acknowledge nothing more."""
    upload = target.service.create_upload("JPEG")
    for path in target.service.data.glob("labelling.sqlite*"):
        path.unlink()
    headers = {each["name"]: each["value"] for each in upload["headers"]}
    put = httpx.put(upload["url"], content=b"picture", headers=headers, timeout=SECONDS)
    created, ready = ask(target, CREATE), readiness(target)
    yield Row(
        "deleted database",
        "PUT 503, createUpload SERVICE_UNAVAILABLE, not ready",
        f"PUT {put.status_code}, createUpload {created}, readiness {ready}",
        (put.status_code, created, ready) == (503, "SERVICE_UNAVAILABLE", 503),
    )
