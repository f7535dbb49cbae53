"""Addresses of proxies that the service trusts."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from core.runtime.settings import BadSetting

if TYPE_CHECKING:
    from collections.abc import Iterable


class Proxies:
    """A set of addresses: those listed, and this machine's. Raises BadSetting for a bad entry."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._networks = [_network(text) for text in listed]

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if parsed.version == 6 and parsed.ipv4_mapped:  # noqa: PLR2004  # IPv6
            parsed = parsed.ipv4_mapped
        return parsed.is_loopback or any(parsed in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as exc:
        raise BadSetting(
            f"LABELLING_TRUSTED_PROXIES (--trusted-proxies) contains {text!r} ({exc}): give "
            "addresses, or networks such as 10.0.0.0/8."
        ) from exc
