"""What the Lambda functions share: logging and metrics."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from core.runtime import aws_lambda
from core.runtime.logging import log_context
from core.runtime.metrics import Metric

log = logging.getLogger("core.any")


@dataclass(frozen=True)
class Context:
    aws_request_id: str
    function_name: str = "labelling-dev-labeller"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:any"


numbers = count(1)


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service name that no other test in this process uses."""
    name = f"service-{next(numbers)}"
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", name)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Labelling")
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield name
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_log_line_is_json_with_the_request_id(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of every module, once, with the log context."""

    def work(event: Any, _context: Any) -> str:
        with log_context(blob_id="01ARYZ"):
            log.info("working", extra={"labels": ["Cat"]})
            logging.getLogger("botocore.credentials").info("found some")
        return f"done: {event}"

    handler = aws_lambda.entry(work)
    assert handler("it", Context("one")) == "done: it"
    assert handler("that", Context("two")) == "done: that"
    told = lines(capsys)
    assert [line["function_request_id"] for line in told] == ["one", "two"]
    for line in told:
        assert (line["message"], line["service"]) == ("working", service)
        assert (line["blob_id"], line["labels"]) == ("01ARYZ", ["Cat"])


def test_log_level_is_a_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELLING_LOG_LEVEL", "error")

    def work(_event: Any, _context: Any) -> None:
        log.warning("not so bad")
        log.error("bad")

    aws_lambda.entry(work)({}, Context("one"))
    assert [line["message"] for line in lines(capsys)] == ["bad"]


def test_metrics_are_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Also if the handler fails; nothing is written without values."""

    def work(event: Any, _context: Any) -> None:
        if event:
            aws_lambda.metrics(Metric.PICTURES_LABELLED)
            aws_lambda.metrics(Metric.PICTURES_LABELLED)
            aws_lambda.metrics(Metric.DETECTION_TIME, 12.5)
            raise ValueError("broken")

    handler = aws_lambda.entry(work)
    handler({}, Context("one"))
    assert lines(capsys) == []
    with pytest.raises(ValueError, match="broken"):
        handler({"work": True}, Context("two"))
    (told,) = lines(capsys)
    assert (told["PicturesLabelled"], told["DetectionTime"]) == ([1.0, 1.0], [12.5])
    (directive,) = told["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Labelling"
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "PicturesLabelled": "Count",
        "DetectionTime": "Milliseconds",
    }
    handler({}, Context("three"))
    assert lines(capsys) == []


def test_counts_of_elements_have_a_dimension(capsys: pytest.CaptureFixture[str]) -> None:
    """Each element is a metric of its own, written once."""

    def work(elements: Any, _context: Any) -> None:
        for element in elements:
            aws_lambda.metrics.count(Metric.DEPRECATED_USES, element)

    handler = aws_lambda.entry(work)
    handler(["Blob.old", "Query.old", "Blob.old"], Context("one"))
    told = lines(capsys)
    assert [(line["Element"], line["DeprecatedUses"]) for line in told] == [
        ("Blob.old", [2.0]),
        ("Query.old", [1.0]),
    ]
    for line in told:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Labelling"
        assert "Element" in directive["Dimensions"][0]
    handler([], Context("two"))
    assert lines(capsys) == []
