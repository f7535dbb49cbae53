"""The setting of encryption keys, which api, notifier and the embedded service share."""

from __future__ import annotations

from typing import Any

from core.runtime.settings import setting


def keys_setting() -> Any:
    """Declare the setting of the keys that encrypt stored secrets."""
    return setting(
        (),
        "Keys that encrypt the stored secrets of webhooks, comma-separated: the first encrypts, "
        "all decrypt; none: secrets are stored as they are.",
        secret=True,
    )
