"""Wiring of the API on AWS Lambda.

Loaded by a container's first invocation (docs/decisions/0010).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Final

from mangum import Mangum

from api.auth.api_keys import authenticate_by_key
from api.auth.oidc import OidcTokens
from api.auth.rate_limits import ClientAddress, RateLimits
from api.graphql.http.app import GraphQLApp
from api.graphql.settings import build_documents
from api.rest.traced import traced
from api.services.deletions import delete_due
from api.services.dependencies import Services
from api.services.deprecated_uses import DeprecatedUses
from api.settings import Settings
from api.websocket.gateway_client import GatewayClient, management_url
from core.backends.encryption import read_keys
from core.domain.clock import utc_now
from core.domain.delivery import delivery_job
from core.domain.errors import Unavailable
from core.domain.owner import new_secret
from core.domain.webhook_url import CallbackRules
from core.events.s3 import relabel_event
from core.queues.sqs import SqsQueue
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.connections import DynamoConnectionRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from core.repositories.dynamodb.uploads import DynamoUploadRepository
from core.repositories.ports.uploads import UploadLimits
from core.runtime import aws_lambda
from core.runtime.metrics import Metric
from core.runtime.settings import read_settings
from core.storage.s3 import S3Storage, client_config

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.graphql.execution.documents import Documents
    from api.websocket.gateway_handler import GatewayHandler
    from core.domain.blob import Blob
    from core.queues.base import Queue


_LAST_DELETION_SECONDS: Final = 5.0  # reserved for the deletions that begin last


class App:
    """All routes of the API as one ASGI application."""

    def __init__(self, services: Services, graphql: GraphQLApp | None = None) -> None:
        self._services = services
        self._graphql = graphql or GraphQLApp(services)

    @cached_property
    def _rest(self) -> ASGIApp:
        # FastAPI takes 200 ms, so only the first request of a REST route loads it.
        from api.rest.app import create_app  # noqa: PLC0415

        return create_app(self._services, graphql=self._graphql)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = self._graphql if scope["path"] == "/graphql" else self._rest
        await app(scope, receive, send)


@dataclass(frozen=True)
class Container:
    """What the invocations of one Lambda container share; each handler is built when first used."""

    settings: Settings
    services: Services
    documents: Documents

    @cached_property
    def http_handler(self) -> Mangum:
        """The handler of HTTP API events."""
        graphql = GraphQLApp(
            self.services,
            self.documents,
            seconds=self.settings.operation_timeout,
            websocket_url=self.settings.websocket_url or None,
        )
        app = traced(App(self.services, graphql), self.services.tracer)
        return as_lambda_handler(ClientAddress(app))

    def delete_due(self, seconds: float) -> None:
        """Delete the blobs whose time has come, in this many seconds.

        Raises Unavailable if some could not be deleted, so that an alarm reports it.
        """
        if failed := delete_due(self.services, seconds - _LAST_DELETION_SECONDS):
            raise Unavailable(f"Failed deletions: {failed}. The log names each.")

    @cached_property
    def gateway_handler(self) -> GatewayHandler:
        """The handler of WebSocket API events and subscription events."""
        # 5 ms that HTTP requests save.
        from api.websocket.gateway_handler import GatewayHandler  # noqa: PLC0415

        url = management_url(self.settings.websocket_url)
        table = Table(aws_lambda.client("dynamodb"), self.settings.connections_table)
        return GatewayHandler(
            self.services,
            self.documents,
            DynamoConnectionRepository(table),
            GatewayClient(aws_lambda.client("apigatewaymanagementapi", endpoint_url=url)),
            origins=self.settings.cors_origins,
            seconds=self.settings.operation_timeout,
        )


def build_container() -> Container:
    """Read the settings and build the services. Raises BadSetting."""
    settings = read_settings(Settings, os.environ, aws_lambda.PREFIX)
    return Container(settings, build_services(settings), build_documents(settings))


def build_services(settings: Settings) -> Services:
    """Build the services over DynamoDB, S3 and SQS."""
    table = Table(aws_lambda.client("dynamodb"), settings.table)
    owners = DynamoOwnerRepository(table, new_secret, read_keys(settings.encryption_keys))
    tokens = OidcTokens(settings) if settings.oidc_issuer else None
    limits = RateLimits(settings.requests_per_second, settings.failed_keys_per_minute)

    @cache
    def queue(url: str) -> Queue:  # built by the few requests that need one
        return SqsQueue(aws_lambda.client("sqs"), url)

    def enqueue_delivery(delivery_id: str) -> None:
        queue(settings.hints_url).send(delivery_job(delivery_id))

    def relabel(blob: Blob) -> None:
        event = relabel_event(blob, settings.bucket, utc_now())
        queue(settings.uploads_url).send(json.dumps(event))

    return Services(
        blobs=DynamoBlobRepository(table),
        uploads=DynamoUploadRepository(
            table, UploadLimits(settings.uploads_per_minute, settings.open_uploads)
        ),
        deliveries=DynamoDeliveryRepository(table),
        owners=owners,
        storage=S3Storage(aws_lambda.client("s3", client_config()), settings.bucket),
        clock=utc_now,
        authenticate=limits.guard(authenticate_by_key(owners, None, tokens=tokens, notes_use=True)),
        max_upload_bytes=settings.max_upload_bytes,
        require_size_bytes=settings.require_size_bytes,
        enqueue_delivery=enqueue_delivery,
        relabel=relabel,
        callback_rules=CallbackRules.from_settings(settings),
        metrics=aws_lambda.metrics,
        tracer=aws_lambda.tracer(settings.otlp_endpoint),
        deprecated_uses=DeprecatedUses(partial(aws_lambda.metrics.count, Metric.DEPRECATED_USES)),
    )


def as_lambda_handler(app: App | ClientAddress) -> Mangum:
    """Wrap an application as a function of (event, context) that handles HTTP API events."""
    return Mangum(app, lifespan="off", text_mime_types=["application/", "text/"])
