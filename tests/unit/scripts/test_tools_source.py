"""The written tools are those of the command set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmarks.commands import COMMANDS
from scripts.benchmarks.tools_source import tools_source
from voice.tools.discovery import folder_tools

SETS = {one["name"]: one for one in json.loads(COMMANDS.read_text(encoding="utf-8"))["sets"]}


@pytest.mark.parametrize("name", SETS)
def test_the_model_sees_the_definitions_of_the_set(name: str, tmp_path: Path) -> None:
    wanted = SETS[name]["tools"]
    (tmp_path / "written.py").write_text(tools_source(wanted), encoding="utf-8")
    found = [tool.definition() for tool in folder_tools(tmp_path)]
    assert [_essence(one) for one in found] == [_essence(one) for one in wanted]


def _essence(definition: dict[str, Any]) -> dict[str, Any]:
    """What every form of a schema says."""
    parameters = definition["parameters"]
    properties = {name: _sorted(schema) for name, schema in parameters["properties"].items()}
    return {
        "name": definition["name"],
        "description": definition["description"],
        "properties": properties,
        "order": list(properties),
        "required": sorted(parameters["required"]),
    }


def _sorted(schema: dict[str, Any]) -> dict[str, Any]:
    """An enumeration's order means nothing, and that its words are strings goes without saying."""
    if "enum" not in schema:
        return schema
    return {key: value for key, value in schema.items() if key != "type"} | {
        "enum": sorted(schema["enum"])
    }
