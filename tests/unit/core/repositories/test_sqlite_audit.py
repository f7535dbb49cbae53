"""The audit log on SQLite is append-only."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from core.domain.clock import utc_now
from core.repositories.ports.audit import RETENTION, AuditAction, AuditRecord
from core.repositories.sqlite import audit as module
from core.repositories.sqlite.audit import SqliteAuditLog
from tests.support.services.embedded_stores import EmbeddedStores


def record(days_ago: float, subject: str = "k") -> AuditRecord:
    at = (utc_now() - timedelta(days=days_ago)).replace(microsecond=0)
    return AuditRecord(at, AuditAction.KEY_REVOKED, "anna", "user:root", "host", subject)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET actor = 'user:nobody'", "DELETE FROM audit"]
)
def test_record_cannot_be_changed_or_deleted(stores: EmbeddedStores, statement: str) -> None:
    log, kept = SqliteAuditLog(stores.database), record(399)
    log.append(kept)
    with (
        pytest.raises(sqlite3.IntegrityError, match="audit records"),
        stores.database.write() as connection,
    ):
        connection.execute(statement)
    assert list(log.read(kept.at, utc_now())) == [kept]


def test_record_is_deleted_after_its_retention(stores: EmbeddedStores) -> None:
    log, old, young = SqliteAuditLog(stores.database), record(401), record(399)
    log.append(old)
    log.append(young)
    log.trim(utc_now())
    assert list(log.read(utc_now() - 2 * RETENTION, utc_now())) == [young]


def test_records_of_a_time_are_found_by_an_index(stores: EmbeddedStores) -> None:
    with stores.database.read() as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT at, id FROM audit"
            " WHERE (at, id) > (1, 1) AND at < 9 ORDER BY at, id LIMIT 5"
        ).fetchall()
    assert len(plan) == 1
    assert "SEARCH audit USING COVERING INDEX audit_by_time" in plan[0][3]


def test_long_log_is_read_in_pages(stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 3)
    log = SqliteAuditLog(stores.database)
    written = [record(10, str(number)) for number in range(7)]
    for each in written:
        log.append(each)
    assert [each.subject for each in log.read(written[0].at, utc_now())] == list("0123456")
