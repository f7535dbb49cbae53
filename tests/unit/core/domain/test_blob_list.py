"""Plans of lists: the index that is walked, what is checked on the way, and the bound."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from core.domain.blob import BlobStatus, ImageType
from core.domain.blob_list import (
    MAX_EXAMINED,
    BlobFilter,
    BlobIndex,
    BlobListPlan,
    BlobOrder,
    plan_blob_list,
)
from core.domain.errors import InvalidValue
from core.domain.facts import Facts, FactsFilter, Pair
from core.domain.label_filter import LabelFilter
from tests.support.blobs import NOON, a_blob, labelled, uploaded

DONE, WAITING, BUSY = BlobStatus.LABELLED, BlobStatus.AWAITING_UPLOAD, BlobStatus.LABELLING
BYTES = "c2hh"
TIFF = (ImageType.TIFF,)
IDS = FactsFilter(external_ids=("2", "1", "2"))
PAIR = FactsFilter(metadata=(Pair("k", "v"),))
PAIRS = FactsFilter(metadata=(Pair("k", "v"), Pair("a", "b")))


def plan(order: BlobOrder = BlobOrder.NEWEST, **wanted: Any) -> BlobListPlan:
    names = {"all", "any", "none", "min_confidence", "confirmed", "found"} & wanted.keys()
    labels = LabelFilter(**{name: wanted.pop(name) for name in names})
    return plan_blob_list(BlobFilter(**wanted, labels=labels), order)


@pytest.mark.parametrize(
    ("wanted", "index", "choices", "exact"),
    [
        ({}, BlobIndex.OWNER, (("",),), True),
        ({"statuses": tuple(BlobStatus)}, BlobIndex.OWNER, (("",),), True),
        ({"created_after": NOON}, BlobIndex.OWNER, (("",),), True),
        ({"statuses": (DONE, WAITING, DONE)}, BlobIndex.STATUS, ((WAITING, DONE),), True),
        ({"sha256": BYTES}, BlobIndex.DIGEST, ((BYTES,),), True),
        ({"sha256": BYTES, "statuses": (DONE,)}, BlobIndex.DIGEST, ((BYTES,),), False),
        ({"sha256": BYTES, "all": ("a",)}, BlobIndex.DIGEST, ((BYTES,),), False),
        ({"all": ("A", "a")}, BlobIndex.LABEL, (("a",),), True),
        ({"any": ("A",)}, BlobIndex.LABEL, (("a",),), True),
        ({"any": ("b", "A")}, BlobIndex.LABEL, (("a", "b"),), False),
        ({"all": ("a",), "min_confidence": 5.0}, BlobIndex.LABEL, (("a",),), False),
        ({"all": ("a", "b")}, BlobIndex.LABEL, (("a",), ("b",)), False),
        ({"all": ("a",), "any": ("b", "c")}, BlobIndex.LABEL, (("a",), ("b", "c")), False),
        ({"all": ("a",), "any": ("a", "c")}, BlobIndex.LABEL, (("a",),), True),
        ({"any": ("a", "b"), "none": ("b",)}, BlobIndex.LABEL, (("a",),), False),
        ({"all": ("a",), "statuses": (DONE, WAITING)}, BlobIndex.LABEL, (("a",),), False),
        ({"all": ("a",), "statuses": (DONE, BUSY)}, BlobIndex.LABEL, (("a",),), True),
        ({"all": ("a",), "statuses": (BUSY, WAITING)}, BlobIndex.STATUS, ((BUSY,),), False),
        ({"none": ("a",)}, BlobIndex.OWNER, (("",),), False),
        ({"none": ("a",), "statuses": (DONE,)}, BlobIndex.STATUS, ((DONE,),), False),
        ({"none": ("a",), "statuses": (WAITING,)}, BlobIndex.STATUS, ((WAITING,),), True),
        ({"facts": IDS}, BlobIndex.EXTERNAL_ID, (("1", "2"),), True),
        ({"facts": IDS, "sha256": BYTES}, BlobIndex.EXTERNAL_ID, (("1", "2"),), False),
        ({"facts": IDS, "all": ("a",)}, BlobIndex.EXTERNAL_ID, (("1", "2"),), False),
        ({"facts": PAIR}, BlobIndex.METADATA, (("k\tv",),), True),
        ({"facts": PAIRS}, BlobIndex.METADATA, (("k\tv",),), False),
        ({"facts": PAIR, "statuses": (DONE,)}, BlobIndex.METADATA, (("k\tv",),), False),
        ({"facts": PAIR, "all": ("a",)}, BlobIndex.METADATA, (("k\tv",),), False),
        ({"facts": PAIR, "sha256": BYTES}, BlobIndex.DIGEST, ((BYTES,),), False),
        ({"content_types": TIFF}, BlobIndex.OWNER, (("",),), False),
        ({"content_types": TIFF, "all": ("a",)}, BlobIndex.LABEL, (("a",),), False),
        ({"confirmed": True}, BlobIndex.OWNER, (("",),), False),
        ({"confirmed": False, "all": ("a",)}, BlobIndex.LABEL, (("a",),), False),
        ({"confirmed": True, "none": ("a",)}, BlobIndex.OWNER, (("",),), False),
        ({"found": False, "statuses": (DONE, WAITING)}, BlobIndex.STATUS, ((DONE,),), False),
    ],
    ids=str,
)
def test_plan_names_the_index_to_walk(
    wanted: dict[str, Any], index: BlobIndex, choices: tuple[tuple[str, ...], ...], *, exact: bool
) -> None:
    """A page that checks entries examines a thousand at most; others read what they show."""
    for order in (BlobOrder.NEWEST, BlobOrder.OLDEST):
        made = plan(order, **wanted)
        assert (made.index, made.choices, made.exact) == (index, choices, exact)
        assert made.most_examined(20) == (22 * len(choices[0]) if exact else MAX_EXAMINED)


@pytest.mark.parametrize(
    ("wanted", "exact"),
    [
        ({"all": ("A",)}, True),
        ({"any": ("a",), "min_confidence": 5.0}, True),
        ({"all": ("a",), "none": ("b",)}, False),
        ({"all": ("a",), "statuses": (BUSY,)}, False),
        ({"all": ("a",), "created_before": NOON}, False),
    ],
    ids=str,
)
def test_confidence_is_an_index_of_its_own(wanted: dict[str, Any], *, exact: bool) -> None:
    made = plan(BlobOrder.CONFIDENCE, **wanted)
    assert (made.index, made.choices, made.exact) == (BlobIndex.CONFIDENCE, (("a",),), exact)
    blob = labelled(uploaded(a_blob()), ("A", 70.0), ("b", 80.0))
    assert made.position_of(blob) == (70.0, blob.id)
    assert made.position_types == (float, str)


@pytest.mark.parametrize(
    ("wanted", "exact"),
    [
        ({}, True),
        ({"facts": FactsFilter("Ab")}, True),
        ({"facts": PAIR}, False),
        ({"all": ("a",)}, False),
        ({"statuses": (DONE,)}, False),
        ({"created_after": NOON}, False),
    ],
    ids=str,
)
def test_file_names_are_an_index_of_their_own(wanted: dict[str, Any], *, exact: bool) -> None:
    made = plan(BlobOrder.FILE_NAME, **wanted)
    assert (made.index, made.choices, made.exact) == (BlobIndex.NAME, (("",),), exact)
    blob = a_blob(facts=Facts("AbC.jpg"))
    assert made.position_of(blob) == ("abc.jpg", blob.id)
    assert made.position_types == (str, str)


def test_a_list_without_newer_conditions_has_its_former_name() -> None:
    """So cursors of earlier versions stay valid."""
    name = plan(statuses=(DONE,), sha256=BYTES).name
    assert not re.search("facts|content_types|confirmed|found", name, re.IGNORECASE)
    newer: list[dict[str, Any]] = [
        {"facts": PAIR},
        {"facts": IDS},
        {"content_types": TIFF},
        {"confirmed": True, "none": ("a",)},
        {"confirmed": False, "none": ("a",)},
        {"none": ("a",)},
        {"found": True},
        {"found": False},
        {},
    ]
    assert len({plan(**each).name for each in newer}) == len(newer)
    both = (ImageType.TIFF, ImageType.PNG)
    assert plan(content_types=both).name == plan(content_types=both[::-1]).name


@pytest.mark.parametrize(
    "wanted",
    [
        {"all": ("a",), "none": ("A",)},
        {"any": ("a", "b"), "none": ("b", "a", "c")},
        {"any": ("a",), "none": ("a",), "statuses": (WAITING,)},
        {"all": ("a",), "statuses": (WAITING, BlobStatus.FAILED, BlobStatus.EXPIRED)},
        {"created_after": NOON, "created_before": NOON},
        {"facts": FactsFilter(metadata=(Pair("k", "v"), Pair("k", "w")))},
        {"created_after": NOON, "created_before": NOON - timedelta(hours=1)},
    ],
    ids=str,
)
def test_filter_that_no_blob_can_match_reads_nothing(wanted: dict[str, Any]) -> None:
    made = plan(**wanted)
    assert made.choices == ()
    assert made.shortest({}) == ()


def test_shortest_alternative_is_walked() -> None:
    """By the numbers of blobs; an unknown label has none."""
    made = plan(all=("a", "b"), any=("c", "d"))
    assert made.counted_labels == ("a", "b", "c", "d")
    assert made.shortest({"a": 9, "b": 8, "c": 4, "d": 3}) == ("c", "d")
    assert made.shortest({"a": 9, "b": 6, "c": 4, "d": 3}) == ("b",)
    assert made.shortest({"b": 6, "c": 4, "d": 3}) == ("a",)
    assert plan(all=("a",)).counted_labels == ()


@pytest.mark.parametrize(
    ("order", "wanted", "path", "said"),
    [
        (
            "NEWEST",
            {"any": tuple("abcdefghijk")},
            ("filter", "labels"),
            "at most 10 labels, not 11",
        ),
        (
            "NEWEST",
            {"all": tuple("abcdef"), "none": tuple("uvwxy")},
            ("filter", "labels"),
            "not 11",
        ),
        (
            "NEWEST",
            {"min_confidence": 1.0},
            ("filter", "labels", "minConfidence"),
            "name one in all",
        ),
        (
            "NEWEST",
            {"all": ("a",), "min_confidence": 100.5},
            ("filter", "labels", "minConfidence"),
            "from 0 to 100, not 100.5",
        ),
        ("CONFIDENCE", {}, ("orderBy",), "name exactly one label"),
        ("CONFIDENCE", {"none": ("a",)}, ("orderBy",), "name exactly one label"),
        ("CONFIDENCE", {"all": ("a",), "any": ("b",)}, ("orderBy",), "order by NEWEST"),
        ("CONFIDENCE", {"all": ("a",), "sha256": BYTES}, ("orderBy",), "list them by NEWEST"),
        ("CONFIDENCE", {"all": ("a",), "facts": IDS}, ("orderBy",), "combined with externalIds"),
        ("FILE_NAME", {"sha256": BYTES}, ("orderBy",), "list them by NEWEST"),
        ("FILE_NAME", {"facts": IDS}, ("orderBy",), "combined with externalIds"),
        ("NEWEST", {"facts": FactsFilter("a")}, ("orderBy",), "order by FILE_NAME"),
        ("FILE_NAME", {"facts": FactsFilter("")}, ("filter", "fileNamePrefix"), "1 to 200"),
        ("FILE_NAME", {"facts": FactsFilter("ß" * 101)}, ("filter", "fileNamePrefix"), "200"),
        ("FILE_NAME", {"facts": FactsFilter("a\n")}, ("filter", "fileNamePrefix"), "control"),
        (
            "NEWEST",
            {"facts": FactsFilter(external_ids=("x",) * 101)},
            ("filter", "externalIds"),
            "at most 100",
        ),
        (
            "NEWEST",
            {"facts": FactsFilter(metadata=(Pair("a", "b"),) * 21)},
            ("filter", "metadata"),
            "at most 20",
        ),
    ],
    ids=str,
)
def test_what_no_index_answers_is_refused(
    order: str, wanted: dict[str, Any], path: tuple[str, ...], said: str
) -> None:
    """With the place of the value, and what to change."""
    with pytest.raises(InvalidValue) as refusal:
        plan(BlobOrder(order), **wanted)
    assert refusal.value.path == path
    assert said in refusal.value.message


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "wanted",
    [
        {"statuses": (BlobStatus.LABELLED,) * len(LONG)},
        {"sha256": LONG},
        {"labels": LabelFilter(all=(LONG,))},
        {"labels": LabelFilter(any=(LONG,))},
        {"labels": LabelFilter(none=(LONG,))},
        {"facts": FactsFilter(external_ids=(LONG,))},
        {"facts": FactsFilter(metadata=(Pair(LONG, "1"),))},
        {"facts": FactsFilter(metadata=(Pair("album", LONG),))},
    ],
)
def test_plan_of_a_long_filter_is_not_remembered(wanted: dict[str, Any]) -> None:
    """Otherwise clients could fill the memory: a request may have a megabyte of texts."""
    once, again = (plan_blob_list(BlobFilter(**wanted)) for _ in range(2))
    assert once == again
    assert once is not again


def test_plan_of_a_short_filter_is_remembered() -> None:
    """Clients that continue a list send the same filter again."""
    wanted = BlobFilter(labels=LabelFilter(all=("cat",)))
    assert plan_blob_list(wanted) is plan_blob_list(wanted)
