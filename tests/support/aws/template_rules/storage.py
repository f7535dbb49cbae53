"""Rules of the table, the bucket and encryption."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.support.aws.iam import Template, references, resolve
from tests.support.aws.template_rules.resources import arn_of, listed, of_type

KEYS: Final = {
    "": ("pk", "sk"),
    "by-owner": ("by_owner", "id"),
    "by-status": ("by_status", "id"),
    "by-digest": ("by_digest", "id"),
    "by-name": ("by_owner", "by_name"),
    "by-confidence": ("pk", "rank"),
    "by-list": ("list", "at"),
}
KEY: Final = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"


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
