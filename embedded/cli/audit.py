"""`labelling audit`: who changed keys and endpoints, or deleted blobs."""

from __future__ import annotations

import getpass
import socket
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from core.domain.clock import to_text, utc_now
from core.repositories.dynamodb.audit import DynamoAuditLog
from core.repositories.ports.audit import RETENTION, AuditAction, AuditLog, AuditRecord
from embedded.cli.shared.lists import json_option, print_list
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import dynamodb_table, opened_stores, table_option
from embedded.cli.shared.times import parse_past

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedded.settings import Settings


@click.group()
def audit() -> None:
    """List who changed keys and endpoints, or deleted blobs."""


@audit.command("list")
@click.option(
    "--since", metavar="TIME", help="Not before: 2027-01-31, a time in RFC 3339, or 12h or 90d ago."
)
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=click.Choice([each.value for each in AuditAction]),
    help="Only this action. May be repeated.",
)
@click.option("--owner", metavar="NAME", help="Only what belongs to this owner.")
@json_option
@settings_options("data")
@table_option
def list_(
    settings: Settings,
    table: str | None,
    since: str | None,
    actions: Sequence[str],
    owner: str | None,
    *,
    as_json: bool,
) -> None:
    """List records, oldest first: time, action, owner, actor, origin, subject."""
    now = utc_now()
    start = parse_past("--since", since, now) if since else now - RETENTION - timedelta(days=31)
    with opened_audit(settings, table) as log:
        print_list(
            (
                each
                for each in log.read(start, now + timedelta(days=1))
                if (not actions or each.action.value in actions) and owner in (None, each.owner)
            ),
            as_json=as_json,
            record=_record,
            line=lambda record: "  ".join(str(value) for value in _record(record).values()),
            empty="No audit records.",
        )


@contextmanager
def opened_audit(settings: Settings, table: str | None) -> Iterator[AuditLog]:
    """Open the audit log of a DynamoDB table, or that of the data folder where none is named."""
    if table:
        yield DynamoAuditLog(dynamodb_table(table))
    else:
        with opened_stores(settings) as stores:
            yield stores.audit


def record_command(
    settings: Settings, table: str | None, action: AuditAction, owner: str, subject: str
) -> None:
    """Store that the user of this command did something."""
    with opened_audit(settings, table) as log:
        log.append(command_record(action, owner, subject))


def command_record(action: AuditAction, owner: str, subject: str) -> AuditRecord:
    """Return the record of what the user of this command does."""
    return AuditRecord(utc_now(), action, owner, f"user:{_user()}", socket.gethostname(), subject)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def _record(record: AuditRecord) -> dict[str, Any]:
    return {
        "at": to_text(record.at),
        "action": record.action.value,
        "owner": record.owner,
        "actor": record.actor,
        "origin": record.origin,
        "subject": record.subject,
    }
