"""`/healthz` and `/readyz`: whether the process runs, and whether it can serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Response

from api.rest.schemas import Health, Readiness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def health_routes(readiness: Callable[[], Mapping[str, str | None]]) -> APIRouter:
    """Return `GET /healthz` and `GET /readyz`, which answer HEAD too.

    `readiness` returns each check's error by the check's name; None where the check passes.
    """
    router = APIRouter(tags=["health"])

    @router.head("/healthz", include_in_schema=False)
    @router.get(
        "/healthz",
        operation_id="getHealth",
        summary="Tell whether the process runs",
        response_description="It runs.",
    )
    async def health() -> Health:
        """Answer as long as the process runs. Needs no key."""
        return Health(status="ok")

    @router.head("/readyz", include_in_schema=False)
    @router.get(
        "/readyz",
        operation_id="getReadiness",
        summary="Tell whether the service can serve",
        response_description="Every check passes.",
        responses={503: {"model": Readiness, "description": "A check fails."}},
    )
    def ready(response: Response) -> Readiness:
        """Run the checks. Needs no key."""
        checks = readiness()
        passed = all(error is None for error in checks.values())
        response.status_code = 200 if passed else 503
        return Readiness(
            status="ready" if passed else "not ready",
            checks={name: error or "ok" for name, error in checks.items()},
        )

    return router
