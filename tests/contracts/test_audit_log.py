"""What every audit log keeps to."""

from __future__ import annotations

from datetime import timedelta

from core.repositories.ports.audit import AuditAction, AuditLog, AuditRecord
from tests.support.blobs import NOON


def a_record(number: int, **changes: timedelta) -> AuditRecord:
    return AuditRecord(
        NOON + timedelta(**changes),
        AuditAction.KEY_CREATED,
        "anna",
        "user:root",
        "host.example",
        f"key {number}",
    )


def test_records_are_read_in_their_order(audit: AuditLog) -> None:
    written = [a_record(n, days=20 * n, milliseconds=n) for n in range(8)]
    for record in reversed(written):
        audit.append(record)
    assert list(audit.read(NOON, NOON + timedelta(days=400))) == written


def test_records_of_a_time_are_read(audit: AuditLog) -> None:
    written = [a_record(n, seconds=n) for n in range(4)]
    for record in written:
        audit.append(record)
    since, until = NOON + timedelta(seconds=1), NOON + timedelta(seconds=3)
    assert list(audit.read(since, until)) == written[1:3]
    assert list(audit.read(until, since)) == []


def test_actions_of_one_moment_are_all_kept(audit: AuditLog) -> None:
    written = {a_record(n) for n in range(20)}
    for record in written:
        audit.append(record)
    assert set(audit.read(NOON, NOON + timedelta(seconds=1))) == written


def test_every_action_and_any_text_is_kept(audit: AuditLog) -> None:
    written = [
        AuditRecord(NOON, action, "Zoë #1", "user:%", "2001:db8::1", "https://a.example/?x=#")
        for action in AuditAction
    ]
    for record in written:
        audit.append(record)
    found = list(audit.read(NOON, NOON + timedelta(seconds=1)))
    assert sorted(found, key=lambda each: each.action) == sorted(
        written, key=lambda each: each.action
    )
