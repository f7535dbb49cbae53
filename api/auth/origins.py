"""Which pages may use the service from a browser, decided by Origin and Host. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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


def is_own_page(method: str | None, headers: Mapping[str, str], public_origin: str | None) -> bool:
    """Tell whether a request with a cookie comes from a page of this service's own origin.

    `method` is None for a WebSocket. Names of headers are in lower case. `public_origin` is that of
    the public URL, if there is one. Browsers add these headers and let no page change them.
    "OWASP Cross-Site Request Forgery Prevention Cheat Sheet", Fetch Metadata headers.
    """
    is_safe = method in ("GET", "HEAD")
    if (site := headers.get("sec-fetch-site")) is not None:
        # `none`: a person typed the address or used a bookmark.
        return site == "same-origin" or (site == "none" and is_safe)
    # Browsers without Fetch Metadata, and all on plain HTTP except on this machine.
    if (origin := headers.get("origin")) is None:
        return is_safe
    if origin == public_origin:
        return True
    place = origin.partition("://")[2]
    # At the public host only the public scheme will do.
    is_public = public_origin is not None and place == public_origin.partition("://")[2]
    return place == headers.get("host") and not is_public
