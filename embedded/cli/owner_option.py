"""The option that names an owner."""

from __future__ import annotations

from typing import Final

import click

from core.domain.errors import InvalidValue
from core.domain.owner import MAX_OWNER, is_owner_name

owner_option: Final = click.option(
    "--owner", default="local", show_default=True, metavar="NAME", help="The owner."
)


def check_owner(name: str) -> None:
    """Check that a text can name an owner. Raises InvalidValue."""
    if not is_owner_name(name):
        raise InvalidValue("--owner", f"must be 1 to {MAX_OWNER} bytes without '/'")
