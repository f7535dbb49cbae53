"""`labelling keys`: the API keys of owners."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from core.domain.api_key import hash_key, id_of_key, new_key
from core.domain.clock import to_text, utc_now
from core.domain.errors import InvalidValue
from core.domain.scope import ALL_SCOPES, Scope
from core.repositories.ports.audit import AuditAction
from core.repositories.ports.owners import ApiKey
from embedded.admin.keys import find_key, key_record
from embedded.cli.audit import record_command
from embedded.cli.shared.lists import json_option, print_list
from embedded.cli.shared.owner_option import check_owner
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_owners, table_option
from embedded.cli.shared.times import parse_future

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from embedded.settings import Settings


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys."""


@keys.command()
@click.option(
    "--owner", required=True, metavar="NAME", help="The owner whose blobs the key gives access to."
)
@click.option("--name", default="", metavar="TEXT", help="A note to recognise the key by.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([str(each) for each in Scope]),
    help="What the key allows (default: everything but operator). May be repeated.",
)
@click.option(
    "--expires",
    metavar="TIME",
    help="When the key expires: 2027-01-31, a time in RFC 3339, or after 12h or 90d.",
)
@settings_options("data")
@table_option
def create(
    settings: Settings,
    table: str | None,
    owner: str,
    name: str,
    scopes: Sequence[str],
    expires: str | None,
) -> None:
    """Create an API key and print it, this once.

    This works before the first start of the service too, in a data folder that exists.
    """
    check_owner(owner)
    key, now = new_key(), utc_now()
    allowed = frozenset(map(Scope, scopes)) or ALL_SCOPES
    if table and Scope.OPERATOR in allowed:
        raise InvalidValue("scope", "operator is of a service on one machine; on AWS, use IAM")
    expires_at = parse_future("--expires", expires, now) if expires else None
    with opened_owners(settings, table, new=True) as owners:
        owners.add_key(ApiKey(hash_key(key), owner, name, now, allowed, expires_at))
    key_id = id_of_key(hash_key(key))
    record_command(settings, table, AuditAction.KEY_CREATED, owner, key_id)
    click.echo(key)
    click.echo(
        "Store the key now: only its hash is kept, so it cannot be shown again. "
        f"Its id is {key_id}.",
        err=True,
    )


@keys.command("list")
@json_option
@settings_options("data")
@table_option
def list_(settings: Settings, table: str | None, *, as_json: bool) -> None:
    """List API keys: id (the start of the hash), creation time, owner, scopes, expiry, name."""
    now = utc_now()
    with opened_owners(settings, table) as owners:
        print_list(
            owners.list_keys(),
            as_json=as_json,
            record=key_record,
            line=lambda key: _line(key, now),
            empty="No API keys.",
        )


@keys.command()
@click.argument("key_id", metavar="ID")
@settings_options("data")
@table_option
def revoke(settings: Settings, table: str | None, key_id: str) -> None:
    """Revoke the API key ID, which `keys list` shows. Requests with it fail from now on."""
    with opened_owners(settings, table) as owners:
        revoked = find_key(owners, key_id)
        owners.remove_key(revoked.hash)
    key_id = id_of_key(revoked.hash)
    record_command(settings, table, AuditAction.KEY_REVOKED, revoked.owner, key_id)
    note = f", {revoked.name!r}" if revoked.name else ""
    click.echo(f"Revoked the key {key_id} of {revoked.owner}{note}.")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    default="24h",
    show_default=True,
    metavar="TIME",
    help="How long the old key still works: 12h, 7d, or until a time in RFC 3339.",
)
@settings_options("data")
@table_option
def rotate(settings: Settings, table: str | None, key_id: str, overlap: str) -> None:
    """Create a key in place of the API key ID, and print it, this once.

    The new key has the owner, scopes, name and expiry of the old one. The old key works during the
    overlap: give the new one to its clients in that time.
    """
    key, now = new_key(), utc_now()
    ends_at = parse_future("--overlap", overlap, now)
    with opened_owners(settings, table) as owners:
        old = find_key(owners, key_id)
        if old.expires_at and old.expires_at <= now:
            raise InvalidValue("id", "the key has expired; create one with 'labelling keys create'")
        owners.add_key(replace(old, hash=hash_key(key), created_at=now, last_used_at=None))
        owners.end_key(old.hash, ends_at)
    record_command(settings, table, AuditAction.KEY_ROTATED, old.owner, id_of_key(old.hash))
    record_command(settings, table, AuditAction.KEY_CREATED, old.owner, id_of_key(hash_key(key)))
    click.echo(key)
    click.echo(
        "Store the key now: only its hash is kept, so it cannot be shown again. "
        f"Its id is {id_of_key(hash_key(key))}. "
        f"The old key works until {to_text(min(ends_at, old.expires_at or ends_at))}.",
        err=True,
    )


def _line(key: ApiKey, now: datetime) -> str:
    return (
        f"{id_of_key(key.hash)}  {to_text(key.created_at)}  {key.owner}"
        f"  {','.join(sorted(key.scopes))}  {_expiry_of(key, now)}  {key.name}"
    ).rstrip()


def _expiry_of(key: ApiKey, now: datetime) -> str:
    if key.expires_at is None:
        return "no-end"
    return ("until " if key.expires_at > now else "expired ") + to_text(key.expires_at)
