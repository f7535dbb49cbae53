"""`labelling vocabulary`: the labels that owners define."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING

import click

from core.domain.clock import utc_now
from core.repositories.ports.audit import AuditAction
from core.repositories.ports.vocabularies import set_vocabulary_of
from core.repositories.vocabulary_documents import (
    vocabulary_from_document,
    vocabulary_to_document,
)
from embedded.cli.audit import record_command
from embedded.cli.shared.owner_option import (
    check_owner,
    check_owner_exists,
    new_owner_option,
    owner_option,
)
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_blobs, table_option
from embedded.cli.shared.versioned_file import read_versioned

if TYPE_CHECKING:
    from embedded.settings import Settings

_FIELDS = {"labels"}


@click.group()
def vocabulary() -> None:
    """Show and set the labels that an owner defines."""


@vocabulary.command()
@owner_option
@settings_options("data")
@table_option
def show(settings: Settings, table: str | None, owner: str) -> None:
    """Print an owner's vocabulary as JSON.

    The file that `vocabulary set` reads has the same form.
    """
    check_owner(owner)
    with opened_blobs(settings, table) as blobs:
        found = blobs.vocabularies.find(owner)
        record = {"version": found.version, **vocabulary_to_document(found)}
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))


@vocabulary.command("set")
@owner_option
@new_owner_option
@click.argument("file", type=click.File("r", encoding="utf-8"))
@settings_options("data")
@table_option
def set_(
    settings: Settings, table: str | None, owner: str, file: IO[str], *, new_owner: bool
) -> None:
    """Replace an owner's vocabulary by that of the JSON in FILE, or in "-" for standard input.

    If the file has a "version", the vocabulary is replaced only if it still has that version.
    """
    check_owner_exists(settings, table, owner, new=new_owner)
    given = read_versioned(
        file.read(),
        _FIELDS,
        contents="labels",
        shown_by="labelling vocabulary show",
        required=_FIELDS,
    )
    with opened_blobs(settings, table) as blobs:
        expected = given.get("version", blobs.vocabularies.find(owner).version)
        wanted = vocabulary_from_document(given, expected)
        stored = set_vocabulary_of(blobs.vocabularies, owner, wanted, utc_now())
    subject = f"version {stored.version}"
    record_command(settings, table, AuditAction.VOCABULARY_SET, owner, subject)
    click.echo(f"The vocabulary of {owner} has version {stored.version}.")
