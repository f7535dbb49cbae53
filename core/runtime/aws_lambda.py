"""What the three Lambda functions share: AWS clients, logging and metrics.

Each log line is a JSON object with the request's id, the version and the log context. Metrics are
log lines too, in the CloudWatch embedded metric format. Powertools for AWS Lambda writes both.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from core.runtime.build import VERSION
from core.runtime.logging import AddLogContext
from core.runtime.metrics import Metric
from core.runtime.trace_settings import build_tracer

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.runtime.tracing import Tracer

    Handler = Callable[[Any, Any], Any]

PREFIX: Final = "LABELLING_"

_CONNECT_SECONDS: Final = 3
_READ_SECONDS: Final = 10
_ATTEMPTS: Final = 4


def client(service: str, config: Any = None, endpoint_url: str | None = None) -> Any:
    """Return a new client of an AWS service.

    `config` is a `botocore.config.Config` that overrides the common values; `endpoint_url` is the
    service's URL, if it is not the usual one.
    """
    # The import takes a quarter of a second: not during a cold start.
    from botocore.config import Config  # noqa: PLC0415

    common = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    return session().create_client(
        service, config=common.merge(config) if config else common, endpoint_url=endpoint_url
    )


@functools.cache
def session() -> Any:
    """Return the session of all clients, which keeps what they load."""
    # Not boto3: it makes the same clients, and takes twice as long to load for what is not used.
    from botocore.session import Session  # noqa: PLC0415

    return Session()


class LambdaMetrics:
    """Collects values and sends them to CloudWatch by the log, once per request."""

    def __init__(self) -> None:
        self._values: dict[Metric, list[float]] = {}
        self._counts: Counter[tuple[Metric, str]] = Counter()

    def __call__(self, metric: Metric, value: float = 1, *, code: str = "") -> None:  # noqa: ARG002  # no dimension: see Metrics
        """Add a value."""
        self._values.setdefault(metric, []).append(value)

    def count(self, metric: Metric, element: str) -> None:
        """Add 1 to the metric of one element, which is a dimension of the metric."""
        self._counts[metric, element] += 1

    def flush(self) -> None:
        """Write the values added since the last call, if any."""
        if self._counts:
            self._flush_counts()
        if self._values:
            self._flush_values()

    def _flush_counts(self) -> None:
        from aws_lambda_powertools import single_metric  # noqa: PLC0415  # not in a cold start
        from aws_lambda_powertools.metrics import MetricUnit  # noqa: PLC0415

        counts, self._counts = self._counts, Counter()
        for (metric, element), count in counts.items():
            with single_metric(name=metric.value, unit=MetricUnit.Count, value=count) as single:
                single.add_dimension(name="Element", value=element)

    def _flush_values(self) -> None:
        # Not during a cold start.
        from aws_lambda_powertools import Metrics  # noqa: PLC0415
        from aws_lambda_powertools.metrics import MetricUnit  # noqa: PLC0415

        metrics = Metrics()
        for metric, values in self._values.items():
            unit = MetricUnit.Milliseconds if metric is Metric.DETECTION_TIME else MetricUnit.Count
            for value in values:
                metrics.add_metric(name=metric.value, unit=unit, value=value)
        self._values = {}
        metrics.flush_metrics()


metrics: Final = LambdaMetrics()
_tracers: Final[dict[str, Tracer]] = {}


def tracer(endpoint: str) -> Tracer:
    """Return the tracer of an OTLP endpoint; each invocation ends by sending its spans.

    A container stands still between two invocations. Raises BadSetting.
    """
    if endpoint not in _tracers:
        _tracers[endpoint] = build_tracer(endpoint)
    return _tracers[endpoint]


def entry(handle: Handler) -> Handler:
    """Turn a function of (event, context) into the handler that Lambda calls.

    While it runs, every log line of every module is one JSON object with the request's id.
    """

    @functools.cache
    def instrumented() -> Handler:
        from aws_lambda_powertools import Logger  # noqa: PLC0415  # not during a cold start

        # The default handler would write the lines of all child loggers a second time.
        level = os.environ.get(PREFIX + "LOG_LEVEL", "info").upper()
        logger = Logger(level=level, logger_handler=logging.NullHandler(), version=VERSION)
        logging.getLogger("botocore").setLevel(logging.WARNING)  # it logs every new client

        @logger.inject_lambda_context
        def handler(event: Any, context: Any) -> Any:
            lines = logging.StreamHandler(sys.stdout)
            lines.setFormatter(logger.registered_formatter)
            lines.addFilter(AddLogContext())
            root = logging.getLogger()
            root.handlers[:] = [lines]
            root.setLevel(logger.log_level)
            try:
                return handle(event, context)
            finally:
                metrics.flush()
                for each in _tracers.values():
                    each.flush()

        made: Handler = handler
        return made

    @functools.wraps(handle)
    def handler(event: Any, context: Any) -> Any:
        return instrumented()(event, context)

    return handler
