"""`/healthz` and `/readyz`: whether the process runs, and whether it can serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def health_routes(readiness: Callable[[], Mapping[str, str | None]]) -> APIRouter:
    """Return `GET /healthz` and `GET /readyz`, which answer HEAD too.

    `readiness` returns each check's error by the check's name; None where the check passes.
    """
    router = APIRouter()

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False)
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
