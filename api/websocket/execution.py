"""Operations over a WebSocket, of any type, answered with messages of the protocol."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from graphql import OperationType
from strawberry.http import process_result
from strawberry.types.execution import PreExecutionError

from api.errors import RequestError, timeout_error
from api.graphql.execution.response_size import is_too_large, too_large
from api.graphql.schema import schema
from api.websocket import protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from strawberry.types import ExecutionResult

    from api.graphql.context import Context

log = logging.getLogger(__name__)


async def messages_of(
    context: Context, request: protocol.Subscribe, seconds: float
) -> AsyncGenerator[str, None]:
    """Execute an operation and yield its messages; the last one is `complete` or `error`.

    A query or mutation may take `seconds`. A subscription has no time limit.
    """
    try:
        text = context.documents.text(request.query, request.extensions)
        stream = await schema.stream(
            text,
            variable_values=dict(request.variables or {}),
            context_value=context,
            operation_name=request.operation_name,
        )
        kind = context.documents.kind(text, request.operation_name)
        limit = None if kind is OperationType.SUBSCRIPTION else seconds
        async with aclosing(stream):
            while True:
                async with asyncio.timeout(limit):
                    result = await anext(stream, None)
                if result is None:
                    break
                if isinstance(result, PreExecutionError):
                    errors = [each.formatted for each in result.errors or ()]
                    yield protocol.error(request.id, errors)
                    return
                body = process_result(cast("ExecutionResult", result))
                message = protocol.next_(request.id, body)
                if is_too_large(message):
                    message = protocol.next_(request.id, too_large(body))
                yield message
    except TimeoutError:
        log.warning("operation took too long")
        yield protocol.error_for(request.id, timeout_error(seconds, context.request_id))
    except Exception as error:  # nothing above handles it
        if not isinstance(error, RequestError):
            log.exception("operation failed")
        yield protocol.error_for(request.id, error, context.request_id)
    else:
        yield protocol.complete(request.id)
