"""The API on AWS Lambda, behind an API Gateway HTTP API (payload format 2.0) and a WebSocket API.

A container builds the schema when it starts. The first invocation loads and builds the rest
(docs/decisions/0010).
"""

from __future__ import annotations

import gc

gc.disable()  # while loading: everything that is created now stays

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import api.graphql.schema  # noqa: F401
from api.errors import Code, error_body
from api.limits import MAX_REQUEST
from core.events.subscription_event import is_subscription_event
from core.runtime import aws_lambda

if TYPE_CHECKING:
    from mangum import Mangum

    from api.bootstrap import Wiring
    from api.websocket.gateway_handler import GatewayHandler

gc.freeze()
gc.enable()


@cache
def wiring() -> Wiring:
    """Return the services of the container, built once."""
    from api import bootstrap  # 80 ms, for the first invocation  # noqa: PLC0415

    return bootstrap.build_wiring()


@cache
def http_handler() -> Mangum:
    """Return the handler of HTTP API events."""
    from api import bootstrap  # see above  # noqa: PLC0415

    return bootstrap.build_http_handler(wiring())


@cache
def gateway_handler() -> GatewayHandler:
    """Return the handler of WebSocket API events and subscription events."""
    from api import bootstrap  # see above  # noqa: PLC0415

    return bootstrap.build_gateway_handler(wiring())


@aws_lambda.entry
def handler(event: dict[str, Any], context: Any) -> Any:
    """Answer an HTTP request or a WebSocket message, or publish the changes of a blob."""
    if is_subscription_event(event):
        return gateway_handler().publish(event, context.aws_request_id)
    if "connectionId" in event["requestContext"]:
        return gateway_handler().handle(event, context.aws_request_id)
    if body_bytes(event) > MAX_REQUEST:
        body = error_body(
            f"The request body is longer than {MAX_REQUEST} bytes, which is the limit.",
            Code.TOO_LARGE,
        )
        return {
            "statusCode": 413,
            "headers": {"content-type": "application/json; charset=utf-8"},
            "body": json.dumps(body),
        }
    return http_handler()(event, context)


def body_bytes(event: dict[str, Any]) -> int:
    """Return the length of a request's body; a lower bound where its base64 is malformed."""
    body: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        return len(body) // 4 * 3 - body[-2:].count("=")
    return len(body.encode(errors="surrogatepass"))
