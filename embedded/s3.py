"""Buckets of S3, and of what speaks like it, for originals and backups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from core.domain.errors import InvalidValue
from core.storage.s3 import client_config
from embedded.aws_clients import aws_client

# Amazon S3 User Guide: "General purpose bucket naming rules".
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A part of a bucket. `prefix` is empty or ends with a slash; no `endpoint` means Amazon's."""

    bucket: str
    prefix: str
    endpoint: str | None


def read_address(field: str, address: str) -> BucketAddress:
    """Read s3://BUCKET/PREFIX?endpoint=URL. Raises InvalidValue, which names the field."""
    parts = urlsplit(address)
    query = parse_qs(parts.query, keep_blank_values=True)
    endpoint = query.pop("endpoint", [None])[0]
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or query:
        raise InvalidValue(
            field, f"{address!r} is not s3://BUCKET/PREFIX, or s3://BUCKET/PREFIX?endpoint=URL"
        )
    prefix = parts.path.strip("/")
    return BucketAddress(parts.netloc, f"{prefix}/" if prefix else "", endpoint)


def s3_client(endpoint: str | None, *, attempts: int = 3, seconds: int = 10) -> Any:
    """Return a client of S3, or of the store at an endpoint. Raises Unavailable.

    It makes so many attempts at a request, and waits so many seconds for a response.
    A store at an endpoint is addressed by path, because it rarely has a host name for each bucket.
    The bytes of an upload are part of its signature, so that every store refuses damaged ones.
    """
    from botocore.config import Config  # as for all of botocore  # noqa: PLC0415

    options: dict[str, Any] = {"payload_signing_enabled": True}
    if endpoint is not None:
        options["addressing_style"] = "path"
    config = client_config()
    retries = {"mode": "standard", "total_max_attempts": attempts}
    own = Config(s3={**config.s3, **options}, retries=retries, read_timeout=seconds)
    return aws_client("s3", endpoint_url=endpoint, config=config.merge(own))
