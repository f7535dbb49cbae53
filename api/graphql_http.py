"""GraphQL over HTTP on FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from strawberry.fastapi import BaseContext, GraphQLRouter

from api.context import Context
from api.schema import schema

if TYPE_CHECKING:
    from pathlib import Path

    from api.services import Services


class _RouterContext(Context, BaseContext):
    """The context as the router insists on it."""

    def __init__(self, services: Services, owner: str) -> None:
        BaseContext.__init__(self)
        Context.__init__(self, services, owner)


class Router(GraphQLRouter[_RouterContext, None]):
    """Serves the schema; a browser's GET is answered with the page `graphiql`, if there is one."""

    def __init__(
        self, services: Services, graphiql: Path | None, page_headers: dict[str, str]
    ) -> None:
        async def context(request: Request) -> _RouterContext:
            if graphiql and _wants_page(request):
                # The page itself shows nobody's data; it asks with a key of its own.
                return _RouterContext(services, owner="")
            owner = await services.authenticate(request.headers.get("authorization"))
            return _RouterContext(services, owner)

        super().__init__(
            schema,
            path="/graphql",
            context_getter=context,
            graphql_ide="graphiql" if graphiql else None,
            subscription_protocols=(),
        )
        self._graphiql = graphiql
        self._page_headers = page_headers

    async def render_graphql_ide(self, request: Request) -> HTMLResponse:  # noqa: ARG002
        """Serve our own page, which needs no other host."""
        page: Response = FileResponse(str(self._graphiql), headers=self._page_headers)
        return page  # type: ignore[return-value]  # strawberry's type is narrower than its use


def _wants_page(request: Request) -> bool:
    return (
        request.method == "GET"
        and "query" not in request.query_params
        and "text/html" in request.headers.get("accept", "")
    )
