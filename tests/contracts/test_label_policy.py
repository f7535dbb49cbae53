"""Label policies on every store: their versions, and their application to stored blobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from api.services.labels import LabelOrder, find_by_label
from core.domain.blob import Blob
from core.domain.change import Change
from core.domain.corrections import Correction, DecisionKind
from core.domain.errors import PolicyConflict
from core.domain.label import Detection
from core.domain.label_policy import NO_POLICY, LabelAction, LabelPolicy, LabelRule
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.deliveries import DeliveryRepository
from core.repositories.ports.owners import OwnerRepository
from core.repositories.ports.policies import OwnerPolicy, set_policy_of
from core.repositories.ports.uploads import UploadLimits, UploadRepository
from labeller.policy_run import PolicyRun
from notifier.actions import CountLabels, actions_for
from tests.support.blobs import NOON, a_blob, again, detection, labelled, moments, uploaded
from tests.support.services.labelling_rig import Rig

ADDED, CONFIRMED, REMOVED = DecisionKind
HIDE_CAT = LabelRule(LabelAction.HIDE, "Cat")
DOG_IS_COW = LabelRule(LabelAction.RENAME, "Dog", replacement="Cow")
ALL = (
    HIDE_CAT,
    DOG_IS_COW,
    LabelRule(LabelAction.ALLOW, category="Farm & Füße"),
    LabelRule(LabelAction.REQUIRE_CONFIDENCE, "Cow", min_confidence=12.5),
)
MINUTE = timedelta(minutes=1)
LONG = 60.0  # seconds that a run may take


class Died(BaseException):
    """The process ends here."""


@pytest.fixture
def rig(
    blobs: BlobRepository,
    uploads: Callable[[UploadLimits], UploadRepository],
    deliveries: DeliveryRepository,
    owners: OwnerRepository,
    tmp_path: Path,
) -> Rig:
    times = moments(NOON + MINUTE)
    return Rig(blobs, uploads(UploadLimits()), deliveries, owners, tmp_path, lambda: next(times))


def set_rules(blobs: BlobRepository, *rules: LabelRule, owner: str = "anna") -> LabelPolicy:
    version = blobs.policies.find(owner).policy.version
    return set_policy_of(blobs.policies, owner, LabelPolicy(version, rules=rules), NOON).policy


def stored(blobs: BlobRepository, number: int, owner: str = "anna") -> list[Blob]:
    """So many blobs with a cat and a dog, in the order of their ids, and counted."""
    found = [
        labelled(uploaded(a_blob(at, owner)), ("Cat", 90.0), ("Dog", 80.0), at=at)
        for at, _ in zip(moments(), range(number), strict=False)
    ]
    for blob in found:
        blobs.create(blob)
        blobs.count_labels(owner, blob.id, blob.version, ["Cat", "Dog"])
    return found


def names_of(blobs: BlobRepository, blob: Blob) -> list[str]:
    found = blobs.get(blob.id)
    assert found is not None
    return [each.name for each in found.labels or ()]


def having(blobs: BlobRepository, name: str, owner: str = "anna") -> set[str]:
    """The ids of the blobs that a search for the label finds."""
    page = find_by_label(blobs, owner, name, min_confidence=0, order=LabelOrder.NEWEST, first=99)
    return {each.blob.id for each in page.items}


def run(blobs: BlobRepository, seconds: float = LONG, batch: int = 2) -> None:
    times = moments(NOON + MINUTE)
    PolicyRun(blobs, lambda: next(times), batch)(seconds)


def test_owner_without_a_policy_shows_everything(blobs: BlobRepository) -> None:
    assert blobs.policies.find("anna") == OwnerPolicy()
    assert blobs.policies.find("anna").finished
    assert blobs.policies.find_unfinished() == []


def test_policy_is_stored_as_it_is(blobs: BlobRepository) -> None:
    """Every field of it, of one owner alone."""
    policy = LabelPolicy(1, 33.25, 7, ALL)
    assert blobs.policies.replace("anna", policy, NOON)
    found = blobs.policies.find("anna")
    assert found == OwnerPolicy(policy, NOON)
    assert not found.finished
    assert blobs.policies.find_unfinished() == ["anna"]
    assert blobs.policies.find("ann").policy == NO_POLICY


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_policy_that_changed_meanwhile_stays(blobs: BlobRepository, expected: int) -> None:
    for version in (1, 2):
        assert blobs.policies.replace("anna", LabelPolicy(version), NOON)
    wanted = LabelPolicy(expected, rules=ALL)
    with pytest.raises(PolicyConflict, match="but at version 2") as raised:
        set_policy_of(blobs.policies, "anna", wanted, NOON + MINUTE)
    assert raised.value.current == 2
    assert blobs.policies.find("anna") == OwnerPolicy(LabelPolicy(2), NOON)


def test_version_of_no_policy_is_refused(blobs: BlobRepository) -> None:
    with pytest.raises(PolicyConflict, match="but at version 0"):
        set_policy_of(blobs.policies, "anna", LabelPolicy(1), NOON)
    assert blobs.policies.find("anna") == OwnerPolicy()


def test_policy_that_is_set_again_after_a_lost_response_stays(blobs: BlobRepository) -> None:
    first = set_policy_of(blobs.policies, "anna", LabelPolicy(0, rules=ALL), NOON)
    again_ = set_policy_of(blobs.policies, "anna", LabelPolicy(0, rules=ALL), NOON + MINUTE)
    assert first == again_ == blobs.policies.find("anna")


def test_progress_is_recorded_until_the_policy_changes(blobs: BlobRepository) -> None:
    set_rules(blobs, HIDE_CAT)
    begun = blobs.policies.find("anna")
    further = replace(begun, after="7", examined=5)
    assert blobs.policies.record_progress("anna", further, begun)
    assert blobs.policies.find("anna") == further
    assert not blobs.policies.record_progress("anna", replace(begun, after="6"), begun)
    ended = replace(further, after=None, examined=9, finished_at=NOON)
    assert blobs.policies.record_progress("anna", ended, further)
    assert blobs.policies.find("anna") == ended
    assert blobs.policies.find_unfinished() == []
    assert not blobs.policies.record_progress("anna", ended, further)
    set_rules(blobs)
    assert not blobs.policies.record_progress("anna", further, begun)
    assert blobs.policies.find("anna") == OwnerPolicy(LabelPolicy(2), NOON)
    assert blobs.policies.find_unfinished() == ["anna"]


def test_blobs_are_saved_together_except_those_that_changed_meanwhile(
    blobs: BlobRepository,
) -> None:
    first, second, third = stored(blobs, 3)
    theirs = again(second)
    blobs.save(theirs, second)
    mine = [labelled(again(each), ("Fox", 70.0)) for each in (first, second, third)]
    pairs = list(zip(mine, (first, second, third), strict=True))
    assert blobs.save_many(pairs) == [second.id]
    assert [blobs.get(each.id) for each in mine] == [mine[0], theirs, mine[2]]
    assert having(blobs, "Fox") == {first.id, third.id}
    assert blobs.save_many([]) == []


def test_new_labels_follow_the_policy(rig: Rig) -> None:
    """What the detector found stays beside them."""
    set_rules(rig.blobs, HIDE_CAT, DOG_IS_COW)
    blob = rig.kept(uploaded, lambda each: labelled(each, ("Fox", 70.0)))
    rig.detector.results(detection(("Cat", 90.0), ("Dog", 80.0)))
    rig.ask(blob)
    rig.carry()
    now = rig.now(blob)
    assert names_of(rig.blobs, blob) == ["Cow"]
    assert [each.name for each in now.detected or ()] == ["Cat", "Dog"]
    assert having(rig.blobs, "Cow") == {blob.id}
    assert having(rig.blobs, "Dog") == set()


def test_corrections_follow_the_policy_and_precede_it(rig: Rig) -> None:
    set_rules(rig.blobs, HIDE_CAT, DOG_IS_COW)
    (blob,) = stored(rig.blobs, 1)
    rig.correct(blob, Correction(CONFIRMED, "Cat"))
    assert names_of(rig.blobs, blob) == ["Cat", "Cow"]
    rig.correct(blob, Correction(REMOVED, "Cow"))
    assert names_of(rig.blobs, blob) == ["Cat"]
    rig.correct(blob)
    assert names_of(rig.blobs, blob) == ["Cow"]


def test_policy_is_applied_to_blobs_on_record(blobs: BlobRepository) -> None:
    """Those of its owner, in every list and count; the others stay, and no blob is detected."""
    mine = stored(blobs, 5)
    (theirs,) = stored(blobs, 1, owner="ben")
    waiting = a_blob()
    blobs.create(waiting)
    set_rules(blobs, HIDE_CAT, DOG_IS_COW)
    run(blobs)
    for blob in mine:
        now = blobs.get(blob.id)
        assert now is not None
        assert (names_of(blobs, blob), now.detected, now.edits) == (["Cow"], blob.labels, 1)
        for action in actions_for(Change(blob, now), NOON):
            assert isinstance(action, CountLabels)
            blobs.count_batch([action])
    assert having(blobs, "Cow") == {each.id for each in mine}
    assert having(blobs, "Dog") == having(blobs, "Cat") == set()
    summaries = blobs.find_labels("anna", "", first=9).items
    assert [(each.name, each.blob_count) for each in summaries] == [("Cow", 5)]
    assert (blobs.get(theirs.id), blobs.get(waiting.id)) == (theirs, waiting)
    done = blobs.policies.find("anna")
    assert (done.examined, done.finished) == (6, True)


def test_policy_without_rules_brings_back_what_was_detected(blobs: BlobRepository) -> None:
    mine = stored(blobs, 3)
    for rules in ((HIDE_CAT, DOG_IS_COW), ()):
        set_rules(blobs, *rules)
        run(blobs)
    for blob in mine:
        now = blobs.get(blob.id)
        assert now is not None
        assert (now.labels, now.detected_labels) == (blob.labels, None)


def test_blob_whose_labels_stay_is_not_written(blobs: BlobRepository) -> None:
    (blob,) = stored(blobs, 1)
    set_rules(blobs, LabelRule(LabelAction.HIDE, "Yeti"))
    run(blobs)
    assert blobs.get(blob.id) == blob
    assert blobs.policies.find("anna").finished


def test_run_goes_on_where_it_ended(blobs: BlobRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each batch, and within one whose blobs are saved and whose end is not recorded."""
    mine = stored(blobs, 7)
    set_rules(blobs, HIDE_CAT)
    with monkeypatch.context() as patch:

        def die(*_: object) -> bool:
            raise Died

        patch.setattr(blobs.policies, "record_progress", die)
        with pytest.raises(Died):
            run(blobs)
    assert blobs.policies.find("anna").examined == 0
    written = {each.id: blobs.get(each.id) for each in mine if names_of(blobs, each) == ["Dog"]}
    assert len(written) == 2
    progress = []
    record = blobs.policies.record_progress

    def note(owner: str, new: OwnerPolicy, replaced: OwnerPolicy) -> bool:
        progress.append(new.examined)
        return record(owner, new, replaced)

    monkeypatch.setattr(blobs.policies, "record_progress", note)
    run(blobs)
    assert progress[-1] == 7
    assert progress == sorted(progress)
    assert all(names_of(blobs, each) == ["Dog"] for each in mine)
    assert all(blobs.get(blob_id) == blob for blob_id, blob in written.items())


def test_run_ends_after_its_time_and_the_next_goes_on(blobs: BlobRepository) -> None:
    mine = stored(blobs, 3)
    set_rules(blobs, HIDE_CAT)
    run(blobs, seconds=0)
    assert blobs.policies.find("anna").examined == 0
    run(blobs)
    assert all(names_of(blobs, each) == ["Dog"] for each in mine)


def test_owners_have_their_turns(blobs: BlobRepository) -> None:
    """One owner's many blobs do not delay another's few."""
    stored(blobs, 6)
    few = stored(blobs, 1, owner="ben")
    set_rules(blobs, HIDE_CAT)
    set_rules(blobs, HIDE_CAT, owner="ben")
    ends = []

    class Watched:
        """The blobs, whose scans tell which owner is served."""

        def __getattr__(self, name: str) -> object:
            return getattr(blobs, name)

        def scan(self, owner: str, first: int, after: str | None) -> object:
            ends.append(owner)
            return blobs.scan(owner, first, after)

    times = moments(NOON + MINUTE)
    PolicyRun(Watched(), lambda: next(times), 2)(LONG)  # type: ignore[arg-type]
    assert ends[:3] == ["anna", "ben", "anna"]
    assert names_of(blobs, few[0]) == ["Dog"]


def test_blob_that_is_restored_during_the_run_has_the_policy(rig: Rig) -> None:
    """Even one whose place among the others was passed before."""
    mine = stored(rig.blobs, 5)
    for blob in mine[::2]:
        rig.delete(blob, MINUTE)
    waiting = list(mine[::2])
    set_rules(rig.blobs, HIDE_CAT)

    class Restoring:
        """The blobs, of which one is restored after each scan."""

        def __getattr__(self, name: str) -> object:
            return getattr(rig.blobs, name)

        def scan(self, owner: str, first: int, after: str | None) -> object:
            found = rig.blobs.scan(owner, first, after)
            if waiting:
                rig.restore(waiting.pop(0))
            return found

    PolicyRun(Restoring(), rig.services.clock, 1)(LONG)  # type: ignore[arg-type]
    assert waiting == []
    assert [names_of(rig.blobs, each) for each in mine] == [["Dog"]] * 5


def test_next_policy_cancels_the_run_of_the_one_before(
    blobs: BlobRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where a batch of the earlier one is saved after the later one was set."""
    mine = stored(blobs, 5)
    set_rules(blobs, HIDE_CAT)
    save = blobs.save_many
    changes: list[LabelPolicy] = []

    def save_late(pairs: list[tuple[Blob, Blob]]) -> object:
        if not changes:
            changes.append(set_rules(blobs, DOG_IS_COW))
            other = PolicyRun(blobs, lambda: NOON + MINUTE, 9)
            monkeypatch.undo()
            other(LONG)  # in another process, to the end
        return save(pairs)

    monkeypatch.setattr(blobs, "save_many", save_late)
    run(blobs)
    assert all(names_of(blobs, each) == ["Cat", "Cow"] for each in mine)
    assert blobs.policies.find("anna").examined == 5
    assert having(blobs, "Cow") == {each.id for each in mine}


def test_policy_set_during_a_detection_applies_to_its_labels(rig: Rig) -> None:
    """Even if its run examined the blob before the labels were saved."""
    blob = rig.kept(uploaded, lambda each: labelled(each, ("Fox", 70.0)))

    def set_meanwhile(_: object) -> Detection:
        set_rules(rig.blobs, HIDE_CAT)
        run(rig.blobs)
        return detection(("Cat", 90.0), ("Dog", 80.0))

    rig.detector.results(set_meanwhile)
    rig.ask(blob)
    rig.carry()
    assert names_of(rig.blobs, blob) == ["Dog"]


@pytest.mark.parametrize("crashes", [False, True])
def test_policy_set_while_labels_are_saved_applies_to_them(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, *, crashes: bool
) -> None:
    """It was read before; after a crash the repeated event applies it."""
    blob = rig.kept(uploaded, lambda each: labelled(each, ("Fox", 70.0)))
    rig.detector.results(detection(("Cat", 90.0), ("Dog", 80.0)))
    rig.ask(blob)
    save = rig.blobs.save

    def save_late(new: Blob, *values: object) -> None:
        set_rules(rig.blobs, HIDE_CAT)
        run(rig.blobs)
        monkeypatch.undo()
        save(new, *values)  # type: ignore[arg-type]
        if crashes:
            raise Died

    monkeypatch.setattr(rig.blobs, "save", save_late)
    if crashes:
        with pytest.raises(Died):
            rig.carry()
        assert names_of(rig.blobs, blob) == ["Cat", "Dog"]
    rig.carry()
    assert names_of(rig.blobs, blob) == ["Dog"]


def test_blob_that_is_edited_during_a_run_follows_both(
    blobs: BlobRepository, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = stored(blobs, 2)
    set_rules(blobs, HIDE_CAT)
    save = blobs.save_many

    def save_late(pairs: list[tuple[Blob, Blob]]) -> object:
        monkeypatch.undo()
        rig.correct(mine[0], Correction(ADDED, "Emu"))
        blobs.save(labelled(again(mine[1]), ("Cat", 60.0), ("Fox", 50.0), at=NOON), mine[1])
        return save(pairs)

    monkeypatch.setattr(blobs, "save_many", save_late)
    run(blobs)
    assert names_of(blobs, mine[0]) == ["Emu", "Dog"]
    assert names_of(blobs, mine[1]) == ["Fox"]
