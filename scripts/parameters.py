"""Check the parameters of a deployment before anything is built or created.

The settings code of the functions reads every parameter that becomes a variable of theirs, so that
a value that they would refuse at their start is refused here.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3

import api.settings
import labeller.lambda_handler
import notifier.lambda_handler
from api.auth.oidc import OidcTokens
from api.auth.settings import TokenSettings
from core.runtime.aws_lambda import PREFIX
from core.runtime.settings import (
    BadSetting,
    Setting,
    read_setting,
    read_settings,
    setting,
    settings_of,
)
from core.runtime.trace_settings import check_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVICE: Final = "labelling"
REKOGNITION: Final = "rekognition"
MAX_BUCKET_NAME: Final = 63  # Amazon S3 User Guide: "General purpose bucket naming rules"
ACCOUNT_DIGITS: Final = 12
DOMAIN: Final = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
# AWS CodeDeploy User Guide: "Predefined deployment configurations for an AWS Lambda platform".
SHIFTS: Final = (
    *(f"Canary10Percent{minutes}Minutes" for minutes in (5, 10, 15, 30)),
    "Linear10PercentEvery1Minute",
    *(f"Linear10PercentEvery{minutes}Minutes" for minutes in (2, 3, 10)),
)
IA_DAYS: Final = 30
STAGE: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")


def reserved(function: str) -> Any:
    """Declare the concurrency that is reserved for a function."""
    return setting(
        0,
        f"Concurrent executions that only the {function} has and cannot exceed; 0: it shares those "
        "of the account.",
        minimum=0,
    )


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Parameters that the template itself uses."""

    labeller_concurrency: int = setting(
        2,
        "Batches of pictures labelled at the same time: stay below Rekognition's quota.",
        minimum=2,
        maximum=1000,
    )
    labeller_batch: int = setting(
        3,
        "Most pictures of a batch. Rekognition labels them at the same time, another detector one "
        "by one.",
        minimum=1,
        maximum=10,
    )
    webhook_concurrency: int = setting(
        50,
        "Webhooks sent at the same time; 24 of them for one owner at most.",
        minimum=2,
        maximum=1000,
    )
    http_rate: int = setting(
        200,
        "Requests per second to the HTTP API, of all clients together. API Gateway answers more "
        "with 429.",
        minimum=1,
        maximum=10_000,
    )
    http_burst: int = setting(
        400, "Requests to the HTTP API at once, after a pause.", minimum=1, maximum=5000
    )
    websocket_rate: int = setting(
        200,
        "New connections and messages per second to the WebSocket API, of all clients together.",
        minimum=1,
        maximum=10_000,
    )
    websocket_burst: int = setting(400, "The same at once, after a pause.", minimum=1, maximum=5000)
    api_reserved: int = reserved("api")
    labeller_reserved: int = reserved("labeller")
    notifier_reserved: int = reserved("notifier")
    storage_class: str = setting(
        "STANDARD_IA",
        "S3 storage class of older pictures. Reading them costs more in all except "
        "INTELLIGENT_TIERING.",
        choices=("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"),
    )
    storage_class_days: int = setting(
        0,
        "Age in days at which pictures move to that class; 0: they stay in STANDARD.",
        minimum=0,
    )
    old_version_days: int = setting(
        35, "Days after which the bytes of deleted pictures are gone for good.", minimum=1
    )
    websocket_access_logs: bool = setting(
        False,
        "Whether API Gateway writes an access log of the WebSocket API. It needs a role for "
        "CloudWatch, which is set once for an account and region.",
    )
    tracing: str = setting(
        "PassThrough",
        "Active sends traces of the functions to X-Ray; PassThrough, only of requests that come "
        "with one.",
        choices=("Active", "PassThrough"),
    )
    shifting: str = setting(
        "AllAtOnce",
        "How requests move to a new version of a function: all at once, or by CodeDeploy, which "
        "returns to the former version when an alarm rings.",
        choices=("AllAtOnce", *SHIFTS),
    )
    kms_key_arn: str = setting(
        "", "ARN of the KMS key that encrypts tables, bucket and queues; empty: AWS's own keys."
    )
    domain_name: str = setting("", "Domain of the HTTP API. It needs `certificateArn`.")
    websocket_domain_name: str = setting(
        "", "Domain of the WebSocket API. It needs `certificateArn`."
    )
    certificate_arn: str = setting(
        "", "ARN of the certificate in ACM, in the region, that names the domains given."
    )
    snap_start: str = setting(
        "None",
        "PublishedVersions starts new containers from a snapshot, which costs money for each "
        "version that is kept.",
        choices=("None", "PublishedVersions"),
    )
    alarm_email: str = setting("", "Address that receives alarms.")


FUNCTION_SETTINGS: Final = {
    "api": api.settings.Settings,
    "labeller": labeller.lambda_handler.Settings,
    "notifier": notifier.lambda_handler.Settings,
}
# The settings of functions that are parameters; the others have the same value in every deployment.
FUNCTION_PARAMETERS: Final = (
    "cors_origins",
    "detector",
    "max_upload_bytes",
    "require_size_bytes",
    "max_pixels",
    "upload_hours",
    "uploads_per_minute",
    "open_uploads",
    "requests_per_second",
    "failed_keys_per_minute",
    "webhook_timeout",
    "log_level",
    "otlp_endpoint",
    "webhook_traceparent",
    "encryption_keys",
    *(field.name for field in fields(TokenSettings)),
)


def parameters() -> dict[str, list[Setting]]:
    """Return what reads each parameter, by its name: settings that are named as it is."""
    found: dict[str, list[Setting]] = {}
    readers = [each for cls in FUNCTION_SETTINGS.values() for each in settings_of(cls, "")]
    wanted = [each for each in readers if each.field in FUNCTION_PARAMETERS]
    for each in [*settings_of(StackSettings, ""), *wanted]:
        name = parameter_name(each.field)
        found.setdefault(name, []).append(replace(each, name=name))
    return found


def parameter_name(field: str) -> str:
    """Return the parameter of a setting: webhookTimeout for webhook_timeout."""
    first, *others = field.split("_")
    return first + "".join(map(str.capitalize, others))


def problems(stage: str, region: str, given: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the stage, the region and the parameters of a deployment."""
    yield from _place_problems(stage, region, given.get("detector", REKOGNITION))
    known = parameters()
    wrong = False
    for name, text in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}."
            yield f"There is no parameter {name}: {hint}"
            continue
        try:
            for reader in known[name]:
                read_setting(reader, text)
        except BadSetting as refused:
            wrong = True
            yield str(refused)
    if not wrong:
        yield from _storage_problems(given)
        yield from _arn_problems(region, given)
        yield from _function_problems(given)
        try:
            check_endpoint(given.get("otlpEndpoint", ""))
        except BadSetting as refused:
            yield str(refused)


def _place_problems(stage: str, region: str, detector: str) -> Iterator[str]:
    if not STAGE.fullmatch(stage):
        yield (
            f"The stage is {stage!r}: give lower-case letters, digits and hyphens, because the "
            "bucket's name contains it."
        )
    if not REGION.fullmatch(region):
        yield f"The region is {region!r}: give one such as eu-central-1."
        return
    rest = len(bucket_name("", region, "0" * ACCOUNT_DIGITS))
    if rest + len(stage) > MAX_BUCKET_NAME:
        yield (
            f"The stage {stage!r} has {len(stage)} characters: give at most "
            f"{MAX_BUCKET_NAME - rest} in {region}, because the bucket's name contains both."
        )
    if detector == REKOGNITION and region not in (regions := rekognition_regions()):
        yield (
            f"Rekognition is not available in {region}: choose from {', '.join(regions)}, or give "
            "another detector."
        )


def bucket_name(stage: str, region: str, account: str) -> str:
    """Return the name that the template gives the bucket of pictures."""
    return f"{SERVICE}-{stage}-originals-{account}-{region}"


@cache
def rekognition_regions() -> list[str]:
    """Return the public regions with Rekognition, as the locked version of botocore lists them."""
    session = boto3.session.Session()
    return sorted(
        region
        for partition in ("aws", "aws-cn", "aws-us-gov")
        for region in session.get_available_regions(REKOGNITION, partition)
    )


def _storage_problems(given: Mapping[str, str]) -> Iterator[str]:
    """Amazon S3 User Guide: "Transitioning objects using Amazon S3 Lifecycle"."""
    days = int(given.get("storageClassDays", "0"))
    kind = given.get("storageClass", "STANDARD_IA")
    if 0 < days < IA_DAYS and kind.endswith("_IA"):
        yield (
            f"storageClassDays is {days}: give {IA_DAYS} or more, because S3 moves no younger "
            f"object to {kind}."
        )


def _arn_problems(region: str, given: Mapping[str, str]) -> Iterator[str]:
    for name, form in (("kmsKeyArn", "kms:{}:[0-9]+:key/"), ("certificateArn", "acm:{}:")):
        arn = given.get(name, "")
        if arn and not re.match("arn:aws[a-z-]*:" + form.format(re.escape(region)), arn):
            kind = "key" if name == "kmsKeyArn" else "certificate"
            yield f"{name} is {arn!r}: give the ARN of a {kind} in {region}."
    names = ("domainName", "websocketDomainName")
    domains = {name: given[name] for name in names if given.get(name)}
    if bool(domains) != bool(given.get("certificateArn")):
        yield "Give domainName or websocketDomainName with certificateArn, or none of them."
    for name, domain in domains.items():
        if not DOMAIN.fullmatch(domain):
            yield f"{name} is {domain!r}: give a host name such as labels.example.com."
    if len(domains) > len(set(domains.values())):
        yield "domainName and websocketDomainName are the same: API Gateway needs one for each API."


def _function_problems(given: Mapping[str, str]) -> Iterator[str]:
    """Build each function's settings from its environment, and what refuses some of them."""
    for cls in FUNCTION_SETTINGS.values():
        environ = {
            each.name: "set by the template" for each in settings_of(cls, PREFIX) if each.required
        }
        for each in settings_of(cls, PREFIX):
            if (name := parameter_name(each.field)) in given:
                environ[each.name] = given[name]
        try:
            settings: object = read_settings(cls, environ, PREFIX)
            if isinstance(settings, api.settings.Settings) and settings.oidc_issuer:
                OidcTokens(settings)
        except BadSetting as refused:
            yield as_parameter(str(refused))


def as_parameter(message: str) -> str:
    """Return a message with the names of parameters in place of those of variables and flags."""
    names = {each.field: name for name, readers in parameters().items() for each in readers}

    def renamed(found: re.Match[str]) -> str:
        return names.get(found[2].lower(), found[0])

    return re.sub(
        rf"\b({PREFIX})?([A-Z]+(?:_[A-Z]+)+|DETECTOR)\b(?: \(--[a-z-]+\))?", renamed, message
    )
