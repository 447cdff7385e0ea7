"""The conversation as text to keep: Markdown, with what was cut off struck out. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from voice.apps.screen.conversation import Turn
from voice.apps.screen.wording import call_line


def transcript(turns: Iterable[Turn]) -> str:
    """Who said what; an answer that was interrupted ends in a dash and what nobody heard."""
    blocks = [block for turn in turns for block in _blocks(turn)]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _blocks(turn: Turn) -> list[str]:
    blocks = [f"**You:** {turn.words}"] if turn.words else []
    blocks += [f"> {call_line(call)}" for call in turn.tools]
    if answer := _answer(turn):
        blocks.append(f"**Voice:** {answer}")
    if turn.failure:
        blocks.append(f"> failed: {turn.failure}")
    return blocks


def _answer(turn: Turn) -> str:
    if not turn.lost:
        return turn.answer
    return f"{turn.answer[: turn.heard].rstrip()} — ~~{turn.lost}~~".strip()
