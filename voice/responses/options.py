"""What can be chosen about the agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

INSTRUCTIONS = (
    "You are a helpful voice assistant. What you write is spoken aloud: answer in one or two "
    "short sentences of plain words, without lists, markup or emoji."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """Whom to ask, and how."""

    url: str = "local"
    """`local` starts a server of our own; otherwise `openai`, `azure`, `xai`, or the base URL of a
    Responses server."""

    model: str = "auto"
    """The server's model by name; `auto`, for a local server only: what suits this machine."""

    instructions: str = INSTRUCTIONS
    """What the assistant is told about itself."""

    transport: Literal["auto", "websocket", "http"] = "auto"
    """How requests travel. `auto`: over one WebSocket, or over HTTP where a network refuses that.
    Over HTTP every request carries the whole conversation, and nothing is sent ahead."""

    input: Literal["off", "warmup", "stream"] = "stream"
    """What is sent ahead of a question. `warmup`: instructions and tools, at connect; `stream`:
    also the user's words, while they are spoken; `off`: nothing."""

    input_words: Annotated[int, Meta(ge=1)] = 4
    """New words that are worth a request while the user still speaks."""

    eager: bool = True
    """Begin the answer when the user has probably finished, and throw it away if not."""

    eager_budget_tokens: Annotated[int, Meta(ge=0)] = 4000
    """Tokens of answers that may be thrown away in a conversation; then none is begun early."""

    store: bool = False
    """Let the server keep the responses: then a conversation survives a lost connection there."""

    context_tokens: Annotated[int, Meta(ge=0)] = 24_000
    """Longest conversation that is continued; beyond it the last turns, half of this, begin a new
    chain. A server that can compact does so instead. 0: never. Our own server's context is kept."""

    rotate_minutes: Annotated[float, Meta(gt=0)] = 55.0
    """Age at which a connection is replaced, while nobody speaks. Servers end them after 60; xAI
    ends them after 25, and they are replaced after 20 there."""

    stall_seconds: Annotated[float, Meta(gt=0)] = 60.0
    """A response that sends nothing for this long has failed."""

    patience_seconds: Annotated[float, Meta(gt=0)] = 10.0
    """How long a question waits for a lost or overloaded server before the user is told."""

    longest_answer_characters: Annotated[int, Meta(gt=0)] = 20_000
    """An answer is cut off here: some twenty minutes of speech."""

    most_tool_rounds: Annotated[int, Meta(gt=0)] = 8
    """Requests in one answer that may end in tool calls."""
