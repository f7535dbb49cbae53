"""The settings of callback rules."""

from __future__ import annotations

from dataclasses import dataclass

from core.domain.webhook_url import CallbackRules
from core.runtime.callback_settings import http_setting, ports_setting


@dataclass(frozen=True)
class Settings:
    private_callbacks: bool = False
    http_callbacks: bool = http_setting()
    callback_ports: tuple[int, ...] = ports_setting()


def test_default_settings_make_the_default_rules() -> None:
    assert CallbackRules.from_settings(Settings()) == CallbackRules()


def test_settings_make_the_rules() -> None:
    rules = CallbackRules.from_settings(Settings(True, True, (80, 81)))
    assert rules == CallbackRules(private=True, http=True, ports=frozenset({80, 81}))
