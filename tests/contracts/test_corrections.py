"""Corrections of labels on every store: no decision is lost, whatever happens at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.services.labels import LabelOrder, find_by_label
from core.domain.blob import Blob, BlobStatus, receive_upload
from core.domain.change import Change
from core.domain.corrections import Correction, DecisionKind, effective_labels
from core.domain.errors import BlobNotFound, WrongState
from core.domain.label import Detection, Label
from core.domain.label_policy import LabelAction, LabelPolicy, LabelRule
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.deliveries import DeliveryRepository
from core.repositories.ports.owners import OwnerRepository
from core.repositories.ports.policies import set_policy_of
from core.repositories.ports.uploads import UploadLimits, UploadRepository
from labeller.policy_run import PolicyRun
from notifier.actions import CountLabels, RemoveBlob, actions_for
from tests.support.blobs import NOON, a_blob, detection, failed, labelled, uploaded
from tests.support.services.labelling_rig import Rig

ADDED, CONFIRMED, REMOVED = DecisionKind
NAMES = ("Cat", "Dog", "Cow")
numbers = count(1)


class Crash(BaseException):
    """The process ends here."""


class SlowClock:
    """A clock on which some calls are in the same millisecond."""

    def __init__(self) -> None:
        self._calls = count()

    def __call__(self) -> datetime:
        return NOON + timedelta(milliseconds=next(self._calls) // 3)


@pytest.fixture
def rig(
    blobs: BlobRepository,
    uploads: Callable[[UploadLimits], UploadRepository],
    deliveries: DeliveryRepository,
    owners: OwnerRepository,
    tmp_path: Path,
) -> Rig:
    return Rig(blobs, uploads(UploadLimits()), deliveries, owners, tmp_path, SlowClock())


@pytest.fixture
def on_write(store: str, request: pytest.FixtureRequest) -> Iterator[list[Callable[[], None]]]:
    """The calls that precede the next writes to the store, one for each."""
    target: Any
    if store == "sqlite":
        target, names = request.getfixturevalue("database"), ["write"]
    else:
        target = request.getfixturevalue("table")
        names = ["put", "update", "delete", "transact", "write_many"]
    waiting: list[Callable[[], None]] = []

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **kwargs: Any) -> Any:
            if waiting:
                waiting.pop(0)()
            return original(*args, **kwargs)

        return write

    patches = pytest.MonkeyPatch()
    for name in names:
        patches.setattr(target, name, wrap(getattr(target, name)))
    yield waiting
    patches.undo()


@dataclass(frozen=True)
class Step:
    """What happens, and what happens before its write of a number: another step, or a crash."""

    kind: str  # correct, relabel, carry, policy, apply or delete
    corrections: tuple[Correction, ...] = ()
    detected: tuple[str, ...] = ()
    rules: tuple[LabelRule, ...] = ()
    before_write: int = 0
    meanwhile: Step | None = None
    crashes: bool = False


@dataclass
class Run:
    """One blob's history, and the corrections that were accepted."""

    rig: Rig
    on_write: list[Callable[[], None]]
    blob: Blob
    accepted: list[tuple[int, tuple[Correction, ...]]] = field(default_factory=list)
    deleted: bool = False

    def do(self, step: Step) -> None:
        """Take a step; after a crash take it again, as clients and queues do."""
        self.on_write.clear()
        if step.crashes or step.meanwhile:
            self.on_write += [nothing] * step.before_write
            self.on_write.append(crash if step.crashes else lambda: self.meanwhile(step))
        try:
            self.act(step)
        except Crash:
            self.on_write.clear()
            self.act(step)
        self.on_write.clear()
        self.count()

    def meanwhile(self, step: Step) -> None:
        assert step.meanwhile is not None
        self.act(step.meanwhile)

    def act(self, step: Step) -> None:
        found = Detection(
            tuple(Label(name, 70.0 + len(name)) for name in step.detected), 640, 480, "eye 2"
        )
        if step.kind == "correct":
            answer = self.rig.correct(self.blob, *step.corrections)
            if isinstance(answer, Blob):
                self.accepted.append((answer.version, step.corrections))
            else:
                assert isinstance(answer, BlobNotFound)
                assert self.deleted
            return
        if step.kind == "policy":
            policies = self.rig.blobs.policies
            version = policies.find(self.blob.owner).policy.version
            wanted = LabelPolicy(version, rules=step.rules)
            set_policy_of(policies, self.blob.owner, wanted, self.rig.services.clock())
            return
        if step.kind == "apply":
            PolicyRun(self.rig.blobs, self.rig.services.clock)(60)
            return
        if step.kind == "delete":
            self.deleted = True
            self.rig.delete(self.blob)
            return
        if step.kind == "relabel":
            self.rig.detector.results(found)
            now = self.rig.blobs.get(self.blob.id)
            if now is not None and now.finished:
                try:
                    self.rig.ask(self.blob, self.blob.owner)
                except BlobNotFound:
                    assert self.deleted
        self.rig.carry(self.rig.another_labeller())

    def count(self) -> None:
        """Count the labels, as the notifier does after a change of the blob."""
        now = self.rig.blobs.get(self.blob.id)
        for action in actions_for(Change(self.blob, now), NOON):
            if isinstance(action, CountLabels):
                self.rig.blobs.count_batch([action, action])
            elif isinstance(action, RemoveBlob):
                self.rig.blobs.uncount_labels(action.owner, action.blob_id)
        self.blob = now or self.blob

    def check(self) -> None:
        """Check that the labels are those of all decisions in order, in every place."""
        if self.deleted:
            assert self.rig.blobs.get(self.blob.id) is None
            assert [find(self.rig.blobs, self.blob.owner, name).items for name in NAMES] == [()] * 3
            assert self.rig.blobs.find_labels(self.blob.owner, "", first=9).items == ()
            return
        decided: dict[str, DecisionKind | None] = {}
        for _, corrections in sorted(self.accepted, key=lambda each: each[0]):
            decided |= {each.name.casefold(): each.kind for each in corrections}
        blob = self.blob
        assert {each.key: each.kind for each in blob.decisions} == {
            key: kind for key, kind in decided.items() if kind
        }
        assert blob.status is BlobStatus.LABELLED
        assert blob.labels is not None
        assert blob.detected is not None
        policy = self.rig.blobs.policies.find(blob.owner).policy
        assert blob.labels == effective_labels(blob.detected, blob.decisions, policy)
        carried = {each.name: each.confidence for each in blob.labels}
        assert {
            name: page.items[0].confidence
            for name in NAMES
            if (page := find(self.rig.blobs, blob.owner, name)).items
        } == carried
        page = self.rig.blobs.find_labels(blob.owner, "", first=9)
        assert {each.name: each.blob_count for each in page.items} == dict.fromkeys(carried, 1)


def nothing() -> None:
    pass


def crash() -> None:
    raise Crash


def find(blobs: BlobRepository, owner: str, name: str) -> Any:
    return find_by_label(blobs, owner, name, min_confidence=0, order=LabelOrder.NEWEST, first=9)


CORRECTIONS = st.builds(
    Correction, st.none() | st.sampled_from(list(DecisionKind)), st.sampled_from(NAMES)
)
RULES = st.sampled_from(
    [
        (),
        (LabelRule(LabelAction.HIDE, "Cat"),),
        (LabelRule(LabelAction.RENAME, "Dog", replacement="Cow"),),
        (
            LabelRule(LabelAction.RENAME, "Cat", replacement="Dog"),
            LabelRule(LabelAction.HIDE, "Cow"),
        ),
    ]
)
ACTIONS = st.builds(
    Step,
    st.just("correct"),
    st.lists(CORRECTIONS, min_size=1, max_size=2).map(tuple),
) | st.builds(
    Step,
    st.sampled_from(["relabel", "carry"]),
    detected=st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple),
) | st.builds(Step, st.just("policy"), rules=RULES) | st.just(Step("apply"))  # fmt: skip
DELETION = st.just(Step("delete"))
INTERRUPTED = st.builds(
    replace, ACTIONS, before_write=st.integers(0, 3), meanwhile=ACTIONS | DELETION
) | st.builds(replace, ACTIONS, before_write=st.integers(0, 3), crashes=st.just(True))  # fmt: skip


@settings(
    max_examples=settings.default.max_examples // 3,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(ACTIONS | INTERRUPTED, min_size=2, max_size=5), st.none() | DELETION)
def test_labels_are_those_of_all_decisions_and_the_policy_whatever_happens_meanwhile(
    rig: Rig, on_write: list[Callable[[], None]], steps: list[Step], last: Step | None
) -> None:
    """Corrections, detections, policies, deletions interrupt each other, or a crash does it."""
    rig.messages.clear()
    number = next(numbers)
    run = Run(rig, on_write, a_blob(owner=f"owner {number}"))
    rig.blobs.create(run.blob)
    rig.storage.put(run.blob.key, b"bytes")
    first = receive_upload(run.blob, NOON, size=5, sha256=f"{number:044}")
    rig.blobs.save(first, run.blob)
    found = detection(("Cat", 73.0), ("Dog", 73.0))
    rig.blobs.save(labelled(first, *((each.name, each.confidence) for each in found.labels)), first)
    run.count()
    for step in (*steps, last, Step("carry"), Step("apply")):
        if step:
            run.do(step)
    run.check()


def kept(rig: Rig, *labels: tuple[str, float]) -> Blob:
    return rig.kept(uploaded, lambda blob: labelled(blob, *labels))


def names_of(blob: Blob) -> list[str]:
    return [each.name for each in blob.labels or ()]


def test_corrected_labels_replace_those_of_the_detector_in_every_list(rig: Rig) -> None:
    """What the detector found stays beside them."""
    blob = kept(rig, ("Cat", 90.0), ("Dog", 80.0))
    answer = rig.correct(blob, Correction(REMOVED, "cat"), Correction(ADDED, "Cow"))
    assert answer == rig.now(blob)
    assert isinstance(answer, Blob)
    assert names_of(answer) == ["Cow", "Dog"]
    assert answer.detected == blob.labels
    assert [rig.carrying(name) for name in NAMES] == [[], [blob.id], [blob.id]]
    assert find(rig.blobs, "anna", "Cow").items[0].confidence == 100.0


def test_withdrawn_corrections_leave_what_the_detector_found(rig: Rig) -> None:
    blob = kept(rig, ("Cat", 90.0))
    rig.correct(blob, Correction(REMOVED, "Cat"), Correction(ADDED, "Cow"))
    rig.correct(blob)
    now = rig.now(blob)
    assert (now.labels, now.decisions, now.detected_labels) == (blob.labels, (), None)
    assert [rig.carrying(name) for name in NAMES] == [[blob.id], [], []]


def test_repeated_correction_writes_nothing(rig: Rig) -> None:
    blob = kept(rig, ("Cat", 90.0))
    first = rig.correct(blob, Correction(ADDED, "Cow"))
    assert rig.correct(blob, Correction(ADDED, "Cow")) == first == rig.now(blob)


def test_added_label_is_described_as_in_the_newest_blob_that_has_it(rig: Rig) -> None:
    """Only among the owner's own."""
    cow = Label("Cow", 70.0, ("Animal",), aliases=("Cattle",), categories=("Farm",))
    rig.detector.results(replace(detection(), labels=(cow,)))
    other = kept(rig, ("Cat", 90.0))
    rig.ask(other)
    rig.carry()
    blob = kept(rig, ("Cat", 90.0))
    answer = rig.correct(blob, Correction(ADDED, "COW"))
    assert isinstance(answer, Blob)
    assert answer.labels is not None
    assert (answer.labels[0].name, answer.labels[0].parents) == ("Cow", ("Animal",))
    assert (answer.labels[0].aliases, answer.labels[0].categories) == (("Cattle",), ("Farm",))
    stranger = labelled(uploaded(a_blob(owner="ben")))
    rig.blobs.create(stranger)
    answer = rig.correct(stranger, Correction(ADDED, "COW"))
    assert isinstance(answer, Blob)
    assert [(each.name, each.parents) for each in answer.labels or ()] == [("COW", ())]


def test_correction_during_a_detection_costs_no_other(rig: Rig) -> None:
    blob = kept(rig, ("Cat", 90.0), ("Dog", 80.0))

    def correct_meanwhile(_: object) -> Detection:
        rig.correct(blob, Correction(REMOVED, "Dog"))
        return detection(("Dog", 99.0), ("Cow", 70.0))

    rig.detector.results(correct_meanwhile)
    rig.ask(blob)
    rig.carry()
    now = rig.now(blob)
    assert (now.status, names_of(now), len(rig.detector.calls)) == ("LABELLED", ["Cow"], 1)
    assert [rig.carrying(name) for name in NAMES] == [[], [], [blob.id]]


@pytest.mark.parametrize("after_request", [False, True])
def test_request_to_label_again_survives_a_correction(rig: Rig, *, after_request: bool) -> None:
    """One made between the request's event and its write of the state, or after that write."""
    blob = kept(rig, ("Cat", 90.0))

    def correct() -> None:
        rig.correct(blob, Correction(ADDED, "Cow"))

    if not after_request:
        rig.on_send = correct
    assert rig.ask(blob).status == "LABELLING"
    if after_request:
        correct()
    rig.carry()
    assert names_of(rig.now(blob)) == ["Cow", "Dog"]


def test_event_to_label_again_is_handled_after_a_correction(rig: Rig) -> None:
    """As `labelling relabel --all` sends it: without a change of the state."""
    blob = kept(rig, ("Cat", 90.0))
    rig.send(blob)
    rig.correct(blob, Correction(ADDED, "Cow"))
    rig.carry()
    assert names_of(rig.now(blob)) == ["Cow", "Dog"]
    rig.carry()
    assert len(rig.detector.calls) == 1, "the event was repeated"


def test_decisions_outlast_a_failure(rig: Rig) -> None:
    blob = kept(rig, ("Cat", 90.0))
    rig.correct(blob, Correction(REMOVED, "Dog"), Correction(ADDED, "Cow"))
    before = rig.now(blob)
    again = rig.ask(blob)
    rig.blobs.save(failed(again), again)
    assert rig.now(blob).labels is None
    assert rig.carrying("Cow") == []
    rig.ask(blob)
    rig.carry()
    now = rig.now(blob)
    assert (names_of(now), now.decisions) == (["Cow"], before.decisions)


def test_deleted_blob_takes_its_corrections_along(rig: Rig) -> None:
    blob = kept(rig, ("Cat", 90.0))
    rig.correct(blob, Correction(ADDED, "Cow"))
    now = rig.now(blob)
    rig.blobs.count_labels("anna", now.id, now.version, names_of(now))
    rig.blobs.delete(now, NOON)
    rig.blobs.uncount_labels("anna", now.id)
    assert [rig.carrying(name) for name in NAMES] == [[], [], []]
    assert rig.blobs.find_labels("anna", "", first=9).items == ()


@pytest.mark.parametrize("steps", [[], [uploaded], [uploaded, failed]])
def test_blob_without_labels_cannot_be_corrected(
    rig: Rig, steps: list[Callable[[Blob], Blob]]
) -> None:
    blob = rig.kept(*steps)
    with pytest.raises(WrongState, match=f"{blob.status}, so it can't be corrected: "):
        raise_error(rig.correct(blob, Correction(ADDED, "Cow")))
    assert rig.now(blob) == blob


def test_blob_of_another_owner_is_not_found(rig: Rig) -> None:
    blob = kept(rig, ("Cat", 90.0))
    with pytest.raises(BlobNotFound):
        raise_error(rig.correct(replace(blob, owner="ben"), Correction(ADDED, "Cow")))
    assert rig.now(blob) == blob


def raise_error(answer: Blob | Exception) -> None:
    if isinstance(answer, Exception):
        raise answer


@pytest.mark.parametrize("before_write", [1, 2])
def test_label_restored_before_the_end_of_its_removal_is_found(
    rig: Rig, on_write: list[Callable[[], None]], before_write: int
) -> None:
    """On DynamoDB a save deletes the old entries last; on SQLite it is one transaction."""
    blob = kept(rig, ("Cat", 90.0))
    on_write += [nothing] * before_write + [lambda: raise_error(rig.correct(blob))]
    rig.correct(blob, Correction(REMOVED, "Cat"))
    on_write.clear()
    rig.correct(blob, Correction(None, "Cat"))
    assert (names_of(rig.now(blob)), rig.carrying("Cat")) == (["Cat"], [blob.id])
