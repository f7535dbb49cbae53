"""Rules of queues, streams and events."""

from __future__ import annotations

import json
from typing import Final

from tests.support.aws.iam import Template, references, resolve
from tests.support.aws.template_rules.resources import (
    arn_of,
    event_sources,
    functions,
    invoked,
    logical_id,
    of_type,
)

CHANGED_BLOBS: Final = {"dynamodb": {"NewImage": {"sk": {"S": ["blob"]}}}}
DELETED_BLOBS: Final = {
    "eventName": ["REMOVE"],
    "dynamodb": {"OldImage": {"sk": {"S": ["blob"]}}},
}
TWO_WEEKS: Final = 14 * 24 * 3600
ENOUGH: Final = 20  # receives: two hours of a detector that can't answer


def messages_rest_while_they_are_worked_on(template: Template) -> list[str]:
    faults = []
    queues = of_type(template, "AWS::SQS::Queue")
    for function, name, mapping in event_sources(template):
        if name in queues:
            needed = 6 * functions(template)[function]["Timeout"]
            needed += mapping.get("MaximumBatchingWindowInSeconds", 0)
            visibility = queues[name].get("VisibilityTimeout", 30)
            if visibility < needed:
                faults.append(f"{name}: visible again after {visibility} s, not {needed}")
    return faults


def queues_have_dead_letters(template: Template) -> list[str]:
    faults = []
    refs = references(template)
    queues = of_type(template, "AWS::SQS::Queue")
    for _, name, _ in event_sources(template):
        if name not in queues:
            continue
        redrive = queues[name].get("RedrivePolicy", {})
        (target, *_) = redrive.get("deadLetterTargetArn", {}).get("Fn::GetAtt", [None])
        if target not in queues or redrive.get("maxReceiveCount", 0) < ENOUGH:
            faults.append(f"{name}: no dead-letter queue, or too soon")
            continue
        if queues[name].get("MessageRetentionPeriod") != TWO_WEEKS:
            faults.append(f"{name}: not kept for 14 days")
        dead = queues[target]
        if dead.get("MessageRetentionPeriod") != TWO_WEEKS:
            faults.append(f"{target}: not kept for 14 days")
        allowed = resolve(dead.get("RedriveAllowPolicy", {}), refs)
        if allowed.get("sourceQueueArns") != [refs[f"{name}.Arn"]]:
            faults.append(f"{target}: takes in more than what {name} gives up")
    if queues["StreamFailures"].get("MessageRetentionPeriod") != TWO_WEEKS:
        faults.append("StreamFailures: not kept for 14 days")
    return faults


def each_function_hears_its_events(template: Template) -> list[str]:
    faults = []
    wanted = {("labeller", "Uploads"), ("notifier", "Table"), ("notifier", "Hints")}
    mapped = {(function, name) for function, name, _ in event_sources(template)}
    if mapped != wanted:
        faults.append(f"event sources: {sorted(mapped ^ wanted)}")
    faults += [
        f"{name}: switched off"
        for _, name, mapping in event_sources(template)
        if mapping.get("Enabled") is not True
    ]
    invokers = {
        (invoked(permission["FunctionName"]), permission["Principal"])
        for permission in of_type(template, "AWS::Lambda::Permission").values()
    }
    rules = list(of_type(template, "AWS::Events::Rule").values())
    rates = {"labeller": "rate(5 minutes)", "notifier": "rate(1 minute)", "api": "rate(1 minute)"}
    for function, rate in rates.items():
        found = [
            rule
            for rule in rules
            if rule.get("ScheduleExpression") == rate
            and rule.get("State") == "ENABLED"
            and [invoked(each["Arn"]) for each in rule["Targets"]] == [logical_id(function)]
        ]
        if len(found) != 1 or any("Input" in name for name in found[0]["Targets"][0]):
            faults.append(f"{function}: no plain scheduled event at {rate}")
        if (logical_id(function), "events.amazonaws.com") not in invokers:
            faults.append(f"{function}: EventBridge may not invoke it")
    if (logical_id("api"), "apigateway.amazonaws.com") not in invokers:
        faults.append("api: the HTTP API may not invoke it")
    return faults


def notices_are_not_repeated_for_long(template: Template) -> list[str]:
    configs = of_type(template, "AWS::Lambda::EventInvokeConfig").values()
    (config,) = [*configs] or [{}]
    faults = []
    if config.get("FunctionName") != {"Ref": logical_id("api")}:
        faults.append("api: asynchronous invocations are as Lambda has them by default")
    if config.get("Qualifier") != "snapstart":
        faults.append("api: another version's asynchronous invocations")
    if not 1 <= config.get("MaximumRetryAttempts", -1) <= 2:
        faults.append("api: notices are given up at once")
    if not 60 <= config.get("MaximumEventAgeInSeconds", 21_600) <= 600:
        faults.append("api: subscription events arrive hours later")
    return faults


def one_failure_fails_no_other(template: Template) -> list[str]:
    return [
        f"{function} from {name}: no ReportBatchItemFailures"
        for function, name, mapping in event_sources(template)
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]
    ]


def queues_are_drained_no_faster_than_is_good(template: Template) -> list[str]:
    most = {"Uploads": 10, "Hints": 10}
    return [
        f"{name}: batches of {mapping['BatchSize']}, concurrency {mapping.get('ScalingConfig')}"
        for _, name, mapping in event_sources(template)
        if name in most
        and not (
            1 <= mapping["BatchSize"] <= most[name]
            and isinstance(mapping.get("ScalingConfig", {}).get("MaximumConcurrency"), int)
        )
    ]


def a_poisoned_change_is_set_aside(template: Template) -> list[str]:
    faults = []
    for _, _, mapping in event_sources(template, "Table"):
        if mapping["EventSourceArn"] != arn_of("Table", "StreamArn"):
            faults.append("the notifier reads no stream")
        if mapping.get("StartingPosition") != "TRIM_HORIZON":
            faults.append("what happens before the stream is read is lost")
        if not 0 <= mapping.get("MaximumRetryAttempts", -1) <= 10_000:
            faults.append("a change is tried for ever")
        if not 60 <= mapping.get("MaximumRecordAgeInSeconds", -1) < 86400:
            faults.append("a change is tried until the stream forgets it")
        if mapping.get("BisectBatchOnFunctionError") is not True:
            faults.append("a batch is given up whole")
        failed = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if failed != arn_of("StreamFailures"):
            faults.append("a change that is given up leaves no trace")
        if not 0 <= mapping.get("MaximumBatchingWindowInSeconds", 0) <= 5:
            faults.append("changes wait long for a batch")
    return faults


def the_stream_is_on(template: Template) -> list[str]:
    stream = of_type(template, "AWS::DynamoDB::Table")["Table"].get("StreamSpecification", {})
    if stream.get("StreamViewType") != "NEW_AND_OLD_IMAGES":
        return ["Table: no stream of new and old images"]
    return []


def the_filter_passes_changed_and_deleted_blobs(template: Template) -> list[str]:
    faults = []
    for _, _, mapping in event_sources(template, "Table"):
        patterns = [
            each["Pattern"] for each in mapping.get("FilterCriteria", {}).get("Filters", [])
        ]
        try:
            filters = [json.loads(pattern) for pattern in patterns]
        except ValueError:
            faults.append(f"the filter is not JSON: {patterns}")
        else:
            if filters != [CHANGED_BLOBS, DELETED_BLOBS]:
                faults.append(f"the filter is {filters}")
    return faults
