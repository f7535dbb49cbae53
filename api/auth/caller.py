"""The caller of a request, and the function that authenticates one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain.scope import ALL_SCOPES, Scope

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated client: the owner it acts for, and its scopes.

    `name` tells the audit log by what it was authenticated: `key:<id>`, `token` or `keyless`.
    `expires_at` is when its access ends; None means never.
    """

    owner: str
    scopes: frozenset[Scope] = ALL_SCOPES
    expires_at: datetime | None = None
    name: str = "keyless"


# From the value of the Authorization header to its caller. Raises Unauthenticated or Unavailable.
Authenticate = Callable[[str | None], Awaitable[Caller]]
