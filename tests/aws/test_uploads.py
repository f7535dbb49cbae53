"""Uploads to the stack: their limits, their keys, and the inbox."""

from __future__ import annotations

import base64
import hashlib
import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.domain.clock import from_text, to_text, utc_now
from tests.support.aws.cloud import Cloud, made_key
from tests.support.aws.stack_operations import (
    CAT,
    CREATE,
    LISTS,
    blob_now,
    create,
    delete,
    expire_all,
    relabel,
    set_api,
)
from tests.support.images.photos import photo


def test_an_upload_over_the_limit_leaves_no_bytes(cloud: Cloud, key: str) -> None:
    """Neither as an old version. After a lower limit, a picture that was labelled stays."""
    limit = cloud.own["labeller"]
    limit["LABELLING_MAX_UPLOAD_BYTES"] = str(len(CAT))
    cloud.restart("labeller")
    ids = []
    for content in (CAT, CAT + b" "):
        blob_id, target = cloud.create_upload(key)
        cloud.put(target, content)
        ids.append(blob_id)
    cloud.carry("Uploads", "labeller")
    fits, too_large = (blob_now(cloud, key, each) for each in ids)
    assert (fits["status"], too_large["failure"]["code"]) == ("LABELLED", "TOO_LARGE")

    limit["LABELLING_MAX_UPLOAD_BYTES"] = "1"
    cloud.restart("labeller")
    relabel(cloud, key, ids[0])
    cloud.carry("Uploads", "labeller")
    assert blob_now(cloud, key, ids[0])["failure"]["code"] == "TOO_LARGE"
    found = cloud.s3.list_object_versions(Bucket=cloud.ids["Bucket"], Prefix="originals/")
    assert [each["Key"] for each in found["Versions"]] == [f"originals/anna/{ids[0]}"]
    assert "DeleteMarkers" not in found


def test_s3_bounds_every_upload_where_sizes_are_required(cloud: Cloud, key: str) -> None:
    """By the length that is signed into each URL."""
    cloud.own["api"]["LABELLING_REQUIRE_SIZE_BYTES"] = "yes"
    cloud.restart("api")
    refused = cloud.graphql(key, CREATE, input={"contentType": "PNG"})["createUpload"]
    assert refused["__typename"] == "InvalidInput"
    assert refused["message"] == "sizeBytes: is required: give the size of the file"
    _, target = cloud.create_upload(key, sizeBytes=len(CAT))
    (signed,) = parse_qs(urlsplit(target["url"]).query)["X-Amz-SignedHeaders"]
    assert "content-length" in signed.split(";")


def test_size_and_digest_are_signed_where_they_are_given(cloud: Cloud, key: str) -> None:
    """Other bytes don't fit the URL."""
    digest = base64.b64encode(hashlib.sha256(CAT).digest()).decode()
    _, target = cloud.create_upload(key, sizeBytes=len(CAT), sha256=digest)
    assert cloud.put(target, CAT) == 200
    with pytest.raises(AssertionError, match="signature does not match"):
        cloud.put(target, CAT + b"more")
    with pytest.raises(AssertionError, match="signature does not match"):
        cloud.put(target, CAT, **{"x-amz-checksum-sha256": "AAAA"})
    with pytest.raises(AssertionError, match="signature does not match"):
        cloud.put(target, CAT, **{"Content-Type": "image/jpeg"})


def test_a_picture_put_into_an_inbox_becomes_a_blob(cloud: Cloud, key: str) -> None:
    """By any S3 client, under any name; it is moved and labelled once."""
    bucket = cloud.ids["Bucket"]
    names = ["inbox/anna/holiday/My cat + friends.png", "inbox/anna/ünï%20code.PNG"]
    for name in names:
        cloud.s3.put_object(Bucket=bucket, Key=name, Body=CAT)
    told = cloud.drain("Uploads")
    for record in [*told, *told]:  # each event twice, as SQS may
        cloud.invoke("labeller", {"Records": [record]})
    assert cloud.carry("Uploads", "labeller") == 2
    nodes = cloud.graphql(key, LISTS, ids=[])["labelled"]["nodes"]
    assert len(nodes) == 2
    assert "Contents" not in cloud.s3.list_objects_v2(Bucket=bucket, Prefix="inbox/")
    for node in nodes:
        blob = blob_now(cloud, key, node["id"])
        assert (blob["status"], blob["contentType"]) == ("LABELLED", "PNG")
        assert cloud.get(blob["downloadUrl"]) == CAT


def test_uploads_that_never_came_expire(cloud: Cloud, key: str, monkeypatch: Any) -> None:
    """By the hourly schedule, once their time is over."""
    blob_id, _ = cloud.create_upload(key)
    cloud.schedule("labeller")
    assert blob_now(cloud, key, blob_id)["status"] == "AWAITING_UPLOAD"
    expire_all(cloud)
    assert blob_now(cloud, key, blob_id)["status"] == "EXPIRED"


def test_an_object_without_an_owner_is_rejected_from_the_inbox(cloud: Cloud, key: str) -> None:
    """It moves, with the reason; clutter of desktops stays."""
    bucket = cloud.ids["Bucket"]
    for name in ("inbox/cat.png", "inbox/anna/.DS_Store"):
        cloud.s3.put_object(Bucket=bucket, Key=name, Body=CAT)
    cloud.carry("Uploads", "labeller")
    left = cloud.s3.list_objects_v2(Bucket=bucket, Prefix="inbox/")["Contents"]
    assert [each["Key"] for each in left] == ["inbox/anna/.DS_Store"]
    moved = cloud.s3.get_object(Bucket=bucket, Key="rejected/cat.png")
    assert "names no owner" in moved["Metadata"]["reason"]
    assert moved["Body"].read() == CAT
    assert cloud.graphql(key, LISTS, ids=[])["labelled"]["nodes"] == []


def test_a_picture_put_again_into_an_inbox_is_another(cloud: Cloud, key: str) -> None:
    """Even if it came before the first was taken: no bytes are lost."""
    bucket, name = cloud.ids["Bucket"], "inbox/anna/latest.png"
    contents = [CAT, photo("coffee.png")]
    for content in contents:
        cloud.s3.put_object(Bucket=bucket, Key=name, Body=content)
    cloud.carry("Uploads", "labeller")
    cloud.carry("Uploads", "labeller")
    nodes = cloud.graphql(key, LISTS, ids=[])["labelled"]["nodes"]
    urls = [blob_now(cloud, key, node["id"])["downloadUrl"] for node in nodes]
    assert sorted(cloud.get(url) for url in urls) == sorted(contents)


def test_asked_again_under_its_key_an_upload_is_the_same(cloud: Cloud, key: str) -> None:
    """Before its bytes arrived and after; another input gets the first one's blob id."""
    wish = {"idempotencyKey": "order 66", "maxLabels": 5}
    (blob_id, _), (same, target) = (cloud.create_upload(key, **wish) for _ in range(2))
    assert same == blob_id
    assert cloud.put(target, CAT) == 200
    cloud.carry("Uploads", "labeller")
    same, none = cloud.create_upload(key, **wish)
    assert (same, none) == (blob_id, None)
    assert blob_now(cloud, key, same)["status"] == "LABELLED"
    assert cloud.put(target, CAT) == 412
    answer = create(cloud, key, idempotencyKey="order 66")
    assert (answer["__typename"], answer["blobId"]) == ("IdempotencyKeyReused", blob_id)
    assert len(cloud.graphql(key, LISTS, ids=[])["blobs"]["nodes"]) == 1


def test_an_owner_has_no_more_uploads_than_set(
    cloud: Cloud, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a minute, and open at a time; each refusal says when to ask again."""
    set_api(cloud, LABELLING_UPLOADS_PER_MINUTE="3")
    asked = [create(cloud, key) for _ in range(5)]
    made = [each["blob"]["id"] for each in asked if each["__typename"] == "CreatedUpload"]
    if len(made) == 3:  # unless a minute began in between
        assert asked[-1]["__typename"] == "QuotaExceeded"
        assert from_text(asked[-1]["retryAt"]) <= utc_now() + timedelta(minutes=1)
    other = made_key(cloud, capsys, "boris")
    assert create(cloud, other)["__typename"] == "CreatedUpload"
    set_api(cloud, LABELLING_UPLOADS_PER_MINUTE="0", LABELLING_OPEN_UPLOADS=str(len(made)))
    refused = create(cloud, key)
    assert refused["__typename"] == "QuotaExceeded"
    assert f"{len(made)} uploads await their bytes" in refused["message"]
    assert refused["retryAt"] > to_text(utc_now())
    delete(cloud, key, made[0])
    time.sleep(0.01)
    assert create(cloud, key)["__typename"] == "CreatedUpload"
