"""What can be chosen about the agent."""

from __future__ import annotations

from dataclasses import dataclass

INSTRUCTIONS = (
    "You are a helpful voice assistant. What you write is spoken aloud: answer in one or two "
    "short sentences of plain words, without lists, markup or emoji."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """Whom to ask, and how."""

    url: str = "local"
    """`local` starts a server of our own; otherwise the base URL of a Responses server."""

    model: str = "auto"
    """The server's model by name; `auto`, for a local server only: what suits this machine."""

    instructions: str = INSTRUCTIONS
    """What the assistant is told about itself."""

    warm_up: bool = True
    """Let the server read instructions and tools before the first words are said."""

    stall_seconds: float = 60.0
    """A response that sends nothing for this long has failed."""

    most_tool_rounds: int = 8
    """Requests in one answer that may end in tool calls."""
