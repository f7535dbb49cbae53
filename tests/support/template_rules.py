"""What must hold of the compiled template. Each rule lists the faults it finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from api.graphql.http import OPERATION_SECONDS
from tests.support.iam import Template, allows, references, resolve, role_statements

Resource = dict[str, Any]
Rule = Callable[[Template], list[str]]

FUNCTIONS: Final = ("api", "labeller", "notifier")
EVERYWHERE: Final = {
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "LABELLING_TABLE",
    "LABELLING_LOG_LEVEL",
    "LABELLING_OTLP_ENDPOINT",
}
ENVIRONMENT: Final = {
    "api": EVERYWHERE
    | {
        "LABELLING_BUCKET",
        "LABELLING_HINTS_URL",
        "LABELLING_UPLOADS_URL",
        "LABELLING_REQUIRE_SIZE_BYTES",
        "LABELLING_UPLOADS_PER_MINUTE",
        "LABELLING_OPEN_UPLOADS",
        "LABELLING_REQUESTS_PER_SECOND",
        "LABELLING_FAILED_KEYS_PER_MINUTE",
        "LABELLING_OIDC_ISSUER",
        "LABELLING_OIDC_AUDIENCE",
        "LABELLING_OIDC_JWKS_URL",
        "LABELLING_OIDC_OWNER_CLAIM",
        "LABELLING_OIDC_OWNER_PREFIX",
        "LABELLING_OIDC_SCOPE_CLAIM",
        "LABELLING_OIDC_SCOPES",
        "LABELLING_ENCRYPTION_KEYS",
        "LABELLING_MAX_UPLOAD_BYTES",
        "LABELLING_CORS_ORIGINS",
        "LABELLING_CONNECTIONS_TABLE",
        "LABELLING_WEBSOCKET_URL",
    },
    "labeller": EVERYWHERE
    | {
        "LABELLING_BUCKET",
        "LABELLING_DETECTOR",
        "LABELLING_MAX_UPLOAD_BYTES",
        "LABELLING_MAX_PIXELS",
        "LABELLING_MAX_RECEIVES",
        "LABELLING_UPLOAD_HOURS",
    },
    "notifier": EVERYWHERE
    | {
        "LABELLING_HINTS_URL",
        "LABELLING_ASIDE_URL",
        "LABELLING_WEBHOOK_TIMEOUT",
        "LABELLING_WEBHOOK_TRACEPARENT",
        "LABELLING_ENCRYPTION_KEYS",
        "LABELLING_CONNECTIONS_TABLE",
        "LABELLING_API_FUNCTION",
    },
}
KEYS: Final = {
    "": ("pk", "sk"),
    "by-owner": ("by_owner", "id"),
    "by-status": ("by_status", "id"),
    "by-digest": ("by_digest", "id"),
    "by-name": ("by_owner", "by_name"),
    "by-confidence": ("pk", "rank"),
    "by-list": ("list", "at"),
}
CHANGED_BLOBS: Final = {"dynamodb": {"NewImage": {"sk": {"S": ["blob"]}}}}
DELETED_BLOBS: Final = {
    "eventName": ["REMOVE"],
    "dynamodb": {"OldImage": {"sk": {"S": ["blob"]}}},
}
TWO_WEEKS: Final = 14 * 24 * 3600
ENOUGH: Final = 20  # receives: two hours of a detector that can't answer
HTTP_API_SECONDS: Final = 30
KEY: Final = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"
DASHBOARD_COLUMNS: Final = 24
ACCOUNTS_REQUESTS: Final = 10_000  # per second to all of an account's APIs
DIMENSIONS: Final = {
    "AWS/ApiGateway": "ApiId",
    "AWS/DynamoDB": "TableName",
    "AWS/Lambda": "FunctionName",
    "AWS/SQS": "QueueName",
}
# Actions that know no narrower resource.
ANYWHERE: Final = {"rekognition:DetectLabels"}


def of_type(template: Template, kind: str) -> dict[str, Resource]:
    """The properties of all resources of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def functions(template: Template) -> dict[str, Resource]:
    """The properties of each function, by its package."""
    return {
        properties["Handler"].partition(".")[0]: properties
        for properties in of_type(template, "AWS::Lambda::Function").values()
    }


def logical_id(function: str) -> str:
    """The deployer's name for a function."""
    return f"{function.capitalize()}LambdaFunction"


def alias_id(function: str) -> str:
    """The deployer's name for the alias of a function's newest version."""
    return f"{function.capitalize()}SnapStartLambdaAlias"


def invoked(reference: Any) -> str:
    """The logical id of the function whose alias a reference names; "" for any other."""
    match reference:
        case {"Fn::Join": [":", [{"Fn::GetAtt": [str(name), "Arn"]}, "snapstart"]]}:
            return name
    return ""


def arn_of(name: str, attribute: str = "Arn") -> dict[str, list[str]]:
    """A reference to a resource's ARN."""
    return {"Fn::GetAtt": [name, attribute]}


def event_sources(template: Template, source: str = "") -> Iterator[tuple[str, str, Resource]]:
    """Yield (function, source's logical id, mapping) of each event source mapping."""
    for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        name = mapping["EventSourceArn"]["Fn::GetAtt"][0]
        target = invoked(mapping["FunctionName"])
        function = next((each for each in FUNCTIONS if logical_id(each) == target), "")
        if source in {"", name}:
            yield function, name, mapping


def listed(value: Any) -> list[Any]:
    """One or many as many."""
    return value if isinstance(value, list) else [value]


def functions_run_where_their_zips_do(template: Template) -> list[str]:
    faults = []
    for function, properties in functions(template).items():
        if properties.get("Runtime") != "python3.13" or properties.get("Architectures") != [
            "arm64"
        ]:
            faults.append(f"{function}: not python3.13 on arm64")
        if properties["Handler"] != f"{function}.lambda_handler.handler":
            faults.append(f"{function}: handler {properties['Handler']}")
    if set(functions(template)) != set(FUNCTIONS):
        faults.append(f"functions: {sorted(functions(template))}")
    return faults


def environment_is_what_settings_know(template: Template) -> list[str]:
    faults = []
    queues = of_type(template, "AWS::SQS::Queue")
    values: dict[str, Any] = {
        "POWERTOOLS_METRICS_NAMESPACE": "Labelling",
        "LABELLING_TABLE": {"Ref": "Table"},
        "LABELLING_BUCKET": {"Ref": "Bucket"},
        "LABELLING_HINTS_URL": {"Ref": "Hints"},
        "LABELLING_UPLOADS_URL": {"Ref": "Uploads"},
        "LABELLING_ASIDE_URL": {"Ref": "StreamFailures"},
        "LABELLING_CONNECTIONS_TABLE": {"Ref": "Connections"},
        "LABELLING_API_FUNCTION": {"Fn::Join": [":", [arn_of(logical_id("api")), "snapstart"]]},
        "LABELLING_WEBSOCKET_URL": template["Outputs"].get("WebsocketUrl", {}).get("Value"),
        "LABELLING_MAX_RECEIVES": str(
            queues["Uploads"].get("RedrivePolicy", {}).get("maxReceiveCount")
        ),
    }
    for function, properties in functions(template).items():
        variables = properties["Environment"]["Variables"]
        if set(variables) != ENVIRONMENT[function]:
            odd = set(variables) ^ ENVIRONMENT[function]
            faults.append(f"{function}: missing or unknown: {', '.join(sorted(odd))}")
        wanted = {**values, "POWERTOOLS_SERVICE_NAME": function}
        faults += [
            f"{function}: {name} is {value}"
            for name, value in variables.items()
            if value != wanted.get(name, value) or isinstance(value, int | float)
        ]
    return faults


def api_answers_before_the_gateway_gives_up(template: Template) -> list[str]:
    faults = []
    timeout = functions(template)["api"].get("Timeout", 0)
    if not timeout < HTTP_API_SECONDS:
        faults.append(f"api: timeout {timeout} s, the HTTP API gives up after {HTTP_API_SECONDS}")
    variables = functions(template)["api"]["Environment"]["Variables"]
    operation = float(variables.get("LABELLING_OPERATION_TIMEOUT", OPERATION_SECONDS))
    if not operation < timeout:
        faults.append(f"api: timeout {timeout} s, an operation may take {operation:g}")
    for name, integration in of_type(template, "AWS::ApiGatewayV2::Integration").items():
        http = integration["ApiId"] == {"Ref": "HttpApi"}
        if http and integration.get("PayloadFormatVersion") != "2.0":
            faults.append(f"{name}: payload {integration.get('PayloadFormatVersion')}")
        most = 30_000 if http else 29_000
        if integration.get("TimeoutInMillis", most) <= timeout * 1000:
            faults.append(f"{name}: gives up before the function does")
    return faults


def browsers_may_call_and_upload(template: Template) -> list[str]:
    faults = []
    api = of_type(template, "AWS::ApiGatewayV2::Api")["HttpApi"].get("CorsConfiguration", {})
    bucket = of_type(template, "AWS::S3::Bucket")["Bucket"]
    (rule,) = bucket.get("CorsConfiguration", {}).get("CorsRules", [{}])
    if set(api.get("AllowMethods", [])) != {"GET", "POST", "OPTIONS"}:
        faults.append("HttpApi: CORS methods")
    # For browsers * means any header but Authorization (Fetch standard, 3.3.5).
    if set(api.get("AllowHeaders", [])) != {"authorization", "content-type", "*"}:
        faults.append("HttpApi: CORS headers")
    if set(rule.get("AllowedMethods", [])) != {"GET", "PUT"}:
        faults.append("Bucket: CORS methods")
    if rule.get("AllowedHeaders") != ["*"]:
        faults.append("Bucket: CORS headers")
    if not api.get("AllowOrigins") or api.get("AllowOrigins") != rule.get("AllowedOrigins"):
        faults.append("HttpApi and Bucket: CORS origins")
    origins = functions(template)["api"]["Environment"]["Variables"].get("LABELLING_CORS_ORIGINS")
    if api.get("AllowOrigins") != {"Fn::Split": [",", origins]}:
        faults.append("HttpApi and sockets: CORS origins")
    return faults


def floods_are_bounded(template: Template) -> list[str]:
    """A flood costs no more than the stages' throttles let in, and can be kept in its function."""
    faults = []
    for name, stage in of_type(template, "AWS::ApiGatewayV2::Stage").items():
        throttles = stage.get("DefaultRouteSettings", {})
        faults += [
            f"{name}: {limit} is {throttles.get(limit)}"
            for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit")
            if not 1 <= int(throttles.get(limit, 0)) <= ACCOUNTS_REQUESTS
        ]
    for function, properties in functions(template).items():
        match properties.get("ReservedConcurrentExecutions"):
            case {"Fn::If": [str(condition), _, {"Ref": "AWS::NoValue"}]} if (
                condition in template["Conditions"]
            ):
                continue
        faults.append(f"{function}: its concurrency can't be reserved")
    return faults


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


def webhooks_end_before_the_notifier_does(template: Template) -> list[str]:
    notifier = functions(template)["notifier"]
    webhook = float(notifier["Environment"]["Variables"]["LABELLING_WEBHOOK_TIMEOUT"])
    return [
        f"notifier: {mapping['BatchSize']} webhooks of {webhook:g} s in {notifier['Timeout']} s"
        for _, _, mapping in event_sources(template, "Hints")
        if webhook * mapping["BatchSize"] + 10 > notifier["Timeout"]
    ]


def only_the_notifier_may_invoke_itself(template: Template) -> list[str]:
    """AWS Lambda Developer Guide: "Use Lambda recursive loop detection"."""
    return [
        f"{function}: RecursiveLoop is {properties.get('RecursiveLoop', 'Terminate')}"
        for function, properties in functions(template).items()
        if (properties.get("RecursiveLoop") == "Allow") != (function == "notifier")
    ]


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
    for function, rate in (("labeller", "rate(5 minutes)"), ("notifier", "rate(1 minute)")):
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


def sockets_reach_the_api(template: Template) -> list[str]:
    faults = []
    refs = references(template)
    sockets = {"Ref": "WebsocketsApi"}
    if of_type(template, "AWS::ApiGatewayV2::Api")["WebsocketsApi"]["ProtocolType"] != "WEBSOCKET":
        faults.append("WebsocketsApi: no WebSocket API")
    integrations = {
        name
        for name, each in of_type(template, "AWS::ApiGatewayV2::Integration").items()
        if each["ApiId"] == sockets
        and f"{refs[alias_id('api')]}/invocations" in resolve(each, refs)["IntegrationUri"]
    }
    routes = {
        each["RouteKey"]
        for each in of_type(template, "AWS::ApiGatewayV2::Route").values()
        if each["ApiId"] == sockets and each["Target"]["Fn::Join"][1][1].get("Ref") in integrations
    }
    if routes != {"$connect", "$default", "$disconnect"}:
        faults.append(f"WebsocketsApi: routes {sorted(routes)}")
    (stage,) = (
        each["StageName"]
        for each in of_type(template, "AWS::ApiGatewayV2::Stage").values()
        if each["ApiId"] == sockets
    )
    url = f"wss://{refs['WebsocketsApi']}.execute-api.eu-central-1.amazonaws.com/{stage}"
    if resolve(template["Outputs"].get("WebsocketUrl", {}), refs) != {"Value": url}:
        faults.append("WebsocketUrl: of another API or stage")
    return faults


def only_our_apis_call_the_api(template: Template) -> list[str]:
    """A gateway of another account's could else pretend to be ours."""
    return [
        f"{name}: from any API"
        for name, permission in of_type(template, "AWS::Lambda::Permission").items()
        if permission["Principal"] == "apigateway.amazonaws.com"
        and not any(
            api in json.dumps(permission.get("SourceArn", ""))
            for api in ("HttpApi", "WebsocketsApi")
        )
    ]


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


def what_is_stored_outlives_the_stack(template: Template) -> list[str]:
    faults = [
        f"{name}: no {policy}: Retain"
        for name in ("Table", "Bucket")
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        if template["Resources"][name].get(policy) != "Retain"
    ]
    if template["Resources"]["Table"]["Properties"].get("DeletionProtectionEnabled") is not True:
        faults.append("Table: no deletion protection")
    return faults


def records_can_be_brought_back(template: Template) -> list[str]:
    table = of_type(template, "AWS::DynamoDB::Table")["Table"]
    recovery = table.get("PointInTimeRecoverySpecification", {})
    if recovery.get("PointInTimeRecoveryEnabled") is not True:
        return ["Table: no point-in-time recovery"]
    return []


def records_expire(template: Template) -> list[str]:
    wanted = {"AttributeName": "expires_at", "Enabled": True}
    return [
        f"{name}: time to live {table.get('TimeToLiveSpecification')}"
        for name, table in of_type(template, "AWS::DynamoDB::Table").items()
        if table.get("TimeToLiveSpecification") != wanted
    ]


def the_table_has_its_keys(template: Template) -> list[str]:
    faults = []
    table = of_type(template, "AWS::DynamoDB::Table")["Table"]
    schemas = {"": table["KeySchema"]}
    schemas |= {each["IndexName"]: each["KeySchema"] for each in table["GlobalSecondaryIndexes"]}
    wanted = {
        name: [
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": order, "KeyType": "RANGE"},
        ]
        for name, (partition, order) in KEYS.items()
    }
    if schemas != wanted:
        faults.append("Table: other keys or indexes")
    if any(each["AttributeType"] != "S" for each in table["AttributeDefinitions"]):
        faults.append("Table: a key that is not a string")
    for index in table["GlobalSecondaryIndexes"]:
        projection: dict[str, Any] = {"ProjectionType": "ALL"}
        if index["IndexName"] in ("by-digest", "by-name"):
            projection = {"ProjectionType": "KEYS_ONLY"}
        if index["IndexName"] == "by-list":
            fields = ["lease_until", "owner", "name"]
            projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": fields}
        if index["Projection"] != projection:
            faults.append(f"{index['IndexName']}: projects {index['Projection']}")
    if table.get("BillingMode") != "PAY_PER_REQUEST":
        faults.append("Table: not paid per request")
    return faults


def connections_are_no_records(template: Template) -> list[str]:
    """They have a table of their own, whose writes are in no stream."""
    faults = []
    tables = of_type(template, "AWS::DynamoDB::Table")
    if set(tables) != {"Table", "Connections"}:
        faults.append(f"tables: {sorted(tables)}")
    table = tables.get("Connections", {})
    if table.get("KeySchema") != tables["Table"]["KeySchema"]:
        faults.append("Connections: other keys")
    if table.get("BillingMode") != "PAY_PER_REQUEST":
        faults.append("Connections: not paid per request")
    if "StreamSpecification" in table or "GlobalSecondaryIndexes" in table:
        faults.append("Connections: a stream or an index, which nobody reads")
    return faults


def everything_rests_encrypted(template: Template) -> list[str]:
    faults = [
        f"{name}: not encrypted"
        for name, queue in of_type(template, "AWS::SQS::Queue").items()
        if resolve(queue, references(template)).get("SqsManagedSseEnabled") is not True
    ]
    faults += [
        f"{name}: not encrypted"
        for name, bucket in of_type(template, "AWS::S3::Bucket").items()
        if not bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration")
    ]
    faults += [
        f"{name}: not encrypted with a key that can be audited"
        for name, table in of_type(template, "AWS::DynamoDB::Table").items()
        if table.get("SSESpecification", {}).get("SSEEnabled") is not True
    ]
    return faults


def no_bucket_is_public(template: Template) -> list[str]:
    faults = []
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        access = bucket.get("PublicAccessBlockConfiguration", {})
        faults += [f"{name}: no {block}" for block in blocks if access.get(block) is not True]
    ownership = of_type(template, "AWS::S3::Bucket")["Bucket"].get("OwnershipControls", {})
    if ownership.get("Rules") != [{"ObjectOwnership": "BucketOwnerEnforced"}]:
        faults.append("Bucket: objects may belong to others")
    return faults


def the_bucket_tidies_itself(template: Template) -> list[str]:
    faults = []
    bucket = resolve(of_type(template, "AWS::S3::Bucket")["Bucket"], references(template))
    rules = [
        rule
        for rule in bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        if rule["Status"] == "Enabled"
    ]
    unfinished = {"DaysAfterInitiation": 1}
    if not any(rule.get("AbortIncompleteMultipartUpload") == unfinished for rule in rules):
        faults.append("Bucket: unfinished uploads stay")
    if bucket.get("VersioningConfiguration") != {"Status": "Enabled"}:
        faults.append("Bucket: no versions")
    if not any("NoncurrentVersionExpiration" in rule for rule in rules if "Prefix" not in rule):
        faults.append("Bucket: old versions stay")
    expiring = [rule.get("Prefix", "") for rule in rules if "ExpirationInDays" in rule]
    if any(prefix != "rejected/" for prefix in expiring):
        faults.append("Bucket: pictures expire")
    imported = {"NoncurrentDays": 1}
    if not any(
        rule.get("Prefix") == "inbox/" and rule.get("NoncurrentVersionExpiration") == imported
        for rule in rules
    ):
        faults.append("Bucket: imported objects stay")
    if any(rule.get("Prefix") != "originals/" for rule in rules if "Transitions" in rule):
        faults.append("Bucket: more than pictures changes its storage class")
    if not expiring:
        faults.append("Bucket: rejected objects stay")
    return faults


def uploads_are_told_of(template: Template) -> list[str]:
    faults = []
    bucket = of_type(template, "AWS::S3::Bucket")["Bucket"]
    told = bucket.get("NotificationConfiguration", {}).get("QueueConfigurations", [])
    prefixes = []
    for each in told:
        if each["Event"] != "s3:ObjectCreated:*" or each["Queue"] != arn_of("Uploads"):
            faults.append(f"Bucket: tells {each['Queue']} of {each['Event']}")
        rules = each.get("Filter", {}).get("S3Key", {}).get("Rules", [])
        prefixes += [rule["Value"] for rule in rules if rule["Name"] == "prefix"]
    if sorted(prefixes) != ["inbox/", "originals/"]:
        faults.append(f"Bucket: notifies about {prefixes}")
    if "UploadsPolicy" not in listed(template["Resources"]["Bucket"].get("DependsOn", [])):
        faults.append("Bucket: made before its queue takes its messages")
    return faults


def only_the_bucket_sends_uploads(template: Template) -> list[str]:
    refs = references(template)
    from_the_bucket = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": refs["Uploads.Arn"],
        "Condition": {
            "ArnEquals": {"aws:SourceArn": refs["Bucket.Arn"]},
            "StringEquals": {"aws:SourceAccount": refs["AWS::AccountId"]},
        },
    }
    allowed = [
        (listed(policy["Queues"]), {k: v for k, v in statement.items() if k != "Sid"})
        for policy in of_type(template, "AWS::SQS::QueuePolicy").values()
        for statement in resolve(policy["PolicyDocument"]["Statement"], refs)
        if statement["Effect"] == "Allow"
    ]
    if allowed != [([{"Ref": "Uploads"}], from_the_bucket)]:
        return [f"queues may be sent to: {allowed}"]
    return []


def nothing_goes_in_the_clear(template: Template) -> list[str]:
    refs = references(template)
    guarded = set()
    for kind, names in (
        ("AWS::SQS::QueuePolicy", "Queues"),
        ("AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SNS::TopicPolicy", "Topics"),
    ):
        for policy in of_type(template, kind).values():
            for statement in policy["PolicyDocument"]["Statement"]:
                everyone = statement["Principal"] in ("*", {"AWS": "*"})
                clear = statement.get("Condition") in (
                    {"Bool": {"aws:SecureTransport": "false"}},
                    {"Bool": {"aws:SecureTransport": False}},
                )
                if everyone and clear and statement["Effect"] == "Deny":
                    # A bucket's policy must name its objects too.
                    named = listed(resolve(statement["Resource"], refs))
                    whole = kind != "AWS::S3::BucketPolicy" or any(n.endswith("/*") for n in named)
                    guarded |= {each["Ref"] for each in listed(policy[names]) if whole}
    kinds = ("AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::SNS::Topic")
    needing = {name for kind in kinds for name in of_type(template, kind)}
    return [f"{name}: may be reached without TLS" for name in sorted(needing - guarded)]


def roles_are_narrow(template: Template) -> list[str]:
    faults = []
    for function, statements in role_statements(template, references(template)).items():
        for each in statements:
            faults += [f"{function}: {action}" for action in each.actions if "*" in action]
            if "*" in each.resources and not ANYWHERE.issuperset(each.actions):
                faults.append(f"{function}: {', '.join(each.actions)} on *")
            if any(r.startswith("arn:aws:s3:::") and r.endswith(":::*") for r in each.resources):
                faults.append(f"{function}: every bucket")
    return faults


def roles_are_each_functions_own(template: Template) -> list[str]:
    faults = []
    roles = of_type(template, "AWS::IAM::Role")
    for function, properties in functions(template).items():
        if properties["Role"] != arn_of(f"{function.capitalize()}Role"):
            faults.append(f"{function}: role {properties['Role']}")
    for name, role in roles.items():
        trust = role["AssumeRolePolicyDocument"]["Statement"]
        service = "codedeploy" if name == "ShiftingRole" else "lambda"
        if [each["Principal"] for each in trust] != [{"Service": f"{service}.amazonaws.com"}]:
            faults.append(f"{name}: others may take it")
        if role.get("ManagedPolicyArns"):
            faults.append(f"{name}: takes policies from elsewhere")
    return faults


def roles_suffice_for_lambda_itself(template: Template) -> list[str]:
    """What Lambda does in a function's name, which no test of the function would miss."""
    refs = references(template)
    stream, failures = refs["Table.StreamArn"], refs["StreamFailures.Arn"]
    needed = [
        ("labeller", f"sqs:{action}", refs["Uploads.Arn"])
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    ]
    needed += [
        ("notifier", f"sqs:{action}", refs["Hints.Arn"])
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    ]
    needed += [
        ("notifier", f"dynamodb:{action}", stream)
        for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
    ]
    needed.append(("notifier", "sqs:SendMessage", failures))
    for function in FUNCTIONS:
        group = refs[f"{function.capitalize()}LogGroup.Arn"].removesuffix(":*")
        needed.append((function, "logs:CreateLogStream", f"{group}:log-stream:x"))
        needed.append((function, "logs:PutLogEvents", f"{group}:log-stream:x"))
    roles = role_statements(template, refs)
    return [
        f"{function}: may not {action} on {arn}"
        for function, action, arn in needed
        if not allows(roles[function], action, arn)
    ]


def logs_end(template: Template) -> list[str]:
    faults = []
    groups = of_type(template, "AWS::Logs::LogGroup")
    kept = {group["LogGroupName"]: group.get("RetentionInDays") for group in groups.values()}
    for function, properties in functions(template).items():
        if not kept.get(f"/aws/lambda/{properties['FunctionName']}"):
            faults.append(f"{function}: logs are kept for ever")
    return faults


def nothing_is_asked_of_the_deployer(template: Template) -> list[str]:
    """A parameter's value would go to the stack of the deployment bucket too, which has none."""
    return [f"{name}: a parameter" for name in template.get("Parameters", {})]


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


def versions_shift_and_return(template: Template) -> list[str]:
    """Events invoke the alias of a version; CodeDeploy shifts it if that is chosen."""
    faults = []
    resources = template["Resources"]
    kept = of_type(template, "AWS::Lambda::Version")
    for function, properties in functions(template).items():
        alias = resources.get(alias_id(function), {})
        version, *_ = alias.get("Properties", {}).get("FunctionVersion", {}).get("Fn::GetAtt", [""])
        if kept.get(version, {}).get("FunctionName") != {"Ref": logical_id(function)}:
            faults.append(f"{function}: no alias of a version")
        elif resources[version].get("DeletionPolicy") != "Retain":
            faults.append(f"{function}: no version to return to")
        if properties.get("SnapStart", {}).get("ApplyOn") not in {"None", "PublishedVersions"}:
            faults.append(f"{function}: no choice of snapshots")
        group = f"{function.capitalize()}Shifting"
        update = {
            "CodeDeployLambdaAliasUpdate": {
                "ApplicationName": {"Ref": "Shifting"},
                "DeploymentGroupName": {"Ref": group},
            }
        }
        wanted = {"Fn::If": ["HasShifting", update, {"Ref": "AWS::NoValue"}]}
        if alias.get("UpdatePolicy") != wanted:
            faults.append(f"{function}: its alias is not shifted")
        guards = resources[group]["Properties"]["AlarmConfiguration"]
        names = [each["Name"]["Ref"] for each in guards.get("Alarms", [])]
        if f"{function.capitalize()}ErrorsAlarm" not in names or guards.get("Enabled") is not True:
            faults.append(f"{function}: shifted without a guard")
    mapped = {name for _, name, _ in event_sources(template)}
    faults += [
        f"{name}: to no alias" for function, name, _ in event_sources(template) if not function
    ]
    if not mapped:
        faults.append("no event sources")
    return faults


def with_key(template: Template) -> Template:
    """The template with a key of the operator's."""
    text = json.dumps(template).replace('["HasKmsKey", "",', f'["HasKmsKey", "{KEY}",')
    chosen: Template = json.loads(text)
    policy = chosen["Resources"]["UseOfKey"]["Properties"]["PolicyDocument"]
    policy["Statement"][0]["Resource"] = KEY
    return chosen


def the_operators_key_encrypts_everything(template: Template) -> list[str]:
    key, chosen = KEY, with_key(template)
    refs = references(chosen) | {"Condition HasKmsKey": True}
    faults = []
    for name, queue in of_type(chosen, "AWS::SQS::Queue").items():
        found = resolve(queue, refs)
        if found.get("KmsMasterKeyId") != key or "SqsManagedSseEnabled" in found:
            faults.append(f"{name}: another key")
    for name, table in of_type(chosen, "AWS::DynamoDB::Table").items():
        found = resolve(table["SSESpecification"], refs)
        if found != {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}:
            faults.append(f"{name}: another key")
    bucket = resolve(of_type(chosen, "AWS::S3::Bucket")["Bucket"], refs)
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    wanted = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    if rule != {"ServerSideEncryptionByDefault": wanted, "BucketKeyEnabled": True}:
        faults.append("Bucket: another key")
    policy = chosen["Resources"]["UseOfKey"]
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    if set(statement["Action"]) != {"kms:Decrypt", "kms:GenerateDataKey"}:
        faults.append("UseOfKey: other actions")
    users = [each["Ref"] for each in policy["Properties"]["Roles"]]
    if users != ["ApiRole", "LabellerRole", "NotifierRole"] or policy["Condition"] != "HasKmsKey":
        faults.append("UseOfKey: other roles")
    return faults


def domains_lead_to_the_apis(template: Template) -> list[str]:
    resources = template["Resources"]
    faults = []
    for domain, api, stage in (
        ("Domain", "HttpApi", "HttpApiStage"),
        ("WebsocketDomain", "WebsocketsApi", "WebsocketsDeploymentStage"),
    ):
        mapping = resources.get(f"{domain}Mapping", {})
        wanted = {
            "ApiId": {"Ref": api},
            "DomainName": {"Ref": domain},
            "Stage": resources[stage]["Properties"]["StageName"],
        }
        if mapping.get("Properties") != wanted or mapping.get("DependsOn") != [stage]:
            faults.append(f"{domain}Mapping: to something else")
        if {resources.get(name, {}).get("Condition") for name in (domain, f"{domain}Mapping")} != {
            f"Has{domain}"
        }:
            faults.append(f"{domain}: made unasked")
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


def addresses_are_told(template: Template) -> list[str]:
    wanted = {"GraphqlUrl", "BucketName", "TableName", "UploadsUrl", "HintsUrl"}
    wanted |= {"WebsocketUrl", "UploadsDeadLettersUrl", "HintsDeadLettersUrl", "StreamFailuresUrl"}
    return [f"no output {name}" for name in sorted(wanted - set(template["Outputs"]))]


RULES: Final[tuple[Rule, ...]] = (
    functions_run_where_their_zips_do,
    environment_is_what_settings_know,
    api_answers_before_the_gateway_gives_up,
    browsers_may_call_and_upload,
    floods_are_bounded,
    messages_rest_while_they_are_worked_on,
    webhooks_end_before_the_notifier_does,
    only_the_notifier_may_invoke_itself,
    queues_have_dead_letters,
    each_function_hears_its_events,
    sockets_reach_the_api,
    only_our_apis_call_the_api,
    notices_are_not_repeated_for_long,
    one_failure_fails_no_other,
    queues_are_drained_no_faster_than_is_good,
    a_poisoned_change_is_set_aside,
    the_stream_is_on,
    the_filter_passes_changed_and_deleted_blobs,
    what_is_stored_outlives_the_stack,
    records_can_be_brought_back,
    records_expire,
    the_table_has_its_keys,
    connections_are_no_records,
    everything_rests_encrypted,
    no_bucket_is_public,
    the_bucket_tidies_itself,
    uploads_are_told_of,
    only_the_bucket_sends_uploads,
    nothing_goes_in_the_clear,
    roles_are_narrow,
    roles_are_each_functions_own,
    roles_suffice_for_lambda_itself,
    logs_end,
    nothing_is_asked_of_the_deployer,
    troubles_ring,
    the_dashboard_shows_what_exists,
    access_is_logged,
    traces_can_be_sent,
    versions_shift_and_return,
    the_operators_key_encrypts_everything,
    domains_lead_to_the_apis,
    addresses_are_told,
)
