"""Clients of AWS, for commands and for backups."""

from __future__ import annotations

import os
from typing import Any

from core.domain.errors import Unavailable


def aws_client(service: str, **options: Any) -> Any:
    """Return a boto3 client; region and credentials are those of the AWS CLI.

    `options` are those of boto3. Raises Unavailable without a region, with an unknown profile, or
    for an endpoint that is not a URL.
    """
    # 400 ms of CPU that a service on one machine does without.
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        # The AWS CLI reads this variable, boto3 does not.
        return boto3.client(service, region_name=os.environ.get("AWS_REGION"), **options)
    except (BotoCoreError, ValueError) as error:
        raise Unavailable(f"{error} Set AWS_REGION, and AWS_PROFILE or credentials.") from error
