"""The resources of the compiled template. A rule lists the faults that it finds in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.support.aws.iam import Template

Resource = dict[str, Any]
Rule = Callable[[Template], list[str]]
FUNCTIONS: Final = ("api", "labeller", "notifier")


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
