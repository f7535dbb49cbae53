"""Subscriptions in one process: which events they deliver, and when they complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from api.auth.caller import Caller
from api.graphql.context import Context
from api.graphql.event_types import MAX_BLOB_IDS
from api.graphql.execution.documents import Documents
from api.graphql.schema import schema
from api.threads import run_in_thread
from core.domain.blob import expire, label_again, receive_upload
from core.domain.clock import to_text
from core.domain.corrections import DecisionKind
from core.domain.label import Label
from embedded.http.pubsub import LocalPubSub
from tests.support.blobs import failed, labelled
from tests.support.services.embedded_stores import EmbeddedStores

EVENTS = """
subscription ($filter: EventFilter) {
  blobEvents(filter: $filter) { id at kind blobId blob { id status labels { name } } }
}
"""
NOWHERE = "01KYAPP62SWHJ3Z8EFVNKPPWB6"


class Following:
    """A subscription of Anna's in this process."""

    def __init__(self, stores: EmbeddedStores, owner: str = "anna") -> None:
        self.stores = stores
        self.owner = owner
        self.pubsub = LocalPubSub(stores.clock)
        stores.blobs.changes.watch(self.pubsub.publish)
        self.states_read = False

    async def _read(self, call: Callable[..., Any], *given: Any) -> Any:
        found = await run_in_thread(call, *given)
        self.states_read = True
        return found

    async def results(self, wanted: dict[str, Any] | None) -> AsyncIterator[Any]:
        services = replace(self.stores.services(self.owner), pubsub=self.pubsub, read=self._read)
        context = Context(services, Caller(self.owner), Documents(schema._schema), "request")
        stream = await schema.stream(EVENTS, {"filter": wanted}, context_value=context)
        async with aclosing(stream):  # type: ignore[type-var]
            async for result in stream:
                yield result

    def run(
        self, wanted: dict[str, Any] | None, act: Callable[[], None], first: int, then: int | None
    ) -> list[dict[str, Any]]:
        """Return the first events, and after `act` so many more, or (None) those until the end."""

        async def follow() -> list[dict[str, Any]]:
            events: list[dict[str, Any]] = []
            async with aclosing(self.results(wanted)) as results:  # type: ignore[type-var]
                events += [event_of(await anext(results)) for _ in range(first)]
                coming = asyncio.ensure_future(anext(results))
                watched = wanted and wanted.get("blobIds")
                while not (self.states_read if watched else self.pubsub):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
                await asyncio.to_thread(act)
                events.append(event_of(await coming))
                while then is None or len(events) < first + then:
                    try:
                        events.append(event_of(await anext(results)))
                    except StopAsyncIteration:
                        assert then is None
                        break
            return events

        told = asyncio.run(follow())
        assert len(self.pubsub) == 0, "it listens no more"
        return told

    def error(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Return the only result, which is an error."""

        async def follow() -> list[Any]:
            return [result async for result in self.results(wanted)]

        (result,) = asyncio.run(follow())
        (error,) = result.errors
        assert len(self.pubsub) == 0
        return {"message": error.message, **error.extensions}

    def at_once(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the events of a subscription that completes by itself."""

        async def follow() -> list[dict[str, Any]]:
            return [event_of(result) async for result in self.results(wanted)]

        return asyncio.run(follow())


def event_of(result: Any) -> dict[str, Any]:
    assert result.errors is None
    event: dict[str, Any] = result.data["blobEvents"]
    return event


@pytest.fixture
def following(stores: EmbeddedStores) -> Following:
    return Following(stores)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


def test_all_changes_of_all_blobs_are_sent_without_a_filter(
    stores: EmbeddedStores, following: Following
) -> None:
    """From the creation to the deletion, each with the state of its blob."""
    ids = []

    def act() -> None:
        blob = stores.awaiting("anna")
        ids.append(blob.id)
        blob = stores.saved(receive_upload(blob, stores.clock(), size=5, sha256="c2hh"))
        blob = stores.saved(labelled(blob, ("Cat", 90.0)))
        blob = stores.saved(label_again(blob, stores.clock()))
        blob = stores.saved(failed(blob))
        stores.blobs.delete(blob, stores.clock())
        other = stores.awaiting("anna")
        stores.saved(expire(other, stores.clock()))

    events = following.run(None, act, 0, 8)
    assert kinds(events) == [
        "CREATED",
        "UPLOADED",
        "LABELLED",
        "EDITED",
        "FAILED",
        "DELETED",
        "CREATED",
        "EXPIRED",
    ]
    assert [event["blob"] and event["blob"]["status"] for event in events[:6]] == [
        "AWAITING_UPLOAD",
        "LABELLING",
        "LABELLED",
        "LABELLING",
        "FAILED",
        None,
    ]
    assert {event["blobId"] for event in events[:6]} == set(ids)
    of_one = [event["id"] for event in events[:6]]
    assert of_one == sorted(set(of_one))


def test_one_blob_is_followed_from_its_state_to_its_labels(
    stores: EmbeddedStores, following: Following
) -> None:
    """The state at once, then each change; other blobs are not reported."""
    blob = stores.awaiting("anna")

    def act() -> None:
        stores.labelled("anna", Label("Dog", 99.0))
        came = stores.saved(receive_upload(blob, stores.clock(), size=5, sha256="c2hh"))
        stores.saved(labelled(came, ("Cat", 90.0)))

    events = following.run({"blobIds": [blob.id]}, act, 1, None)
    assert kinds(events) == ["CREATED", "UPLOADED", "LABELLED"]
    assert events[0]["at"] == to_text(blob.created_at)
    assert {event["blobId"] for event in events} == {blob.id}
    assert events[-1]["blob"]["labels"] == [{"name": "Cat"}]


def test_correction_is_an_edit_with_the_labels_that_follow(
    stores: EmbeddedStores, following: Following
) -> None:
    """The filter of labels applies to those of now."""
    blob = stores.labelled("anna", Label("Cat", 90.0))

    def act() -> None:
        added = stores.corrected(blob, DecisionKind.ADDED, "Cow")
        removed = stores.corrected(added, DecisionKind.REMOVED, "Cow")
        stores.corrected(removed, DecisionKind.CONFIRMED, "Cow")

    wanted = {"kinds": ["EDITED"], "labels": {"all": ["cow"]}}
    events = following.run(wanted, act, 0, 2)
    assert kinds(events) == ["EDITED", "EDITED"]
    assert [event["id"][-10:] for event in events] == ["0000000004", "0000000006"]
    assert events[0]["blob"] == {
        "id": blob.id,
        "status": "LABELLED",
        "labels": [{"name": "Cow"}, {"name": "Cat"}],
    }


def test_corrected_blob_has_ended_as_any_labelled_one(
    stores: EmbeddedStores, following: Following
) -> None:
    blob = stores.labelled("anna", Label("Cat", 90.0))
    stores.corrected(blob, DecisionKind.REMOVED, "Cat")
    (event,) = following.at_once({"blobIds": [blob.id]})
    assert (event["kind"], event["blob"]["labels"]) == ("LABELLED", [])


def test_subscription_completes_when_the_last_of_its_blobs_has_ended(
    stores: EmbeddedStores, following: Following
) -> None:
    """A blob that has ended is followed no more."""
    done = stores.labelled("anna", Label("Cat", 90.0))
    first, second = stores.awaiting("anna"), stores.awaiting("anna")

    def act() -> None:
        again = stores.saved(label_again(done, stores.clock()))
        stores.saved(expire(first, stores.clock()))
        stores.saved(labelled(again, ("Cat", 90.0)))
        stores.blobs.delete(second, stores.clock())

    wanted = {"blobIds": [done.id, first.id, second.id, first.id]}
    events = following.run(wanted, act, 3, None)
    assert [(event["kind"], event["blobId"]) for event in events] == [
        ("LABELLED", done.id),
        ("CREATED", first.id),
        ("CREATED", second.id),
        ("EXPIRED", first.id),
        ("DELETED", second.id),
    ]
    assert events[-1]["blob"] is None


def test_blobs_that_have_ended_complete_it_at_once(
    stores: EmbeddedStores, following: Following
) -> None:
    blobs = [stores.labelled("anna"), stores.failed("anna"), stores.expired("anna")]
    events = following.at_once({"blobIds": [blob.id for blob in blobs]})
    assert kinds(events) == ["LABELLED", "FAILED", "EXPIRED"]


def test_blob_is_followed_to_its_deletion_if_a_later_kind_is_wanted(
    stores: EmbeddedStores, following: Following
) -> None:
    """Otherwise such a subscription to a labelled blob would complete without an event."""
    blob = stores.labelled("anna", Label("Cat", 90.0))

    def act() -> None:
        again = stores.saved(label_again(blob, stores.clock()))
        again = stores.saved(labelled(again, ("Cat", 90.0)))
        stores.blobs.delete(again, stores.clock())

    wanted = {"blobIds": [blob.id], "kinds": ["EDITED", "DELETED"]}
    assert kinds(following.run(wanted, act, 0, None)) == ["EDITED", "DELETED"]


def test_only_wanted_kinds_are_sent(stores: EmbeddedStores, following: Following) -> None:
    """The states at the beginning are filtered too; the end is the same."""

    def act() -> None:
        stores.failed("anna")
        blob = stores.labelled("anna", Label("Cat", 90.0))
        stores.blobs.delete(blob, stores.clock())

    assert kinds(following.run({"kinds": ["DELETED", "LABELLED"]}, act, 0, 2)) == [
        "LABELLED",
        "DELETED",
    ]
    blob = stores.labelled("anna", Label("Cat", 90.0))
    assert following.at_once({"blobIds": [blob.id], "kinds": ["FAILED"]}) == []


def test_only_blobs_with_the_labels_are_reported(
    stores: EmbeddedStores, following: Following
) -> None:
    """Also when they are deleted; a blob that is not labelled yet is not."""

    def act() -> None:
        stores.labelled("anna", Label("Cat", 59.0))
        stores.labelled("anna", Label("Dog", 90.0))
        blob = stores.labelled("anna", Label("Cat", 60.0), Label("Sofa", 99.0))
        stores.blobs.delete(blob, stores.clock())

    wanted = {"labels": {"all": ["CAT"], "none": ["bird"], "minConfidence": 60}}
    assert kinds(following.run(wanted, act, 0, 2)) == ["LABELLED", "DELETED"]


def test_change_during_the_first_read_is_sent_once(
    stores: EmbeddedStores, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listening begins before the read; what the read has seen is not sent again."""
    blob = stores.awaiting("anna")
    find = stores.blobs.find

    def change_and_find(*given: Any) -> Any:
        monkeypatch.setattr(stores.blobs, "find", find)
        came = stores.saved(receive_upload(blob, stores.clock(), size=5, sha256="c2hh"))
        found = find(*given)
        stores.saved(labelled(came, ("Cat", 90.0)))
        return found

    monkeypatch.setattr(stores.blobs, "find", change_and_find)
    assert kinds(following.at_once({"blobIds": [blob.id]})) == ["UPLOADED", "LABELLED"]


@pytest.mark.parametrize("absent", [NOWHERE, "x", "event_1", "☃" * 2000])
def test_absent_ids_are_an_error_that_names_them(
    stores: EmbeddedStores, following: Following, absent: str
) -> None:
    """Blobs of other owners are absent. A client follows the others without these ids."""
    mine, foreign = stores.awaiting("anna"), stores.awaiting("boris")
    error = following.error({"blobIds": [mine.id, absent]})
    assert (error["code"], error["blobIds"]) == ("NOT_FOUND", [absent])
    assert f"You have no blob {absent[:40]!r}." in error["message"]
    error = following.error({"blobIds": [foreign.id, NOWHERE]})
    assert error["blobIds"] == sorted([foreign.id, NOWHERE])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"blobIds": []}, "blobIds: name a blob"),
        ({"blobIds": [str(n) for n in range(MAX_BLOB_IDS + 1)]}, "at most 50, not 51"),
        ({"kinds": []}, "kinds: name a kind"),
        (
            {"labels": {"any": [str(n) for n in range(11)]}},
            "labels: name at most 10",
        ),
        ({"labels": {"all": ["cat"], "minConfidence": 100.5}}, "from 0 to 100, not 100.5"),
        ({"labels": {"minConfidence": 60}}, "minConfidence: applies to the labels"),
    ],
)
def test_filter_out_of_range_is_an_error_that_says_what_to_do(
    following: Following, wanted: dict[str, Any], message: str
) -> None:
    error = following.error(wanted)
    assert error["code"] == "BAD_USER_INPUT"
    assert message in error["message"]


@pytest.mark.parametrize(
    "wanted", [None, {}, {"blobIds": None, "kinds": None, "labels": None}, {"labels": {}}]
)
def test_null_and_an_empty_filter_of_labels_are_no_condition(
    stores: EmbeddedStores, following: Following, wanted: dict[str, Any] | None
) -> None:
    assert kinds(following.run(wanted, lambda: void(stores.awaiting("anna")), 0, 1)) == ["CREATED"]


def test_one_label_in_several_cases_is_named_once(
    stores: EmbeddedStores, following: Following
) -> None:
    names = ["cat", "CAT", "Cat", "cAt", "caT", "CaT", "CAt", "cAT", "dog", "DOG", "Dog"]
    sent = following.run(
        {"labels": {"any": names}}, lambda: void(stores.labelled("anna", Label("Cat", 90.0))), 0, 1
    )
    assert kinds(sent) == ["LABELLED"]


def void(_: object) -> None:
    """Discard a value."""
