"""What the three Lambdas do alike: clients, log lines and metrics.

Log lines are JSON with the request's id and what the work is about on each; metrics are written
among them (CloudWatch embedded metric format). Both by Powertools for AWS Lambda.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from core.runtime.logging import AddLogContext
from core.runtime.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[Any, Any], Any]

PREFIX: Final = "LABELLING_"

_CONNECT_SECONDS: Final = 3
_READ_SECONDS: Final = 10
_ATTEMPTS: Final = 4


def client(service: str, config: Any = None, endpoint_url: str | None = None) -> Any:
    """Make a client of an AWS service: one for each container, when it is first needed.

    `config` is a `botocore.config.Config` whose values go before the ones for every client;
    `endpoint_url` is where the service is, if not where it always is.
    """
    # It takes half a second, which the start of a container doesn't wait for.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    common = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    return boto3.client(
        service, config=common.merge(config) if config else common, endpoint_url=endpoint_url
    )


class LambdaMetrics:
    """Gives values to CloudWatch by way of the log, once per request."""

    def __init__(self) -> None:
        self._values: dict[Metric, list[float]] = {}

    def __call__(self, metric: Metric, value: float = 1) -> None:
        """Add a value."""
        self._values.setdefault(metric, []).append(value)

    def flush(self) -> None:
        """Write what was added; nothing when there is none."""
        if not self._values:
            return
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


def entry(handle: Handler) -> Handler:
    """Make a function of (event, context) the handler that Lambda calls.

    Every line logged meanwhile, by whichever module, is one JSON object with the request's id.
    """

    @functools.cache
    def instrumented() -> Handler:
        from aws_lambda_powertools import Logger  # noqa: PLC0415

        # Its own handler would write the lines of every logger below its name once more.
        level = os.environ.get(PREFIX + "LOG_LEVEL", "info").upper()
        logger = Logger(level=level, logger_handler=logging.NullHandler())
        logging.getLogger("botocore").setLevel(logging.WARNING)  # tells of every client it makes

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

        made: Handler = handler
        return made

    @functools.wraps(handle)
    def handler(event: Any, context: Any) -> Any:
        return instrumented()(event, context)

    return handler
