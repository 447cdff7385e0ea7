"""What a tool is, whoever provides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from voice.tools.policy import Policy


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a call is told of itself, and how it tells how far it is.

    A tool that wants it has a parameter of this type, which the model does not see.
    """

    key: str = ""
    """The same for the same call, however often it is tried: an idempotency key."""

    report: Callable[[str], None] = lambda _: None
    """Say how far it is, in a few words that can be spoken; from any thread."""


class Tool(Protocol):
    """Something that a model can call."""

    @property
    def name(self) -> str:
        """At most 64 letters, digits, `_` and `-`."""

    @property
    def policy(self) -> Policy:
        """What may be done with its calls."""

    def definition(self) -> dict[str, Any]:
        """As the Responses API wants it."""

    def question(self, arguments_json: str) -> str:
        """What to ask before the call, such as "Shall I delete all timers?"."""

    async def call(self, arguments_json: str, context: ToolContext) -> Any:
        """The result, as text or anything that is JSON.

        Raises `ToolError` for what the model can mend, and whatever the tool raises.
        """


class ToolSource(Protocol):
    """Tools that come and go, such as those of a server."""

    def tools(self) -> Sequence[Tool]:
        """Those that can be called now."""
