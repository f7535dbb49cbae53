"""`/admin/openapi.json`: the OpenAPI document of the operator's routes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from api.rest import schemas as problems
from api.rest.openapi import KEY, KEYED, SECURITY, problem_schemas, responses
from core.domain.delivery import DeliveryState
from embedded.http import admin_schemas as bodies

if TYPE_CHECKING:
    from pydantic import BaseModel

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
MAX_SKIP: Final = 100_000
QUEUES: Final = ("uploads", "hints", "changes")
_REF: Final = "#/components/schemas/{model}"
_DESCRIPTION: Final = (
    "What the operator of a service sees and changes, as the page `/admin` does. Each operation "
    "needs the scope `operator`. Later versions may add members. The routes for owners are in "
    "`/openapi.json`."
)
_NOT_FOUND: Final = {
    "description": "What is to be changed does not exist.",
    "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation. `query` are its parameters that are not in the path."""

    method: str
    path: str
    id: str
    summary: str
    description: str
    body: type[BaseModel]
    query: tuple[dict[str, Any], ...] = ()


def _parameter(name: str, place: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": place == "path" or "default" not in schema,
        "description": description,
        "schema": schema,
    }


_PATH: Final = {
    "queue": _parameter("queue", "path", "The queue.", type="string", enum=list(QUEUES)),
    "letter_id": _parameter("letter_id", "path", "Id of the dead letter.", type="string"),
    "state": _parameter(
        "state", "path", "State of the webhooks.", type="string", enum=list(map(str, DeliveryState))
    ),
    "delivery_id": _parameter("delivery_id", "path", "Id of the webhook.", type="string"),
    "key_id": _parameter("key_id", "path", "Id of the API key.", type="string"),
}
_PAGE: Final = (
    _parameter(
        *("limit", "query", "The most items of the page."),
        type="integer",
        minimum=1,
        maximum=MAX_LIMIT,
        default=DEFAULT_LIMIT,
    ),
    _parameter(
        *("skip", "query", "Items before the page."),
        type="integer",
        minimum=0,
        maximum=MAX_SKIP,
        default=0,
    ),
)
_ENDPOINT: Final = (
    _parameter("owner", "query", "The endpoint's owner.", type="string"),
    _parameter("url", "query", "The endpoint; its query does not count.", type="string"),
)
_LETTERS: Final = "/admin/dead-letters/{queue}"
OPERATIONS: Final = (
    Operation(
        *("get", "/admin/status", "getStatus", "Get what the service holds and runs"),
        "Versions, processes, counts, limits, queues, webhooks, disk and backups, as "
        "`labelling status --json` prints them.",
        bodies.Status,
    ),
    Operation(
        *("get", "/admin/findings", "getFindings", "Run the checks of labelling doctor"),
        "Reads the whole database: ask for it when you need it.",
        bodies.Findings,
    ),
    Operation(
        *("get", "/admin/owners", "listOwners", "List owners and what they use"),
        "Those with the most blobs come first.",
        bodies.Owners,
        _PAGE,
    ),
    Operation(
        *("get", "/admin/keys", "listKeys", "List API keys"),
        "Oldest first; never a key or its hash.",
        bodies.Keys,
        _PAGE,
    ),
    Operation(
        *("get", "/admin/endpoints", "listEndpoints", "List endpoints of webhooks"),
        "Disabled endpoints, then those with pending webhooks.",
        bodies.Endpoints,
        _PAGE,
    ),
    Operation(
        *("get", "/admin/deliveries/{state}", "listDeliveries", "List webhooks of a state"),
        "Pending ones as they are due; of others the last to end comes first.",
        bodies.DeliveryPage,
        _PAGE,
    ),
    Operation(
        *("get", _LETTERS, "listDeadLetters", "List dead letters of a queue"),
        "Messages that failed too often, oldest first, with the reason.",
        bodies.DeadLetters,
        _PAGE,
    ),
    Operation(
        *("post", f"{_LETTERS}/retry", "retryDeadLetters", "Retry all dead letters of a queue"),
        "Sends them back to the queue.",
        bodies.Retried,
    ),
    Operation(
        *("post", _LETTERS + "/{letter_id}/retry", "retryDeadLetter", "Retry one dead letter"),
        "Sends it back to its queue.",
        bodies.Retried,
    ),
    Operation(
        "post",
        _LETTERS + "/{letter_id}/discard",
        "discardDeadLetter",
        "Discard one dead letter",
        "Deletes it for good.",
        bodies.Discarded,
    ),
    Operation(
        *("post", "/admin/deliveries/{delivery_id}/redeliver", "redeliver", "Send a webhook again"),
        "One that is on its way already is not sent twice.",
        bodies.Sent,
    ),
    Operation(
        *("post", "/admin/keys/{key_id}/revoke", "revokeKey", "Revoke an API key"),
        "The service forgets it within a second.",
        bodies.Revoked,
    ),
    Operation(
        *("post", "/admin/endpoints/enable", "enableEndpoint", "Enable an endpoint"),
        "Sends webhooks to it again.",
        bodies.Enabled,
        _ENDPOINT,
    ),
)


@cache
def admin_document(server: str) -> dict[str, Any]:
    """Return the document; `server` is the public URL, or `/`."""
    _, found = models_json_schema(
        [(each.body, "serialization") for each in OPERATIONS], ref_template=_REF
    )
    paths: dict[str, Any] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method] = _described(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Image labelling: operator", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted((found["$defs"] | problem_schemas()).items())),
            "securitySchemes": {"key": KEY},
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    parameters = [spec for name, spec in _PATH.items() if f"{{{name}}}" in operation.path]
    parameters += operation.query
    kinds = (*KEYED, problems.InvalidInput) if parameters else KEYED
    answers: dict[int | str, Any] = responses(*kinds)
    if operation.method == "post" and operation.id != "retryDeadLetters":
        answers[404] = _NOT_FOUND
    ref = {"$ref": _REF.format(model=operation.body.__name__)}
    done = {
        "description": (operation.body.__doc__ or "").partition("\n")[0],
        "content": {"application/json": {"schema": ref}},
    }
    return {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.description,
        "tags": ["operator"],
        "parameters": parameters,
        "responses": {str(status): body for status, body in sorted({200: done, **answers}.items())},
        **SECURITY,
    }
