"""Which tools an answer may call: what `tools` and `tool_choice` of a request say. Pure."""

from __future__ import annotations

import logging
from typing import Any, Final

from voice.server.backend import Tool
from voice.server.refusals import Refused, brief

log = logging.getLogger(__name__)

_MODES: Final = ("auto", "none", "required")


def read_tools(raw: list[dict[str, Any]]) -> tuple[Tool, ...]:
    """The function tools. Hosted and custom ones, which real clients send along, are left out.

    Raises `Refused`.
    """
    tools: list[Tool] = []
    for n, tool in enumerate(raw):
        if tool.get("type") != "function":
            log.info("a tool of the type %s is not served and left out", brief(tool.get("type")))
            continue
        name, parameters = tool.get("name"), tool.get("parameters")
        if not isinstance(name, str) or not name:
            raise Refused(
                f"tools[{n}] has no name.", "missing_required_parameter", f"tools[{n}].name"
            )
        if parameters is not None and not isinstance(parameters, dict):
            raise Refused(
                f"tools[{n}].parameters is not a JSON schema.",
                "invalid_type",
                f"tools[{n}].parameters",
            )
        tools.append(Tool(name, str(tool.get("description") or ""), parameters or {}))
    return tuple(tools)


def choose_tools(
    tools: tuple[Tool, ...], choice: str | dict[str, Any] | None
) -> tuple[tuple[Tool, ...], str]:
    """The tools that may be called, and `Prompt.tool_choice` for them.

    Raises `Refused` where the choice is none, or names a function that is not among the tools.
    """
    if isinstance(choice, dict):
        return _chosen(tools, choice)
    if choice is not None and choice not in _MODES:
        raise _wrong("must be auto, none, required or an object that names tools")
    return _with_mode(tools, choice or "auto")


def _chosen(tools: tuple[Tool, ...], choice: dict[str, Any]) -> tuple[tuple[Tool, ...], str]:
    kind = choice.get("type", "function" if "name" in choice else None)
    if kind == "function":
        tool = _named(tools, choice, "tool_choice")
        # A tool may have the name of a mode; then it is told by what is left.
        return ((tool,), "required") if tool.name in _MODES else (tools, tool.name)
    if kind == "allowed_tools":
        return _allowed(tools, choice)
    if not isinstance(kind, str):
        raise _wrong("does not say its type", "tool_choice.type")
    log.info("tool_choice is a tool of the type %s, which is not served: auto instead", kind)
    return tools, "auto"


def _allowed(tools: tuple[Tool, ...], choice: dict[str, Any]) -> tuple[tuple[Tool, ...], str]:
    allowed, mode = choice.get("tools"), choice.get("mode", "auto")
    if not isinstance(allowed, list):
        raise _wrong("has no list of tools", "tool_choice.tools")
    if mode not in ("auto", "required"):
        raise _wrong("has a mode that is neither auto nor required", "tool_choice.mode")
    names = set()
    for n, entry in enumerate(allowed):
        where = f"tool_choice.tools[{n}]"
        if not isinstance(entry, dict):
            raise _wrong("names a tool that is not an object", where)
        if entry.get("type", "function") == "function":
            names.add(_named(tools, entry, where).name)
    return _with_mode(tuple(tool for tool in tools if tool.name in names), mode)


def _with_mode(tools: tuple[Tool, ...], mode: str) -> tuple[tuple[Tool, ...], str]:
    if mode == "required" and not tools:
        log.info("tool_choice requires a call, but none of the tools is served: auto instead")
        return tools, "auto"
    return tools, mode


def _named(tools: tuple[Tool, ...], entry: dict[str, Any], where: str) -> Tool:
    """The tool of this name; some clients nest it, as chat completions do."""
    nested = entry.get("function")
    name = entry.get("name") or (nested.get("name") if isinstance(nested, dict) else None)
    for tool in tools:
        if tool.name == name:
            return tool
    raise _wrong(f"names {brief(name)}, which is not among the functions in tools", f"{where}.name")


def _wrong(problem: str, param: str = "tool_choice") -> Refused:
    return Refused(f"tool_choice {problem}.", "invalid_value", param)
