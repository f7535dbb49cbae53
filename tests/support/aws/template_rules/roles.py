"""Rules of what each function may do."""

from __future__ import annotations

from typing import Final

from tests.support.aws.iam import Template, allows, references, role_statements
from tests.support.aws.template_rules.resources import FUNCTIONS, arn_of, functions, of_type

# Actions that know no narrower resource.
ANYWHERE: Final = {"rekognition:DetectLabels"}


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
