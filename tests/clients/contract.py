"""What the official Python types say about an event that the server sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import get_args

from openai.types.responses import ResponsesServerEvent
from pydantic import BaseModel, ValidationError

_UNION, *_ = get_args(ResponsesServerEvent)

_TYPES: dict[str, type[BaseModel]] = {
    name: event
    for event in get_args(_UNION)
    for name in get_args(event.model_fields["type"].annotation)
}
"""The published types of events, by the name that each has on the wire."""

_BEYOND = (
    "response.store",
    "response.presence_penalty",
    "response.frequency_penalty",
    "response.function_call_arguments.done.name",
    "response.steer.failed.error.param",
)
"""How the paths of fields end that we send and the types do not have.

The first three are in the schema of Open Responses; nothing asks for the other two.
"""


def complaints(message: bytes) -> list[str]:
    """Where the message is not, strictly, what its type says, and what its type does not know."""
    name = json.loads(message)["type"]
    if name not in _TYPES:
        return [f"{name}: not a published type"]
    try:
        event = _TYPES[name].model_validate_json(message, strict=True)
    except ValidationError as error:
        return [f"{name}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    strangers = (where for where in _strangers(event, name) if not where.endswith(_BEYOND))
    return [f"{where}: not a published field" for where in strangers]


def _strangers(value: object, where: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from (f"{where}.{name}" for name in value.model_extra or {})
        for name in value.model_fields_set:
            yield from _strangers(getattr(value, name, None), f"{where}.{name}")
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from _strangers(item, f"{where}[{n}]")
