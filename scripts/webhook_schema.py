"""Write the JSON Schema (draft 2020-12) of webhook bodies: `python -m scripts.webhook_schema`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from core.events.webhook_types import Event

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaMode
    from pydantic_core import CoreSchema

TITLE = "Webhook bodies"
DESCRIPTION = (
    "What the service sends to a callback URL. Properties, values of open lists and event types "
    "may be added at any time: a receiver ignores properties that it doesn't know, and answers an "
    "event of an unknown type with 2xx and drops it. Hence this schema forbids no additional "
    "properties. What is here is never renamed, retyped or removed."
)


class Plain(GenerateJsonSchema):
    """Without titles that repeat the names of properties."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # pydantic's  # noqa: ARG002
        """Never."""
        return False

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        """Say first what it is."""
        head = {"$schema": self.schema_dialect, "title": TITLE, "description": DESCRIPTION}
        return head | super().generate(schema, mode)


def webhook_schema() -> str:
    """Return the schema as `docs/webhooks.schema.json` holds it."""
    events: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Discriminator("type")])
    made = events.json_schema(mode="serialization", schema_generator=Plain)
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(webhook_schema())
