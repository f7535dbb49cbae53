"""The embedded service without a process of its own, and with a detector that needs no model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.domain.thumbnail import ThumbnailSize
from embedded.service import Service
from embedded.settings import Settings
from labeller.detectors.base import Picture
from tests.support.images.detectors import ScriptedDetector, thumbnail_here
from tests.support.waiting import PATIENCE

BASE = "http://127.0.0.1:8000"
Open = Callable[..., Service]


@contextmanager
def services_over(data: Path) -> Iterator[Open]:
    """Yield a function that opens services over a folder, one after the other; close the last."""
    at_hand: list[Service] = []

    def close() -> None:
        for service in at_hand:
            # A read of an operation that timed out goes on: without this, in a closed database.
            assert service._pools.stop(PATIENCE)
            service.worker.stop(PATIENCE) if service.worker.health_error() is None else None
            service.stores.database.close()
            os.close(service._lock)
        at_hand.clear()

    def start(
        *,
        keyless: bool = True,
        make_thumbnail: Callable[[Picture, ThumbnailSize], bytes] = thumbnail_here,
        **settings: Any,
    ) -> Service:
        close()
        given = Settings(data=data, workers=1, webhook_workers=1, **settings)
        service = Service(
            given, ScriptedDetector(), base_url=BASE, keyless=keyless, make_thumbnail=make_thumbnail
        )
        at_hand.append(service)
        return service

    yield start
    close()
