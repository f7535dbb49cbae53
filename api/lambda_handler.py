"""The API on AWS Lambda, behind an API Gateway HTTP API (payload format 2.0) and a WebSocket API.

A container builds the schema as it starts; what only a request needs is loaded by the first one
(docs/decisions/0010).
"""

from __future__ import annotations

import gc

gc.disable()  # while loading, as all that is made now is there to stay

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
    from api.websocket.gateway_handler import Sockets

gc.freeze()
gc.enable()


@cache
def wiring() -> Wiring:
    """Put together what the API stands on, once for each container."""
    from api.bootstrap import wiring as made  # noqa: PLC0415

    return made()


@cache
def answerer() -> Mangum:
    """Make what answers requests to the HTTP API."""
    from api.bootstrap import answerer as made  # noqa: PLC0415

    return made(wiring())


@cache
def sockets() -> Sockets:
    """Make what answers to WebSocket clients."""
    from api.websocket.gateway_handler import sockets as made  # noqa: PLC0415

    return made(wiring())


@aws_lambda.entry
def handler(event: dict[str, Any], context: Any) -> Any:
    """Answer a request or what a WebSocket tells, or follow a notice of the notifier's."""
    if is_subscription_event(event):
        return sockets().follow(event, context.aws_request_id)
    if "connectionId" in event["requestContext"]:
        return sockets().answer(event, context.aws_request_id)
    if body_bytes(event) > MAX_REQUEST:
        refused = error_body(f"A request's body is at most {MAX_REQUEST} bytes.", Code.TOO_LARGE)
        return {
            "statusCode": 413,
            "headers": {"content-type": "application/json; charset=utf-8"},
            "body": json.dumps(refused),
        }
    return answerer()(event, context)


def body_bytes(event: dict[str, Any]) -> int:
    """Return how long a request's body is, at the least."""
    body: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        return len(body) // 4 * 3 - body[-2:].count("=")
    return len(body.encode(errors="surrogatepass"))
