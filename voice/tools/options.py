"""What can be chosen about tools."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Annotated

from msgspec import Meta

from voice.tools.mcp_options import McpServerOptions
from voice.tools.policy import Policy

Names = tuple[str, ...] | str
"""A list of names, or a text with commas between them as the environment has it. In the options
it has become a tuple."""

BUILTIN = ("time", "timers", "voice")
"""The groups of tools that are built in, apart from the system's volume."""

_UNSAID = Policy()
"""What holds where a tool says nothing of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """Which tools there are, and what the user is asked and told about their calls.

    Raises `ValueError` for an unknown group in `builtin`.
    """

    builtin: Names = BUILTIN
    """Groups of tools that are built in: `time`, `timers` (and alarms), `voice` (its volume and
    speed)."""

    system_volume: bool = False
    """A tool for the volume of the whole machine, through wpctl, pactl or amixer."""

    folder: str = ""
    """Folder with Python files: each function in them that is decorated with `@tool` is a tool.
    Their code runs with all that you may do; "": none."""

    plugins: Names = ()
    """Installed packages' tools, by the names of their entry points in the group `voice.tools`.
    None is loaded that is not named here."""

    off: Names = ()
    """Tools to leave out, by name."""

    confirm: Names = ()
    """Tools that need a yes although they do not ask for one themselves, by name."""

    filler: bool = True
    """Say that it is at work when a tool takes long."""

    filler_seconds: Annotated[float, Meta(gt=0)] = _UNSAID.filler_seconds
    """So long the user waits in silence, unless a tool says otherwise."""

    wait_seconds: Annotated[float, Meta(gt=0)] = _UNSAID.wait_seconds
    """So long an answer waits for a tool, unless that says otherwise; then it is told later."""

    mcp: dict[str, McpServerOptions] = field(default_factory=dict)
    """MCP servers by name, each in a section [tools.mcp.NAME]."""

    def __post_init__(self) -> None:
        for name in ("builtin", "plugins", "off", "confirm"):
            object.__setattr__(self, name, _names(getattr(self, name)))
        if unknown := sorted({*self.builtin} - {*BUILTIN}):
            raise ValueError(f"there is no group {unknown[0]!r}, only {', '.join(BUILTIN)}")

    def policy(self, name: str, policy: Policy) -> Policy:
        """How calls of the tool with this name are treated, given what it says itself."""
        filler, wait = policy.filler_seconds, policy.wait_seconds
        filler = self.filler_seconds if filler == _UNSAID.filler_seconds else filler
        return replace(
            policy,
            confirm=policy.confirm or name in self.confirm,
            filler_seconds=filler if self.filler else inf,
            wait_seconds=self.wait_seconds if wait == _UNSAID.wait_seconds else wait,
        )


def _names(given: Names) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(name for part in parts if (name := part.strip()))
