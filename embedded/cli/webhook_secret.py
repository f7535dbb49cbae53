"""`labelling webhook-secret`: the secrets that sign webhooks with HMAC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.domain.clock import to_text, utc_now
from core.domain.owner import new_secret, with_new_secret
from core.repositories.ports.audit import AuditAction
from core.repositories.ports.owners import update_owner
from embedded.cli.audit import record_command
from embedded.cli.shared.owner_option import check_owner_exists, new_owner_option, owner_option
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_owners, table_option

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.owner import Owner
    from core.repositories.ports.owners import OwnerRepository
    from embedded.settings import Settings


@click.command()
@owner_option
@click.option("--rotate", is_flag=True, help="Create a new secret first.")
@new_owner_option
@settings_options("data", "encryption_key_file")
@table_option
def webhook_secret(
    settings: Settings, table: str | None, owner: str, *, rotate: bool, new_owner: bool
) -> None:
    """Print the secrets that sign webhooks.

    The newest secret comes first. A secret that was replaced signs for another 24 hours. An owner
    without a secret gets one.
    """
    check_owner_exists(settings, table, owner, new=new_owner)
    now = utc_now()
    with opened_owners(settings, table) as owners:
        found = owners.find_owner(owner)
    is_new = found is None
    if found is None or rotate:
        with opened_owners(settings, table, encrypts=True) as owners:
            found = _changed(owners, owner, now) if rotate else owners.get_or_create(owner)
    if is_new:
        record_command(settings, table, AuditAction.WEBHOOK_SECRET_CREATED, owner, owner)
    if rotate:
        record_command(settings, table, AuditAction.WEBHOOK_SECRET_ROTATED, owner, owner)
    secrets = found.secrets_at(now)
    for each in secrets:  # nothing else on standard output: --secret $(labelling webhook-secret)
        click.echo(each)
    expiry = {each.value: each.expires_at for each in found.webhook_secrets}
    for number, each in enumerate(secrets, 1):
        if expires_at := expiry[each]:
            until = to_text(expires_at)
            click.echo(f"{number} of {len(secrets)} signs until {until}", err=True)


def _changed(owners: OwnerRepository, owner: str, now: datetime) -> Owner:
    """Give an owner a new secret; return the owner."""
    secret = new_secret()
    return update_owner(owners, owner, lambda known: with_new_secret(known, secret, now))
