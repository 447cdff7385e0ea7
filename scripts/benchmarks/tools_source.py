"""A command set's tools as the file of Python functions that a user would write. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_TYPES = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}

_HEAD = '''"""Tools of a benchmark: they do nothing."""

import asyncio
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from voice.tools.decorator import tool
'''

TOOL_SECONDS = 0.2
"""How long each takes: all calls of a response have begun before the first one ends."""


def tools_source(definitions: Sequence[Mapping[str, Any]]) -> str:
    """A module with a function for each definition (the API's flat form)."""
    return "\n\n".join([_HEAD, *map(_function, definitions)])


def _function(definition: Mapping[str, Any]) -> str:
    parameters = definition["parameters"]
    properties, required = parameters["properties"], parameters.get("required", ())
    signature = [
        f"{name}: {_hint(schema)}" + ("" if name in required else " | UnsetType = UNSET")
        for name, schema in properties.items()
    ]
    described = [
        f"        {name}: {schema['description']}"
        for name, schema in properties.items()
        if "description" in schema
    ]
    keywords = ", ".join(["*", *signature]) if signature else ""  # optional ones may come first
    return "\n".join(
        [
            "@tool",
            f"async def {definition['name']}({keywords}) -> str:",
            f'    """{definition["description"]}',
            *(["", "    Args:", *described] if described else []),
            '    """',
            f"    await asyncio.sleep({TOOL_SECONDS})",
            '    return "done"',
            "",
        ]
    )


def _hint(schema: Mapping[str, Any]) -> str:
    """The type of a parameter."""
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    hint = _TYPES[schema["type"]]
    limits = {"ge": schema.get("minimum"), "le": schema.get("maximum")}
    given = ", ".join(f"{name}={limit}" for name, limit in limits.items() if limit is not None)
    return f"Annotated[{hint}, Meta({given})]" if given else hint
