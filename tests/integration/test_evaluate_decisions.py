"""`labelling evaluate --corrections`: how often the detector was right about each label."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from core.domain.corrections import DecisionKind
from core.domain.edits import set_policy
from core.domain.label import Label
from core.domain.label_policy import LabelAction, LabelPolicy, LabelRule
from core.repositories.ports.policies import set_policy_of
from embedded.cli.main import EXIT_USAGE, main
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.live_server import LiveServer


@pytest.fixture
def service(stores: EmbeddedStores) -> Iterator[str]:
    """The address of a service with decisions of Anna's, whose policy renames a label."""
    at = stores.clock()
    rename = LabelRule(LabelAction.RENAME, label="Sofa", replacement="Couch")
    policy = set_policy_of(stores.blobs.policies, "local", LabelPolicy(0, rules=(rename,)), at)
    for n in range(6):
        labels = (Label("Cat", 90.0 - n), Label("Dog", 60.0 + n), Label("Sofa", 50.0))
        blob = stores.labelled("local", *labels)
        blob = stores.saved(set_policy(blob, stores.clock(), policy.policy))
        blob = stores.corrected(blob, DecisionKind.CONFIRMED, "Cat" if n < 3 else "Cow")
        stores.corrected(blob, DecisionKind.REMOVED, "Dog", *(["Couch"] if n == 0 else []))
    stores.labelled("local", Label("Cat", 99.0))
    stores.corrected(stores.labelled("bert", Label("Cat", 99.0)), DecisionKind.REMOVED, "Cat")
    with LiveServer(stores) as started:
        yield f"http://{started.address}"


def test_decisions_tell_how_often_the_detector_was_right(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By label, with rules for a policy; only the caller's pictures count."""
    assert main(["evaluate", "--corrections", "--url", service, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    hide = {"action": "HIDE", "label": "Dog"}
    names = ("label", "right", "wrong", "missed", "precision", "rule")
    assert result == {
        "pictures": 6,
        "labels": [
            dict(zip(names, ("Dog", 0, 6, 0, 0.0, hide), strict=True)),
            dict(zip(names, ("Cat", 3, 0, 0, 1.0, None), strict=True)),
            dict(zip(names, ("Cow", 0, 0, 3, None, None), strict=True)),
            dict(zip(names, ("Couch", 0, 1, 0, 0.0, None), strict=True)),
        ],
    }
    assert main(["evaluate", "--corrections", "--url", service]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "6 pictures with decisions, 4 labels",
        "label  right  wrong  missed  precision  suggestion",
        "Dog        0      6       0         0%        hide",
        "Cat        3      0       0       100%",
        "Cow        0      0       3          -",
        "Couch      0      1       0         0%",
        "A suggestion needs 5 decisions about labels that were found.",
    ]


@pytest.mark.parametrize(
    "options", [[], ["--truth", __file__], ["--corrections", "--truth", __file__]]
)
def test_either_a_folder_or_corrections_are_evaluated(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *options]) == EXIT_USAGE
    assert "--truth" in capsys.readouterr().err
