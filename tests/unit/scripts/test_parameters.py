"""The check of a deployment's parameters, before anything is built."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.runtime.settings import settings_of
from scripts import package_lambdas
from scripts.parameters import (
    FUNCTION_PARAMETERS,
    FUNCTION_SETTINGS,
    as_parameter,
    bucket_name,
    parameter_name,
    parameters,
    problems,
    rekognition_regions,
)

ROOT = Path(__file__).parents[3]
TEMPLATE: dict[str, Any] = yaml.safe_load((ROOT / "serverless.yml").read_text())
DEFAULTS: dict[str, Any] = TEMPLATE["params"]["default"]
OIDC = {"oidcIssuer": "https://login.example.com", "oidcAudience": "labelling"}


def check(stage: str = "prod", region: str = "eu-central-1", **given: str) -> list[str]:
    return list(problems(stage, region, given))


def test_the_templates_defaults_are_valid() -> None:
    assert check("dev", **{name: str(value) for name, value in DEFAULTS.items()}) == []


def test_every_parameter_of_the_template_is_checked() -> None:
    assert list(DEFAULTS) != []
    assert set(parameters()) == set(DEFAULTS)


def test_the_stack_and_the_check_have_the_same_defaults() -> None:
    for name, readers in parameters().items():
        for each in readers:
            known = "" if each.default is None else each.default
            text = ",".join(known) if isinstance(known, tuple) else str(known)
            assert str(DEFAULTS[name]) == text, name


@pytest.mark.parametrize("function", FUNCTION_SETTINGS)
def test_the_template_gives_functions_their_parameters(function: str) -> None:
    environment = (
        TEMPLATE["provider"]["environment"] | TEMPLATE["functions"][function]["environment"]
    )
    for each in settings_of(FUNCTION_SETTINGS[function], "LABELLING_"):
        if each.field in FUNCTION_PARAMETERS:
            assert environment[each.name] == f"${{param:{parameter_name(each.field)}}}"


def test_the_longest_webhook_ends_before_the_notifier() -> None:
    (longest,) = (each.maximum for each in parameters()["webhookTimeout"])

    assert longest is not None
    assert longest + 10 < TEMPLATE["functions"]["notifier"]["timeout"]


def test_the_bucket_is_named_as_in_the_template() -> None:
    name = TEMPLATE["custom"]["bucketName"]
    for variable, value in {
        "self:service": TEMPLATE["service"],
        "sls:stage": "prod",
        "AWS::AccountId": "123456789012",
        "AWS::Region": "eu-west-1",
    }.items():
        name = name.replace(f"${{{variable}}}", value)

    assert bucket_name("prod", "eu-west-1", "123456789012") == name


def test_the_script_checks_the_templates_own_stage_and_region() -> None:
    provider = TEMPLATE["provider"]

    assert provider["stage"] == f"${{opt:stage, '{package_lambdas.STAGE}'}}"
    assert provider["region"] == f"${{opt:region, '{package_lambdas.REGION}'}}"


@pytest.mark.parametrize("stage", ["Prod", "pro_d", "prod.", "-prod", "prod-", "", "prod\n"])
def test_a_stage_that_no_bucket_can_be_named_after_is_refused(stage: str) -> None:
    (problem,) = check(stage)

    assert problem.startswith(f"The stage is {stage!r}: give lower-case letters")


def test_the_bucket_name_has_at_most_63_characters() -> None:
    assert check("a" * 17, "eu-central-1") == []
    assert len(bucket_name("a" * 17, "eu-central-1", "1" * 12)) == 63
    (problem,) = check("a" * 18, "eu-central-1")
    assert problem == (
        f"The stage '{'a' * 18}' has 18 characters: give at most 17 in eu-central-1, because the "
        "bucket's name contains both."
    )


@pytest.mark.parametrize("region", ["", "Frankfurt", "eu-central", "EU-CENTRAL-1"])
def test_a_region_without_the_form_of_one_is_refused(region: str) -> None:
    assert check(region=region) == [f"The region is {region!r}: give one such as eu-central-1."]


def test_a_region_without_rekognition_is_refused_unless_another_detector_labels() -> None:
    (problem,) = check(region="eu-north-1")

    assert problem.startswith("Rekognition is not available in eu-north-1: choose from ap-")
    assert check(region="eu-north-1", detector="eyes.made:here") == []


def test_regions_with_rekognition() -> None:
    regions = rekognition_regions()

    assert {"us-east-1", "eu-central-1", "us-gov-west-1"} <= set(regions)
    assert not {"eu-north-1", "af-south-1", "cn-north-1"} & set(regions)


def test_an_unknown_parameter_is_refused_with_the_nearest() -> None:
    assert check(webhookTimout="7") == [
        "There is no parameter webhookTimout: did you mean webhookTimeout?"
    ]
    (problem,) = check(zzz="1")
    assert problem.startswith("There is no parameter zzz: choose from labellerConcurrency,")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("webhookTimeout", "90", "webhookTimeout is 90: give 45 or less."),
        ("webhookTimeout", "0", "webhookTimeout is 0: give 0.1 or more."),
        ("uploadHours", "soon", "uploadHours is 'soon': give a number."),
        ("maxUploadBytes", "5e7", "maxUploadBytes is '5e7': give a whole number."),
        ("maxPixels", "0", "maxPixels is 0: give 1 or more."),
        ("labellerConcurrency", "1", "labellerConcurrency is 1: give 2 or more."),
        ("webhookConcurrency", "1001", "webhookConcurrency is 1001: give 1000 or less."),
        (
            "logLevel",
            "warn",
            "logLevel is 'warn': choose debug or info or warning or error.",
        ),
        ("detector", "onnx", "detector is 'onnx', but the labeller's zip doesn't contain "),
    ],
)
def test_a_bad_value_is_refused(name: str, value: str, problem: str) -> None:
    (found,) = check(**{name: value})

    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"oidcAudience": ""}, "oidcAudience is not set"),
        ({"oidcIssuer": "http://login.example.com"}, "oidcIssuer is 'http://login.example.com'"),
        ({"oidcJwksUrl": "ftp://login.example.com"}, "oidcJwksUrl is 'ftp://login.example.com'"),
        ({"oidcScopes": "upload,rad"}, "oidcScopes contains 'rad'"),
    ],
)
def test_a_bad_issuer_is_refused(given: dict[str, str], problem: str) -> None:
    assert check(**OIDC) == []
    (found,) = check(**{**OIDC, **given})

    assert problem in found


def test_a_collector_without_a_url_is_refused() -> None:
    assert check(otlpEndpoint="https://collector.example.org:4318") == []
    (problem,) = check(otlpEndpoint="collector.example.org:4318")
    assert "give a URL such as" in problem


def test_no_young_picture_moves_to_infrequent_access() -> None:
    for kind in ("STANDARD_IA", "ONEZONE_IA"):
        assert check(storageClass=kind, storageClassDays="30") == []
        (problem,) = check(storageClass=kind, storageClassDays="29")
        assert problem.endswith(f"give 30 or more, because S3 moves no younger object to {kind}.")
    assert check(storageClass="GLACIER_IR", storageClassDays="1") == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"kmsKeyArn": "alias/mine"}, "kmsKeyArn is 'alias/mine': give the ARN of a key in eu-"),
        ({"kmsKeyArn": "arn:aws:kms:us-east-1:1:key/1"}, "give the ARN of a key in eu-central-1."),
        ({"domainName": "a.example.com"}, "with certificateArn, or none of them."),
        ({"websocketDomainName": "a.example.com"}, "with certificateArn, or none of them."),
        ({"certificateArn": "arn:aws:acm:eu-central-1:1:certificate/1"}, "or none of them."),
        (
            {
                "domainName": "a.example.com",
                "websocketDomainName": "a.example.com",
                "certificateArn": "arn:aws:acm:eu-central-1:1:certificate/1",
            },
            "API Gateway needs one for each API.",
        ),
        (
            {
                "domainName": "https://a.example.com",
                "certificateArn": "arn:aws:acm:eu-central-1:1:certificate/1",
            },
            "give a host name such as labels.example.com.",
        ),
        (
            {
                "domainName": "a.example.com",
                "certificateArn": "arn:aws:acm:us-east-1:1:certificate/1",
            },
            "give the ARN of a certificate in eu-central-1.",
        ),
    ],
)
def test_a_bad_key_or_domain_is_refused(given: dict[str, str], problem: str) -> None:
    (found,) = check(**given)

    assert problem in found


def test_all_problems_are_reported_at_once() -> None:
    assert len(check("Prod", "eu-north-1", logLevel="warn", logLevl="info")) == 4


def test_messages_name_parameters_in_place_of_variables() -> None:
    assert as_parameter("LABELLING_DETECTOR is 'onnx'") == "detector is 'onnx'"
    message = "LABELLING_OIDC_AUDIENCE (--oidc-audience) is not set"
    assert as_parameter(message) == "oidcAudience is not set"
    assert as_parameter("the LABELLING_TABLE of AWS") == "the LABELLING_TABLE of AWS"


def test_the_script_builds_nothing_for_a_deployment_that_would_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "zips"
    arguments = [f"--into={into}", "--stage=prod", "--region=eu-west-1"]

    assert package_lambdas.main([*arguments, "--param=webhookTimeout=90"]) == 1
    assert capsys.readouterr().err == "webhookTimeout is 90: give 45 or less.\n"
    assert package_lambdas.main([*arguments, "--check", "--param=webhookTimeout=9"]) == 0
    assert re.search(r"valid\.$", capsys.readouterr().out)
    assert not into.exists()


def test_a_parameter_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        package_lambdas.main(["--check", "--param", "logLevel"])
    assert "give a name and a value" in capsys.readouterr().err
