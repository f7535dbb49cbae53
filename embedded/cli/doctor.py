"""`labelling doctor`: check what the service needs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from embedded.checks.diagnosis import diagnose
from embedded.checks.findings import Severity
from embedded.cli.shared.lists import json_option, print_list
from embedded.cli.shared.settings_options import settings_options

if TYPE_CHECKING:
    from embedded.settings import Settings


@click.command()
@json_option
@settings_options()
def doctor(settings: Settings, *, as_json: bool) -> int:
    """Check what the service needs, and print what to do.

    It checks data folder, settings, disk, clock, port and networks. Give it the options of 'serve',
    or the same environment. It changes nothing, except that it stores and deletes an object where
    images are in a bucket. The service may run. The exit status is 1 if there is a problem.
    """
    findings = list(diagnose(settings))
    print_list(
        findings,
        as_json=as_json,
        record=asdict,
        line=lambda each: f"{each.severity:<8} {each.check}: {each.text}",
        empty="",
    )
    return int(any(each.severity is Severity.PROBLEM for each in findings))
