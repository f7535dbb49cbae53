"""The reader of roles that other tests stand on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.aws.iam import Statement, allows, references, resolve, role_statements

TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/records"


def allow(action: str, resource: str, **conditions: Any) -> Statement:
    return Statement("Allow", (action,), (resource,), conditions)


def deny(action: str, resource: str) -> Statement:
    return Statement("Deny", (action,), (resource,))


@pytest.mark.parametrize(
    ("pattern", "action", "allowed"),
    [
        ("dynamodb:GetItem", "dynamodb:GetItem", True),
        ("dynamodb:getitem", "dynamodb:GetItem", True),
        ("dynamodb:Get*", "dynamodb:GetItem", True),
        ("dynamodb:Get?tem", "dynamodb:GetItem", True),
        ("dynamodb:Get?Item", "dynamodb:GetItem", False),
        ("*", "dynamodb:GetItem", True),
        ("dynamodb:GetItem", "dynamodb:GetItems", False),
        ("dynamodb:[G]etItem", "dynamodb:GetItem", False),
        ("dynamodb.GetItem", "dynamodb:GetItem", False),
    ],
)
def test_actions_match_as_iam_says(pattern: str, action: str, allowed: bool) -> None:
    assert allows([allow(pattern, "*")], action, TABLE) is allowed


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (TABLE, True),
        (TABLE.upper(), False),
        (f"{TABLE}/index/by-owner", False),
        (TABLE.replace("records", "*"), True),
        (TABLE.replace("records", "rec?rds"), True),
        ("arn:aws:dynamodb:*:table/records", True),
        ("", False),
    ],
)
def test_resources_match_as_iam_says(pattern: str, allowed: bool) -> None:
    assert allows([allow("dynamodb:GetItem", pattern)], "dynamodb:GetItem", TABLE) is allowed


def test_nothing_is_allowed_unless_said_and_a_denial_beats_everything() -> None:
    yes, no = allow("dynamodb:*", "*"), deny("dynamodb:DeleteItem", TABLE)

    assert not allows([], "dynamodb:GetItem", TABLE)
    assert allows([yes, no], "dynamodb:GetItem", TABLE)
    assert not allows([yes, no], "dynamodb:DeleteItem", TABLE)
    assert not allows([no, yes], "dynamodb:DeleteItem", TABLE)
    assert allows([yes, no], "dynamodb:DeleteItem", f"{TABLE}2")


def test_conditions_hold_only_for_what_is_known_of_the_call() -> None:
    bucket = "arn:aws:s3:::originals"
    rules = [allow("s3:ListBucket", bucket, StringLike={"s3:prefix": ["inbox/*"]})]

    assert allows(rules, "s3:ListBucket", bucket, {"s3:prefix": "inbox/anna/"})
    assert not allows(rules, "s3:ListBucket", bucket, {"s3:prefix": "secrets/"})
    assert not allows(rules, "s3:ListBucket", bucket)
    with pytest.raises(ValueError, match="NumericLessThan"):
        allows([allow("*", "*", NumericLessThan={"k": "1"})], "a:b", "c", {"k": "0"})


def test_conditions_of_every_operator_in_use() -> None:
    for operator, wanted, actual in (
        ("StringEquals", "a", "a"),
        ("ArnEquals", "arn:aws:s3:::b", "arn:aws:s3:::b"),
        ("ArnLike", "arn:aws:s3:::*", "arn:aws:s3:::b"),
        ("Bool", "false", "False"),
        ("StringEqualsIfExists", "a", "a"),
    ):
        rules = [allow("*", "*", **{operator: {"Key": wanted}})]
        assert allows(rules, "a:b", "c", {"key": actual}), operator
        assert not allows(rules, "a:b", "c", {"key": "other"}), operator
        assert allows(rules, "a:b", "c") is operator.endswith("IfExists"), operator


def test_intrinsic_functions_are_worked_out() -> None:
    refs = {"AWS::Region": "mars-1", "Table": "t", "Table.Arn": "arn:t", "other-stack": "x"}

    def resolved(value: Any) -> Any:
        return resolve({"here": [value]}, refs)["here"][0]

    assert resolved({"Ref": "Table"}) == "t"
    assert resolved({"Fn::GetAtt": ["Table", "Arn"]}) == "arn:t"
    assert resolved({"Fn::GetAtt": "Table.Arn"}) == "arn:t"
    assert resolved({"Fn::Sub": "${Table.Arn}/${!left}/${AWS::Region}"}) == "arn:t/${left}/mars-1"
    assert resolved({"Fn::Sub": ["${own}-${Table}", {"own": {"Ref": "Table"}}]}) == "t-t"
    assert resolved({"Fn::Join": ["-", ["a", {"Ref": "Table"}, 1]]}) == "a-t-1"
    assert resolved({"Fn::Split": [",", "a,b"]}) == ["a", "b"]
    assert resolved({"Fn::ImportValue": {"Fn::Sub": "other-stack"}}) == "x"
    assert resolved({"Reference": "Table"}) == {"Reference": "Table"}
    with pytest.raises(KeyError):
        resolved({"Ref": "Tabel"})
    with pytest.raises(ValueError, match="Fn::Base64"):
        resolved({"Fn::Base64": "x"})


def test_a_statement_that_can_not_be_judged_is_an_error() -> None:
    template = {
        "Resources": {
            "F": {
                "Type": "AWS::Lambda::Function",
                "Properties": {"Handler": "api.x", "Role": {"Fn::GetAtt": ["R", "Arn"]}},
            },
            "R": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "Policies": [{"PolicyDocument": {"Statement": [{"NotAction": "s3:*"}]}}]
                },
            },
        }
    }

    with pytest.raises(ValueError, match="NotAction"):
        role_statements(template, references(template))


def test_the_roles_of_the_template(compiled: dict[str, Any]) -> None:
    refs = references(compiled)
    roles = role_statements(compiled, refs)

    assert set(roles) == {"api", "labeller", "notifier"}
    assert allows(roles["api"], "dynamodb:Query", f"{refs['Table.Arn']}/index/by-owner")
    assert not allows(roles["api"], "dynamodb:DeleteTable", refs["Table.Arn"])
    assert allows(roles["notifier"], "dynamodb:GetRecords", refs["Table.StreamArn"])
    assert allows(
        roles["labeller"], "s3:GetObjectVersion", f"{refs['Bucket.Arn']}/inbox/anna/a b.jpg"
    )
    assert not allows(roles["notifier"], "s3:DeleteObject", f"{refs['Bucket.Arn']}/originals/a/b")


def test_ids_of_a_stack_take_the_place_of_made_up_ones(compiled: dict[str, Any]) -> None:
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/real"
    refs = references(compiled, {"Hints": url, "Table": "real-table"})

    assert refs["Hints"] == url
    assert refs["Hints.QueueName"] == "real"
    assert refs["Hints.Arn"] == "arn:aws:sqs:eu-central-1:123456789012:real"
    assert refs["Table.Arn"].endswith(":table/real-table")
    assert refs["Uploads"].endswith("/123456789012/labelling-dev-uploads")
    assert refs["Bucket.Arn"] == "arn:aws:s3:::labelling-dev-originals-123456789012-eu-central-1"
