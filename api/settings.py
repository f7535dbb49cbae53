"""Settings of the API on AWS Lambda. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from api.auth.settings import TokenSettings
from api.graphql.http.app import OPERATION_SECONDS
from core.runtime.callback_settings import http_setting, ports_setting
from core.runtime.encryption_settings import keys_setting
from core.runtime.settings import required, setting
from core.runtime.trace_settings import endpoint_setting


@dataclass(frozen=True)
class Settings(TokenSettings):
    """Settings of the function api."""

    table: str = required("Name of the DynamoDB table.")
    bucket: str = required("Name of the S3 bucket of images.")
    hints_url: str = required("URL of the SQS queue of delivery jobs.")
    uploads_url: str = required("URL of the SQS queue of upload events.")
    max_upload_bytes: int = setting(50_000_000, "Maximum size of an image, in bytes.", minimum=1)
    require_size_bytes: bool = setting(
        False,
        "Whether createUpload requires sizeBytes, so that S3 accepts no other number of bytes.",
    )
    uploads_per_minute: int = setting(
        6000, "Maximum uploads per owner and minute; 0: no limit.", minimum=0
    )
    open_uploads: int = setting(
        10_000, "Maximum uploads of an owner that await their labels; 0: no limit.", minimum=0
    )
    requests_per_second: int = setting(
        200,
        "Requests that a key may send in a second to one container, and ten times as many after a "
        "pause; 0: no limit.",
        minimum=0,
    )
    failed_keys_per_minute: int = setting(
        60,
        "Requests without a valid key that an address may send in a minute to one container; "
        "0: no limit.",
        minimum=0,
    )
    operation_timeout: float = setting(
        OPERATION_SECONDS,
        "Maximum duration of a GraphQL operation in seconds: less than the function's timeout.",
        minimum=0.1,
    )
    max_cost: int = setting(
        30_000, "Maximum cost of a GraphQL operation: the values in its response.", minimum=1
    )
    introspection: bool = setting(
        True, "Whether clients may query the GraphQL schema (introspection)."
    )
    field_suggestions: bool = setting(True, "Whether errors suggest similar names of the schema.")
    automatic_persisted_queries: bool = setting(
        True, "Whether a request may name a document by its SHA-256."
    )
    allowed_documents: Path | None = setting(  # noqa: RUF009
        None, "JSON file, in a layer, of documents by SHA-256. No other document is executed."
    )
    cors_origins: tuple[str, ...] = setting(
        ("*",), "Origins whose pages may open WebSockets, comma-separated; * for any."
    )
    connections_table: str = setting("", "Name of the DynamoDB table of WebSocket connections.")
    websocket_url: str = setting("", "URL of the WebSocket API.")
    private_callbacks: bool = setting(False, "Whether webhooks may be sent to private networks.")
    http_callbacks: bool = http_setting()
    callback_ports: tuple[int, ...] = ports_setting()
    encryption_keys: tuple[str, ...] = keys_setting()
    otlp_endpoint: str = endpoint_setting()
    log_level: str = setting(
        "info", "Minimum severity of logged lines.", choices=("debug", "info", "warning", "error")
    )
