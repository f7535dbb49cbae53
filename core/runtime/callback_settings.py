"""Settings that api, notifier and the embedded service share: where webhooks may go."""

from __future__ import annotations

from typing import Any, Final

from core.runtime.settings import setting

_HIGHEST_PORT: Final = 65_535


def http_setting() -> Any:
    """Declare the setting that allows plain http."""
    return setting(False, "Whether webhooks to public addresses may go by plain http.")


def ports_setting() -> Any:
    """Declare the setting of allowed ports."""
    return setting(
        (80, 443, 8443),
        "Ports of public addresses that webhooks may go to, comma-separated.",
        minimum=1,
        maximum=_HIGHEST_PORT,
    )
