"""Labelling all pictures again, on every store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.domain.blob import Blob, BlobStatus, Failure, FailureCode, record_failure
from core.domain.clock import to_text
from core.domain.errors import PictureRefused
from core.domain.label import Detection, Label
from core.events.s3 import relabel_event
from core.repositories.ports.blobs import BlobRepository
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner
from embedded.jobs.relabelling import Run, Stalled, Tally, relabel_all
from labeller.detectors.base import Picture
from labeller.handler import handle
from labeller.label_blob import BlobLabeller
from tests.conftest import SettableClock
from tests.support.blobs import NOON, a_blob, failed, labelled, moments, uploaded
from tests.support.images.detectors import ScriptedDetector

DOG = Detection((Label("Dog", 80.0),), 640, 480, "eye/2")
LATER = NOON + timedelta(hours=1)


class Rig:
    """A store with blobs, and a labeller that gets a message whenever the command reads."""

    def __init__(self, blobs: BlobRepository, root: Path, clock: SettableClock) -> None:
        self.blobs = blobs
        self.storage = FileStorage(root, UrlSigner(b"secret", "http://testserver"))
        self.clock = clock
        self.moments = moments()
        self.messages: list[dict[str, Any]] = []
        self.most_waiting = 0
        self.kept_runs: list[Run] = []
        self.use(ScriptedDetector(DOG))

    def use(self, detector: ScriptedDetector) -> None:
        self.detector = detector
        detector.name = DOG.detector
        self.labeller = BlobLabeller(self.blobs, self.storage, detector, self.clock)

    def keep(self, *steps: Callable[[Blob], Blob], **values: Any) -> Blob:
        blob = a_blob(next(self.moments), **values)
        self.blobs.create(blob)
        self.storage.put(blob.key, b"bytes")
        for step in steps:
            before, blob = blob, step(blob)
            self.blobs.save(blob, before)
        return blob

    def labelled_by(self, detector: str | None, **values: Any) -> Blob:
        """Create a labelled blob with bytes of its own."""
        sha256 = f"digest {next(self.moments)}"
        return self.keep(
            lambda blob: replace(uploaded(blob), sha256=sha256),
            lambda blob: replace(labelled(blob, ("Cat", 90.0)), detector=detector),
            **values,
        )

    def send(self, blob: Blob) -> None:
        self.messages.append(relabel_event(blob, "pictures", LATER))
        self.most_waiting = max(self.most_waiting, len(self.messages))

    def work(self, _: float) -> None:
        if self.messages:
            handle(json.loads(json.dumps(self.messages.pop(0))), self.labeller)

    def run(self, run: Run | None = None, **options: Any) -> Tally:
        defaults = {"in_flight": 3, "on_progress": self.kept_runs.append, "pause": self.work}
        *_, last = relabel_all(
            run or Run(to_text(LATER)), self.blobs, self.send, **{**defaults, **options}
        )
        return last

    def now(self, blob: Blob) -> Blob:
        found = self.blobs.get(blob.id)
        assert found is not None
        return found


@pytest.fixture
def rig(blobs: BlobRepository, tmp_path: Path, clock: SettableClock) -> Rig:
    clock.advance(LATER - clock())
    return Rig(blobs, tmp_path, clock)


def test_every_finished_blob_is_relabelled(rig: Rig) -> None:
    """Labelled or failed ones of all owners; not those that await an upload or are in progress."""
    done = [rig.labelled_by("eye/1", owner=owner) for owner in ("anna", "bert") for _ in range(4)]
    done.append(rig.keep(uploaded, failed))
    left = [rig.keep(), rig.keep(uploaded)]
    assert rig.run() == Tally(seen=11, labelled=9)
    assert {(rig.now(blob).detector, rig.now(blob).labels) for blob in done} == {
        (DOG.detector, DOG.labels)
    }
    assert [rig.now(blob) for blob in left] == left
    assert rig.most_waiting <= 3


def test_version_selects_blobs(rig: Rig) -> None:
    """Those of an earlier version, of an unknown one, or of another name if a name is given."""
    known = {name: rig.labelled_by(name) for name in ("eye/1.9", "eye/1.10", "other/2", None)}
    assert rig.run(Run(to_text(LATER), older_than="1.10")).labelled == 2
    again = {name for name, blob in known.items() if rig.now(blob).detector == DOG.detector}
    assert again == {"eye/1.9", None}
    assert rig.run(Run(to_text(LATER), older_than="eye/1.10")).labelled == 1
    assert rig.now(known["other/2"]).detector == DOG.detector


def test_owner_selects_blobs(rig: Rig) -> None:
    annas, berts = rig.labelled_by("eye/1"), rig.labelled_by("eye/1", owner="bert")
    assert rig.run(Run(to_text(LATER), owner="bert")) == Tally(seen=1, labelled=1)
    assert rig.now(annas) == annas
    assert rig.now(berts).detector == DOG.detector


def test_outcomes_are_counted_separately(rig: Rig) -> None:
    """Failed, deleted during the run, and without bytes, for which no event is sent."""
    missing = Failure(FailureCode.ORIGINAL_MISSING, "Gone.")
    rig.keep(uploaded, lambda blob: record_failure(blob, NOON, missing))
    deleted = rig.labelled_by("eye/1")
    damaged = rig.labelled_by("eye/1")

    def look(picture: Picture) -> Detection:
        if picture.key == damaged.key:
            raise PictureRefused("CORRUPT_IMAGE", "Not a picture.")
        rig.blobs.delete(rig.now(deleted), LATER)
        return DOG

    rig.use(ScriptedDetector(look))
    assert rig.run() == Tally(seen=3, failed=1, deleted=1)
    assert rig.now(damaged).status is BlobStatus.FAILED


def test_interrupted_run_continues(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the stored position, without repeating or missing blobs."""
    monkeypatch.setattr("embedded.jobs.relabelling.PAGE", 4)
    blobs = [rig.labelled_by("eye/1") for _ in range(10)]

    class Killed(Exception):
        """The end of the process, as by a signal."""

    def work(seconds: float) -> None:
        if len(rig.detector.calls) == 6:
            raise Killed
        rig.work(seconds)

    with pytest.raises(Killed):
        rig.run(pause=work)
    # It sends its last events again, so they arrive twice.
    assert rig.kept_runs[-1].seen == 4
    tally = rig.run(rig.kept_runs[-1])
    assert tally.seen == 10
    while rig.messages:
        rig.work(0)
    assert len(rig.detector.calls) == 10
    assert {rig.now(blob).version for blob in blobs} == {blobs[0].version + 2}


def test_same_bytes_are_detected_once_in_a_run(rig: Rig) -> None:
    """Blobs with the same bytes reuse results since the run began."""
    for _ in range(5):
        rig.keep(uploaded, lambda blob: labelled(blob, ("Cat", 90.0)))
    assert rig.run().labelled == 5
    assert len(rig.detector.calls) == 1


def test_run_without_progress_asks_why(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer may end it."""
    monkeypatch.setattr("embedded.jobs.relabelling.STALL_SECONDS", 0.01)
    rig.labelled_by("eye/1")

    def check() -> None:
        raise Stalled("nobody is there")

    with pytest.raises(Stalled):
        rig.run(pause=lambda _: None, check=check)
