"""Image bytes in an S3 bucket. S3 serves the upload and download URLs."""

from __future__ import annotations

import io
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from core.backends.aws_errors import error_code, translated_errors
from core.domain.errors import ObjectNotFound, Unavailable
from core.storage.base import URL_LIFETIME, UploadTarget, UploadTerms, disposition, key_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

CHUNK: Final = 1_000_000  # bytes
_MISSING: Final = frozenset(
    {"NoSuchKey", "NoSuchVersion", "404"}
)  # HeadObject's answer has no body to name it


def client_config() -> Any:
    """Return the botocore Config for the client of `S3Storage`.

    With virtual addressing a signed URL names the region's host. The global host redirects while a
    bucket is new, which invalidates the signature (Amazon S3 User Guide: "Request redirection and
    the REST API"). A checksum that botocore adds by default would become a header that clients have
    to send.
    """
    # Not at import: commands without an AWS client must not load botocore.
    from botocore.config import Config  # noqa: PLC0415

    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=2,
        read_timeout=10,
    )


class S3Storage:
    """Image bytes as objects of a bucket. The client has the config of `client_config`.

    Keys are restricted as those of files are, except with `any_key`. The objects' own keys begin
    with `prefix`.
    """

    def __init__(
        self, client: Any, bucket: str, *, any_key: bool = False, prefix: str = ""
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._any_key = any_key
        self._prefix = prefix

    def put(self, key: str, content: bytes) -> None:
        """Store bytes under a key, in place of older ones."""
        with translated_errors("S3"):
            self._client.put_object(**self._object(key), Body=content)

    def upload(self, key: str, stream: BinaryIO) -> None:
        """Store the bytes of a seekable stream under a key, in place of older ones."""
        with translated_errors("S3"):
            self._client.put_object(**self._object(key), Body=stream)

    def download(self, key: str, stream: BinaryIO) -> None:
        """Write all bytes to a stream. Raises ObjectNotFound."""
        with _translated(key):
            answer = self._client.get_object(**self._object(key))
            with closing(answer["Body"]) as body:
                stream.writelines(body.iter_chunks(CHUNK))

    def keys(self, start: str) -> Iterator[str]:
        """List all keys that begin with a text."""
        pages = self._client.get_paginator("list_objects_v2")
        with translated_errors("S3"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + start):
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(self._prefix)

    def open(self, key: str) -> BinaryIO:
        """Read all bytes into memory, as a seekable stream. Raises ObjectNotFound."""
        return io.BytesIO(self._read(key))

    def size(self, key: str) -> int:
        """Return the size in bytes. Raises ObjectNotFound."""
        with _translated(key):
            return int(self._client.head_object(**self._object(key))["ContentLength"])

    def delete(self, key: str, version: str | None = None) -> None:
        """Delete the bytes, if there are any; those of a version for good."""
        with translated_errors("S3"):
            self._client.delete_object(**self._object(key), **_of(version))

    def read_start(self, key: str, length: int, version: str | None = None) -> bytes:
        """Return the first `length` bytes, or fewer. Raises ObjectNotFound.

        `length` is 1 or more: HTTP has no empty range. `version` is the id of the version to read,
        if not the newest.
        """
        try:
            return self._read(key, Range=f"bytes=0-{length - 1}", **_of(version))
        except Unavailable as exc:
            # RFC 9110, 14.1.2: a range from the first byte cannot be satisfied by empty content.
            if error_code(exc.__cause__) == "InvalidRange":
                return b""
            raise

    def copy(
        self,
        source_key: str,
        target_key: str,
        version: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Copy a key's bytes, or those of a version, to another key. Raises ObjectNotFound.

        `metadata`, in ASCII, replaces the object's own.

        Tags are not copied: that needs further permissions (Amazon S3 User Guide: "Required
        permissions for Amazon S3 API operations").
        """
        with _translated(source_key):
            self._client.copy_object(
                **self._object(target_key),
                CopySource={**self._object(source_key), **_of(version)},
                TaggingDirective="REPLACE",
                **({"Metadata": metadata, "MetadataDirective": "REPLACE"} if metadata else {}),
            )

    def presign_put(self, key: str, terms: UploadTerms, *, now: datetime) -> UploadTarget:
        """Return a URL for one upload under these terms, valid for 15 minutes.

        S3 refuses a second upload with 412, and one with another length or digest (Amazon S3
        User Guide: "Uploading objects with presigned URLs", "How to prevent object overwrites
        with conditional writes"). S3 does not enforce `max_bytes`: if the terms have no size, the
        reader of the object must check its size first. A URL signed with temporary credentials
        expires with them, if that is sooner.
        """
        headers = [("Content-Type", terms.content_type), ("If-None-Match", "*")]
        signed: dict[str, str | int] = {"ContentType": terms.content_type, "IfNoneMatch": "*"}
        if terms.size is not None:
            signed["ContentLength"] = terms.size
        if terms.sha256 is not None:
            signed["ChecksumSHA256"] = terms.sha256
            headers.append(("x-amz-checksum-sha256", terms.sha256))
        url = self._presign("put_object", key, signed)
        # S3 counts from the second in which botocore signs, by the machine's clock: `now` or a
        # moment later. Counted from the full second before, the stated expiry is never too late.
        expires_at = now.replace(microsecond=0) + URL_LIFETIME
        return UploadTarget("PUT", url, tuple(headers), expires_at, terms.max_bytes)

    def presign_get(
        self,
        key: str,
        content_type: str,
        file_name: str | None = None,
        *,
        now: datetime,  # noqa: ARG002
    ) -> str:
        """Return a URL that serves the bytes as a content type, valid for 15 minutes.

        The time counts by the machine's clock, because botocore signs with it (Amazon S3 API
        Reference: "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)").
        """
        return self._presign(
            "get_object",
            key,
            {
                "ResponseContentType": content_type,
                "ResponseContentDisposition": disposition(key, content_type, file_name),
            },
        )

    def _object(self, key: str) -> dict[str, str]:
        if not self._any_key:
            key_parts(key)
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _read(self, key: str, **options: str) -> bytes:
        with _translated(key):
            answer = self._client.get_object(**self._object(key), **options)
            # Not `with answer["Body"]`: that stream does not check the length.
            with closing(answer["Body"]) as body:
                content: bytes = body.read()
        return content

    def _presign(self, operation: str, key: str, signed: dict[str, Any]) -> str:
        with translated_errors("S3"):
            url: str = self._client.generate_presigned_url(
                operation,
                Params={**self._object(key), **signed},
                ExpiresIn=int(URL_LIFETIME.total_seconds()),
            )
        return url


def _of(version: str | None) -> dict[str, str]:
    return {} if version is None else {"VersionId": version}


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        with translated_errors("S3"):
            yield
    except Unavailable as exc:
        if error_code(exc.__cause__) in _MISSING:
            raise ObjectNotFound(key) from exc.__cause__
        raise
