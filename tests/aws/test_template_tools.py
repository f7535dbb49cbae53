"""The template as its parameters change it, and as linters and the deployer see it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from urllib.parse import unquote_plus

import boto3
import pytest

from tests.aws.conftest import ROOT, compile_template
from tests.support.aws.iam import Template, references, resolve
from tests.support.aws.stack import deploy, function_environ, imitated_aws
from tests.support.aws.template_rules import resources, storage
from tests.support.aws.template_rules.every_rule import RULES
from tests.support.aws.template_rules.faults import (
    API,
    HINTS,
    LABELLER,
    NOTIFIER,
    SETTINGS,
    UPLOADS,
    at,
)

# What checkov must find in order: https://www.checkov.io, "Policy index", CloudFormation.
CHECKOV_GATE = ",".join(
    f"CKV_AWS_{number}" for number in (28, 45, 53, 54, 55, 56, 62, 107, 108, 109, 110, 111)
)


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

    of_default_key = {
        storage.everything_rests_encrypted,
        storage.the_operators_key_encrypts_everything,
    }
    assert [rule.__name__ for rule in RULES if rule not in of_default_key and rule(template)] == []
    refs = references(template)
    variables = {
        name: value
        for properties in resources.functions(template).values()
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
    for each in resources.functions(template).values():
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
    chosen = storage.with_key(compiled)
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
