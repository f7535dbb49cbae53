"""The published JSON Schema of webhook bodies, as a receiver would apply it."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.services.process import ROOT

SCHEMA = ROOT / "docs" / "webhooks.schema.json"
VALIDATOR = Draft202012Validator(
    json.loads(SCHEMA.read_text()), format_checker=Draft202012Validator.FORMAT_CHECKER
)


def valid(body: bytes) -> Any:
    """Return what a body says. Raises jsonschema.ValidationError where the schema forbids it."""
    told = json.loads(body)
    VALIDATOR.validate(told)
    return told
