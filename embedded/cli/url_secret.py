"""`labelling url-secret`: the secret that signs upload and download URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.domain.clock import to_text, utc_now
from core.repositories.ports.audit import AuditAction
from embedded.cli.audit import record_command
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_secrets
from embedded.cli.shared.times import parse_future
from embedded.data.url_secrets import UrlSecrets

if TYPE_CHECKING:
    from embedded.settings import Settings


@click.group("url-secret")
def url_secret() -> None:
    """Rotate the secret that signs URLs."""


@url_secret.command()
@click.option(
    "--overlap",
    default="1h",
    show_default=True,
    metavar="TIME",
    help="How long URLs of the old secret still work; 0 ends them now. URLs expire after 30 "
    "minutes at most.",
)
@settings_options("data", "encryption_key_file")
def rotate(settings: Settings, overlap: str) -> None:
    """Sign with a new secret. A running service uses it within a second."""
    now = utc_now()
    until = now if overlap == "0" else parse_future("--overlap", overlap, now)
    with opened_secrets(settings) as stores:
        UrlSecrets(stores.database, stores.secret_keys, utc_now).rotate(until - now)
    record_command(settings, None, AuditAction.URL_SECRET_ROTATED, "-", "url-secret")
    click.echo(f"URLs of the old secret work until {to_text(until)}.", err=True)
