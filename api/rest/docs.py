"""`/openapi.json` and `/docs`: the description of the REST routes, for programs and people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from api.rest.docs_page import HEADERS, docs_page
from api.rest.openapi import document_of

if TYPE_CHECKING:
    from fastapi import FastAPI


def docs_routes(app: FastAPI) -> APIRouter:
    """Return `GET /openapi.json` and `GET /docs` of an application."""
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    def openapi() -> JSONResponse:
        return JSONResponse(document_of(app), headers={"cache-control": "no-cache"})

    @router.get("/docs")
    def page() -> HTMLResponse:
        return HTMLResponse(docs_page(document_of(app)), headers=HEADERS)

    return router
