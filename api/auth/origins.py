"""Which pages may use the service from a browser, decided by Origin and Host. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

LOOPBACK: Final = "loopback"
LOOPBACK_ORIGIN: Final = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


def may_use(origin: str | None, host: str, origins: Collection[str]) -> bool:
    """Tell whether a page of `origin` may use the service at `host`.

    `origins` are the allowed ones; "*" stands for any, "loopback" for any of this machine. A
    request without an Origin does not come from a page. A page of the same host is the service's.
    """
    if origin is None or "*" in origins or origin in origins:
        return True
    if LOOPBACK in origins and LOOPBACK_ORIGIN.fullmatch(origin):
        return True
    return origin.partition("://")[2] == host
