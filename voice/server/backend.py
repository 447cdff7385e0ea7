"""The seam between the protocol and what writes the answers.

A backend gets a whole conversation each time. Whether it keeps rendered tokens or key-value
prefixes from earlier ones is its own business: `cached_tokens` tells how much it saved.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from voice.errors import ServerError

# ── what was said ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Message:
    """Words of the `user`, the `assistant`, or a later `system` or `developer` instruction."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """The model called a function; `arguments` is JSON text."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class CallOutput:
    """What the function called as `call_id` returned."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought, as the wire's object: passed through, and nothing is made of it."""

    raw: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compacted:
    """All that was said before this: a summary, what the user had said, then items as they were.

    It is in a conversation, but not in a prompt, where it is told with other items.
    """

    summary: str
    kept: tuple[Item, ...]
    said: tuple[str, ...] = ()
    """The user's own words before `kept`, as far as they are short; nothing answers to them."""


Item = Message | Call | CallOutput | Reasoning | Compacted


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is a JSON schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything that an answer depends on."""

    items: tuple[Item, ...]
    instructions: str = ""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """`auto`, `none`, `required`, or the name of the one tool to call."""
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    parallel_calls: bool = True
    """Whether an answer may have more than one call."""
    schema: dict[str, Any] | None = None
    """JSON schema of the answer's text; None for words that are free."""
    may_truncate: bool = True
    """Leave out the oldest items where the conversation exceeds the model's context."""
    ends: bool = False
    """Nobody goes on from the answer: a summary's conversation begins anew after it."""


# ── what comes back ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of what the model thinks before it answers; nobody says it."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool; `arguments` is JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is over. The counts are the backend's own tokens."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reached_limit: bool = False
    """The answer was cut at `max_output_tokens` or at the end of the context."""
    reasoning_tokens: int = 0
    """How many of the output's were thought, not said."""


Piece = TextDelta | ReasoningDelta | ToolCall | Finished

# ── what goes wrong on purpose ───────────────────────────────────────────────────────────────

FaultKind = Literal["drop", "close", "half-open", "expire", "stall", "garbage", "error", "fail"]
"""What can go wrong with an answer; `script` says what each of them does."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer goes wrong when `after` events of its response have been sent."""

    kind: FaultKind
    after: int = 1
    status: int = 500
    """Of an `error`: its HTTP status."""
    code: str = "server_error"
    """Of `error` and `fail`."""
    retry_after_seconds: float | None = None
    """Of an `error`: when the client may try again."""


class Faults(Protocol):
    """Chooses what goes wrong. Asked once for each request, because it may count."""

    @property
    def ignores_cancel(self) -> bool:
        """Whether a response that was cancelled goes on to its end."""

    def forgets(self, new_items: tuple[Item, ...]) -> bool:
        """Whether all responses are forgotten before a request with this input is looked at."""

    def choose(self, items: tuple[Item, ...]) -> Fault | None:
        """What goes wrong with the answer to this conversation."""


# ── the seam ─────────────────────────────────────────────────────────────────────────────────


class PromptTooLong(ServerError):  # noqa: N818 (says what happened, as its neighbours do)
    """The conversation exceeds the model's context and may not be truncated."""


class Busy(ServerError):  # noqa: N818 (says what happened)
    """Whoever writes wants to be asked again: after `retry_after_seconds`, if that is known."""

    def __init__(self, problem: str, cure: str, retry_after_seconds: float | None) -> None:
        super().__init__(problem, cure)
        self.retry_after_seconds = retry_after_seconds


class Misconfigured(ServerError):  # noqa: N818 (says what happened)
    """It cannot work as it is set up, and asking again does not help."""


class Backend(Protocol):
    """Writes answers. All methods are called on the event loop and do not block it."""

    @property
    def model(self) -> str:
        """The name of the model, for response objects."""

    @property
    def faults(self) -> Faults | None:
        """What goes wrong on purpose; None where nothing shall."""

    def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The answer's pieces, a `Finished` last. Closing the generator stops the work.

        Raises `PromptTooLong`, or another `VoiceError` where the backend fails.
        """

    async def prepare(self, prompt: Prompt) -> Finished:
        """Do all the work that needs no answer yet, so that the next `generate` starts sooner."""

    async def close(self) -> None:
        """Stop everything and free the memory."""
