"""`/admin/...`: what the operator sees and changes, as JSON. docs/admin.md describes it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse
from starlette.routing import Route

from api.auth.permissions import require_scopes
from core.domain.clock import utc_now
from core.domain.errors import InvalidValue
from core.domain.scope import Scope
from embedded.admin.console import Console
from embedded.admin.status import Running
from embedded.admin.usage import UsageMeter
from embedded.http.admin_openapi import DEFAULT_LIMIT, MAX_LIMIT, MAX_SKIP, admin_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

    from api.auth.caller import Caller
    from api.services.dependencies import Services
    from core.repositories.ports.audit import AuditAction
    from embedded.limits.thread_pool import ThreadPools
    from embedded.settings import Settings
    from embedded.stores import Stores
    from labeller.detectors.base import Detector

_OPERATOR: Final = frozenset({Scope.OPERATOR})
_HEADERS: Final = {"cache-control": "no-store"}


def build_admin(
    settings: Settings,
    stores: Stores,
    services: Services,
    detector: Detector,
    pools: ThreadPools,
    *,
    readiness: Callable[[], Mapping[str, str | None]],
    processes: Callable[[], Sequence[int]],
) -> Admin:
    """Make the routes of the operator."""

    def audit(caller: Caller, owner: str, action: AuditAction, subject: str) -> None:
        services.audit(replace(caller, owner=owner), action, subject)

    console = Console(
        settings,
        stores,
        utc_now,
        UsageMeter(stores.database, settings.data, utc_now),
        Running(utc_now(), detector, readiness, processes),
        audit,
    )
    return Admin(console, services, pools, settings.public_url)


class Admin:
    """The routes of the operator. Each but that of their document needs the scope OPERATOR."""

    def __init__(
        self, console: Console, services: Services, pools: ThreadPools, public_url: str | None
    ) -> None:
        self._public_url = public_url
        self._console = console
        self._services = services
        self._pools = pools
        self._measuring: asyncio.Future[None] | None = None
        self._diagnosing = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return GET of what there is, and POST of each change."""
        console = self._console
        letter = "/admin/dead-letters/{queue}"
        return [
            Route("/admin/openapi.json", self._document),
            Route("/admin/status", self._status),
            Route("/admin/findings", self._findings),
            self._list("/admin/owners", console.owners),
            self._list("/admin/keys", console.keys),
            self._list("/admin/endpoints", console.endpoints),
            self._list("/admin/deliveries/{state}", console.deliveries),
            self._list(letter, console.dead_letters),
            self._change(f"{letter}/retry", console.retry_letters),
            self._change(f"{letter}/{{letter_id}}/retry", console.retry_letter),
            self._change(f"{letter}/{{letter_id}}/discard", console.discard_letter),
            self._change("/admin/deliveries/{delivery_id}/redeliver", console.redeliver),
            self._change("/admin/keys/{key_id}/revoke", console.revoke_key),
            Route("/admin/endpoints/enable", self._enable_endpoint, methods=["POST"]),
        ]

    async def _document(self, _request: Request) -> JSONResponse:
        document = admin_document(self._public_url or "/")
        return JSONResponse(document, headers={"cache-control": "no-cache"})

    async def _status(self, request: Request) -> JSONResponse:
        await self._caller(request)
        if self._console.usage.is_due():
            self._measuring = self._pools.read(self._console.usage.measure)
        return _json(await self._pools.read(self._console.status))

    async def _findings(self, request: Request) -> JSONResponse:
        await self._caller(request)
        async with self._diagnosing:  # one at a time, since it reads the whole database
            return _json(await self._pools.read(self._console.findings))

    async def _enable_endpoint(self, request: Request) -> JSONResponse:
        caller = await self._caller(request)
        owner, url = (request.query_params.get(name, "") for name in ("owner", "url"))
        return _json(await self._pools.write(self._console.enable_endpoint, caller, owner, url))

    def _list(self, path: str, read: Callable[..., list[dict[str, Any]]]) -> Route:
        async def listed(request: Request) -> JSONResponse:
            await self._caller(request)
            limit = _number(request, "limit", DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
            skip = _number(request, "skip", 0, least=0, most=MAX_SKIP)
            items = await self._pools.read(read, limit + 1, skip, **request.path_params)
            return _json({"items": items[:limit], "has_next": len(items) > limit})

        return Route(path, listed)

    def _change(self, path: str, change: Callable[..., dict[str, Any]]) -> Route:
        async def changed(request: Request) -> JSONResponse:
            caller = await self._caller(request)
            return _json(await self._pools.write(change, caller, **request.path_params))

        return Route(path, changed, methods=["POST"])

    async def _caller(self, request: Request) -> Caller:
        """Return the caller, an operator. Raises RequestError."""
        caller = await self._services.authenticate(request.headers.get("authorization"))
        require_scopes(caller, "The operator's part", _OPERATOR)
        return caller


def _json(content: Mapping[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers=_HEADERS)


def _number(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    """Return a whole number of the query. Raises InvalidValue."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):  # noqa: PLR2004
        raise InvalidValue(name, f"it must be a whole number from {least} to {most}")
    return int(text)
