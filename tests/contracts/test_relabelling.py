"""Labelling again, from the asking to the new labels, on every store and in every order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.auth.caller import Caller
from api.services import blobs as asked
from api.services.dependencies import Services
from core.domain.blob import Blob, BlobStatus, FailureCode
from core.domain.errors import BlobNotFound, ObjectNotFound, Unavailable
from core.domain.label import Detection, Label
from core.domain.webhook_url import CallbackRules
from core.events.s3 import relabel_event
from core.repositories.ports.blobs import BlobRepository, LabelOrder
from core.repositories.ports.deliveries import DeliveryRepository
from core.repositories.ports.owners import OwnerRepository
from core.repositories.ports.uploads import UploadLimits, UploadRepository
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner
from labeller.handler import handle
from labeller.label_blob import BlobLabeller
from labeller.s3_event import uploads_in
from tests.support.blobs import NOON, a_blob, failed, labelled, uploaded
from tests.support.detectors import ScriptedDetector

DOG = Detection((Label("Dog", 80.0),), 640, 480, "eye 2")


class Rig:
    """The asking and the labelling over one store; messages are carried by hand."""

    def __init__(
        self,
        blobs: BlobRepository,
        uploads: UploadRepository,
        deliveries: DeliveryRepository,
        owners: OwnerRepository,
        root: Path,
        clock: Any,
    ) -> None:
        self.blobs = blobs
        self.storage = FileStorage(root, UrlSigner(b"secret", "http://testserver"))
        self.detector = ScriptedDetector(DOG)
        self.labeller = BlobLabeller(blobs, self.storage, self.detector, clock)
        self.messages: list[dict[str, Any]] = []
        self.on_send: Callable[[], object] = lambda: None
        self.services = Services(
            blobs=blobs,
            uploads=uploads,
            deliveries=deliveries,
            owners=owners,
            storage=self.storage,
            clock=clock,
            authenticate=lambda _: asyncio.sleep(0, Caller("anna")),
            max_upload_bytes=1000,
            enqueue_delivery=lambda _: None,
            relabel=self.send,
            callback_rules=CallbackRules(),
        )

    def send(self, blob: Blob) -> None:
        event = relabel_event(blob, "pictures", NOON)
        self.messages.append(json.loads(json.dumps(event)))
        self.on_send()

    def ask(self, blob: Blob, owner: str = "anna") -> Blob:
        return asyncio.run(asked.relabel(self.services, owner, blob.id))

    def carry(self) -> None:
        """Give the labeller all messages, which stay."""
        for message in list(self.messages):
            handle(message, self.labeller)

    def now(self, blob: Blob) -> Blob:
        found = self.blobs.get(blob.id)
        assert found is not None
        return found

    def kept(self, *steps: Callable[[Blob], Blob]) -> Blob:
        blob = a_blob()
        self.blobs.create(blob)
        for step in steps:
            before, blob = blob, step(blob)
            self.blobs.save(blob, before)
        self.storage.put(blob.key, b"bytes")
        return blob

    def carrying(self, label: str) -> list[str]:
        page = self.blobs.find_by_label(
            "anna", label, min_confidence=0, order=LabelOrder.NEWEST, first=9
        )
        return [found.blob.id for found in page.items]


@pytest.fixture
def rig(
    blobs: BlobRepository,
    uploads: Callable[[UploadLimits], UploadRepository],
    deliveries: DeliveryRepository,
    owners: OwnerRepository,
    tmp_path: Path,
    clock: Any,
) -> Rig:
    return Rig(blobs, uploads(UploadLimits()), deliveries, owners, tmp_path, clock)


def cat(blob: Blob) -> Blob:
    return labelled(blob, ("Cat", 90.0), ("Animal", 95.0))


def test_old_labels_hold_until_the_new_replace_them(rig: Rig) -> None:
    """In the blob and in every list."""
    blob = rig.kept(uploaded, cat)
    again = rig.ask(blob)
    assert again == rig.now(blob)
    assert (again.status, again.labels) == (BlobStatus.LABELLING, blob.labels)
    assert rig.carrying("Cat") == [blob.id]
    rig.carry()
    done = rig.now(blob)
    assert (done.status, done.labels, done.detector) == (BlobStatus.LABELLED, DOG.labels, "eye 2")
    assert (rig.carrying("Cat"), rig.carrying("Dog")) == ([], [blob.id])
    rig.carry()
    assert rig.now(blob) == done, "told twice"
    assert len(rig.detector.calls) == 1


def test_a_failed_blob_may_be_labelled_after_all(rig: Rig) -> None:
    """And again after that."""
    blob = rig.kept(uploaded, failed)
    rig.ask(blob)
    rig.carry()
    assert (rig.now(blob).status, rig.now(blob).failure) == (BlobStatus.LABELLED, None)
    rig.ask(blob)
    rig.carry()
    assert len(rig.detector.calls) == 2


@pytest.mark.parametrize("carried", [1, 2])
def test_the_labeller_may_be_faster_than_who_asks(rig: Rig, carried: int) -> None:
    """The event arrives before the status: the blob is labelled once, whichever comes second."""
    blob = rig.kept(uploaded, cat)
    rig.on_send = lambda: [rig.carry() for _ in range(carried)]
    answer = rig.ask(blob)
    assert answer == rig.now(blob)
    assert (answer.status, answer.labels) == (BlobStatus.LABELLED, DOG.labels)
    rig.carry()
    assert rig.now(blob) == answer
    assert len(rig.detector.calls) == 1


def test_who_asks_may_be_killed_before_it_is_noted(rig: Rig) -> None:
    """Once the event is sent, the labeller sees to it."""
    blob = rig.kept(uploaded, cat)

    def killed() -> None:
        raise Unavailable("the end")

    rig.on_send = killed
    with pytest.raises(Unavailable):
        rig.ask(blob)
    assert rig.now(blob) == blob
    rig.carry()
    assert rig.now(blob).labels == DOG.labels


def test_an_event_that_can_not_be_sent_changes_nothing(rig: Rig) -> None:
    """No blob is left waiting."""
    blob = rig.kept(uploaded, cat)

    def fails(_: Blob) -> None:
        raise Unavailable("no queue")

    object.__setattr__(rig.services, "relabel", fails)
    with pytest.raises(Unavailable):
        rig.ask(blob)
    assert rig.now(blob) == blob


def test_asking_twice_at_once_is_asking_once(rig: Rig) -> None:
    """Both get the blob; the second event finds it done."""
    blob = rig.kept(uploaded, cat)
    answers: list[Blob] = []

    def another() -> None:
        rig.on_send = lambda: None
        answers.append(rig.ask(blob))

    rig.on_send = another
    answers.append(rig.ask(blob))
    assert answers[0] == answers[1] == rig.now(blob)
    assert len(rig.messages) == 2
    rig.carry()
    assert len(rig.detector.calls) == 1


def test_an_event_of_the_first_upload_told_late_changes_nothing(rig: Rig) -> None:
    """Nor does one that asked for an earlier labelling."""
    blob = rig.kept(uploaded, cat)
    rig.ask(blob)
    rig.carry()
    done = rig.now(blob)
    old = json.loads(json.dumps(rig.messages[0]))
    del old["Records"][0]["relabel"]
    rig.messages.append(old)
    rig.carry()
    assert rig.now(blob) == done


def test_bytes_that_are_gone_fail_it(rig: Rig) -> None:
    """ORIGINAL_MISSING; its old labels no longer hold."""
    blob = rig.kept(uploaded, cat)
    rig.storage.delete(blob.key)
    rig.detector = ScriptedDetector(ObjectNotFound(blob.key))
    rig.labeller = BlobLabeller(rig.blobs, rig.storage, rig.detector, rig.services.clock)
    rig.ask(blob)
    rig.carry()
    done = rig.now(blob)
    assert done.failure is not None
    assert (done.status, done.labels) == (BlobStatus.FAILED, None)
    assert done.failure.code is FailureCode.ORIGINAL_MISSING
    assert rig.carrying("Cat") == []


def test_a_dead_letter_gives_up_its_own_labelling_only(rig: Rig) -> None:
    """Not one that was asked for since."""
    blob = rig.kept(uploaded, cat)
    rig.ask(blob)
    (first,) = uploads_in(rig.messages[0])
    rig.labeller.give_up(first)
    given_up = rig.now(blob)
    assert given_up.failure is not None
    assert given_up.failure.code is FailureCode.LABELLER_UNAVAILABLE
    again = rig.ask(blob)
    rig.labeller.give_up(first)
    assert rig.now(blob) == again
    (second,) = uploads_in(rig.messages[1])
    rig.labeller.give_up(second)
    assert rig.now(blob).status is BlobStatus.FAILED


def test_a_blob_that_is_deleted_meanwhile_is_not_found(rig: Rig) -> None:
    """Nor brought back by the event."""
    blob = rig.kept(uploaded, cat)
    rig.on_send = lambda: rig.blobs.delete(blob, NOON)
    with pytest.raises(BlobNotFound):
        rig.ask(blob)
    rig.carry()
    assert rig.blobs.get(blob.id) is None


def test_the_labeller_may_have_read_the_blob_before_that_was_noted(rig: Rig) -> None:
    """It reads again, and labels."""
    blob = rig.kept(uploaded, cat)
    rig.ask(blob)

    def stale(_: str) -> Blob:
        del rig.blobs.get  # type: ignore[method-assign]
        return blob

    rig.blobs.get = stale  # type: ignore[method-assign]
    rig.carry()
    assert rig.now(blob).labels == DOG.labels
