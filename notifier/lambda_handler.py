"""The notifier on AWS Lambda: handles the table's stream, delivery jobs from SQS and the sweep."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.backends.encryption import read_keys
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
from core.runtime.encryption_settings import keys_setting
from core.runtime.settings import read_settings, required, setting
from core.runtime.trace_settings import endpoint_setting, webhook_setting
from notifier.attempt_trace import trace_attempts
from notifier.delivery import Deliverer
from notifier.handler import Notifier
from notifier.http.client import WebhookClient, trusting
from notifier.subscription_publisher import SubscriptionPublisher

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

# A lease outlasts its attempt by this, which leaves time for the calls before and after it.
_LEASE_MARGIN: Final = timedelta(seconds=10)
# Certificates of further authorities, from `scripts/package --authority FILE`.
AUTHORITY: Final = Path(__file__).resolve().parents[1] / "authority.pem"


@dataclass(frozen=True, slots=True)
class Settings:
    """The notifier's settings."""

    table: str = required("Name of the DynamoDB table.")
    hints_url: str = required("URL of the SQS queue of delivery jobs.")
    aside_url: str = required("URL of the SQS queue of stream records in quarantine.")
    connections_table: str = setting(
        "", "Name of the DynamoDB table of WebSocket connections; empty without subscriptions."
    )
    api_function: str = setting("", "Name of the API's function, which sends to subscriptions.")
    webhook_timeout: float = setting(
        20,
        "Seconds a webhook may take in total, from DNS lookup to response.",
        minimum=0.1,
        maximum=45,
    )
    private_callbacks: bool = setting(False, "Whether webhooks may go to private networks.")
    http_callbacks: bool = http_setting()
    callback_ports: tuple[int, ...] = ports_setting()
    encryption_keys: tuple[str, ...] = keys_setting()
    otlp_endpoint: str = endpoint_setting()
    webhook_traceparent: bool = webhook_setting()
    log_level: str = setting(
        "info", "Lowest severity that is logged.", choices=("debug", "info", "warning", "error")
    )


@cache
def build_notifier() -> Notifier:
    """Build the notifier, once per container."""
    settings = read_settings(Settings, os.environ, aws_lambda.PREFIX)
    table = Table(aws_lambda.client("dynamodb"), settings.table)
    blobs = DynamoBlobRepository(table)
    deliveries = DynamoDeliveryRepository(table)
    rules = CallbackRules.from_settings(settings)
    deliverer = Deliverer(
        deliveries,
        DynamoOwnerRepository(table, new_secret, read_keys(settings.encryption_keys)),
        WebhookClient(deadline=settings.webhook_timeout, rules=rules, tls=tls_settings(AUTHORITY)),
        utc_now,
        random.SystemRandom(),
        lease_duration=timedelta(seconds=settings.webhook_timeout) + _LEASE_MARGIN,
        metrics=aws_lambda.metrics,
        trace=trace_attempts(
            aws_lambda.tracer(settings.otlp_endpoint),
            blobs,
            send_context=settings.webhook_traceparent,
        ),
    )
    sqs = aws_lambda.client("sqs")
    return Notifier(
        blobs,
        deliveries,
        deliverer,
        SqsQueue(sqs, settings.hints_url),
        utc_now,
        SqsQueue(sqs, settings.aside_url),
        build_publisher(settings),
    )


def tls_settings(authority: Path) -> ssl.SSLContext:
    """Return the TLS settings of webhooks, which trust the authorities of a file, if it is there.

    Raises OSError (or its ssl.SSLError) where it can't be read.
    """
    return trusting(str(authority) if authority.is_file() else None)


def build_publisher(settings: Settings) -> SubscriptionPublisher | None:
    """Build the publisher, or return None without subscriptions."""
    if not settings.connections_table:
        return None
    from botocore.config import Config  # slow to load, as boto3 is  # noqa: PLC0415

    # Short timeouts, because webhooks must not wait for subscriptions.
    impatient = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})

    @cache
    def functions() -> Any:  # made at the first change that has subscribers
        return aws_lambda.client("lambda", impatient)

    def send(event: Mapping[str, Any]) -> None:
        functions().invoke(
            FunctionName=settings.api_function,
            InvocationType="Event",
            Payload=json.dumps(event).encode(),
        )

    table = Table(aws_lambda.client("dynamodb", impatient), settings.connections_table)
    return SubscriptionPublisher(DynamoConnectionRepository(table), send, aws_lambda.metrics)


@aws_lambda.entry
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle stream records, delivery jobs or the schedule."""
    return build_notifier().handle(event)
