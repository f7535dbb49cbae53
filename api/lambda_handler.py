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
from api.rest.problems import PROBLEM_JSON, problem
from core.events.subscription_event import is_subscription_event
from core.runtime import aws_lambda

if TYPE_CHECKING:
    from api.bootstrap import Container

gc.freeze()
gc.enable()


@cache
def container() -> Container:
    """Return what the invocations of a container share."""
    from api.bootstrap import build_container  # for the first invocation  # noqa: PLC0415

    return build_container()


@aws_lambda.entry
def handler(event: dict[str, Any], context: Any) -> Any:
    """Answer a request or a WebSocket message, publish changes, or, by schedule, delete blobs."""
    if event.get("source") == "aws.events":
        return container().delete_due(context.get_remaining_time_in_millis() / 1000)
    if is_subscription_event(event):
        return container().gateway_handler.publish(event, context.aws_request_id)
    if "connectionId" in event["requestContext"]:
        return container().gateway_handler.handle(event, context.aws_request_id)
    if body_bytes(event) > MAX_REQUEST:
        return too_large(event["rawPath"])
    return container().http_handler(event, context)


def too_large(path: str) -> dict[str, Any]:
    """Return the response to a request at `path` whose body is too large."""
    message = f"A request's body is at most {MAX_REQUEST} bytes."
    if path == "/graphql":
        kind, body = "application/json; charset=utf-8", error_body(message, Code.TOO_LARGE)
    else:
        kind, body = PROBLEM_JSON, problem(Code.TOO_LARGE, message)
    return {"statusCode": 413, "headers": {"content-type": kind}, "body": json.dumps(body)}


def body_bytes(event: dict[str, Any]) -> int:
    """Return the length of a request's body; a lower bound where its base64 is malformed."""
    body: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        return len(body) // 4 * 3 - body[-2:].count("=")
    return len(body.encode(errors="surrogatepass"))
