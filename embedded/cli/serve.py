"""`labelling serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embedded.cli.shared.settings_options import settings_options

if TYPE_CHECKING:
    from embedded.settings import Settings


@click.command()
@settings_options()
def serve(settings: Settings) -> int:
    """Run the service until it is stopped."""
    # 1.8 s of CPU that `serve --help` and a wrong flag do without.
    from embedded.serve import serve as run  # noqa: PLC0415

    return run(settings)
