"""Operations over a WebSocket: any kind of them, each answered with messages of the protocol."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from graphql import OperationType
from strawberry.http import process_result
from strawberry.types.execution import PreExecutionError

from api.errors import RequestError, refusal, timeout_error
from api.graphql.schema import schema
from api.websocket import protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from strawberry.types import ExecutionResult

    from api.graphql.context import Context

log = logging.getLogger(__name__)


async def answers(
    context: Context, asked: protocol.Subscribe, seconds: float
) -> AsyncGenerator[str, None]:
    """Execute an operation; give the messages that answer it, up to `complete` or `error`.

    A query or mutation may take `seconds`; a subscription lasts as long as what it listens to.
    """
    try:
        text = context.documents.text(asked.query, asked.extensions)
        stream = await schema.stream(
            text,
            variable_values=dict(asked.variables or {}),
            context_value=context,
            operation_name=asked.operation_name,
        )
        kind = context.documents.kind(text, asked.operation_name)
        limit = None if kind is OperationType.SUBSCRIPTION else seconds
        async with aclosing(stream):
            while True:
                async with asyncio.timeout(limit):
                    result = await anext(stream, None)
                if result is None:
                    break
                if isinstance(result, PreExecutionError):
                    shown = [each.formatted for each in result.errors or ()]
                    yield protocol.error(asked.id, shown)
                    return
                yield protocol.next_(asked.id, process_result(cast("ExecutionResult", result)))
    except TimeoutError:
        log.warning("operation took too long")
        yield _refused(asked, timeout_error(seconds, context.request_id))
    except Exception as trouble:  # the last to see it
        if not isinstance(trouble, RequestError):
            log.exception("operation failed")
        yield _refused(asked, trouble, context.request_id)
    else:
        yield protocol.complete(asked.id)


def _refused(asked: protocol.Subscribe, trouble: Exception, request_id: str | None = None) -> str:
    return protocol.error(asked.id, refusal(trouble, request_id)[2]["errors"])
