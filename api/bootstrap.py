"""What answers HTTP API events on AWS Lambda: GraphQL by Strawberry, the plain routes by FastAPI.

FastAPI takes half as long to load as all the rest, so that only a plain route's first request
loads it (docs/decisions/0010).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mangum import Mangum

from api.auth.api_keys import authenticate_by_key
from api.auth.oidc import OidcTokens
from api.auth.settings import TokenSettings
from api.graphql.http import OPERATION_SECONDS, GraphQLApp
from api.graphql.settings import build_documents
from api.services.dependencies import Services
from core.domain.clock import utc_now
from core.domain.delivery import delivery_job
from core.domain.owner import new_secret
from core.domain.webhook_url import CallbackRules
from core.events.s3 import relabel_event
from core.queues.sqs import SqsQueue
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from core.repositories.dynamodb.uploads import DynamoUploadRepository
from core.repositories.ports.uploads import UploadLimits
from core.runtime import aws_lambda
from core.runtime.callback_settings import http_setting, ports_setting
from core.runtime.settings import read_settings, required, setting
from core.storage.s3 import S3Storage, client_config

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.graphql.documents import Documents
    from api.websocket.gateway_handler import GatewayHandler
    from core.domain.blob import Blob
    from core.queues.base import Queue


@dataclass(frozen=True)
class Settings(TokenSettings):
    """How the API is to run."""

    table: str = required("Name of the DynamoDB table.")
    bucket: str = required("Name of the S3 bucket of pictures.")
    hints_url: str = required("URL of the SQS queue of hints.")
    uploads_url: str = required("URL of the SQS queue of uploads.")
    max_upload_bytes: int = setting(50_000_000, "Largest picture taken, in bytes.", minimum=1)
    uploads_per_minute: int = setting(
        6000, "Uploads that an owner may ask for in a minute; 0 for any number.", minimum=0
    )
    open_uploads: int = setting(
        10_000, "Uploads of an owner that may await their labels; 0 for any number.", minimum=0
    )
    operation_timeout: float = setting(
        OPERATION_SECONDS,
        "Seconds a GraphQL operation may take: less than the function.",
        minimum=0.1,
    )
    max_cost: int = setting(
        30_000, "Most values that the answer to a GraphQL operation may have.", minimum=1
    )
    introspection: bool = setting(True, "Whether clients may ask for the GraphQL schema.")
    field_suggestions: bool = setting(True, "Whether an error suggests known names.")
    automatic_persisted_queries: bool = setting(
        True, "Whether the SHA-256 of a document will do for its text."
    )
    allowed_documents: Path | None = setting(  # noqa: RUF009
        None, "JSON file, in a layer, of documents by their SHA-256: no other is executed."
    )
    cors_origins: tuple[str, ...] = setting(
        ("*",), "Origins whose pages may open WebSockets, comma-separated; * for any at all."
    )
    connections_table: str = setting("", "Name of the DynamoDB table of WebSocket connections.")
    websocket_url: str = setting("", "URL of the WebSocket API.")
    private_callbacks: bool = setting(False, "Whether webhooks may go to private networks.")
    http_callbacks: bool = http_setting()
    callback_ports: tuple[int, ...] = ports_setting()
    log_level: str = setting(
        "info", "Least severity logged.", choices=("debug", "info", "warning", "error")
    )


class App:
    """All routes of the API as one ASGI application."""

    def __init__(self, services: Services, graphql: GraphQLApp | None = None) -> None:
        self._graphql = graphql or GraphQLApp(services)

        @cache
        def plain_routes() -> ASGIApp:
            from api.rest.app import create_app  # see above  # noqa: PLC0415

            return create_app(services, graphql=self._graphql)

        self._plain_routes = plain_routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = self._graphql if scope["path"] == "/graphql" else self._plain_routes()
        await answer(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the handlers of HTTP and of WebSocket events share in a container."""

    settings: Settings
    services: Services
    documents: Documents


def build_wiring() -> Wiring:
    """Read the settings and build the services. Raises BadSetting."""
    settings = read_settings(Settings, os.environ, aws_lambda.PREFIX)
    return Wiring(settings, build_services(settings), build_documents(settings))


def build_services(settings: Settings) -> Services:
    """Build the services over DynamoDB, S3 and SQS."""
    table = Table(aws_lambda.client("dynamodb"), settings.table)
    owners = DynamoOwnerRepository(table, new_secret)

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
        authenticate=authenticate_by_key(
            owners, None, tokens=OidcTokens(settings) if settings.oidc_issuer else None
        ),
        max_upload_bytes=settings.max_upload_bytes,
        enqueue_delivery=enqueue_delivery,
        relabel=relabel,
        callback_rules=CallbackRules.from_settings(settings),
        metrics=aws_lambda.metrics,
    )


def build_http_handler(wiring: Wiring) -> Mangum:
    """Build the handler of HTTP API events."""
    graphql = GraphQLApp(
        wiring.services,
        wiring.documents,
        seconds=wiring.settings.operation_timeout,
        websocket_url=wiring.settings.websocket_url or None,
    )
    return as_lambda_handler(App(wiring.services, graphql))


def as_lambda_handler(app: App) -> Mangum:
    """Wrap an application as a function of (event, context) that handles HTTP API events."""
    return Mangum(app, lifespan="off", text_mime_types=["application/", "text/"])


def build_gateway_handler(wiring: Wiring) -> GatewayHandler:
    """Build the handler of WebSocket API events and subscription events."""
    from api.websocket.gateway_client import GatewayClient, management_url  # noqa: PLC0415
    from api.websocket.gateway_handler import GatewayHandler  # noqa: PLC0415
    from core.repositories.dynamodb.connections import (  # noqa: PLC0415
        DynamoConnectionRepository,
    )

    settings = wiring.settings
    url = management_url(settings.websocket_url)
    return GatewayHandler(
        wiring.services,
        wiring.documents,
        DynamoConnectionRepository(
            Table(aws_lambda.client("dynamodb"), settings.connections_table)
        ),
        GatewayClient(aws_lambda.client("apigatewaymanagementapi", endpoint_url=url)),
        origins=settings.cors_origins,
        seconds=settings.operation_timeout,
    )
