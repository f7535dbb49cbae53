"""The compiled template, deployed into moto in this process."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from operator import itemgetter
from typing import Any, Final
from unittest.mock import patch

import boto3
from botocore.session import Session
from moto.cloudformation.models import Stack as MotoStack
from moto.kms.utils import generate_private_key

from tests.support.aws.iam import PSEUDO, Template, references, resolve
from tests.support.aws.moto import moto_aws

REGION: Final = PSEUDO["AWS::Region"]
STACK: Final = PSEUDO["AWS::StackName"]
CODE: Final = {"S3Bucket": "code", "S3Key": "empty.zip"}

# moto's CloudFormation doesn't know these; and its event source mappings would take the messages
# and stream records that a test wants to carry itself.
LEFT_OUT: Final = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Deployment",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
    }
)


@contextmanager
def imitated_aws() -> Iterator[None]:
    """AWS is moto, with made-up credentials, in the region of the stack."""
    environ = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": REGION,
        # DescribeStream answers 404 at the address that holds the account's number.
        "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
    }
    with (
        patch.dict(os.environ, environ),
        moto_aws(),
        # moto would parse the template, which is JSON, as YAML: more than half of the deployment.
        patch.object(MotoStack, "parse_template", staticmethod(json.loads)),
        # moto makes a pair of keys for the table's encryption, and uses neither.
        patch("moto.kms.models.generate_private_key", _private_key),
        patch.object(Session, "create_client", _created_once),
    ):
        yield


_private_key = cache(generate_private_key)

_clients: dict[str, Any] = {}


def _created_once(session: Session, service_name: str, *args: Any, **options: Any) -> Any:
    """Return a client of AWS, the same for the same options, which takes some time to make."""
    config = options.get("config")
    given = {**options, "config": config and sorted(vars(config).items(), key=itemgetter(0))}
    environ = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    key = repr((id(session), service_name, args, sorted(given.items()), sorted(environ.items())))
    if key not in _clients:
        _clients[key] = _create_client(session, service_name, *args, **options)
    return _clients[key]


_create_client = Session.create_client


def deploy(template: Template) -> dict[str, str]:
    """Create the stack; return the physical ids of its resources by their logical ids.

    What moto drops without a word and the tests rely on (the bucket's notifications, CORS and
    versions, the tables' time to live) is applied from the same template.
    """
    create(template)
    known = boto3.client("cloudformation").describe_stack_resources(StackName=STACK)
    ids: dict[str, str] = {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for each in known["StackResources"]
        if each.get("PhysicalResourceId")
    }
    refs = references(template, ids)
    _finish_bucket(ids["Bucket"], resolve(template["Resources"]["Bucket"]["Properties"], refs))
    for name in ("Table", "Connections"):
        _finish_table(ids[name], template["Resources"][name]["Properties"])
    return ids


def create(template: Template) -> None:
    """Create what moto's CloudFormation can of the stack."""
    # What is left out can't be referred to.
    kept = json.loads(json.dumps(template).replace("${WebsocketsApi}", "WebsocketsApi"))
    gone = {name for name, each in kept["Resources"].items() if each["Type"] in LEFT_OUT}
    for name in gone:
        del kept["Resources"][name]
    for resource in kept["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Code"] = CODE
        depends = resource.pop("DependsOn", [])
        depends = [depends] if isinstance(depends, str) else depends
        resource["DependsOn"] = [name for name in depends if name not in gone]
    kept["Outputs"] = {
        name: output
        for name, output in kept["Outputs"].items()
        if not any(f'"{other}"' in json.dumps(output["Value"]) for other in gone)
    }
    _upload_code()
    boto3.client("cloudformation").create_stack(
        StackName=STACK, TemplateBody=json.dumps(kept), Capabilities=["CAPABILITY_IAM"]
    )


def _upload_code() -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(
        Bucket=CODE["S3Bucket"], CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("empty.py", "")
    s3.put_object(Bucket=CODE["S3Bucket"], Key=CODE["S3Key"], Body=content.getvalue())


def _finish_bucket(name: str, properties: dict[str, Any]) -> None:
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(
        Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"]
    )
    rules = properties["CorsConfiguration"]["CorsRules"]
    for rule in rules:
        rule["MaxAgeSeconds"] = rule.pop("MaxAge")
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules})
    s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": each["Queue"],
                    "Events": [each["Event"]],
                    "Filter": {"Key": {"FilterRules": each["Filter"]["S3Key"]["Rules"]}},
                }
                for each in properties["NotificationConfiguration"]["QueueConfigurations"]
            ]
        },
    )


def _finish_table(name: str, properties: dict[str, Any]) -> None:
    boto3.client("dynamodb").update_time_to_live(
        TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"]
    )


def function_environ(template: Template, function: str, ids: dict[str, str]) -> dict[str, str]:
    """Return the environment that the template gives a function."""
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if str(properties.get("Handler", "")).startswith(f"{function}."):
            found: dict[str, str] = resolve(
                properties["Environment"]["Variables"], references(template, ids)
            )
            return found
    raise KeyError(function)
