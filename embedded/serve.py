"""Start the embedded service and serve until a signal stops it."""

from __future__ import annotations

import gc
import logging
import signal
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from api.limits import MAX_REQUEST
from core.domain.webhook_url import CallbackRules
from core.runtime.trace_settings import build_tracer
from embedded.data.folder import create
from embedded.detection.model import model_at, people_model_at, say
from embedded.detection.pool import DetectorPool
from embedded.http.connection_limits import DEFAULT_LIMITS, ConnectionLimits, bounded_by
from embedded.limits.connections import (
    affordable_connections,
    count_connections,
    raise_descriptor_limit,
)
from embedded.listening import base_url, listen, needs_no_key, require_key
from embedded.logs import json_line, set_up_logging
from embedded.metrics.recorder import Recorder
from embedded.service import Service
from embedded.welcome import READY, welcome
from labeller.detectors.base import Options
from labeller.detectors.registry import ONNX

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from core.runtime.refusals import Refusals
    from embedded.settings import Settings

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 5  # for requests in flight when the service stops
PING_SECONDS: Final = 20  # proxies close connections that are silent for a minute


def serve(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status.

    Raises:
        CannotServe: the address can't be used, or others could use the service without a key.
        UnusableFolder: the data folder can't be created.

    """
    set_up_logging(settings.log_format, settings.log_level)
    create(settings.data)
    keyless = needs_no_key(settings)
    if not keyless and settings.oidc_issuer is None:
        require_key(settings)
    with ExitStack() as stack:
        most = affordable_connections(settings.max_connections, raise_descriptor_limit())
        settings = replace(settings, max_connections=most)
        listener = stack.enter_context(listen(settings.host, settings.port))
        tracer = build_tracer(settings.otlp_endpoint)
        stack.callback(tracer.close)
        recorder = Recorder()
        detector = DetectorPool(
            settings.detector,
            detector_options(settings),
            size=settings.workers,
            recorder=recorder,
        )
        stack.callback(detector.close)
        service = Service(
            settings,
            detector,
            base_url=base_url(listener),
            keyless=keyless,
            make_thumbnail=detector.thumbnail,
            model_health_error=detector.health_error,
            recorder=recorder,
            tracer=tracer,
            detector_processes=detector.process_ids,
        )
        detector.wait_until_ready()  # late: the processes load while this one wires up
        greet = greeting(
            settings,
            settings.public_url or base_url(listener),
            keyless=keyless,
            unconfined=detector.unconfined,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            # uvicorn raises the signal again once it has stopped cleanly. Nothing is left to do.
            signal.signal(number, lambda *_: None)
        # These objects stay: scanning all of them takes the garbage collector 40 ms each time.
        gc.collect()
        gc.freeze()
        _Server(settings, service, greet).run(sockets=[listener])
    log.info("stopped")
    return 0


def greeting(
    settings: Settings, url: str, *, keyless: bool, unconfined: str | None
) -> Callable[[], None]:
    """Return what tells that the service is ready: a text for people, or a line of a JSON log.

    Both are printed on standard output whatever the level of the log is, for programs that wait for
    them.
    """
    if settings.log_format == "json":
        about = {"url": url, "data": str(settings.data.resolve()), "unconfined": unconfined}
        return lambda: say(json_line(__name__, READY, about))
    rules = CallbackRules.from_settings(settings, private_default=keyless)
    text = welcome(url, settings.data, keyless=keyless, rules=rules, unconfined=unconfined)
    return partial(say, text)


def server_options(
    limits: ConnectionLimits = DEFAULT_LIMITS, refusals: Refusals | None = None
) -> dict[str, Any]:
    """Return uvicorn's options about connections."""
    return {
        "http": bounded_by(limits, refusals),
        "ws": "websockets-sansio",
        "ws_max_size": MAX_REQUEST,
        "ws_per_message_deflate": False,  # decompression would let a client use much memory
        "ws_ping_interval": PING_SECONDS,
        "ws_ping_timeout": PING_SECONDS,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }


def detector_options(settings: Settings) -> Options:
    """Return the options of the detectors; builds our own models if needed and missing."""
    is_onnx = settings.detector == ONNX
    return Options(
        max_pixels=settings.max_pixels,
        max_bytes=settings.max_upload_bytes,
        faces=settings.faces,
        classifier=settings.classifier,
        model=model_at(settings.data) if is_onnx and settings.classifier is None else None,
        people_model=people_model_at(settings.data) if is_onnx and settings.faces else None,
    )


class _Server(uvicorn.Server):
    """Greets when it listens, and ends streams before it waits for requests."""

    def __init__(self, settings: Settings, service: Service, greet: Callable[[], None]) -> None:
        concurrency = service.concurrency
        super().__init__(
            uvicorn.Config(
                service.app,
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=list(settings.trusted_proxies),
                **server_options(
                    ConnectionLimits(body_seconds=settings.body_timeout), concurrency.refusals
                ),
            )
        )
        count_connections(self.config, concurrency.connections)
        self._service = service
        self._greet = greet

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._greet()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("stopping")
        self._service.end_streams()
        await super().shutdown(sockets)
