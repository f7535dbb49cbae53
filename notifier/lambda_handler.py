"""The notifier on AWS Lambda: the table's stream, hints from SQS, and the sweep each minute."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import utc_now
from core.domain.owner import new_secret
from core.domain.webhook_url import CallbackRules
from core.queues.sqs import SqsQueue
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.connections import DynamoConnectionRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from core.runtime import aws_lambda
from core.runtime.callback_settings import http_setting, ports_setting
from core.runtime.settings import read_settings, required, setting
from notifier.delivery import Deliverer
from notifier.handler import Notifier
from notifier.http.client import WebhookClient
from notifier.subscription_publisher import SubscriptionPublisher

if TYPE_CHECKING:
    from collections.abc import Mapping

# An attempt's lease outlives the attempt: the rest is for the calls before and after it.
_LEASE_MARGIN: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the notifier is to run."""

    table: str = required("Name of the DynamoDB table.")
    hints_url: str = required("URL of the SQS queue of hints.")
    aside_url: str = required("URL of the SQS queue of stream records that can't be handled.")
    connections_table: str = setting(
        "", "Name of the DynamoDB table of connections, if there are subscriptions."
    )
    api_function: str = setting("", "Name of the API's function, which tells subscriptions.")
    webhook_timeout: float = setting(
        20,
        "Seconds a webhook may take in all, from name look-up to answer.",
        minimum=0.1,
        maximum=45,
    )
    private_callbacks: bool = setting(False, "Whether webhooks may go to private networks.")
    http_callbacks: bool = http_setting()
    callback_ports: tuple[int, ...] = ports_setting()
    log_level: str = setting(
        "info", "Least severity logged.", choices=("debug", "info", "warning", "error")
    )


@cache
def notifier() -> Notifier:
    """Put the notifier together, once for each container."""
    settings = read_settings(Settings, os.environ, aws_lambda.PREFIX)
    table = Table(aws_lambda.client("dynamodb"), settings.table)
    deliveries = DynamoDeliveryRepository(table)
    rules = CallbackRules.from_settings(settings)
    deliverer = Deliverer(
        deliveries,
        DynamoOwnerRepository(table, new_secret),
        WebhookClient(deadline=settings.webhook_timeout, rules=rules),
        utc_now,
        random.SystemRandom(),
        lease_for=timedelta(seconds=settings.webhook_timeout) + _LEASE_MARGIN,
        metrics=aws_lambda.metrics,
    )
    sqs = aws_lambda.client("sqs")
    return Notifier(
        DynamoBlobRepository(table),
        deliveries,
        deliverer,
        SqsQueue(sqs, settings.hints_url),
        utc_now,
        SqsQueue(sqs, settings.aside_url),
        publisher(settings),
    )


def publisher(settings: Settings) -> SubscriptionPublisher | None:
    """Put together what has subscriptions told; None where there are none."""
    if not settings.connections_table:
        return None
    from botocore.config import Config  # with the clients  # noqa: PLC0415

    # Webhooks wait for no answer of these.
    impatient = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})

    @cache
    def functions() -> Any:  # for the few changes that somebody listens to
        return aws_lambda.client("lambda", impatient)

    def tell(notice: Mapping[str, Any]) -> None:
        functions().invoke(
            FunctionName=settings.api_function,
            InvocationType="Event",
            Payload=json.dumps(notice).encode(),
        )

    table = Table(aws_lambda.client("dynamodb", impatient), settings.connections_table)
    return SubscriptionPublisher(DynamoConnectionRepository(table), tell, aws_lambda.metrics)


@aws_lambda.entry
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Take in stream records, hints, or the schedule."""
    return notifier().handle(event)
