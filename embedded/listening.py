"""The address to listen on, and who can reach it."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from core.domain.errors import LabellingError
from embedded.stores import open_stores

if TYPE_CHECKING:
    from embedded.settings import Settings

MAX_PORT: Final = 65_535
BACKLOG: Final = 2048
# Milliseconds after which the system drops a connection whose peer acknowledges nothing.
UNACKNOWLEDGED_MS: Final = 60_000


class CannotServe(LabellingError):
    """The service can't start with these settings."""


def needs_no_key(settings: Settings) -> bool:
    """Tell whether requests need no API key: only this machine can reach the service."""
    return is_local_only(settings) and not settings.require_keys


def is_local_only(settings: Settings) -> bool:
    """Tell whether only this machine can reach the service, directly or by its public URL."""
    if settings.public_url is None:
        return is_loopback(settings.host)
    return is_loopback(settings.host) and is_loopback(urlsplit(settings.public_url).hostname or "")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a service that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_key(settings: Settings) -> None:
    """Check that an API key exists, as requests need one. Raises CannotServe."""
    stores = open_stores(settings)
    try:
        keys = stores.owners.list_keys()
    finally:
        stores.database.close()
    if not keys:
        reason, otherwise = _why_keys(settings)
        raise CannotServe(
            f"{reason}, and there is no API key yet. "
            f"Create one with 'labelling keys create --owner NAME --data {settings.data}', "
            f"or {otherwise}."
        )


def _why_keys(settings: Settings) -> tuple[str, str]:
    """Return why requests need a key, and how to start the service without one."""
    if is_local_only(settings):
        return "Requests need a key, as --require-keys says", "leave --require-keys out"
    return (
        f"Others can reach the service at {settings.public_url or settings.host}",
        "listen on 127.0.0.1 without a public URL",
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the address. Raises CannotServe."""
    if port > MAX_PORT:
        raise CannotServe(
            f"There is no port {port}. The highest is {MAX_PORT}; choose another with --port."
        )
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as exc:
        raise CannotServe(
            f"Can't listen on {host} port {port}: {exc}. Choose another with --host and --port."
        ) from exc
    # Accepted connections inherit it (Linux, tcp(7)). Without it, one whose peer stops reading
    # would stay open for ever.
    if option := getattr(socket, "TCP_USER_TIMEOUT", None):
        listener.setsockopt(socket.IPPROTO_TCP, option, UNACKNOWLEDGED_MS)
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket, without a slash at its end."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
