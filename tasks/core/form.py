"""What Prefect's form needs to know of a request beyond titles, descriptions, choices and bounds.

The form is made from the JSON schema of the flow's parameters, and what was typed is checked against it before a run is
made. A model's `json_schema_extra` is the place for both:

    form("task", "data", …)                                             the order in which the form shows the fields
    form(…, rule=only_if("strategy", "frozen", "init", "pretrained"))   a rule between two fields
"""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]


def form(*order: str, rule: Schema | None = None) -> Callable[[Schema], None]:
    """The model's schema with its fields in that order, which Prefect knows only as numbers on them, and the rule."""

    def arrange(schema: Schema) -> None:
        for place, name in enumerate(order):
            schema["properties"][name]["position"] = place
        schema |= rule or {}

    return arrange


def only_if(field: str, value: str | bool, other: str, *allowed: str) -> Schema:
    """JSON Schema for: the field has that value only if the other one has one of these."""
    condition = {"properties": {field: {"const": value}}, "required": [field]}
    return {"if": condition, "then": {"properties": {other: {"enum": list(allowed)}}}}
