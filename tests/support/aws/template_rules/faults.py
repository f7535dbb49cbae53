"""Faults of the template, each with the rule that finds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.aws.iam import Template
from tests.support.aws.template_rules import (
    functions,
    messages,
    monitoring,
    resources,
    roles,
    storage,
)
from tests.support.aws.template_rules.resources import Rule

Fault = Callable[[Template], object]


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


API, LABELLER, NOTIFIER = (resources.logical_id(function) for function in resources.FUNCTIONS)
UPLOADS = "LabellerEventSourceMappingSQSUploads"
HINTS = "NotifierEventSourceMappingSQSHints"
STREAM = "NotifierEventSourceMappingDynamodbTable"
SSE = ("ServerSideEncryptionConfiguration", 0)
SETTINGS = "DefaultRouteSettings"
POLICY = ("PolicyDocument", "Statement")
FILTER = ("FilterCriteria", "Filters", 0, "Pattern")
FAULTS: list[tuple[str, Rule, Fault]] = [
    (
        "another Python",
        functions.functions_run_where_their_zips_do,
        put("python3.11", API, "Runtime"),
    ),
    (
        "another processor",
        functions.functions_run_where_their_zips_do,
        drop(LABELLER, "Architectures"),
    ),
    (
        "no such handler",
        functions.functions_run_where_their_zips_do,
        put("api.handler", API, "Handler"),
    ),
    (
        "an unknown setting",
        functions.environment_is_what_settings_know,
        put("1", API, "Environment", "Variables", "LABELLING_MAX_PIXELS"),
    ),
    (
        "a setting missing",
        functions.environment_is_what_settings_know,
        drop(NOTIFIER, "Environment", "Variables", "LABELLING_HINTS_URL"),
    ),
    (
        "the wrong queue's URL",
        functions.environment_is_what_settings_know,
        put({"Ref": "Uploads"}, NOTIFIER, "Environment", "Variables", "LABELLING_HINTS_URL"),
    ),
    (
        "receives that differ from the queue's",
        functions.environment_is_what_settings_know,
        put("3", LABELLER, "Environment", "Variables", "LABELLING_MAX_RECEIVES"),
    ),
    (
        "an API slower than its gateway",
        functions.api_answers_before_the_gateway_gives_up,
        put(31, API, "Timeout"),
    ),
    (
        "an API that ends before its operations",
        functions.api_answers_before_the_gateway_gives_up,
        put(15, API, "Timeout"),
    ),
    (
        "the older payload",
        functions.api_answers_before_the_gateway_gives_up,
        put("1.0", "HttpApiIntegrationApi", "PayloadFormatVersion"),
    ),
    (
        "no key may be sent by browsers",
        functions.browsers_may_call_and_upload,
        put(["content-type", "*"], "HttpApi", "CorsConfiguration", "AllowHeaders"),
    ),
    (
        "no other header may be sent by browsers",
        functions.browsers_may_call_and_upload,
        put(["authorization", "content-type"], "HttpApi", "CorsConfiguration", "AllowHeaders"),
    ),
    (
        "browsers may not upload",
        functions.browsers_may_call_and_upload,
        drop("Bucket", "CorsConfiguration"),
    ),
    *(
        (f"{stage} without {limit}", functions.floods_are_bounded, drop(stage, SETTINGS, limit))
        for stage in ("HttpApiStage", "WebsocketsDeploymentStage")
        for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit")
    ),
    (
        "concurrency that can't be reserved",
        functions.floods_are_bounded,
        drop(API, "ReservedConcurrentExecutions"),
    ),
    (
        "visible again while worked on",
        messages.messages_rest_while_they_are_worked_on,
        put(359, "Uploads", "VisibilityTimeout"),
    ),
    (
        "the default visibility",
        messages.messages_rest_while_they_are_worked_on,
        drop("Hints", "VisibilityTimeout"),
    ),
    (
        "a longer function",
        messages.messages_rest_while_they_are_worked_on,
        put(61, NOTIFIER, "Timeout"),
    ),
    (
        "webhooks longer than their function",
        functions.webhooks_end_before_the_notifier_does,
        put("55", NOTIFIER, "Environment", "Variables", "LABELLING_WEBHOOK_TIMEOUT"),
    ),
    (
        "more webhooks than time",
        functions.webhooks_end_before_the_notifier_does,
        put(10, HINTS, "BatchSize"),
    ),
    (
        "a notifier that Lambda stops after 16 generations",
        functions.only_the_notifier_may_invoke_itself,
        drop(NOTIFIER, "RecursiveLoop"),
    ),
    (
        "a labeller that may invoke itself",
        functions.only_the_notifier_may_invoke_itself,
        put("Allow", LABELLER, "RecursiveLoop"),
    ),
    (
        "no dead-letter queue of uploads",
        messages.queues_have_dead_letters,
        drop("Uploads", "RedrivePolicy"),
    ),
    ("no dead-letter queue of hints", messages.queues_have_dead_letters, drop("HintsDeadLetters")),
    (
        "dead letters that vanish",
        messages.queues_have_dead_letters,
        drop("UploadsDeadLetters", "MessageRetentionPeriod"),
    ),
    (
        "dead letters of any queue",
        messages.queues_have_dead_letters,
        drop("HintsDeadLetters", "RedriveAllowPolicy"),
    ),
    ("uploads unheard", messages.each_function_hears_its_events, drop(UPLOADS)),
    (
        "the stream switched off",
        messages.each_function_hears_its_events,
        put(False, STREAM, "Enabled"),
    ),
    (
        "no sweep",
        messages.each_function_hears_its_events,
        drop("NotifierEventsRuleSchedule1"),
    ),
    (
        "deletions that never come",
        messages.each_function_hears_its_events,
        drop("ApiEventsRuleSchedule1"),
    ),
    (
        "an event of another form",
        messages.each_function_hears_its_events,
        put("{}", "LabellerEventsRuleSchedule1", "Targets", 0, "Input"),
    ),
    (
        "EventBridge kept out",
        messages.each_function_hears_its_events,
        drop("NotifierLambdaPermissionEventsRuleSchedule1"),
    ),
    *(
        (
            f"all or nothing in {mapping}",
            messages.one_failure_fails_no_other,
            drop(mapping, "FunctionResponseTypes"),
        )
        for mapping in (UPLOADS, HINTS, STREAM)
    ),
    (
        "Rekognition's quota passed",
        messages.queues_are_drained_no_faster_than_is_good,
        drop(UPLOADS, "ScalingConfig"),
    ),
    (
        "large batches of pictures",
        messages.queues_are_drained_no_faster_than_is_good,
        put(11, UPLOADS, "BatchSize"),
    ),
    (
        "a change tried for ever",
        messages.a_poisoned_change_is_set_aside,
        drop(STREAM, "MaximumRetryAttempts"),
    ),
    (
        "a change without age",
        messages.a_poisoned_change_is_set_aside,
        drop(STREAM, "MaximumRecordAgeInSeconds"),
    ),
    (
        "batches given up whole",
        messages.a_poisoned_change_is_set_aside,
        drop(STREAM, "BisectBatchOnFunctionError"),
    ),
    (
        "changes given up unseen",
        messages.a_poisoned_change_is_set_aside,
        drop(STREAM, "DestinationConfig"),
    ),
    (
        "only what comes later",
        messages.a_poisoned_change_is_set_aside,
        put("LATEST", STREAM, "StartingPosition"),
    ),
    ("no stream", messages.the_stream_is_on, drop("Table", "StreamSpecification")),
    (
        "half a stream",
        messages.the_stream_is_on,
        put("NEW_IMAGE", "Table", "StreamSpecification", "StreamViewType"),
    ),
    (
        "a filter that is not JSON",
        messages.the_filter_passes_changed_and_deleted_blobs,
        put('{"dynamodb": {"NewImage": ', STREAM, *FILTER),
    ),
    (
        "a filter that passes no deletion",
        messages.the_filter_passes_changed_and_deleted_blobs,
        drop(STREAM, "FilterCriteria", "Filters", 1),
    ),
    (
        "a filter of everything",
        messages.the_filter_passes_changed_and_deleted_blobs,
        drop(STREAM, "FilterCriteria"),
    ),
    (
        "a filter on values without their type",
        messages.the_filter_passes_changed_and_deleted_blobs,
        put('{"dynamodb":{"NewImage":{"status":["LABELLED"]}}}', STREAM, *FILTER),
    ),
    *(
        (f"{name} without {policy}", storage.what_is_stored_outlives_the_stack, seed)
        for name in ("Table", "Bucket")
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        for seed in [drop_attribute(name, policy)]
    ),
    (
        "a table that can be dropped",
        storage.what_is_stored_outlives_the_stack,
        drop("Table", "DeletionProtectionEnabled"),
    ),
    (
        "no point-in-time recovery",
        storage.records_can_be_brought_back,
        put(False, "Table", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"),
    ),
    ("no time to live", storage.records_expire, drop("Table", "TimeToLiveSpecification")),
    (
        "connections kept for ever",
        storage.records_expire,
        drop("Connections", "TimeToLiveSpecification"),
    ),
    (
        "connections among the records",
        storage.connections_are_no_records,
        lambda template: template["Resources"].pop("Connections"),
    ),
    (
        "connections in a stream",
        storage.connections_are_no_records,
        put({"StreamViewType": "NEW_IMAGE"}, "Connections", "StreamSpecification"),
    ),
    (
        "connections in the clear",
        storage.everything_rests_encrypted,
        drop("Connections", "SSESpecification"),
    ),
    (
        "no WebSocket API",
        functions.sockets_reach_the_api,
        put("HTTP", "WebsocketsApi", "ProtocolType"),
    ),
    ("messages to nobody", functions.sockets_reach_the_api, drop("SdefaultWebsocketsRoute")),
    (
        "ends untold of",
        functions.sockets_reach_the_api,
        put("$other", "SdisconnectWebsocketsRoute", "RouteKey"),
    ),
    (
        "sockets at another function",
        functions.sockets_reach_the_api,
        put("arn:aws:lambda:other", "ApiWebsocketsIntegration", "IntegrationUri"),
    ),
    (
        "sockets on another stage",
        functions.sockets_reach_the_api,
        put("$default", "WebsocketsDeploymentStage", "StageName"),
    ),
    (
        "another's WebSocket API",
        functions.only_our_apis_call_the_api,
        drop("ApiLambdaPermissionWebsockets", "SourceArn"),
    ),
    (
        "another's HTTP API",
        functions.only_our_apis_call_the_api,
        drop("ApiLambdaPermissionHttpApi", "SourceArn"),
    ),
    (
        "other origins for sockets",
        functions.browsers_may_call_and_upload,
        put("https://a.example", API, "Environment", "Variables", "LABELLING_CORS_ORIGINS"),
    ),
    ("notices as by default", messages.notices_are_not_repeated_for_long, drop("ApiLambdaEvConf")),
    (
        "notices of long ago",
        messages.notices_are_not_repeated_for_long,
        put(21_600, "ApiLambdaEvConf", "MaximumEventAgeInSeconds"),
    ),
    (
        "notices told once",
        messages.notices_are_not_repeated_for_long,
        put(0, "ApiLambdaEvConf", "MaximumRetryAttempts"),
    ),
    (
        "time to live of another attribute",
        storage.records_expire,
        put("ttl", "Table", "TimeToLiveSpecification", "AttributeName"),
    ),
    (
        "an index missing",
        storage.the_table_has_its_keys,
        drop("Table", "GlobalSecondaryIndexes", 3),
    ),
    (
        "an index without what lists need",
        storage.the_table_has_its_keys,
        put({"ProjectionType": "KEYS_ONLY"}, "Table", "GlobalSecondaryIndexes", 0, "Projection"),
    ),
    (
        "a numeric key",
        storage.the_table_has_its_keys,
        put("N", "Table", "AttributeDefinitions", 5, "AttributeType"),
    ),
    (
        "a queue in the clear",
        storage.everything_rests_encrypted,
        drop("Hints", "SqsManagedSseEnabled"),
    ),
    (
        "a bucket in the clear",
        storage.everything_rests_encrypted,
        drop("Bucket", "BucketEncryption"),
    ),
    (
        "a public bucket",
        storage.no_bucket_is_public,
        put(False, "Bucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy"),
    ),
    (
        "public code",
        storage.no_bucket_is_public,
        drop("ServerlessDeploymentBucket", "PublicAccessBlockConfiguration"),
    ),
    ("others' objects", storage.no_bucket_is_public, drop("Bucket", "OwnershipControls")),
    (
        "unfinished uploads kept",
        storage.the_bucket_tidies_itself,
        drop("Bucket", "LifecycleConfiguration", "Rules", 0),
    ),
    (
        "pictures that expire",
        storage.the_bucket_tidies_itself,
        put(30, "Bucket", "LifecycleConfiguration", "Rules", 1, "ExpirationInDays"),
    ),
    (
        "old versions kept",
        storage.the_bucket_tidies_itself,
        drop("Bucket", "LifecycleConfiguration", "Rules", 1),
    ),
    (
        "imported objects kept",
        storage.the_bucket_tidies_itself,
        drop("Bucket", "LifecycleConfiguration", "Rules", 2),
    ),
    (
        "rejected objects kept",
        storage.the_bucket_tidies_itself,
        drop("Bucket", "LifecycleConfiguration", "Rules", 4),
    ),
    (
        "an S3 event of another name",
        storage.uploads_are_told_of,
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
        storage.uploads_are_told_of,
        drop("Bucket", "NotificationConfiguration", "QueueConfigurations", 1),
    ),
    (
        "a bucket before its queue's policy",
        storage.uploads_are_told_of,
        drop_attribute("Bucket", "DependsOn"),
    ),
    (
        "the wrong principal",
        storage.only_the_bucket_sends_uploads,
        put({"Service": "sns.amazonaws.com"}, "UploadsPolicy", *POLICY, 1, "Principal"),
    ),
    (
        "any bucket",
        storage.only_the_bucket_sends_uploads,
        drop("UploadsPolicy", *POLICY, 1, "Condition", "ArnEquals"),
    ),
    (
        "any account",
        storage.only_the_bucket_sends_uploads,
        drop("UploadsPolicy", *POLICY, 1, "Condition", "StringEquals"),
    ),
    ("no bucket at all", storage.only_the_bucket_sends_uploads, drop("UploadsPolicy", *POLICY, 1)),
    ("a queue without TLS", storage.nothing_goes_in_the_clear, drop("HintsPolicy")),
    ("a bucket without TLS", storage.nothing_goes_in_the_clear, drop("BucketPolicy")),
    (
        "objects without TLS",
        storage.nothing_goes_in_the_clear,
        drop("BucketPolicy", *POLICY, 0, "Resource", 1),
    ),
    (
        "TLS denied",
        storage.nothing_goes_in_the_clear,
        put({"Bool": {"aws:SecureTransport": "true"}}, "HintsPolicy", *POLICY, 0, "Condition"),
    ),
    (
        "a wildcard action",
        roles.roles_are_narrow,
        say("ApiRole", "Records", "Action", "dynamodb:*"),
    ),
    (
        "a wildcard resource",
        roles.roles_are_narrow,
        say("NotifierRole", "Records", "Resource", "*"),
    ),
    (
        "every bucket",
        roles.roles_are_narrow,
        say("LabellerRole", "Pictures", "Resource", "arn:aws:s3:::*"),
    ),
    (
        "a shared role",
        roles.roles_are_each_functions_own,
        put({"Fn::GetAtt": ["NotifierRole", "Arn"]}, API, "Role"),
    ),
    (
        "a role for anybody",
        roles.roles_are_each_functions_own,
        put({"AWS": "*"}, "ApiRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal"),
    ),
    (
        "no right to receive",
        roles.roles_suffice_for_lambda_itself,
        unsay("LabellerRole", "Uploads"),
    ),
    (
        "no right to delete",
        roles.roles_suffice_for_lambda_itself,
        say("NotifierRole", "Hints", "Action", ["sqs:SendMessage", "sqs:ReceiveMessage"]),
    ),
    (
        "no right to the stream",
        roles.roles_suffice_for_lambda_itself,
        unsay("NotifierRole", "Stream"),
    ),
    (
        "no right to give up",
        roles.roles_suffice_for_lambda_itself,
        unsay("NotifierRole", "GivenUp"),
    ),
    (
        "another's log",
        roles.roles_suffice_for_lambda_itself,
        say("ApiRole", "Logs", "Resource", {"Fn::GetAtt": ["LabellerLogGroup", "Arn"]}),
    ),
    ("endless logs", monitoring.logs_end, drop("ApiLogGroup", "RetentionInDays")),
    *(
        (f"no {alarm}", monitoring.troubles_ring, drop(alarm))
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
        functions.nothing_is_asked_of_the_deployer,
        lambda template: template.update(Parameters={"AlarmEmail": {"Type": "String"}}),
    ),
    (
        "messages that are soon forgotten",
        messages.queues_have_dead_letters,
        drop("Uploads", "MessageRetentionPeriod"),
    ),
    (
        "an index unwatched",
        monitoring.troubles_ring,
        drop("IndexThrottlesAlarm", "Metrics", 3),
    ),
    (
        "a sum of nothing",
        monitoring.troubles_ring,
        put("m1", "TableThrottlesAlarm", "Metrics", 0, "Expression"),
    ),
    (
        "a dashboard that is not JSON",
        monitoring.the_dashboard_shows_what_exists,
        put({"Fn::Sub": '{"widgets": ['}, "Dashboard", "DashboardBody"),
    ),
    (
        "a dashboard of another stack",
        monitoring.the_dashboard_shows_what_exists,
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
        monitoring.the_dashboard_shows_what_exists,
        lambda template: template["Resources"].update(
            OtherAlarm=template["Resources"]["StreamAgeAlarm"]
        ),
    ),
    *(
        (f"{stage} without a log", monitoring.access_is_logged, drop(stage, "AccessLogSettings"))
        for stage in ("HttpApiStage", "WebsocketsDeploymentStage")
    ),
    *(
        (f"{function} without a version", functions.versions_shift_and_return, drop(alias))
        for function in resources.FUNCTIONS
        for alias in [resources.alias_id(function)]
    ),
    (
        "an alias that CodeDeploy doesn't shift",
        functions.versions_shift_and_return,
        drop_attribute(resources.alias_id("labeller"), "UpdatePolicy"),
    ),
    (
        "shifting that no alarm stops",
        functions.versions_shift_and_return,
        put(False, "NotifierShifting", "AlarmConfiguration", "Enabled"),
    ),
    (
        "no choice of snapshots",
        functions.versions_shift_and_return,
        drop(API, "SnapStart"),
    ),
    (
        "events to the newest code",
        functions.versions_shift_and_return,
        put({"Fn::GetAtt": [NOTIFIER, "Arn"]}, HINTS, "FunctionName"),
    ),
    *(
        (f"{name} under another key", storage.the_operators_key_encrypts_everything, seed)
        for name, seed in (
            ("Uploads", drop("Uploads", "KmsMasterKeyId")),
            ("Table", drop("Table", "SSESpecification", "KMSMasterKeyId")),
            ("Connections", drop("Connections", "SSESpecification", "SSEType")),
            ("Bucket", drop("Bucket", "BucketEncryption", *SSE, "BucketKeyEnabled")),
        )
    ),
    (
        "a role without the key",
        storage.the_operators_key_encrypts_everything,
        drop("UseOfKey", "Roles", 1),
    ),
    *(
        (
            f"{domain} of nothing",
            functions.domains_lead_to_the_apis,
            drop(f"{domain}Mapping", "Stage"),
        )
        for domain in ("Domain", "WebsocketDomain")
    ),
    ("a domain always", functions.domains_lead_to_the_apis, drop_attribute("Domain", "Condition")),
    ("no right to trace", monitoring.traces_can_be_sent, drop("Tracing", "Roles", 0)),
    ("no choice to trace", monitoring.traces_can_be_sent, drop(API, "TracingConfig")),
    ("traces always", monitoring.traces_can_be_sent, drop_attribute("Tracing", "Condition")),
    ("a silent alarm", monitoring.troubles_ring, drop("OldestUploadAlarm", "AlarmActions")),
    (
        "alarms kept out",
        monitoring.troubles_ring,
        put({"Service": "s3.amazonaws.com"}, "AlarmsPolicy", *POLICY, 0, "Principal"),
    ),
    (
        "no URL",
        functions.addresses_are_told,
        lambda template: template["Outputs"].pop("GraphqlUrl"),
    ),
]
