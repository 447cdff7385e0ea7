"""Leaving out the oldest part of a conversation that exceeds the context.

What is cut is cut in large steps, counted from the conversation's start. So the cut stays where
it is for many turns, and with it the prefix that the model has in its cache.
"""

from __future__ import annotations

from collections.abc import Iterator

from voice.server.backend import Call, CallOutput, Compacted, Item, Message, Reasoning


def windows(items: tuple[Item, ...], step_chars: int) -> Iterator[tuple[Item, ...]]:
    """All items, then without the first `step_chars` characters, without twice as many …

    A window begins at a message of the user; the last one holds only the last of them.
    """
    yield items
    starts = [
        n for n, item in enumerate(items) if _is_user(item) and n > 0 and not _is_user(items[n - 1])
    ]
    wanted = step_chars
    passed = 0
    position = 0
    for start in starts:
        passed += sum(item_chars(item) for item in items[position:start])
        position = start
        if passed >= wanted or start == starts[-1]:
            yield items[start:]
            wanted = (passed // step_chars + 1) * step_chars


def _is_user(item: Item) -> bool:
    return isinstance(item, Message) and item.role == "user"


def item_chars(item: Item) -> int:
    """How much of the context an item takes, roughly: its characters."""
    match item:
        case Message(_, text):
            return len(text)
        case Call(_, _, arguments):
            return len(arguments)
        case CallOutput(_, output):
            return len(output)
        case Reasoning() | Compacted():
            return 0  # no model reads it
