"""Write docs/parameters.md from the declarations: `python -m scripts.parameters_docs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import botocore

from scripts.parameters import parameters, rekognition_regions
from scripts.settings_docs import described

if TYPE_CHECKING:
    from core.runtime.settings import Setting

HEAD: Final = """\
# Parameters of the AWS stack

<!-- Generated: python -m scripts.parameters_docs >docs/parameters.md -->

Give a parameter as `--param name=value` to `osls deploy`, and to `scripts/package`, which refuses
wrong values before anything is built or created ([Deploying](deploy.md)). `--stage` and `--region`
are flags of their own. A stage has lower-case letters, digits and hyphens. The bucket's name
contains it, which limits its length: to 15 characters in the regions with the longest names.

| Parameter | Meaning | Values | Default |
| --- | --- | --- | --- |
"""


def page() -> str:
    """Return the text of docs/parameters.md."""
    rows = [row(name, readers[0]) for name, readers in parameters().items()]
    regions = ", ".join(f"`{region}`" for region in rekognition_regions())
    return (
        HEAD
        + "".join(sorted(rows))
        + f"""
[Settings](settings.md#on-aws) lists the variables of the functions, with the parameter that
sets each.

## Regions

botocore {botocore.__version__}, the locked version, lists Rekognition in these regions: {regions}.
With another `detector`, any region will do.
"""
    )


def row(name: str, setting: Setting) -> str:
    """Return a parameter's line in the table."""
    _, default = described(setting)
    return f"| `{name}` | {setting.help} | {values(setting)} | {default} |\n"


def values(setting: Setting) -> str:
    """Return which values a setting takes."""
    if setting.choices:
        return " or ".join(f"`{choice}`" for choice in setting.choices)
    low, high = setting.minimum, setting.maximum
    if low is not None and high is not None:
        return f"{low:.15g} to {high:.15g}"
    return "text" if low is None else f"{low:.15g} or more"


if __name__ == "__main__":
    sys.stdout.write(page())
