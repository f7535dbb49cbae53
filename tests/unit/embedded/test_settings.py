"""The settings of the embedded service."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

from core.runtime.settings import BadSetting, read_settings, settings_of
from embedded.settings import PREFIX, Settings

ROOT = Path(__file__).parents[3]


def read(**environ: str) -> Settings:
    return read_settings(
        Settings, {PREFIX + name: value for name, value in environ.items()}, PREFIX
    )


def test_defaults_are_for_this_machine() -> None:
    """Loopback, data beside it, one labelling thread per core."""
    settings = read()
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8000, ROOT / "data")
    assert settings.workers == (os.cpu_count() or 1)
    assert settings.public_url is None
    assert settings.max_upload_bytes == 50_000_000


def test_values_are_read_by_type() -> None:
    """Numbers, folders, lists and choices."""
    settings = read(
        HOST="0.0.0.0",
        PORT="0",
        DATA="~/pictures",
        PUBLIC_URL="https://labels.example",
        CORS_ORIGINS="https://a.example, https://b.example,",
        MAX_UPLOAD_BYTES="1000",
        UPLOAD_HOURS="0.5",
        WEBHOOK_TIMEOUT="2.5",
        LOG_FORMAT="json",
        LOG_LEVEL="debug",
    )
    assert (settings.host, settings.port) == ("0.0.0.0", 0)
    assert settings.data == Path.home() / "pictures"
    assert settings.public_url == "https://labels.example"
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert (settings.max_upload_bytes, settings.upload_hours) == (1000, 0.5)
    assert (settings.webhook_timeout, settings.log_format) == (2.5, "json")


def test_empty_value_of_an_optional_setting_is_none() -> None:
    """As a shell passes it."""
    assert read(PUBLIC_URL="").public_url is None


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("PORT", "http", "give a whole number"),
        ("PORT", "", "give a whole number"),
        ("PORT", "80.5", "give a whole number"),
        ("PORT", "-1", "give 0 or more"),
        ("WORKERS", "0", "give 1 or more"),
        ("WEBHOOK_WORKERS", "0", "give 1 or more"),
        ("MAX_UPLOAD_BYTES", "15MB", "give a whole number"),
        ("MAX_UPLOAD_BYTES", "0", "give 1 or more"),
        ("MAX_PIXELS", "0", "give 1 or more"),
        ("MAX_RECEIVES", "0", "give 1 or more"),
        ("UPLOAD_HOURS", "a day", "give a number"),
        ("UPLOAD_HOURS", "-1", "give 0 or more"),
        ("UPLOAD_HOURS", "nan", "give 0 or more"),
        ("UPLOAD_HOURS", "inf", "give 10000 or less"),
        ("PORT", "65536", "give 65535 or less"),
        ("WEBHOOK_TIMEOUT", "0", "give 0.1 or more"),
        ("SHUTDOWN_SECONDS", "-0.1", "give 0 or more"),
        ("LOG_FORMAT", "xml", "choose auto or text or json"),
        ("LOG_LEVEL", "INFO!", "choose debug or info"),
    ],
)
def test_bad_value_is_an_error_with_a_remedy(name: str, value: str, remedy: str) -> None:
    """The message names the setting and the value."""
    with pytest.raises(BadSetting, match=remedy) as refusal:
        read(**{name: value})
    assert PREFIX + name in str(refusal.value)
    assert value in str(refusal.value)


@pytest.mark.parametrize(("name", "meant"), [("PROT", "PORT"), ("WORKER", "WORKERS")])
def test_unknown_setting_is_an_error_with_a_suggestion(name: str, meant: str) -> None:
    with pytest.raises(BadSetting, match=f"did you mean {PREFIX}{meant}"):
        read(**{name: "1"})


def test_unknown_setting_like_no_other_points_to_help() -> None:
    with pytest.raises(BadSetting, match="labelling --help"):
        read(**{"Z" * 40: "1"})


def test_names_without_the_prefix_are_ignored() -> None:
    assert read_settings(Settings, {"PORT": "x", "HOME": "y"}, PREFIX) == Settings()


def test_every_setting_has_a_help_text() -> None:
    """A sentence that ends."""
    documented = settings_of(Settings, PREFIX)
    assert {each.field for each in documented} == {field.name for field in fields(Settings)}
    assert documented[0].field == "host"
    for each in documented:
        assert each.help.endswith((".", ")")) or ":" in each.help, each.name
        assert len(each.help) > 15, each.name


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://labels.example/", "https://labels.example"),
        ("https://labels.example:8443/a/b-c/", "https://labels.example:8443/a/b-c"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_public_url_loses_its_last_slash(text: str, url: str) -> None:
    assert read(PUBLIC_URL=text).public_url == url


@pytest.mark.parametrize(
    "text",
    [
        "labels.example",
        "//labels.example",
        "ftp://labels.example",
        "https:///labels",
        "https://user@labels.example",
        "https://labels.example/?a=b",
        "https://labels.example/#a",
        "https://labels.example:port",
        "https://[labels.example",
        "https://labels.example/a;b",
        "https://labels.example/a b",
        "https://labels.example/a//b",
        "https://labels.example/../b",
    ],
)
def test_bad_public_url_is_an_error_with_a_remedy(text: str) -> None:
    with pytest.raises(BadSetting, match=r"as https://example\.com/labels"):
        read(PUBLIC_URL=text)
