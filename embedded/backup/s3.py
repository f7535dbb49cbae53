"""The client of S3 for backups."""

from __future__ import annotations

import os
from typing import Any

from core.domain.errors import Unavailable
from core.storage.s3 import client_config


def s3_client(endpoint: str | None) -> Any:
    """Return a client of S3, or of the store at an endpoint. Raises Unavailable.

    Region and credentials are those of the AWS CLI. A store at an endpoint is addressed by path,
    because it rarely has a host name for each bucket.
    """
    # 400 ms of CPU that a service without such backups does without.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        config = client_config()
        if endpoint is not None:
            config = config.merge(Config(s3={"addressing_style": "path"}))
        return boto3.client(
            "s3", region_name=os.environ.get("AWS_REGION"), endpoint_url=endpoint, config=config
        )
    except (BotoCoreError, ValueError) as error:  # ValueError: the endpoint is not a URL
        raise Unavailable(f"{error} Set AWS_REGION, and AWS_PROFILE or credentials.") from error
