"""Callback URLs: a strict parser, and the rules where webhooks may go. Pure.

The API, which checks URLs, and the notifier, which sends to them, use the same parser: an attacker
could exploit two parsers that read one unusual form differently. It accepts the forms of RFC 3986
that all parsers agree on, and refuses what browsers would correct (WHATWG URL).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

from core.domain.errors import CallbackUrlRefused

MAX_URL: Final = 2048
DEFAULT_PORTS: Final = frozenset({80, 443, 8443})

_PORT_OF: Final = {"http": 80, "https": 443}
_HIGHEST_PORT: Final = 65_535
_MAX_NAME: Final = 253
_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY: Final = re.compile(
    r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?", re.IGNORECASE
)
_NAME: Final = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
# A host whose last label is a number is an IPv4 address in some form (WHATWG URL, 3.5).
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that no public host has: RFC 6761, 6762 with its appendix G, 7686, 9476, those that ICANN
# does not delegate, and arpa, which the DNS uses itself, with home.arpa (RFC 8375).
_SPECIAL: Final = re.compile(
    r"(.*\.)?(localhost|local|arpa|invalid|test|onion|alt|internal|corp|home|mail|lan|intranet"
    r"|private|localdomain)"
)


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """The rules where webhooks may go.

    `private` is for a developer's machine or an internal network: it allows every address, every
    port, and plain http. Without it, only public addresses are allowed, on one of `ports`, and only
    by https unless `http` is set.
    """

    private: bool = False
    http: bool = False
    ports: frozenset[int] = DEFAULT_PORTS

    @classmethod
    def from_settings(
        cls, settings: CallbackSettings, *, private_default: bool = False
    ) -> CallbackRules:
        """Return the rules of the settings; `private_default` applies if they set none."""
        private = settings.private_callbacks
        return cls(
            private=private_default if private is None else private,
            http=settings.http_callbacks,
            ports=frozenset(settings.callback_ports),
        )


class CallbackSettings(Protocol):
    """The settings of callback rules; `private_callbacks` is None when it is automatic."""

    @property
    def private_callbacks(self) -> bool | None: ...  # noqa: D102
    @property
    def http_callbacks(self) -> bool: ...  # noqa: D102
    @property
    def callback_ports(self) -> tuple[int, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """A parsed URL: `host` is without brackets, `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORT_OF[self.scheme] else f"{host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Scheme, host, port and path in their normal form, which identify a receiver."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"


def read_callback_url(url: str, rules: CallbackRules) -> CallbackUrl:
    """Parse a URL and check it against the rules.

    A host name may resolve to a private address: the HTTP client checks that when it connects.

    Raises:
        CallbackUrlRefused: the URL is malformed or the rules forbid it; with the remedy.

    """
    if len(url) > MAX_URL:
        raise CallbackUrlRefused(url[:MAX_URL], f"it is longer than {MAX_URL} characters")
    if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        raise CallbackUrlRefused(
            url,
            "it has spaces, backslashes or characters beyond ASCII; percent-encode them in the "
            "path, and write an international name in Punycode",
        )
    parts = _URL.fullmatch(url)
    if parts is None:
        other = " or http://" if rules.private or rules.http else ""
        raise CallbackUrlRefused(url, f"it must start with https://{other}")
    scheme, authority, target = parts[1].lower(), parts[2], parts[3]
    if "@" in authority:
        raise CallbackUrlRefused(url, "it must not hold a user name or password")
    where = _AUTHORITY.fullmatch(authority)
    port = int(where[2] or _PORT_OF[scheme]) if where else 0
    if where is None or port > _HIGHEST_PORT:
        raise CallbackUrlRefused(
            url, "the part between // and the path is not a valid host and port"
        )
    host = _read_host(url, where[1].lower())
    if not rules.private:
        _check_public(url, scheme, host, port, rules)
    return CallbackUrl(scheme, host, port, target if target.startswith("/") else f"/{target}")


def _read_host(url: str, text: str) -> str:
    from ipaddress import IPv4Address, IPv6Address  # noqa: PLC0415  # for a Lambda's cold start

    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        name = text.removesuffix(".")
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            return str(IPv4Address(text))
    except ValueError as exc:
        raise CallbackUrlRefused(
            url, "its host is an IP address in an ambiguous form; write it in plain form"
        ) from exc
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise CallbackUrlRefused(url, "its host is not a valid DNS name")
    return name


def _check_public(url: str, scheme: str, host: str, port: int, rules: CallbackRules) -> None:
    from core.domain.ip_addresses import is_public  # noqa: PLC0415  # for a Lambda's cold start

    literal = ":" in host or host.replace(".", "").isdigit()
    if literal and not is_public(host):
        raise CallbackUrlRefused(url, f"{host} is not a public address")
    if not literal and ("." not in host or _SPECIAL.fullmatch(host)):
        raise CallbackUrlRefused(url, f"{host} is not a name on the public internet")
    if scheme != "https" and not rules.http:
        raise CallbackUrlRefused(url, "it must start with https://")
    if port not in rules.ports:
        known = ", ".join(map(str, sorted(rules.ports)))
        raise CallbackUrlRefused(url, f"its port {port} is not one of {known}")
