"""Settings of traces, which the functions and the embedded service share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from core.runtime.settings import BadSetting, setting
from core.runtime.tracing import no_tracer

if TYPE_CHECKING:
    from core.runtime.tracing import Tracer


def endpoint_setting() -> Any:
    """Declare the setting of where traces are sent."""
    return setting(
        "",
        "URL of an OpenTelemetry collector that traces are sent to by OTLP over HTTP, such as "
        "http://127.0.0.1:4318; empty: there are no traces.",
    )


def webhook_setting() -> Any:
    """Declare the setting of whether receivers get a trace's context."""
    return setting(
        False,
        "Whether webhooks have the header `traceparent`, so that a receiver's spans belong to the "
        "trace of the upload. Only with traces.",
    )


def check_endpoint(endpoint: str) -> None:
    """Raise BadSetting for an endpoint that is neither a URL nor empty."""
    if endpoint and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", endpoint):
        raise BadSetting(
            f"LABELLING_OTLP_ENDPOINT (--otlp-endpoint) is {endpoint!r}: give a URL such as "
            "http://127.0.0.1:4318."
        )


def build_tracer(endpoint: str) -> Tracer:
    """Make the tracer of an endpoint; an empty one has no traces.

    Raises BadSetting for an endpoint that is not a URL, or without OpenTelemetry's SDK.
    """
    if not endpoint:
        return no_tracer
    check_endpoint(endpoint)
    try:
        # A third of a second, and an optional package.
        from core.runtime import opentelemetry  # noqa: PLC0415
    except ImportError as missing:
        raise BadSetting(
            f"Traces need OpenTelemetry's SDK ({missing}): 'pip install labelling[traces]', in a "
            "clone '.venv/bin/python -m pip install --require-hashes --no-deps "
            "-r requirements/traces.txt', or for AWS 'scripts/package --traces'."
        ) from missing
    return opentelemetry.build_tracer(endpoint)
