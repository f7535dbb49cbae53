"""The strict parser of callback URLs, and the rules where webhooks may go."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.domain.errors import CallbackUrlRefused
from core.domain.ip_addresses import is_public
from core.domain.webhook_url import CallbackRules, CallbackUrl, read_callback_url
from tests.support.webhooks.hostile_urls import url_like

PUBLIC = CallbackRules()
ANYWHERE = CallbackRules(private=True)
RULES = [PUBLIC, ANYWHERE, CallbackRules(http=True), CallbackRules(ports=frozenset({444}))]


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "target", "authority"),
    [
        ("https://example.org", "https", "example.org", 443, "/", "example.org"),
        ("https://example.org/a/b?c=d&e=%20", "https", "example.org", 443, "/a/b?c=d&e=%20",
         "example.org"),
        ("HTTPS://EXAMPLE.Org:8443/A", "https", "example.org", 8443, "/A", "example.org:8443"),
        ("https://example.org?a=b#c", "https", "example.org", 443, "/?a=b", "example.org"),
        ("https://example.org:443/", "https", "example.org", 443, "/", "example.org"),
        ("https://example.org./", "https", "example.org", 443, "/", "example.org"),
        ("https://xn--bcher-kva.example/", "https", "xn--bcher-kva.example", 443, "/",
         "xn--bcher-kva.example"),
        ("https://a_b.example/", "https", "a_b.example", 443, "/", "a_b.example"),
        ("https://1.1.1.1/", "https", "1.1.1.1", 443, "/", "1.1.1.1"),
        ("https://[2606:4700:4700:0::1111]:8443/", "https", "2606:4700:4700::1111", 8443, "/",
         "[2606:4700:4700::1111]:8443"),
        ("https://example.org/@a:b//\\".replace("\\", "%5C"), "https", "example.org", 443,
         "/@a:b//%5C", "example.org"),
    ],
)  # fmt: skip
def test_url_is_parsed(
    url: str, scheme: str, host: str, port: int, target: str, authority: str
) -> None:
    """Scheme and host become lower case; the fragment is dropped."""
    read = read_callback_url(url, PUBLIC)
    assert read == CallbackUrl(scheme, host, port, target)
    assert read.authority == authority


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.org/", "must start with https://"),
        ("http://example.org/", "it must start with https://"),
        ("https://example.org:22/", "its port 22 is not one of 80, 443, 8443"),
        ("https://user:secret@example.org/", "user name or password"),
        ("https://127.0.0.1/", "127.0.0.1 is not a public address"),
        ("https://[::1]/", "::1 is not a public address"),
        ("https://2130706433/", "write it in plain form"),
        ("https://localhost/", "localhost is not a name on the public internet"),
        ("https://bücher.example/", "in Punycode"),
        ("https://example.org/a b", "percent-encode them"),
        ("https://exa mple.org/", "percent-encode them"),
        ("https://example.org:99999/", "not a valid host and port"),
        ("https://exam%70le.org/", "not a valid host and port"),
        ("https://example..org/", "its host is not a valid DNS name"),
        ("https://example.org/" + "a" * 2048, "longer than 2048 characters"),
    ],
)
def test_refusal_states_the_reason(url: str, reason: str) -> None:
    """And the remedy."""
    with pytest.raises(CallbackUrlRefused) as refused:
        read_callback_url(url, PUBLIC)
    assert reason in refused.value.reason
    assert refused.value.reason in str(refused.value)
    assert url.startswith(refused.value.url)


@pytest.mark.parametrize(
    "name",
    [
        *("localhost", "a.localhost", "LOCALHOST.", "printer.local", "db.internal", "x.invalid"),
        *("router.home.arpa", "1.0.0.127.in-addr.arpa", "x.test", "x.onion", "x.alt", "nas.lan"),
        *("wiki.corp", "x.home", "x.intranet", "x.private", "localhost.localdomain", "receiver"),
    ],
)
def test_names_that_no_public_host_has_are_for_private_networks(name: str) -> None:
    """Only the end of a name counts."""
    with pytest.raises(CallbackUrlRefused, match="not a name on the public internet"):
        read_callback_url(f"https://{name}/", PUBLIC)
    read_callback_url(f"https://{name}/", ANYWHERE)
    read_callback_url(f"https://{name.removesuffix('.')}.example.org/", PUBLIC)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://example.org/hook", "https://example.org/hook"),
        ("HTTPS://Example.Org.:443/Hook?a=b/c#d", "https://example.org/Hook"),
        ("https://example.org", "https://example.org/"),
        ("https://example.org?a=b", "https://example.org/"),
        ("http://example.org:80/", "http://example.org/"),
        ("http://example.org:443/", "http://example.org:443/"),
        ("https://[2001:DB8:0::1]:443/a", "https://[2001:db8::1]/a"),
        ("http://[::1]:9000/a", "http://[::1]:9000/a"),
    ],
)
def test_endpoint_has_one_normal_form(url: str, endpoint: str) -> None:
    """Parsing it returns the same."""
    assert read_callback_url(url, ANYWHERE).endpoint == endpoint
    assert read_callback_url(endpoint, ANYWHERE).endpoint == endpoint


def test_rules_allow_more() -> None:
    """Each by itself; a private network may use any port and plain http."""
    plain, odd = "http://example.org/", "https://example.org:444/"
    assert read_callback_url(plain, CallbackRules(http=True)).port == 80
    assert read_callback_url(odd, CallbackRules(ports=frozenset({444}))).port == 444
    for url, rules in ((plain, PUBLIC), (odd, PUBLIC), (odd, CallbackRules(http=True))):
        with pytest.raises(CallbackUrlRefused):
            read_callback_url(url, rules)
    for url in (plain, odd, "http://localhost:9000/", "http://[::1]:9000/", "http://10.0.0.1/",
                "http://receiver:80/", "http://db.internal/"):  # fmt: skip
        read_callback_url(url, ANYWHERE)


@pytest.mark.parametrize(
    "url", ["http://0x7f.1/", "http://127.1/", "http://u@localhost/", "http:x"]
)
def test_ambiguous_urls_are_always_refused(url: str) -> None:
    """Also where private addresses are allowed."""
    with pytest.raises(CallbackUrlRefused):
        read_callback_url(url, ANYWHERE)


HOSTS = st.one_of(
    st.sampled_from(
        ["example.org", "localhost", "[::1]", "127.0.0.1", "0x7f.1", "1.1.1.1", "a.b."]
    ),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.text("a0.-_:%[]@\\\u3002\u2460", max_size=12),
)
URLS = st.one_of(
    url_like(),
    st.builds(
        "".join,
        st.tuples(
            st.sampled_from(["http://", "https://", "HTTPS://", "//", "http:/", "ftp://", ""]),
            st.sampled_from(["", "", "user@", "a:b@"]),
            HOSTS,
            st.sampled_from(["", "", ":80", ":443", ":0", ":", ":08", ":99999"]),
            st.sampled_from(["", "/", "/a?b=c", "?b", "#@1.1.1.1/", "\\@1.1.1.1", "/a b", "/\r\n"]),
        ),
    ),
)


@given(URLS, st.sampled_from(RULES))
@example("http://1.1.1.1:443/", CallbackRules(http=True))
def test_other_parsers_agree_on_accepted_urls(url: str, rules: CallbackRules) -> None:
    """The standard library and the HTTP client; and an accepted address is public."""
    try:
        read = read_callback_url(url, rules)
    except CallbackUrlRefused:
        return
    other = urlsplit(url)
    assert other.hostname is not None
    host = other.hostname.removesuffix(".")
    assert (other.scheme, other.port or {"http": 80, "https": 443}[other.scheme]) == (
        read.scheme, read.port,
    )  # fmt: skip
    origin: Any = httpcore.URL(
        scheme=read.scheme, host=read.host, port=read.port, target=read.target
    ).origin
    assert (origin.host.decode(), origin.port) == (read.host, read.port)
    if ":" not in read.host:
        assert host == read.host
    literal = ":" in read.host or read.host.replace(".", "").isdigit()
    assert not literal or rules.private or is_public(read.host)
    if not literal:  # the C library does not read it as an old form of an address
        with pytest.raises(OSError, match="illegal IP address"):
            socket.inet_aton(read.host)
    again = f"{read.scheme}://{read.authority}{read.target}"
    assert read_callback_url(again, replace(rules, ports=rules.ports | {read.port})) == read
