"""Rules of the functions, their APIs and their settings."""

from __future__ import annotations

import json
from typing import Any, Final

from api.graphql.http.app import OPERATION_SECONDS
from tests.support.aws.iam import Template, references, resolve
from tests.support.aws.template_rules.resources import (
    FUNCTIONS,
    alias_id,
    arn_of,
    event_sources,
    functions,
    logical_id,
    of_type,
)

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
HTTP_API_SECONDS: Final = 30
ACCOUNTS_REQUESTS: Final = 10_000  # per second to all of an account's APIs


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


def nothing_is_asked_of_the_deployer(template: Template) -> list[str]:
    """A parameter's value would go to the stack of the deployment bucket too, which has none."""
    return [f"{name}: a parameter" for name in template.get("Parameters", {})]


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


def addresses_are_told(template: Template) -> list[str]:
    wanted = {"GraphqlUrl", "BucketName", "TableName", "UploadsUrl", "HintsUrl"}
    wanted |= {"WebsocketUrl", "UploadsDeadLettersUrl", "HintsDeadLettersUrl", "StreamFailuresUrl"}
    return [f"no output {name}" for name in sorted(wanted - set(template["Outputs"]))]
