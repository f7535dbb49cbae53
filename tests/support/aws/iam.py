"""What the roles of a compiled template allow, by IAM's own rules.

Follows docs.aws.amazon.com: "Policy evaluation logic", "IAM JSON policy elements".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Template = dict[str, Any]
# What stands for `Ref: X` under "X", for `Fn::GetAtt: [X, Arn]` under "X.Arn".
References = Mapping[str, Any]

NO_VALUE: Final = object()
PSEUDO: Final[dict[str, Any]] = {
    "AWS::NoValue": NO_VALUE,
    "AWS::AccountId": "123456789012",
    "AWS::Region": "eu-central-1",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "labelling-dev",
}
ALIAS: Final = "AWS::Lambda::Alias"
HTTP_API: Final = "AWS::ApiGatewayV2::Api"
LOG_GROUP: Final = "AWS::Logs::LogGroup"
QUEUE: Final = "AWS::SQS::Queue"
TABLE: Final = "AWS::DynamoDB::Table"
TOPIC: Final = "AWS::SNS::Topic"

NAMED_BY: Final = {
    "AWS::Lambda::Function": "FunctionName",
    "AWS::S3::Bucket": "BucketName",
    LOG_GROUP: "LogGroupName",
    QUEUE: "QueueName",
}
QUEUE_URL: Final = "https://sqs.${AWS::Region}.amazonaws.com/${AWS::AccountId}/"
HERE: Final = "${AWS::Region}:${AWS::AccountId}"
ARNS: Final = {
    "AWS::IAM::Role": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/",
    "AWS::Lambda::Function": f"arn:${{AWS::Partition}}:lambda:{HERE}:function:",
    "AWS::S3::Bucket": "arn:${AWS::Partition}:s3:::",
    LOG_GROUP: f"arn:${{AWS::Partition}}:logs:{HERE}:log-group:",
    QUEUE: f"arn:${{AWS::Partition}}:sqs:{HERE}:",
    TABLE: f"arn:${{AWS::Partition}}:dynamodb:{HERE}:table/",
    TOPIC: f"arn:${{AWS::Partition}}:sns:{HERE}:",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a role's policies, every reference resolved."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def references(template: Template, physical: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Name everything a template may refer to; ids that are not given are made up."""
    known: dict[str, Any] = dict(PSEUDO)
    for name, parameter in template.get("Parameters", {}).items():
        known[name] = parameter.get("Default", "")
    for name, resource in template["Resources"].items():
        kind = resource["Type"]
        own = resource.get("Properties", {}).get(NAMED_BY.get(kind, ""), name)
        given = (physical or {}).get(name) or resolve(own, known)
        short = re.split(r"[/:]", given)[-1] if kind in {QUEUE, TOPIC} else given
        known[f"{name}.Arn"] = resolve({"Fn::Sub": ARNS.get(kind, "") + short}, known)
        known[name] = given
        if kind == QUEUE:
            known[name] = resolve({"Fn::Sub": QUEUE_URL + short}, known)
            known[f"{name}.QueueName"] = short
        elif kind == TOPIC:
            known[name] = known[f"{name}.Arn"]
        elif kind == ALIAS:
            function = {"Fn::GetAtt": [resource["Properties"]["FunctionName"]["Ref"], "Arn"]}
            known[name] = resolve(
                {"Fn::Join": [":", [function, resource["Properties"]["Name"]]]}, known
            )
        elif kind == LOG_GROUP:
            known[f"{name}.Arn"] += ":*"
        elif kind == TABLE:
            known[f"{name}.StreamArn"] = f"{known[f'{name}.Arn']}/stream/2026-01-31T12:00:00.000"
        elif kind == HTTP_API:
            known[f"{name}.ApiEndpoint"] = f"https://{given}.example"
    for name, condition in template.get("Conditions", {}).items():
        known[f"Condition {name}"] = resolve(condition, known)
    return known


def resolve(value: Any, refs: References) -> Any:
    """Work out every intrinsic function in a value. What is AWS::NoValue is left out.

    Raises KeyError for a reference to something unknown, ValueError for a function not known here.
    """
    if isinstance(value, list):
        parts = [resolve(part, refs) for part in value]
        return [part for part in parts if part is not NO_VALUE]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, argument),) = value.items()
        if name == "Ref" or name.startswith("Fn::"):
            return _call(name, argument, refs)
    found = {name: resolve(part, refs) for name, part in value.items()}
    return {name: part for name, part in found.items() if part is not NO_VALUE}


def _call(function: str, argument: Any, refs: References) -> Any:
    match function:
        case "Ref":
            found = refs[argument]
        case "Fn::GetAtt":
            found = refs[argument if isinstance(argument, str) else ".".join(argument)]
        case "Fn::If":
            condition, then, otherwise = argument
            found = resolve(then if refs[f"Condition {condition}"] else otherwise, refs)
        case "Fn::Equals":
            one, other = resolve(argument, refs)
            found = str(one) == str(other)
        case "Fn::Not":
            found = not resolve(argument, refs)[0]
        case "Fn::ImportValue":
            found = refs[str(resolve(argument, refs))]
        case "Fn::Join":
            separator, parts = argument
            found = separator.join(str(resolve(part, refs)) for part in parts)
        case "Fn::Split":
            separator, text = argument
            found = str(resolve(text, refs)).split(separator)
        case "Fn::Sub":
            text, own = (argument, {}) if isinstance(argument, str) else argument
            names = {**refs, **resolve(own, refs)}
            found = re.sub(r"\$\{(!?)([^}]+)\}", lambda found: _substituted(found, names), text)
        case _:
            raise ValueError(f"{function} is not known here")
    return found


def _substituted(found: re.Match[str], names: References) -> str:
    literal, name = found.groups()
    return f"${{{name}}}" if literal else str(names[name])


def role_statements(template: Template, refs: References) -> dict[str, list[Statement]]:
    """Return what each function's role says, by the function's package."""
    found = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            function = resource["Properties"]["Handler"].partition(".")[0]
            role = template["Resources"][resource["Properties"]["Role"]["Fn::GetAtt"][0]]
            found[function] = [
                _statement(resolve(statement, refs))
                for policy in role["Properties"].get("Policies", [])
                for statement in policy["PolicyDocument"]["Statement"]
            ]
    return found


def _statement(written: Mapping[str, Any]) -> Statement:
    strange = set(written) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if strange:
        raise ValueError(f"a role's statement has {', '.join(sorted(strange))}")
    return Statement(
        effect=written["Effect"],
        actions=tuple(_listed(written["Action"])),
        resources=tuple(_listed(written["Resource"])),
        conditions=written.get("Condition", {}),
    )


def allows(
    statements: Iterable[Statement],
    action: str,
    arn: str,
    context: Mapping[str, str] | None = None,
) -> bool:
    """Tell whether an action on a resource is allowed: some Allow holds and no Deny does."""
    holding = {
        statement.effect
        for statement in statements
        if any(_matches(pattern.lower(), action.lower()) for pattern in statement.actions)
        and any(_matches(pattern, arn) for pattern in statement.resources)
        and all(
            _holds(operator, key, wanted, context or {})
            for operator, test in statement.conditions.items()
            for key, wanted in test.items()
        )
    }
    return "Allow" in holding and "Deny" not in holding


def _matches(pattern: str, text: str) -> bool:
    """Match as IAM does: * is any run of characters, ? any single one, nothing else is special."""
    signs = {"*": ".*", "?": "."}
    parts = (signs.get(part, re.escape(part)) for part in re.split(r"([*?])", pattern))
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _holds(operator: str, key: str, wanted: Any, context: Mapping[str, str]) -> bool:
    actual = next((context[name] for name in context if name.lower() == key.lower()), None)
    if actual is None:
        return operator.endswith("IfExists")
    values = [str(value) for value in _listed(wanted)]
    match operator.removesuffix("IfExists"):
        case "StringEquals":
            return actual in values
        case "StringLike" | "ArnLike" | "ArnEquals":
            return any(_matches(value, actual) for value in values)
        case "Bool":
            return actual.lower() in (value.lower() for value in values)
    raise ValueError(f"{operator} is not known here")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
