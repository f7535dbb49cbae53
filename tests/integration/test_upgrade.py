"""A data folder of every earlier version opens, with all that is in it.

tests/data/layouts/NNNN.sql is what the last version with that layout left behind after it had
labelled one picture, promised an upload, tried a webhook at a closed port and made an API key:
`sqlite3 labelling.sqlite .dump`, and the layout's number.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from core.domain.blob import BlobStatus
from core.domain.blob_list import BlobFilter, BlobOrder, plan_blob_list
from core.domain.label_filter import LabelFilter
from core.domain.scope import Scope
from embedded.checks.diagnosis import layout_of
from embedded.checks.verification import Verifier
from embedded.data.folder import DATABASE
from embedded.data.lock import DataInUse, hold
from embedded.migrations import MIGRATIONS
from embedded.settings import Settings
from embedded.stores import open_stores

LAYOUTS: Final = sorted((Path(__file__).parents[1] / "data" / "layouts").glob("*.sql"))
OWNER: Final = "local"
PICTURE: Final = b"bytes of the picture"


@pytest.fixture(params=LAYOUTS, ids=lambda path: path.stem)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.executescript(request.param.read_text("utf-8"))
    tmp_path.chmod(0o700)
    return tmp_path


def test_there_is_a_fixture_of_every_earlier_layout() -> None:
    latest = len(list(MIGRATIONS.glob("*.sql")))
    assert [path.stem for path in LAYOUTS] == [f"{number:04}" for number in range(1, latest)]
    for path in LAYOUTS:
        assert path.read_text().endswith(f"\nPRAGMA user_version = {int(path.stem)};\n")


def test_everything_is_there_after_the_upgrade(data: Path) -> None:
    stores = open_stores(Settings(data=data))
    try:
        page = stores.blobs.find_page(OWNER, plan_blob_list(BlobFilter()), first=10)
        waiting, labelled = sorted(page.items, key=lambda blob: blob.status is BlobStatus.LABELLED)
        assert (waiting.status, labelled.status) == (
            BlobStatus.AWAITING_UPLOAD,
            BlobStatus.LABELLED,
        )
        assert labelled.labels is not None
        assert "Cat" in {label.name for label in labelled.labels}
        by_label = BlobFilter(labels=LabelFilter(any=("cat",)))
        plan = plan_blob_list(by_label, BlobOrder.CONFIDENCE)
        assert [blob.id for blob in stores.blobs.find_page(OWNER, plan, first=10).items] == [
            labelled.id
        ]
        summaries = stores.blobs.find_labels(OWNER, prefix="", first=10, after=None).items
        assert {each.name: each.blob_count for each in summaries}["Cat"] == 1
        delivery = stores.deliveries.find_latest(OWNER, [labelled.id])[labelled.id]
        assert delivery.url == "http://127.0.0.1:9/hook"
        assert delivery.attempts[0].error is not None
        (key,) = stores.owners.list_keys()
        assert (key.owner, key.name) == ("anna", "camera")
        assert {Scope.READ, Scope.UPLOAD, Scope.EDIT, Scope.DELETE} <= key.scopes
    finally:
        stores.database.close()


def test_the_upgraded_folder_has_no_problem(data: Path) -> None:
    stores = open_stores(Settings(data=data))
    try:
        report = Verifier(data, stores).check()
    finally:
        stores.database.close()
    # The fixture holds the database alone.
    assert {problem.what for problem in report.problems} == {"its bytes are missing"}
    assert report.counts_checked


def test_a_running_service_is_not_upgraded_under_its_feet(data: Path) -> None:
    """A command of the new version is refused, and the folder's own service may upgrade it."""
    lock = hold(data)
    before = layout_of(data / DATABASE)
    try:
        with pytest.raises(DataInUse, match="stop it, so that the database can be upgraded"):
            open_stores(Settings(data=data))
        assert layout_of(data / DATABASE) == before
        open_stores(Settings(data=data), serving=True).database.close()
    finally:
        os.close(lock)
    open_stores(Settings(data=data)).database.close()
