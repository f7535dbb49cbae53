"""What a signed URL of an upload permits, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core.storage.signed_url import UrlSigner
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.object_routes import CHECKSUM, PICTURE, Routes, changed, refused, sha256


def test_owner_names_survive_url_file_name_and_event(
    stores: EmbeddedStores, routes: Routes
) -> None:
    """Spaces, percent signs and letters beyond ASCII."""
    routes.blob = stores.awaiting("Zoë + Söhne 100% %2B")
    assert routes.put().status_code == 200
    routes.assert_kept()


def test_url_works_until_it_expires(routes: Routes) -> None:
    """To the second."""
    target = routes.target()
    routes.stores.clock.advance(timedelta(minutes=14, seconds=59))
    assert routes.put(target).status_code == 200


def test_expired_url_is_rejected(routes: Routes) -> None:
    """The message says how to get a new one."""
    target = routes.target()
    routes.stores.clock.advance(timedelta(minutes=15))
    answer = routes.put(target)
    assert refused(answer) == (403, "AccessDenied")
    assert "renewUpload" in answer.json()["message"]
    routes.assert_nothing_happened()


@pytest.mark.parametrize(
    "change",
    [
        lambda query: query.update({"max-bytes": "999999999"}),
        lambda query: query.update({"expires": "9999999999"}),
        lambda query: query.update({"expires": "soon"}),
        lambda query: query.update({"content-type": "text/html"}),
        lambda query: query.update({"content-length": "5"}),
        lambda query: query.update({"extra": "1"}),
        lambda query: query.update({"signature": "0" * 64}),
        lambda query: query.update({"signature": ""}),
        lambda query: query.update({"signature": "é"}),
        lambda query: query.update({"signature": query["signature"].upper()}),
        lambda query: query.update({"signature": query["signature"][:-1]}),
        lambda query: query.pop("signature"),
        lambda query: query.pop("expires"),
        lambda query: query.pop("max-bytes"),
        lambda query: query.clear(),
    ],
    ids=range(15),
)
def test_changed_query_is_rejected(routes: Routes, change: Callable[[dict[str, str]], Any]) -> None:
    """The signature covers every parameter."""
    target = routes.target()
    url = changed(target.url, change)
    with AppClient(routes.app) as client:
        answer = client.put(url, content=PICTURE, headers=dict(target.headers))
    assert refused(answer) == (403, "SignatureDoesNotMatch")
    routes.assert_nothing_happened()


def test_signed_length_or_digest_cannot_be_removed(routes: Routes) -> None:
    """Nor can a parameter be given twice."""
    target = routes.target(size=5, sha256=sha256(b"bytes"))
    urls = [
        changed(target.url, lambda query: query.pop("content-length")),
        changed(target.url, lambda query: query.pop(CHECKSUM)),
        target.url + "&content-length=10243",
        target.url.replace("?", "?max-bytes=1&"),
    ]
    with AppClient(routes.app) as client:
        for url in urls[:3]:
            answer = client.put(url, content=PICTURE, headers=dict(target.headers))
            assert refused(answer) == (403, "SignatureDoesNotMatch")
        answer = client.put(urls[3], content=PICTURE, headers=dict(target.headers))
        assert answer.status_code in (400, 403)
    routes.assert_nothing_happened()


def test_url_is_valid_for_its_own_key_only(stores: EmbeddedStores, routes: Routes) -> None:
    """Neither for another blob nor for another owner."""
    target = routes.target()
    other = stores.awaiting("anna")
    foreign = stores.awaiting("boris")
    with AppClient(routes.app) as client:
        for blob in (other, foreign):
            url = target.url.replace(routes.blob.key, blob.key)
            answer = client.put(url, content=PICTURE, headers=dict(target.headers))
            assert refused(answer) == (403, "SignatureDoesNotMatch")
            assert stores.now(blob) == blob
    routes.assert_nothing_happened()


def test_url_is_valid_for_its_own_method_only(routes: Routes) -> None:
    get = routes.stores.storage.presign_get(
        routes.blob.key, "image/jpeg", now=routes.stores.clock()
    )
    with AppClient(routes.app) as client:
        answer = client.put(get, content=PICTURE, headers={"content-type": "image/jpeg"})
        assert refused(answer) == (403, "SignatureDoesNotMatch")
        assert refused(client.get(routes.target().url)) == (403, "SignatureDoesNotMatch")
        assert client.post(routes.target().url, content=PICTURE).status_code == 405
        assert client.request("DELETE", routes.target().url).status_code == 405
    routes.assert_nothing_happened()


def test_url_signed_with_another_secret_is_rejected(routes: Routes) -> None:

    terms = {"content-type": "image/jpeg", "max-bytes": 10**9}
    ends = routes.stores.clock() + timedelta(minutes=5)
    url = UrlSigner(b"guess", "http://testserver").sign("PUT", routes.blob.key, ends, terms)
    with AppClient(routes.app) as client:
        answer = client.put(url, content=PICTURE, headers={"content-type": "image/jpeg"})
    assert refused(answer) == (403, "SignatureDoesNotMatch")
    routes.assert_nothing_happened()


def test_url_works_after_a_rejected_put(routes: Routes) -> None:
    """A client may correct its request."""
    target = routes.target()
    assert routes.put(target, content_length="5").status_code == 400
    assert routes.put(target).status_code == 200
    routes.assert_kept()
