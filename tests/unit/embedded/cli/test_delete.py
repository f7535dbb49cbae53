"""`labelling delete`, on a data folder and on a table."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.domain.blob import Blob
from core.domain.clock import utc_now
from core.repositories.ports.audit import AuditLog
from core.repositories.ports.blobs import BlobRepository
from embedded.cli.main import main
from tests.support.blobs import a_blob, again, failed, labelled, uploaded
from tests.unit.embedded.cli.conftest import Records

OLD, NEW = utc_now() - timedelta(days=60), utc_now() - timedelta(days=1)


class Rig:
    """Blobs of two owners in a store, and the command that deletes some."""

    def __init__(
        self, blobs: BlobRepository, log: AuditLog, run: Callable[..., tuple[int, str, str]]
    ) -> None:
        self.blobs = blobs
        self._log = log
        self.run = run
        self.old = self._store(a_blob(OLD), uploaded, labelled)
        self.failed = self._store(a_blob(OLD), uploaded, failed)
        self.new = self._store(a_blob(NEW), uploaded, failed)
        self.other = self._store(a_blob(OLD, owner="bea"), uploaded, failed)

    def _store(self, blob: Blob, *steps: Callable[[Blob], Blob]) -> Blob:
        self.blobs.create(blob)
        for step in steps:
            changed = step(blob)
            self.blobs.save(changed, blob)
            blob = changed
        return blob

    def due(self) -> set[str]:
        """Return the ids of the blobs that the service deletes next."""
        return {found for _, found in self.blobs.find_due_deletions(utc_now(), 10)}

    def recorded(self) -> set[tuple[str, str, str]]:
        """Return the audit log: action, owner, subject."""
        found = self._log.read(utc_now() - timedelta(days=1), utc_now() + timedelta(days=1))
        return {(each.action.value, each.owner, each.subject) for each in found}


@pytest.fixture
def rig(
    records: Records, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Rig:
    def run(*arguments: str, answer: str = "") -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        status = main(["delete", *arguments, *records.where])
        return (status, *capsys.readouterr())

    return Rig(records.blobs, records.audit, run)


def test_selected_pictures_are_due_to_be_deleted_and_recorded(rig: Rig) -> None:
    status, out, _ = rig.run("--owner", "anna", "--before", "30d", "--status", "failed", "--yes")
    assert status == 0
    assert out.startswith("1 pictures are in no list any more. ")
    assert out.endswith(", which frees 5 bytes.\n")
    assert rig.due() == {rig.failed.id}
    assert rig.recorded() == {("blob.deleted", "anna", rig.failed.id)}


def test_all_pictures_of_an_owner_are_deleted_and_no_others(rig: Rig) -> None:
    status, out, _ = rig.run("--owner", "anna", "--yes")
    assert (status, out.split()[0]) == (0, "3")
    assert rig.due() == {rig.old.id, rig.failed.id, rig.new.id}
    status, out, err = rig.run("--owner", "anna", "--yes")
    assert (status, out, err) == (0, "", "anna has no such pictures.\n")
    assert len(rig.recorded()) == 3


def test_confirmation_tells_how_many_and_how_large(rig: Rig) -> None:
    status, out, err = rig.run("--owner", "anna", answer="n\n")
    assert (status, out) == (1, "")
    assert "Delete 3 pictures of anna, 0.0 MB, for good? [y/N]" in err
    assert "Nothing was deleted." in err
    status, _, err = rig.run("--owner", "anna")
    assert status == 2
    assert "Without a terminal, give --yes." in err
    assert rig.due() == set()
    assert rig.run("--owner", "anna", answer="y\n")[0] == 0
    assert len(rig.due()) == 3


def test_picture_that_changes_meanwhile_is_deleted_only_if_it_is_still_selected(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were FAILED when they were listed. One is being labelled now, one failed again."""
    stale = {rig.failed.id: rig.failed, rig.new.id: rig.new}
    rig.blobs.save(again(rig.failed), rig.failed)
    relabelled = again(rig.new)
    rig.blobs.save(relabelled, rig.new)
    rig.blobs.save(failed(relabelled), relabelled)

    def scan(*_: object) -> tuple[list[Blob], None]:
        return list(stale.values()), None

    monkeypatch.setattr(type(rig.blobs), "scan", scan)
    assert rig.run("--owner", "anna", "--status", "FAILED", "--yes")[0] == 0
    assert rig.due() == {rig.new.id}
    assert rig.recorded() == {("blob.deleted", "anna", rig.new.id)}
