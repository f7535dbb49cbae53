"""The client of S3 for backups."""

from __future__ import annotations

from typing import Any

from core.storage.s3 import client_config
from embedded.aws_clients import aws_client


def s3_client(endpoint: str | None) -> Any:
    """Return a client of S3, or of the store at an endpoint. Raises Unavailable.

    A store at an endpoint is addressed by path, because it rarely has a host name for each bucket.
    """
    config = client_config()
    if endpoint is not None:
        from botocore.config import Config  # as for all of botocore  # noqa: PLC0415

        config = config.merge(Config(s3={"addressing_style": "path"}))
    return aws_client("s3", endpoint_url=endpoint, config=config)
