"""The truth about a conversation, from which any request can be made.

Theory. The server keeps what it knows under response ids, but ids are a cache: they vanish with
the connection, and an answer that was broken off holds words that nobody heard. So the client
keeps every item itself, and two heads into it. The `settled` head is the last response whose
words were all heard; the other, `reached`, is the newest one that completed (during a chain of
tool calls it runs ahead). A request continues from `reached` and sends the items after it. An
interruption goes back to `settled`, cuts the assistant's words to those that were heard, and the
next request forks from there. Without a head, or when the server lost it, a request sends
everything.
"""

from __future__ import annotations

from dataclasses import dataclass

from voice.responses.events import (
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputMessage,
    OutputItem,
    OutputMessage,
)

CANCELLED = "Cancelled: the user spoke before the result came."
"""The output of a call whose result came too late: every call has exactly one output."""


@dataclass(frozen=True, slots=True)
class Head:
    """A response on the server that stands for the first `covers` items; it ran on `lane`."""

    response_id: str
    lane: str
    covers: int


@dataclass(frozen=True, slots=True)
class Context:
    """What a request needs of the conversation: a head to continue from, and the items after it."""

    head: Head | None
    items: tuple[InputItem, ...]


class Conversation:
    """Items in order, and the two heads."""

    def __init__(self) -> None:
        self._items: list[InputItem] = []
        self._settled: Head | None = None
        self._settled_items = 0
        self._reached: Head | None = None

    @property
    def items(self) -> tuple[InputItem, ...]:
        """Everything that was said, called and returned."""
        return tuple(self._items)

    @property
    def settled(self) -> Head | None:
        """The last response that was heard to its end: its lane must keep it."""
        return self._settled

    def add_user(self, text: str) -> None:
        """The user said something."""
        self._items.append(InputMessage(role="user", content=text))

    def add_assistant(self, text: str) -> None:
        """The assistant said something without the model: an announcement."""
        self._items.append(InputMessage(role="assistant", content=text))

    def add_response(self, response_id: str, lane: str, output: list[OutputItem]) -> None:
        """A response completed, with these messages and calls."""
        for item in output:
            if isinstance(item, OutputMessage):
                if item.text:
                    self.add_assistant(item.text)
            else:
                self._items.append(
                    FunctionCall(call_id=item.call_id, name=item.name, arguments=item.arguments)
                )
        if response_id:
            self._reached = Head(response_id, lane, len(self._items))

    def add_tool_output(self, call_id: str, output: str) -> None:
        """A tool returned."""
        self._items.append(FunctionCallOutput(call_id=call_id, output=output))

    def settle(self) -> None:
        """Everything up to here was heard."""
        self._settled = self._reached
        self._settled_items = len(self._items)

    def interrupt(self, heard: str) -> None:
        """The answer was broken off; of its words since the settled head, `heard` were heard."""
        kept: list[InputItem] = []
        remaining = heard
        for item in self._items[self._settled_items :]:
            if isinstance(item, InputMessage) and item.role == "assistant":
                length, remaining = len(item.content.strip()), remaining.lstrip()
                spoken, remaining = remaining[:length], remaining[length:]
                if spoken.strip():
                    kept.append(InputMessage(role="assistant", content=spoken.strip()))
            else:
                kept.append(item)
        kept += [
            FunctionCallOutput(call_id=call_id, output=CANCELLED) for call_id in _unanswered(kept)
        ]
        if remaining.strip():
            kept.append(InputMessage(role="assistant", content=remaining.strip()))
        self._items[self._settled_items :] = kept
        self._settled_items = len(self._items)
        self._reached = self._settled

    def forget_heads(self) -> None:
        """The server's memory is gone: the next request sends everything."""
        self._settled = self._reached = None

    def context(self) -> Context:
        """What the next request continues from and sends."""
        covers = self._reached.covers if self._reached else 0
        return Context(self._reached, tuple(self._items[covers:]))


def _unanswered(items: list[InputItem]) -> list[str]:
    answered = {item.call_id for item in items if isinstance(item, FunctionCallOutput)}
    return [
        item.call_id
        for item in items
        if isinstance(item, FunctionCall) and item.call_id not in answered
    ]
