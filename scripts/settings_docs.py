"""Write docs/settings.md from the settings' declarations: `python -m scripts.settings_docs`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

import api.settings
import embedded.settings
import labeller.lambda_handler
import notifier.lambda_handler
from core.runtime.aws_lambda import PREFIX
from core.runtime.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.runtime.settings import Setting

TEMPLATE: Final = Path(__file__).parents[1] / "serverless.yml"
FUNCTIONS: Final = {
    "api": api.settings.Settings,
    "labeller": labeller.lambda_handler.Settings,
    "notifier": notifier.lambda_handler.Settings,
}
HEAD: Final = """\
# Settings

<!-- Generated: python -m scripts.settings_docs >docs/settings.md -->

Every setting is an environment variable. On one machine each is also a flag of `./run` and of
`labelling serve`; a flag takes precedence over its variable. The service reads its settings once,
at the start. An unknown variable that begins with `LABELLING_`, or a value out of range, ends the
start with a message that names the variable and what to write instead.

A list is comma-separated. A boolean is `yes` or `no`, and a setting that has `auto` chooses by what
its description says.

## On one machine

"""
AWS: Final = """
## On AWS

`serverless.yml` sets the variables of the three functions. Set a [parameter](parameters.md) at
deployment, for example `--param uploadHours=48` ([Deploying](deploy.md)). To set a variable without
a parameter, add it to the function's `environment` in `serverless.yml`.
"""


def main() -> None:
    """Print the page."""
    sys.stdout.write(page())


def page() -> str:
    """Return the text of docs/settings.md."""
    parts = [HEAD, *embedded_table(), AWS]
    for function, settings in FUNCTIONS.items():
        parts += [f"\n### Function `{function}`\n\n", *function_table(function, settings)]
    return "".join(parts)


def embedded_table() -> Iterator[str]:
    """Yield the lines of the table of the embedded service."""
    yield "| Flag and variable | Meaning | Default |\n| --- | --- | --- |\n"
    for each in settings_of(embedded.settings.Settings, embedded.settings.PREFIX):
        flag = "--" + each.field.replace("_", "-")
        meaning, default = described(each)
        yield f"| `{flag}`<br>`{each.name}` | {meaning} | {default} |\n"


def function_table(function: str, settings: type) -> Iterator[str]:
    """Yield the lines of the table of a Lambda function."""
    sources = yaml.safe_load(TEMPLATE.read_text())
    environment = sources["provider"]["environment"] | sources["functions"][function]["environment"]
    yield "| Variable | Meaning | Default | Parameter |\n| --- | --- | --- | --- |\n"
    for each in settings_of(settings, PREFIX):
        meaning, default = described(each)
        yield f"| `{each.name}` | {meaning} | {default} | {parameter(environment, each.name)} |\n"


def described(setting: Setting) -> tuple[str, str]:
    """Return a setting's meaning with its choices, and its default."""
    meaning, *noted = re.split(r" \(default: (.*)\)", setting.help)
    if noted:
        return meaning + "".join(noted[1:]), noted[0]
    if setting.choices and setting.choices not in (("yes", "no"), ("auto", "yes", "no")):
        meaning += f" One of {', '.join(f'`{choice}`' for choice in setting.choices)}."
    if setting.required:
        return meaning, "required"
    given = setting.default
    text = ",".join(map(str, given)) if isinstance(given, tuple) else given
    return meaning, "none" if text is None or text == "" else f"`{text}`"


def parameter(environment: dict[str, Any], variable: str) -> str:
    """Return what sets a variable on AWS: a parameter, or the template itself."""
    if variable not in environment:
        return "-"
    found = re.fullmatch(r"\$\{param:(\w+)\}", str(environment[variable]))
    return f"`{found[1]}`" if found else "set by the template"


if __name__ == "__main__":
    main()
