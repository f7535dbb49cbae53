"""`labelling webhook-keys`: the keys that sign webhooks with ed25519."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.domain.clock import to_text, utc_now
from core.domain.owner import with_new_key, without_keys
from core.repositories.ports.audit import AuditAction
from core.repositories.ports.owners import update_owner
from embedded.cli.audit import record_command
from embedded.cli.shared.lists import json_option, print_list
from embedded.cli.shared.owner_option import (
    check_owner,
    check_owner_exists,
    new_owner_option,
    owner_option,
)
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_owners, table_option
from notifier.signing import new_key

if TYPE_CHECKING:
    from embedded.settings import Settings


@click.group()
def webhook_keys() -> None:
    """Create, list and remove keys that sign webhooks."""


@webhook_keys.command("list")
@owner_option
@json_option
@settings_options("data", "encryption_key_file")
@table_option
def list_(settings: Settings, table: str | None, owner: str, *, as_json: bool) -> None:
    """List the public keys that verify an owner's webhooks, newest first."""
    check_owner(owner)
    with opened_owners(settings, table) as owners:
        found = owners.find_owner(owner)
    print_list(
        found.keys_at(utc_now()) if found else (),
        as_json=as_json,
        record=lambda key: {
            "public_key": key.public,
            "expires_at": key.expires_at and to_text(key.expires_at),
        },
        line=lambda key: (
            key.public + (f"  until {to_text(key.expires_at)}" if key.expires_at else "")
        ),
        empty=f"{owner} has no webhook keys.",
    )


@webhook_keys.command()
@owner_option
@new_owner_option
@settings_options("data", "encryption_key_file")
@table_option
def create(settings: Settings, table: str | None, owner: str, *, new_owner: bool) -> None:
    """Create a key that signs an owner's webhooks too, and print its public half.

    Earlier keys sign for another 24 hours.
    """
    check_owner_exists(settings, table, owner, new=new_owner)
    key, now = new_key(), utc_now()
    with opened_owners(settings, table, encrypts=True) as owners:
        update_owner(owners, owner, lambda known: with_new_key(known, key, now))
    record_command(settings, table, AuditAction.WEBHOOK_KEY_CREATED, owner, key.public)
    click.echo(key.public)


@webhook_keys.command()
@owner_option
@settings_options("data", "encryption_key_file")
@table_option
def remove(settings: Settings, table: str | None, owner: str) -> None:
    """Remove an owner's keys: from now on only secrets sign its webhooks."""
    check_owner_exists(settings, table, owner)
    with opened_owners(settings, table) as owners:
        if not owners.find_owner(owner):
            return
        update_owner(owners, owner, without_keys)
    record_command(settings, table, AuditAction.WEBHOOK_KEYS_REMOVED, owner, owner)
