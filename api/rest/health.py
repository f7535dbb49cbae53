"""`/healthz` and `/readyz`: whether the process runs, and whether it can serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def health_routes(readiness: Callable[[], Mapping[str, str | None]]) -> APIRouter:
    """Return `GET /healthz` and `GET /readyz`.

    `readiness` returns each check's error by the check's name; None where the check passes.
    """
    router = APIRouter()

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    def ready() -> JSONResponse:
        checks = readiness()
        passed = all(error is None for error in checks.values())
        return JSONResponse(
            {
                "status": "ready" if passed else "not ready",
                "checks": {name: error or "ok" for name, error in checks.items()},
            },
            status_code=200 if passed else 503,
        )

    return router
