"""A backend that plays replies from a file, or echoes: for demos, tests and load measurements.

The file is TOML, a list of replies:

    [[reply]]
    match = "timer"                 # optional: words in the user's last message, any case
    call = "set_timer"              # optional: a tool call …
    arguments = { minutes = 5 }     # … and its arguments
    text = "Let me see."            # optional: words (before the call, if there is one)

    [[reply]]
    match = "timer"                 # after the tool's output: the next reply with the same match
    text = "Done."

    [[reply]]                       # without `match`: for everything else, in order
    text = "I see."

A reply with `match` is preferred to one without. Among those that fit they are taken in order,
and after the last one begins again. A conversation's place in the order is counted in its own
items, so a connection does not disturb another and a fork goes its own way.
"""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from voice.errors import UsageError
from voice.server.backend import (
    Call,
    CallOutput,
    Finished,
    Item,
    Message,
    Piece,
    Prompt,
    TextDelta,
    ToolCall,
)

_TOKEN: Final = re.compile(r"\s*\S+|\s+$")
"""What counts as a token here: a word with the blanks before it."""


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the file."""

    text: str = ""
    match: str = ""
    call: str = ""
    arguments: dict[str, Any] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    reply: list[Reply]


def load_replies(path: Path) -> list[Reply]:
    """The replies of a script file. Raises `UsageError`."""
    cure = "give a TOML file with [[reply]] entries of text, match, call and arguments"
    try:
        replies = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).reply
    except OSError as error:
        raise UsageError(f"the script {path} cannot be read: {error.strerror}", cure) from None
    except (tomllib.TOMLDecodeError, UnicodeError, msgspec.ValidationError) as error:
        raise UsageError(f"the script {path} is not valid: {error}", cure) from None
    for n, reply in enumerate(replies, 1):
        if not reply.text and not reply.call:
            raise UsageError(f"reply {n} of the script {path} has neither text nor call", cure)
    if not replies:
        raise UsageError(f"the script {path} has no replies", cure)
    return replies


class ScriptBackend:
    """Plays `replies`, or without any echoes the user's last words.

    `ttft_seconds` pass before the first token, and then `tokens_per_second` come (0: at once).
    """

    model = "script"

    def __init__(
        self,
        replies: list[Reply] | None = None,
        ttft_seconds: float = 0.0,
        tokens_per_second: float = 0.0,
    ) -> None:
        self._replies = replies or []
        self._ttft_seconds = ttft_seconds
        self._seconds_per_token = 1 / tokens_per_second if tokens_per_second else 0.0

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The reply that fits, word by word, at the chosen pace."""
        reply = self._choose(prompt)
        tokens = _TOKEN.findall(reply.text)
        limit = prompt.max_output_tokens or len(tokens)
        clock = asyncio.get_running_loop().time
        due = clock() + self._ttft_seconds
        for token in tokens[:limit]:
            if due > clock():
                await asyncio.sleep(due - clock())
            due += self._seconds_per_token  # a late token does not delay the ones after it
            yield TextDelta(token)
        if due > clock() and not tokens:
            await asyncio.sleep(due - clock())
        if reply.call and limit >= len(tokens):
            yield ToolCall(reply.call, json.dumps(reply.arguments))
        count = _count(prompt)
        yield Finished(count, 0, min(len(tokens), limit) + bool(reply.call), limit < len(tokens))

    async def prepare(self, prompt: Prompt) -> Finished:
        """Nothing to prepare."""
        return Finished(_count(prompt), 0, 0)

    async def close(self) -> None:
        """Nothing to free."""

    def _choose(self, prompt: Prompt) -> Reply:
        if not self._replies:
            return Reply(text=_echo(prompt))
        last = _last_words(prompt).lower()
        fitting = [r for r in self._replies if r.match and r.match.lower() in last]
        if fitting:
            words = fitting[0].match.lower()
            fitting = [r for r in fitting if r.match.lower() == words]
            before = _steps(prompt.items, lambda text: words in text)
        else:
            fitting = [r for r in self._replies if not r.match] or self._replies
            matches = [r.match.lower() for r in self._replies if r.match]
            before = _steps(prompt.items, lambda text: not any(m in text for m in matches))
        return fitting[before % len(fitting)]


def _speaker(item: Item) -> str:
    """Who an item comes from: `user`, `tool`, or anybody else."""
    if isinstance(item, CallOutput):
        return "tool"
    return "user" if isinstance(item, Message) and item.role == "user" else ""


def _steps(items: tuple[Item, ...], fits: Callable[[str], bool]) -> int:
    """How many replies were due so far to messages that fit, without the present one.

    One is due to each run of user messages, and one to each run of tool outputs.
    """
    steps, last, previous = -1, "", ""
    for item in items:
        speaker = _speaker(item)
        if isinstance(item, Message) and speaker == "user":
            last = item.text.lower()
        if speaker and speaker != previous and fits(last):
            steps += 1
        previous = speaker
    return max(steps, 0)


def _last_words(prompt: Prompt) -> str:
    """The user's last message."""
    for item in reversed(prompt.items):
        if isinstance(item, Message) and item.role == "user":
            return item.text
    return ""


def _echo(prompt: Prompt) -> str:
    last = prompt.items[-1] if prompt.items else None
    if isinstance(last, CallOutput):
        return f"The tool says: {last.output}"
    return f"You said: {_last_words(prompt) or 'nothing'}"


def _count(prompt: Prompt) -> int:
    """The words of the prompt, the only tokens that there are here."""
    texts = [prompt.instructions]
    for item in prompt.items:
        if isinstance(item, Message):
            texts.append(item.text)
        else:
            texts.append(item.arguments if isinstance(item, Call) else item.output)
    return sum(len(_TOKEN.findall(text)) for text in texts)
