"""The truth about a conversation: a tree of items, from which any request can be made.

Theory. The server keeps what it knows under response ids, but ids are a cache: they vanish with
the connection, and an answer that was broken off holds words that nobody heard. So the client
keeps every item itself, as nodes of a tree. A node stands for everything from the root to itself.
`settled` is the node that was said and heard to its end; whatever is tried beyond it (words that
are still being spoken, an answer that may be abandoned) is a branch, which is either settled or
let go. A request for a node continues from the nearest ancestor that the server has (`lanes`) and
sends the items between; where it has none, it sends everything.

A user's message that begins with a blank continues the one before it: so words are sent while
they are spoken. In the truth they are one message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from voice.responses.events import (
    Compaction,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputMessage,
    OutputItem,
    OutputMessage,
)

CANCELLED = "Cancelled: the user spoke before the result came."
"""The output of a call whose result came too late: every call has exactly one output."""

CHARACTERS_PER_TOKEN = 4
"""Of English text, roughly; used only until the server has counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """The conversation up to here: the parent's items, then these.

    `tokens` is the size of all of it, counted by the server where it did, else estimated.
    """

    parent: Node | None = None
    items: tuple[InputItem, ...] = ()
    tokens: int = field(default=0)

    def child(self, items: Iterable[InputItem], tokens: int = 0) -> Node:
        """This conversation with more items."""
        added = tuple(items)
        return Node(self, added, tokens or self.tokens + sum(_tokens(item) for item in added))

    def lineage(self) -> Iterator[Node]:
        """This node, its parent, and so on to the root."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    def since(self, ancestor: Node | None) -> list[InputItem]:
        """The items after `ancestor` (None: all), continued messages joined."""
        nodes = list(takewhile(lambda node: node is not ancestor, self.lineage()))
        assert not nodes or nodes[-1].parent is ancestor, "not an ancestor"
        return joined([item for node in reversed(nodes) for item in node.items])


class Conversation:
    """The settled node, and how branches come to be settled."""

    def __init__(self, items: Sequence[InputItem] = ()) -> None:
        """`items` of an earlier conversation are settled."""
        self.settled = Node().child(items)

    def settle(self, tip: Node) -> Node:
        """The branch to `tip` was said and heard; returns its settled node, one for all of it."""
        if tip is not self.settled:
            self.settled = self.settled.child(tip.since(self.settled), tip.tokens)
        return self.settled

    def heard(self, tip: Node, heard: str) -> Node:
        """The branch as far as it was heard: of the assistant's words to `tip` and beyond, `heard`.

        Calls that are without an output get one that says so.
        """
        items = tip.since(self.settled)
        kept = _heard_items(items, heard)
        return tip if kept == items else self.settled.child(kept)

    def shorten(self, most_tokens: int) -> bool:
        """Keep the last turns, half of `most_tokens`; returns whether anything was left out.

        What is kept begins with a user's message (or with what the server made of the rest), so
        calls stay with their outputs; the last turn is kept whatever its size.
        """
        if self.settled.tokens <= most_tokens:
            return False
        items = self.settled.since(None)
        turns = [n for n, item in enumerate(items) if _opens(item)]
        estimated = [_tokens(item) for item in items]
        # Other languages than English have more tokens: only the share is estimated.
        most = sum(estimated) * (most_tokens // 2) / self.settled.tokens
        fitting = [n for n in turns if sum(estimated[n:]) <= most]
        start = min(fitting, default=turns[-1] if turns else 0)
        if start == 0:
            return False
        self.settled = Node().child(items[start:])
        return True


def input_items(output: Sequence[OutputItem]) -> list[InputItem]:
    """A response's output as it is sent back where a chain begins anew."""
    items: list[InputItem] = []
    for item in output:
        if isinstance(item, OutputMessage):
            if item.text:
                items.append(InputMessage(role="assistant", content=item.text))
        elif isinstance(item, FunctionCall):
            items.append(
                FunctionCall(call_id=item.call_id, name=item.name, arguments=item.arguments)
            )
        else:
            items.append(item)
    return items


def joined(items: Sequence[InputItem]) -> list[InputItem]:
    """The items with messages that were sent in pieces made whole, and from the last compaction."""
    whole: list[InputItem] = []
    for item in items:
        last = whole[-1] if whole else None
        if isinstance(item, Compaction):
            whole.clear()
        if _user(item) and _user(last) and item.content.startswith(" "):  # type: ignore[union-attr]
            whole[-1] = InputMessage(role="user", content=last.content + item.content)  # type: ignore[union-attr]
        else:
            whole.append(item)
    return whole


def unanswered(items: Sequence[InputItem]) -> list[str]:
    """The calls among the items that have no output."""
    calls: list[str] = []  # some servers use an id again, so outputs are counted off in order
    for item in items:
        if isinstance(item, FunctionCall):
            calls.append(item.call_id)
        elif isinstance(item, FunctionCallOutput) and item.call_id in calls:
            calls.remove(item.call_id)
    return calls


def _heard_items(items: Sequence[InputItem], heard: str) -> list[InputItem]:
    kept: list[InputItem] = []
    remaining = heard
    for item in items:
        if isinstance(item, InputMessage) and item.role == "assistant":
            length, remaining = len(item.content.strip()), remaining.lstrip()
            spoken, remaining = remaining[:length], remaining[length:]
            if len(spoken) == length:
                kept.append(item)
            elif spoken.strip():
                kept.append(InputMessage(role="assistant", content=spoken.strip()))
        else:
            kept.append(item)
    kept += [FunctionCallOutput(call_id=call, output=CANCELLED) for call in unanswered(kept)]
    if remaining.strip():
        kept.append(InputMessage(role="assistant", content=remaining.strip()))
    return kept


def _user(item: InputItem | None) -> bool:
    return isinstance(item, InputMessage) and item.role == "user"


def _opens(item: InputItem) -> bool:
    return _user(item) or isinstance(item, Compaction)


def _tokens(item: InputItem) -> int:
    match item:
        case InputMessage():
            characters = len(item.content)
        case FunctionCall():
            characters = len(item.name) + len(item.arguments)
        case FunctionCallOutput():
            characters = len(item.output)
        case Compaction():
            characters = len(item.encrypted_content)
    return characters // CHARACTERS_PER_TOKEN + CHARACTERS_PER_TOKEN
