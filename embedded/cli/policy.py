"""`labelling policy`: the label policies of owners."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import click

from core.domain.clock import to_text, utc_now
from core.repositories.policy_documents import policy_from_document, policy_to_document
from core.repositories.ports.audit import AuditAction
from core.repositories.ports.policies import set_policy_of
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
    from core.repositories.ports.policies import OwnerPolicy
    from embedded.settings import Settings

_FIELDS = {"minConfidence", "maxLabels", "rules"}
_SHOWN = {"setAt", "progress"}  # that a file may keep


@click.group()
def policy() -> None:
    """Show and set which labels an owner's pictures show."""


@policy.command()
@owner_option
@settings_options("data")
@table_option
def show(settings: Settings, table: str | None, owner: str) -> None:
    """Print an owner's label policy as JSON, and how far it has been applied to earlier pictures.

    The file that `policy set` reads has the same form.
    """
    check_owner(owner)
    with opened_blobs(settings, table) as blobs:
        found = blobs.policies.find(owner)
        click.echo(json.dumps(_record(found), indent=2, ensure_ascii=False))


@policy.command("set")
@owner_option
@new_owner_option
@click.argument("file", type=click.File("r", encoding="utf-8"))
@settings_options("data")
@table_option
def set_(
    settings: Settings, table: str | None, owner: str, file: IO[str], *, new_owner: bool
) -> None:
    """Replace an owner's label policy by that of the JSON in FILE, or in "-" for standard input.

    If the file has a "version", the policy is replaced only if it still has that version. A running
    service applies it to earlier pictures in the background; otherwise the next start does.
    """
    check_owner_exists(settings, table, owner, new=new_owner)
    given = read_versioned(
        file.read(),
        _FIELDS | _SHOWN,
        contents="minConfidence, maxLabels and rules",
        shown_by="labelling policy show",
    )
    with opened_blobs(settings, table) as blobs:
        expected = given.get("version", blobs.policies.find(owner).policy.version)
        wanted = policy_from_document(given, expected)
        stored = set_policy_of(blobs.policies, owner, wanted, utc_now())
    version = stored.policy.version
    record_command(settings, table, AuditAction.LABEL_POLICY_SET, owner, f"version {version}")
    click.echo(f"The label policy of {owner} has version {version}.")


def _record(stored: OwnerPolicy) -> dict[str, Any]:
    applied_at = stored.finished_at and to_text(stored.finished_at)
    return {
        "version": stored.policy.version,
        **policy_to_document(stored.policy),
        "setAt": stored.set_at and to_text(stored.set_at),
        "progress": {"examined": stored.examined, "finishedAt": applied_at},
    }
