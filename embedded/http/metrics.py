"""`GET /metrics`: what is in progress and what was refused, in Prometheus' text format.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request

    from api.auth.caller import Authenticate
    from embedded.concurrency import Concurrency

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def metrics_route(
    concurrency: Concurrency, authenticate: Authenticate, deprecated_uses: Mapping[str, int]
) -> Route:
    """Return `GET /metrics`, which any valid key may read: it shows no owner's data.

    `deprecated_uses` are the uses of deprecated elements of the schema, by element.
    """

    async def metrics(request: Request) -> Response:
        await authenticate(request.headers.get("authorization"))
        lines = [*_lines(concurrency), *_deprecated_lines(deprecated_uses), ""]
        return Response("\n".join(lines), media_type=MEDIA_TYPE)

    return Route("/metrics", metrics, methods=["GET"])


def _lines(concurrency: Concurrency) -> Iterator[str]:
    kinds = (concurrency.connections, concurrency.requests, concurrency.subscriptions)
    yield "# HELP labelling_in_progress Connections, requests and subscriptions in progress."
    yield "# TYPE labelling_in_progress gauge"
    for each in kinds:
        yield f'labelling_in_progress{{kind="{each.kind}"}} {each.total}'
    yield "# HELP labelling_in_progress_limit How many of a kind may be in progress."
    yield "# TYPE labelling_in_progress_limit gauge"
    for each in kinds:
        yield f'labelling_in_progress_limit{{kind="{each.kind}"}} {each.limits.total}'
    yield "# HELP labelling_refused_total What was refused because a limit was met."
    yield "# TYPE labelling_refused_total counter"
    for (kind, limit), count in sorted(concurrency.refusals.counts.items()):
        yield f'labelling_refused_total{{kind="{kind}",limit="{limit}"}} {count}'


def _deprecated_lines(uses: Mapping[str, int]) -> Iterator[str]:
    yield "# HELP labelling_deprecated_uses_total Uses of deprecated elements of the schema."
    yield "# TYPE labelling_deprecated_uses_total counter"
    for element, count in sorted(uses.items()):
        yield f'labelling_deprecated_uses_total{{element="{element}"}} {count}'
