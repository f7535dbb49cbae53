"""`labelling encryption`: the keys that encrypt stored secrets."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from core.backends.encryption import new_key
from core.domain.clock import utc_now
from core.repositories.ports.audit import AuditAction
from core.runtime.settings import BadSetting
from embedded.cli.audit import record_command
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_owners, opened_secrets, table_option
from embedded.data.encryption import encrypt_owners, load_keys
from embedded.data.url_secrets import UrlSecrets

if TYPE_CHECKING:
    from embedded.settings import Settings


@click.group()
def encryption() -> None:
    """Create encryption keys, and encrypt stored secrets."""


@encryption.command("create-key")
def create_key() -> None:
    """Print a new key, for a file that only the service's user may read, or for a variable.

    To replace a key, put the new one before the old one, restart the service, run 'labelling
    encryption apply', and then remove the old one.
    """
    click.echo(new_key())


@encryption.command()
@settings_options("data", "encryption_key_file")
@table_option
def apply(settings: Settings, table: str | None) -> None:
    """Encrypt all stored secrets with the first of the given keys.

    It encrypts what is stored as it is, and what another of the keys encrypted. It may run beside
    the service, which must know the key already: where it does not, nothing is changed.
    """
    keys = load_keys(settings)
    if not keys:
        raise BadSetting(
            "There is no encryption key. Name its file with --encryption-key-file, or set "
            "LABELLING_ENCRYPTION_KEYS; 'labelling encryption create-key' prints a new one."
        )
    with ExitStack() as stack:
        if table:
            changed = encrypt_owners(stack.enter_context(opened_owners(settings, table)), keys)
        else:
            stores = stack.enter_context(opened_secrets(settings))
            with stores.database.erasing():
                changed = encrypt_owners(stores.owners, keys)
                UrlSecrets(stores.database, keys, utc_now).encrypt()
    record_command(settings, table, AuditAction.SECRETS_ENCRYPTED, "-", f"{changed} owners")
    click.echo(f"Encrypted the secrets of {changed} owners.")
