"""Rules of logs, metrics, alarms and traces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from tests.support.aws.iam import Template, references, resolve
from tests.support.aws.template_rules.resources import (
    FUNCTIONS,
    Resource,
    functions,
    logical_id,
    of_type,
)
from tests.support.aws.template_rules.storage import KEYS

DASHBOARD_COLUMNS: Final = 24
DIMENSIONS: Final = {
    "AWS/ApiGateway": "ApiId",
    "AWS/DynamoDB": "TableName",
    "AWS/Lambda": "FunctionName",
    "AWS/SQS": "QueueName",
}


def logs_end(template: Template) -> list[str]:
    faults = []
    groups = of_type(template, "AWS::Logs::LogGroup")
    kept = {group["LogGroupName"]: group.get("RetentionInDays") for group in groups.values()}
    for function, properties in functions(template).items():
        if not kept.get(f"/aws/lambda/{properties['FunctionName']}"):
            faults.append(f"{function}: logs are kept for ever")
    return faults


def watched_by(alarm: Resource) -> Iterator[tuple[str, str]]:
    """Yield what an alarm watches, a resource or an index, and by which metric."""
    sums = alarm.get("Metrics", [])
    metrics = [each["MetricStat"]["Metric"] for each in sums if "MetricStat" in each] or [alarm]
    if sums and not any(each.get("Expression") == "SUM(METRICS())" for each in sums):
        return
    for metric in metrics:
        first, *index = metric["Dimensions"]
        if first["Name"] == DIMENSIONS[metric["Namespace"]]:
            value = index[0]["Value"] if index else first["Value"]
            if isinstance(value, dict):
                value = value.get("Ref") or value["Fn::GetAtt"][0]
            yield value, metric["MetricName"]


def the_dashboard_shows_what_exists(template: Template) -> list[str]:
    faults = []
    refs = references(template)
    known = {str(value) for value in refs.values()} | set(FUNCTIONS) | {"Labelling"}
    known |= {index for index in KEYS if index}
    try:
        body = resolve(template["Resources"]["Dashboard"]["Properties"]["DashboardBody"], refs)
        widgets = json.loads(body)["widgets"]
    except (KeyError, ValueError) as error:
        return [f"Dashboard: {error!r}"]
    places = set()
    for widget in widgets:
        for line in widget["properties"].get("metrics", []):
            dimensions = [part for part in line[2:] if isinstance(part, str)]
            faults += [f"Dashboard: {line}" for value in dimensions[1::2] if value not in known]
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                if (x, y) in places or x >= DASHBOARD_COLUMNS:
                    faults.append(f"Dashboard: widgets overlap at {x}, {y}")
                places.add((x, y))
    shown = [arn for widget in widgets for arn in widget["properties"].get("alarms", [])]
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    if shown != [refs[f"{name}.Arn"] for name in alarms]:
        faults.append("Dashboard: other alarms")
    return faults


def access_is_logged(template: Template) -> list[str]:
    faults = []
    refs = references(template)
    for name, stage in of_type(template, "AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("AccessLogSettings", {})
        if name != "HttpApiStage":  # as the account allows
            match settings:
                case {"Fn::If": ["HasWebsocketLogs", dict(chosen), {"Ref": "AWS::NoValue"}]}:
                    settings = chosen
                case _:
                    settings = {}
        if resolve(settings.get("DestinationArn"), refs) not in refs.values():
            faults.append(f"{name}: no access log")
        elif not {"ip", "status", "error"} <= set(json.loads(settings["Format"])):
            faults.append(f"{name}: the log misses what tells who failed why")
    groups = of_type(template, "AWS::Logs::LogGroup")
    return faults + [
        f"{name}: kept for ever" for name in groups if not groups[name]["RetentionInDays"]
    ]


def traces_can_be_sent(template: Template) -> list[str]:
    policy = template["Resources"].get("Tracing", {})
    roles = policy.get("Properties", {}).get("Roles", [])
    faults = [
        f"{function}: may not send traces"
        for function, properties in functions(template).items()
        if {"Ref": properties["Role"]["Fn::GetAtt"][0]} not in roles
        or "Mode" not in properties.get("TracingConfig", {})
    ]
    if policy.get("Condition") != "HasTracing":
        faults.append("Tracing: granted to functions that send no traces")
    return faults


def troubles_ring(template: Template) -> list[str]:
    faults = []
    needed: set[tuple[str, str]] = {
        (name, "ApproximateNumberOfMessagesVisible")
        for name in ("UploadsDeadLetters", "HintsDeadLetters", "StreamFailures")
    }
    needed |= {(name, "ApproximateAgeOfOldestMessage") for name in ("Uploads", "Hints")}
    needed |= {
        (logical_id(function), metric)
        for function in FUNCTIONS
        for metric in ("Errors", "Throttles")
    }
    tables = of_type(template, "AWS::DynamoDB::Table")
    indexes = [each["IndexName"] for each in tables["Table"]["GlobalSecondaryIndexes"]]
    needed |= {
        (name, metric)
        for name in (*tables, *indexes)
        for metric in ("ReadThrottleEvents", "WriteThrottleEvents")
    }
    needed |= {(logical_id("notifier"), "IteratorAge"), ("HttpApi", "5xx")}
    needed |= {(logical_id("api"), "AsyncEventsDropped"), ("WebsocketsApi", "ExecutionError")}
    needed.add(("WebsocketsApi", "IntegrationError"))
    rung = set()
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        if alarm.get("AlarmActions") != [{"Ref": "Alarms"}]:
            faults.append(f"{name}: rings nowhere")
        rung |= set(watched_by(alarm))
    faults += [f"{name}: no alarm on {metric}" for name, metric in sorted(needed - rung)]
    (topic,) = of_type(template, "AWS::SNS::TopicPolicy").values()
    senders = [
        each["Principal"]
        for each in topic["PolicyDocument"]["Statement"]
        if each["Effect"] == "Allow"
    ]
    if senders != [{"Service": "cloudwatch.amazonaws.com"}]:
        faults.append("Alarms: alarms may not ring")
    subscriptions = of_type(template, "AWS::SNS::Subscription")
    if subscriptions["AlarmsByEmail"].get("TopicArn") != {"Ref": "Alarms"}:
        faults.append("Alarms: nobody hears them")
    return faults
