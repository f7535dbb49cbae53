"""The compiled template keeps every rule, and every rule catches its faults."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import boto3
import pytest

from tests.aws.conftest import ROOT, compile_template
from tests.support import template_rules as rules
from tests.support.iam import Template, references, resolve
from tests.support.stack import deploy, function_environ, imitated_aws
from tests.support.template_rules import RULES, Rule

Fault = Callable[[Template], object]

# What checkov must find in order: https://www.checkov.io, "Policy index", CloudFormation.
CHECKOV_GATE = ",".join(
    f"CKV_AWS_{number}" for number in (28, 45, 53, 54, 55, 56, 62, 107, 108, 109, 110, 111)
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_the_template_keeps(rule: Rule, template: Template) -> None:
    assert rule(template) == []


def at(name: str, *path: str | int) -> Callable[[Template], Any]:
    """Find a part of a resource's properties."""

    def find(template: Template) -> Any:
        part = template["Resources"][name]["Properties"]
        for step in path:
            part = part[step]
        return part

    return find


def put(value: Any, name: str, *path: str | int) -> Fault:
    """The fault of a property having this value."""

    def seed(template: Template) -> None:
        at(name, *path[:-1])(template)[path[-1]] = value

    return seed


def drop(name: str, *path: str | int) -> Fault:
    """The fault of a property missing; of the whole resource, without a path."""

    def seed(template: Template) -> None:
        if path:
            del at(name, *path[:-1])(template)[path[-1]]
        else:
            del template["Resources"][name]

    return seed


def drop_attribute(name: str, attribute: str) -> Fault:
    """The fault of a resource's attribute missing, say its DeletionPolicy."""
    return lambda template: template["Resources"][name].pop(attribute)


def statement(role: str, sid: str) -> Callable[[Template], dict[str, Any]]:
    """Find a statement of a role."""

    def find(template: Template) -> dict[str, Any]:
        found: dict[str, Any] = next(
            each
            for each in at(role, "Policies", 0, "PolicyDocument", "Statement")(template)
            if each["Sid"] == sid
        )
        return found

    return find


def say(role: str, sid: str, key: str, value: Any) -> Fault:
    """The fault of a role's statement saying something else."""
    return lambda template: statement(role, sid)(template).update({key: value})


def unsay(role: str, sid: str) -> Fault:
    """The fault of a role's statement missing."""

    def seed(template: Template) -> None:
        at(role, "Policies", 0, "PolicyDocument", "Statement")(template).remove(
            statement(role, sid)(template)
        )

    return seed


API, LABELLER, NOTIFIER = (rules.logical_id(function) for function in rules.FUNCTIONS)
UPLOADS = "LabellerEventSourceMappingSQSUploads"
HINTS = "NotifierEventSourceMappingSQSHints"
STREAM = "NotifierEventSourceMappingDynamodbTable"
SSE = ("ServerSideEncryptionConfiguration", 0)
SETTINGS = "DefaultRouteSettings"
POLICY = ("PolicyDocument", "Statement")
FILTER = ("FilterCriteria", "Filters", 0, "Pattern")

FAULTS: list[tuple[str, Rule, Fault]] = [
    ("another Python", rules.functions_run_where_their_zips_do, put("python3.11", API, "Runtime")),
    (
        "another processor",
        rules.functions_run_where_their_zips_do,
        drop(LABELLER, "Architectures"),
    ),
    (
        "no such handler",
        rules.functions_run_where_their_zips_do,
        put("api.handler", API, "Handler"),
    ),
    (
        "an unknown setting",
        rules.environment_is_what_settings_know,
        put("1", API, "Environment", "Variables", "LABELLING_MAX_PIXELS"),
    ),
    (
        "a setting missing",
        rules.environment_is_what_settings_know,
        drop(NOTIFIER, "Environment", "Variables", "LABELLING_HINTS_URL"),
    ),
    (
        "the wrong queue's URL",
        rules.environment_is_what_settings_know,
        put({"Ref": "Uploads"}, NOTIFIER, "Environment", "Variables", "LABELLING_HINTS_URL"),
    ),
    (
        "receives that differ from the queue's",
        rules.environment_is_what_settings_know,
        put("3", LABELLER, "Environment", "Variables", "LABELLING_MAX_RECEIVES"),
    ),
    (
        "an API slower than its gateway",
        rules.api_answers_before_the_gateway_gives_up,
        put(31, API, "Timeout"),
    ),
    (
        "an API that ends before its operations",
        rules.api_answers_before_the_gateway_gives_up,
        put(15, API, "Timeout"),
    ),
    (
        "the older payload",
        rules.api_answers_before_the_gateway_gives_up,
        put("1.0", "HttpApiIntegrationApi", "PayloadFormatVersion"),
    ),
    (
        "no key may be sent by browsers",
        rules.browsers_may_call_and_upload,
        put(["content-type", "*"], "HttpApi", "CorsConfiguration", "AllowHeaders"),
    ),
    (
        "no other header may be sent by browsers",
        rules.browsers_may_call_and_upload,
        put(["authorization", "content-type"], "HttpApi", "CorsConfiguration", "AllowHeaders"),
    ),
    (
        "browsers may not upload",
        rules.browsers_may_call_and_upload,
        drop("Bucket", "CorsConfiguration"),
    ),
    *(
        (f"{stage} without {limit}", rules.floods_are_bounded, drop(stage, SETTINGS, limit))
        for stage in ("HttpApiStage", "WebsocketsDeploymentStage")
        for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit")
    ),
    (
        "concurrency that can't be reserved",
        rules.floods_are_bounded,
        drop(API, "ReservedConcurrentExecutions"),
    ),
    (
        "visible again while worked on",
        rules.messages_rest_while_they_are_worked_on,
        put(359, "Uploads", "VisibilityTimeout"),
    ),
    (
        "the default visibility",
        rules.messages_rest_while_they_are_worked_on,
        drop("Hints", "VisibilityTimeout"),
    ),
    (
        "a longer function",
        rules.messages_rest_while_they_are_worked_on,
        put(61, NOTIFIER, "Timeout"),
    ),
    (
        "webhooks longer than their function",
        rules.webhooks_end_before_the_notifier_does,
        put("55", NOTIFIER, "Environment", "Variables", "LABELLING_WEBHOOK_TIMEOUT"),
    ),
    (
        "more webhooks than time",
        rules.webhooks_end_before_the_notifier_does,
        put(10, HINTS, "BatchSize"),
    ),
    (
        "a notifier that Lambda stops after 16 generations",
        rules.only_the_notifier_may_invoke_itself,
        drop(NOTIFIER, "RecursiveLoop"),
    ),
    (
        "a labeller that may invoke itself",
        rules.only_the_notifier_may_invoke_itself,
        put("Allow", LABELLER, "RecursiveLoop"),
    ),
    (
        "no dead-letter queue of uploads",
        rules.queues_have_dead_letters,
        drop("Uploads", "RedrivePolicy"),
    ),
    ("no dead-letter queue of hints", rules.queues_have_dead_letters, drop("HintsDeadLetters")),
    (
        "dead letters that vanish",
        rules.queues_have_dead_letters,
        drop("UploadsDeadLetters", "MessageRetentionPeriod"),
    ),
    (
        "dead letters of any queue",
        rules.queues_have_dead_letters,
        drop("HintsDeadLetters", "RedriveAllowPolicy"),
    ),
    ("uploads unheard", rules.each_function_hears_its_events, drop(UPLOADS)),
    (
        "the stream switched off",
        rules.each_function_hears_its_events,
        put(False, STREAM, "Enabled"),
    ),
    (
        "no sweep",
        rules.each_function_hears_its_events,
        drop("NotifierEventsRuleSchedule1"),
    ),
    (
        "an event of another form",
        rules.each_function_hears_its_events,
        put("{}", "LabellerEventsRuleSchedule1", "Targets", 0, "Input"),
    ),
    (
        "EventBridge kept out",
        rules.each_function_hears_its_events,
        drop("NotifierLambdaPermissionEventsRuleSchedule1"),
    ),
    *(
        (
            f"all or nothing in {mapping}",
            rules.one_failure_fails_no_other,
            drop(mapping, "FunctionResponseTypes"),
        )
        for mapping in (UPLOADS, HINTS, STREAM)
    ),
    (
        "Rekognition's quota passed",
        rules.queues_are_drained_no_faster_than_is_good,
        drop(UPLOADS, "ScalingConfig"),
    ),
    (
        "large batches of pictures",
        rules.queues_are_drained_no_faster_than_is_good,
        put(11, UPLOADS, "BatchSize"),
    ),
    (
        "a change tried for ever",
        rules.a_poisoned_change_is_set_aside,
        drop(STREAM, "MaximumRetryAttempts"),
    ),
    (
        "a change without age",
        rules.a_poisoned_change_is_set_aside,
        drop(STREAM, "MaximumRecordAgeInSeconds"),
    ),
    (
        "batches given up whole",
        rules.a_poisoned_change_is_set_aside,
        drop(STREAM, "BisectBatchOnFunctionError"),
    ),
    (
        "changes given up unseen",
        rules.a_poisoned_change_is_set_aside,
        drop(STREAM, "DestinationConfig"),
    ),
    (
        "only what comes later",
        rules.a_poisoned_change_is_set_aside,
        put("LATEST", STREAM, "StartingPosition"),
    ),
    ("no stream", rules.the_stream_is_on, drop("Table", "StreamSpecification")),
    (
        "half a stream",
        rules.the_stream_is_on,
        put("NEW_IMAGE", "Table", "StreamSpecification", "StreamViewType"),
    ),
    (
        "a filter that is not JSON",
        rules.the_filter_passes_changed_and_deleted_blobs,
        put('{"dynamodb": {"NewImage": ', STREAM, *FILTER),
    ),
    (
        "a filter that passes no deletion",
        rules.the_filter_passes_changed_and_deleted_blobs,
        drop(STREAM, "FilterCriteria", "Filters", 1),
    ),
    (
        "a filter of everything",
        rules.the_filter_passes_changed_and_deleted_blobs,
        drop(STREAM, "FilterCriteria"),
    ),
    (
        "a filter on values without their type",
        rules.the_filter_passes_changed_and_deleted_blobs,
        put('{"dynamodb":{"NewImage":{"status":["LABELLED"]}}}', STREAM, *FILTER),
    ),
    *(
        (f"{name} without {policy}", rules.what_is_stored_outlives_the_stack, seed)
        for name in ("Table", "Bucket")
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        for seed in [drop_attribute(name, policy)]
    ),
    (
        "a table that can be dropped",
        rules.what_is_stored_outlives_the_stack,
        drop("Table", "DeletionProtectionEnabled"),
    ),
    (
        "no point-in-time recovery",
        rules.records_can_be_brought_back,
        put(False, "Table", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"),
    ),
    ("no time to live", rules.records_expire, drop("Table", "TimeToLiveSpecification")),
    (
        "connections kept for ever",
        rules.records_expire,
        drop("Connections", "TimeToLiveSpecification"),
    ),
    (
        "connections among the records",
        rules.connections_are_no_records,
        lambda template: template["Resources"].pop("Connections"),
    ),
    (
        "connections in a stream",
        rules.connections_are_no_records,
        put({"StreamViewType": "NEW_IMAGE"}, "Connections", "StreamSpecification"),
    ),
    (
        "connections in the clear",
        rules.everything_rests_encrypted,
        drop("Connections", "SSESpecification"),
    ),
    (
        "no WebSocket API",
        rules.sockets_reach_the_api,
        put("HTTP", "WebsocketsApi", "ProtocolType"),
    ),
    ("messages to nobody", rules.sockets_reach_the_api, drop("SdefaultWebsocketsRoute")),
    (
        "ends untold of",
        rules.sockets_reach_the_api,
        put("$other", "SdisconnectWebsocketsRoute", "RouteKey"),
    ),
    (
        "sockets at another function",
        rules.sockets_reach_the_api,
        put("arn:aws:lambda:other", "ApiWebsocketsIntegration", "IntegrationUri"),
    ),
    (
        "sockets on another stage",
        rules.sockets_reach_the_api,
        put("$default", "WebsocketsDeploymentStage", "StageName"),
    ),
    (
        "another's WebSocket API",
        rules.only_our_apis_call_the_api,
        drop("ApiLambdaPermissionWebsockets", "SourceArn"),
    ),
    (
        "another's HTTP API",
        rules.only_our_apis_call_the_api,
        drop("ApiLambdaPermissionHttpApi", "SourceArn"),
    ),
    (
        "other origins for sockets",
        rules.browsers_may_call_and_upload,
        put("https://a.example", API, "Environment", "Variables", "LABELLING_CORS_ORIGINS"),
    ),
    ("notices as by default", rules.notices_are_not_repeated_for_long, drop("ApiLambdaEvConf")),
    (
        "notices of long ago",
        rules.notices_are_not_repeated_for_long,
        put(21_600, "ApiLambdaEvConf", "MaximumEventAgeInSeconds"),
    ),
    (
        "notices told once",
        rules.notices_are_not_repeated_for_long,
        put(0, "ApiLambdaEvConf", "MaximumRetryAttempts"),
    ),
    (
        "time to live of another attribute",
        rules.records_expire,
        put("ttl", "Table", "TimeToLiveSpecification", "AttributeName"),
    ),
    ("an index missing", rules.the_table_has_its_keys, drop("Table", "GlobalSecondaryIndexes", 3)),
    (
        "an index without what lists need",
        rules.the_table_has_its_keys,
        put({"ProjectionType": "KEYS_ONLY"}, "Table", "GlobalSecondaryIndexes", 0, "Projection"),
    ),
    (
        "a numeric key",
        rules.the_table_has_its_keys,
        put("N", "Table", "AttributeDefinitions", 5, "AttributeType"),
    ),
    (
        "a queue in the clear",
        rules.everything_rests_encrypted,
        drop("Hints", "SqsManagedSseEnabled"),
    ),
    ("a bucket in the clear", rules.everything_rests_encrypted, drop("Bucket", "BucketEncryption")),
    (
        "a public bucket",
        rules.no_bucket_is_public,
        put(False, "Bucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy"),
    ),
    (
        "public code",
        rules.no_bucket_is_public,
        drop("ServerlessDeploymentBucket", "PublicAccessBlockConfiguration"),
    ),
    ("others' objects", rules.no_bucket_is_public, drop("Bucket", "OwnershipControls")),
    (
        "unfinished uploads kept",
        rules.the_bucket_tidies_itself,
        drop("Bucket", "LifecycleConfiguration", "Rules", 0),
    ),
    (
        "pictures that expire",
        rules.the_bucket_tidies_itself,
        put(30, "Bucket", "LifecycleConfiguration", "Rules", 1, "ExpirationInDays"),
    ),
    (
        "old versions kept",
        rules.the_bucket_tidies_itself,
        drop("Bucket", "LifecycleConfiguration", "Rules", 1),
    ),
    (
        "imported objects kept",
        rules.the_bucket_tidies_itself,
        drop("Bucket", "LifecycleConfiguration", "Rules", 2),
    ),
    (
        "rejected objects kept",
        rules.the_bucket_tidies_itself,
        drop("Bucket", "LifecycleConfiguration", "Rules", 4),
    ),
    (
        "an S3 event of another name",
        rules.uploads_are_told_of,
        put(
            "s3:ObjectCreated:Put",
            "Bucket",
            "NotificationConfiguration",
            "QueueConfigurations",
            0,
            "Event",
        ),
    ),
    (
        "the inbox untold of",
        rules.uploads_are_told_of,
        drop("Bucket", "NotificationConfiguration", "QueueConfigurations", 1),
    ),
    (
        "a bucket before its queue's policy",
        rules.uploads_are_told_of,
        drop_attribute("Bucket", "DependsOn"),
    ),
    (
        "the wrong principal",
        rules.only_the_bucket_sends_uploads,
        put({"Service": "sns.amazonaws.com"}, "UploadsPolicy", *POLICY, 1, "Principal"),
    ),
    (
        "any bucket",
        rules.only_the_bucket_sends_uploads,
        drop("UploadsPolicy", *POLICY, 1, "Condition", "ArnEquals"),
    ),
    (
        "any account",
        rules.only_the_bucket_sends_uploads,
        drop("UploadsPolicy", *POLICY, 1, "Condition", "StringEquals"),
    ),
    ("no bucket at all", rules.only_the_bucket_sends_uploads, drop("UploadsPolicy", *POLICY, 1)),
    ("a queue without TLS", rules.nothing_goes_in_the_clear, drop("HintsPolicy")),
    ("a bucket without TLS", rules.nothing_goes_in_the_clear, drop("BucketPolicy")),
    (
        "objects without TLS",
        rules.nothing_goes_in_the_clear,
        drop("BucketPolicy", *POLICY, 0, "Resource", 1),
    ),
    (
        "TLS denied",
        rules.nothing_goes_in_the_clear,
        put({"Bool": {"aws:SecureTransport": "true"}}, "HintsPolicy", *POLICY, 0, "Condition"),
    ),
    (
        "a wildcard action",
        rules.roles_are_narrow,
        say("ApiRole", "Records", "Action", "dynamodb:*"),
    ),
    (
        "a wildcard resource",
        rules.roles_are_narrow,
        say("NotifierRole", "Records", "Resource", "*"),
    ),
    (
        "every bucket",
        rules.roles_are_narrow,
        say("LabellerRole", "Pictures", "Resource", "arn:aws:s3:::*"),
    ),
    (
        "a shared role",
        rules.roles_are_each_functions_own,
        put({"Fn::GetAtt": ["NotifierRole", "Arn"]}, API, "Role"),
    ),
    (
        "a role for anybody",
        rules.roles_are_each_functions_own,
        put({"AWS": "*"}, "ApiRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal"),
    ),
    (
        "no right to receive",
        rules.roles_suffice_for_lambda_itself,
        unsay("LabellerRole", "Uploads"),
    ),
    (
        "no right to delete",
        rules.roles_suffice_for_lambda_itself,
        say("NotifierRole", "Hints", "Action", ["sqs:SendMessage", "sqs:ReceiveMessage"]),
    ),
    (
        "no right to the stream",
        rules.roles_suffice_for_lambda_itself,
        unsay("NotifierRole", "Stream"),
    ),
    (
        "no right to give up",
        rules.roles_suffice_for_lambda_itself,
        unsay("NotifierRole", "GivenUp"),
    ),
    (
        "another's log",
        rules.roles_suffice_for_lambda_itself,
        say("ApiRole", "Logs", "Resource", {"Fn::GetAtt": ["LabellerLogGroup", "Arn"]}),
    ),
    ("endless logs", rules.logs_end, drop("ApiLogGroup", "RetentionInDays")),
    *(
        (f"no {alarm}", rules.troubles_ring, drop(alarm))
        for alarm in (
            "UploadsDeadLettersAlarm",
            "HintsDeadLettersAlarm",
            "StreamFailuresAlarm",
            "OldestUploadAlarm",
            "ApiErrorsAlarm",
            "ApiAnswersAlarm",
            "ApiSocketsAlarm",
            "LiveNoticesAlarm",
            "LabellerErrorsAlarm",
            "NotifierErrorsAlarm",
            "StreamAgeAlarm",
            "OldestHintAlarm",
            "SocketIntegrationAlarm",
            "ApiThrottlesAlarm",
            "LabellerThrottlesAlarm",
            "NotifierThrottlesAlarm",
            "TableThrottlesAlarm",
            "IndexThrottlesAlarm",
        )
    ),
    (
        "a parameter",
        rules.nothing_is_asked_of_the_deployer,
        lambda template: template.update(Parameters={"AlarmEmail": {"Type": "String"}}),
    ),
    (
        "messages that are soon forgotten",
        rules.queues_have_dead_letters,
        drop("Uploads", "MessageRetentionPeriod"),
    ),
    (
        "an index unwatched",
        rules.troubles_ring,
        drop("IndexThrottlesAlarm", "Metrics", 3),
    ),
    (
        "a sum of nothing",
        rules.troubles_ring,
        put("m1", "TableThrottlesAlarm", "Metrics", 0, "Expression"),
    ),
    (
        "a dashboard that is not JSON",
        rules.the_dashboard_shows_what_exists,
        put({"Fn::Sub": '{"widgets": ['}, "Dashboard", "DashboardBody"),
    ),
    (
        "a dashboard of another stack",
        rules.the_dashboard_shows_what_exists,
        lambda template: at("Dashboard", "DashboardBody")(template).update(
            {
                "Fn::Sub": at("Dashboard", "DashboardBody", "Fn::Sub")(template).replace(
                    "${HttpApi}", "other"
                )
            }
        ),
    ),
    (
        "an alarm that is not shown",
        rules.the_dashboard_shows_what_exists,
        lambda template: template["Resources"].update(
            OtherAlarm=template["Resources"]["StreamAgeAlarm"]
        ),
    ),
    *(
        (f"{stage} without a log", rules.access_is_logged, drop(stage, "AccessLogSettings"))
        for stage in ("HttpApiStage", "WebsocketsDeploymentStage")
    ),
    *(
        (f"{function} without a version", rules.versions_shift_and_return, drop(alias))
        for function in rules.FUNCTIONS
        for alias in [rules.alias_id(function)]
    ),
    (
        "an alias that CodeDeploy doesn't shift",
        rules.versions_shift_and_return,
        drop_attribute(rules.alias_id("labeller"), "UpdatePolicy"),
    ),
    (
        "shifting that no alarm stops",
        rules.versions_shift_and_return,
        put(False, "NotifierShifting", "AlarmConfiguration", "Enabled"),
    ),
    (
        "no choice of snapshots",
        rules.versions_shift_and_return,
        drop(API, "SnapStart"),
    ),
    (
        "events to the newest code",
        rules.versions_shift_and_return,
        put({"Fn::GetAtt": [NOTIFIER, "Arn"]}, HINTS, "FunctionName"),
    ),
    *(
        (f"{name} under another key", rules.the_operators_key_encrypts_everything, seed)
        for name, seed in (
            ("Uploads", drop("Uploads", "KmsMasterKeyId")),
            ("Table", drop("Table", "SSESpecification", "KMSMasterKeyId")),
            ("Connections", drop("Connections", "SSESpecification", "SSEType")),
            ("Bucket", drop("Bucket", "BucketEncryption", *SSE, "BucketKeyEnabled")),
        )
    ),
    (
        "a role without the key",
        rules.the_operators_key_encrypts_everything,
        drop("UseOfKey", "Roles", 1),
    ),
    *(
        (f"{domain} of nothing", rules.domains_lead_to_the_apis, drop(f"{domain}Mapping", "Stage"))
        for domain in ("Domain", "WebsocketDomain")
    ),
    ("a domain always", rules.domains_lead_to_the_apis, drop_attribute("Domain", "Condition")),
    ("no right to trace", rules.traces_can_be_sent, drop("Tracing", "Roles", 0)),
    ("no choice to trace", rules.traces_can_be_sent, drop(API, "TracingConfig")),
    ("traces always", rules.traces_can_be_sent, drop_attribute("Tracing", "Condition")),
    ("a silent alarm", rules.troubles_ring, drop("OldestUploadAlarm", "AlarmActions")),
    (
        "alarms kept out",
        rules.troubles_ring,
        put({"Service": "s3.amazonaws.com"}, "AlarmsPolicy", *POLICY, 0, "Principal"),
    ),
    ("no URL", rules.addresses_are_told, lambda template: template["Outputs"].pop("GraphqlUrl")),
]


@pytest.mark.parametrize(
    ("rule", "seed"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_fault_is_caught(rule: Rule, seed: Fault, template: Template) -> None:
    seed(template)

    assert rule(template) != []


def test_every_rule_has_a_fault_that_it_catches() -> None:
    assert {rule for _, rule, _ in FAULTS} == set(RULES)


def test_every_parameter_arrives(tmp_path: Path) -> None:
    given = {
        "corsOrigins": "https://a.example,https://b.example",
        "maxUploadBytes": "1000",
        "detector": "eyes.made:here",
        "maxPixels": "2000",
        "uploadHours": "1.5",
        "webhookTimeout": "7",
        "logLevel": "debug",
        "requestsPerSecond": "21",
        "failedKeysPerMinute": "22",
        "httpRate": "301",
        "httpBurst": "302",
        "websocketRate": "303",
        "websocketBurst": "304",
        "apiReserved": "51",
        "labellerReserved": "52",
        "notifierReserved": "53",
        "requireSizeBytes": "yes",
        "storageClass": "GLACIER_IR",
        "storageClassDays": "7",
        "oldVersionDays": "8",
        "websocketAccessLogs": "yes",
        "tracing": "Active",
        "shifting": "Canary10Percent15Minutes",
        "kmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1",
        "domainName": "labels.example.com",
        "websocketDomainName": "live.example.com",
        "snapStart": "PublishedVersions",
        "certificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/1",
        "labellerConcurrency": "33",
        "labellerBatch": "7",
        "webhookConcurrency": "44",
        "alarmEmail": "ops@example.com",
    }
    options = [f"--param={name}={value}" for name, value in given.items()]
    path = compile_template(tmp_path, *options, "--stage", "prod", "--region", "eu-west-1")
    template = json.loads(path.read_text())

    of_default_key = {rules.everything_rests_encrypted, rules.the_operators_key_encrypts_everything}
    assert [rule.__name__ for rule in RULES if rule not in of_default_key and rule(template)] == []
    refs = references(template)
    variables = {
        name: value
        for properties in rules.functions(template).values()
        for name, value in properties["Environment"]["Variables"].items()
    }
    assert variables["LABELLING_MAX_UPLOAD_BYTES"] == "1000"
    assert variables["LABELLING_DETECTOR"] == "eyes.made:here"
    assert variables["LABELLING_MAX_PIXELS"] == "2000"
    assert variables["LABELLING_UPLOAD_HOURS"] == "1.5"
    assert variables["LABELLING_WEBHOOK_TIMEOUT"] == "7"
    assert variables["LABELLING_LOG_LEVEL"] == "debug"
    assert at(UPLOADS, "ScalingConfig")(template) == {"MaximumConcurrency": 33}
    assert at(UPLOADS, "BatchSize")(template) == 7
    assert at(HINTS, "ScalingConfig")(template) == {"MaximumConcurrency": 44}
    assert at("AlarmsByEmail", "Endpoint")(template) == "ops@example.com"
    assert variables["LABELLING_REQUIRE_SIZE_BYTES"] == "yes"
    assert refs["Condition HasWebsocketLogs"]
    assert refs["Condition HasTracing"]
    assert refs["Condition HasDomain"]
    assert refs["Condition HasWebsocketDomain"]
    assert refs["Condition HasShifting"]
    shifted = at("ApiShifting", "DeploymentConfigName")(template)
    assert shifted == "CodeDeployDefault.LambdaCanary10Percent15Minutes"
    assert at("Domain", "DomainName")(template) == "labels.example.com"
    assert at("WebsocketDomain", "DomainName")(template) == "live.example.com"
    table = resolve(at("Table", "SSESpecification")(template), refs)
    assert table["KMSMasterKeyId"] == given["kmsKeyArn"]
    for each in rules.functions(template).values():
        assert each["TracingConfig"] == {"Mode": "Active"}
        assert each["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    lifecycle = resolve(at("Bucket", "LifecycleConfiguration", "Rules")(template), refs)
    (old,) = (rule for rule in lifecycle if rule["Id"] == "old-versions")
    assert int(old["NoncurrentVersionExpiration"]["NoncurrentDays"]) == 8
    (moved,) = (rule["Transitions"] for rule in lifecycle if "Transitions" in rule)
    assert [(each["StorageClass"], int(each["TransitionInDays"])) for each in moved] == [
        ("GLACIER_IR", 7)
    ]
    assert variables["LABELLING_REQUESTS_PER_SECOND"] == "21"
    assert variables["LABELLING_FAILED_KEYS_PER_MINUTE"] == "22"
    throttle = {"ThrottlingRateLimit": "301", "ThrottlingBurstLimit": "302"}
    assert at("HttpApiStage", SETTINGS)(template) == throttle
    throttle = {"ThrottlingRateLimit": "303", "ThrottlingBurstLimit": "304"}
    assert at("WebsocketsDeploymentStage", SETTINGS)(template) == throttle
    for name, reserved in ((API, 51), (LABELLER, 52), (NOTIFIER, 53)):
        assert resolve(at(name)(template), refs)["ReservedConcurrentExecutions"] == str(reserved)
    origins = {"Fn::Split": [",", given["corsOrigins"]]}
    assert at("HttpApi", "CorsConfiguration", "AllowOrigins")(template) == origins
    assert at(API, "FunctionName")(template) == "labelling-prod-api"


def test_cfn_lint_finds_nothing(compiled: Template, tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    chosen = rules.with_key(compiled)
    for name in ("Domain", "WebsocketDomain"):
        (domain,) = at(name, "DomainNameConfigurations")(chosen)
        domain["CertificateArn"] = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
    path.write_text(json.dumps(chosen))
    lint = subprocess.run(
        [
            Path(sys.executable).with_name("cfn-lint"),
            "--ignore-checks",
            "W3005",  # the deployer writes it
            "W8003",  # what alarmEmail is compared with is known before CloudFormation sees it
            "--",
            path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_checkov_passes(template_path: Path) -> None:
    checkov = os.environ.get("CHECKOV", str(ROOT / ".venv-checkov" / "bin" / "checkov"))
    if shutil.which(checkov) is None:
        missing = f"no checkov at {checkov}: see requirements/checkov.in, or set CHECKOV"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    command = [checkov, "--framework", "cloudformation", "--file", str(template_path)]
    command += ["--check", CHECKOV_GATE, "--skip-download", "--output", "json"]
    gate = subprocess.run(command, capture_output=True, text=True, check=False)

    assert gate.returncode == 0, gate.stdout + gate.stderr
    summary = json.loads(gate.stdout)["summary"]
    assert summary["failed"] == 0
    assert summary["passed"] >= len(CHECKOV_GATE.split(","))


def test_the_stack_deploys(compiled: Template) -> None:
    with warnings.catch_warnings(), imitated_aws():
        warnings.simplefilter("error")
        ids = deploy(compiled)
        environ = function_environ(compiled, "notifier", ids)
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        for key in ("originals/anna/1", "inbox/anna/a b.jpg", "elsewhere/2"):
            s3.put_object(Bucket=ids["Bucket"], Key=key, Body=b"picture")
        received = sqs.receive_message(QueueUrl=ids["Uploads"], MaxNumberOfMessages=10)

    events = [json.loads(message["Body"]) for message in received["Messages"]]
    objects = [event["Records"][0]["s3"]["object"] for event in events if "Records" in event]
    assert {unquote_plus(each["key"]) for each in objects} == {
        "originals/anna/1",
        "inbox/anna/a b.jpg",
    }
    assert ids["Bucket"] == "labelling-dev-originals-123456789012-eu-central-1"
    assert environ["LABELLING_TABLE"] == ids["Table"]
    assert environ["LABELLING_HINTS_URL"] == ids["Hints"]
