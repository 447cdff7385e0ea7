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
items, so a connection does not disturb another and a fork goes its own way. A message of the user
that begins with a blank goes on with the one before it: both are one message.

For those who try their clients, a reply can go wrong, and cancels can be ignored in all of them:

    ignore_cancel = true            # optional: cancelled responses go on to their end

    [[reply]]
    fault = "error"                 # what goes wrong instead of the answer
    after = 4                       # optional: events of the response before it; 1 if left out
    times = 2                       # optional: only the first two times; 0, always, if left out
    status = 429                    # optional, of an `error`: its HTTP status; 500 if left out
    code = "rate_limit_exceeded"    # optional, of `error` and `fail`; else "server_error"
    retry_after = 1.5               # optional, of an `error`: seconds in the header `retry-after`
    text = "Better now."            # the answer until it goes wrong, and when it does not any more

    drop       the TCP connection is reset, without a close frame
    close      the connection is closed with code 1011
    half-open  the server neither reads, writes nor answers pings; the TCP connection stays
    expire     `websocket_connection_limit_reached`, and the connection is closed
    stall      nothing more comes for this response, whatever is sent for it; others go on
    garbage    messages that are no events come in between, then the answer goes on
    error      an `error` event ends the response
    fail       `response.failed` ends it
    forget     see below

Events are counted with `response.created` and `response.in_progress`, which come at once; a
response with fewer events than `after` ends well. Only requests that want an answer go wrong.

`forget` comes before a request that names a `previous_response_id` is looked at: all responses of
its connection are forgotten, and it is refused with `previous_response_not_found`. So its place in
the order cannot be counted: `match` is looked for in the user's last message of the request's own
input alone, and a reply without `match` fits every request.
"""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeGuard

import msgspec

from voice.errors import UsageError
from voice.server.backend import (
    Call,
    CallOutput,
    Fault,
    FaultKind,
    Faults,
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


_Count = Annotated[int, msgspec.Meta(ge=0)]


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the file."""

    text: str = ""
    match: str = ""
    call: str = ""
    arguments: dict[str, Any] = {}
    fault: FaultKind | Literal["forget"] | None = None
    after: _Count = 1
    times: _Count = 0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    code: str = "server_error"
    retry_after: Annotated[float, msgspec.Meta(ge=0)] | None = None


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. Without replies the user's last words are echoed."""

    reply: list[Reply] = []
    ignore_cancel: bool = False


def load_script(path: Path) -> Script:
    """Read a script file. Raises `UsageError`."""
    cure = "give a TOML file with [[reply]] entries of text, match, call, arguments and fault"
    try:
        script = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Script)
    except OSError as error:
        raise UsageError(f"the script {path} cannot be read: {error.strerror}", cure) from None
    except (tomllib.TOMLDecodeError, UnicodeError, msgspec.ValidationError) as error:
        raise UsageError(f"the script {path} is not valid: {error}", cure) from None
    for n, reply in enumerate(script.reply, 1):
        if not reply.text and not reply.call and not reply.fault:
            raise UsageError(f"reply {n} of the script {path} has no text, call or fault", cure)
    if not script.reply:
        raise UsageError(f"the script {path} has no replies", cure)
    return script


class ScriptFaults:
    """What the script lets go wrong; counts how often it did, for the whole server."""

    def __init__(self, script: Script) -> None:
        self.ignores_cancel = script.ignore_cancel
        self._replies = script.reply
        self._happened: Counter[int] = Counter()

    def forgets(self, new_items: tuple[Item, ...]) -> bool:
        """Whether all responses are forgotten before a request with this input is looked at."""
        last = _last_words(_joined(new_items)).lower()
        for n, reply in enumerate(self._replies):
            if reply.fault == "forget" and reply.match.lower() in last:
                return self._happens(n)
        return False

    def choose(self, items: tuple[Item, ...]) -> Fault | None:
        """What goes wrong with the answer to this conversation."""
        if not self._replies:
            return None
        n = _place(self._replies, _joined(items))
        reply = self._replies[n]
        if reply.fault is None or reply.fault == "forget" or not self._happens(n):
            return None
        return Fault(reply.fault, reply.after, reply.status, reply.code, reply.retry_after)

    def _happens(self, n: int) -> bool:
        self._happened[n] += 1
        times = self._replies[n].times
        return times == 0 or self._happened[n] <= times


class ScriptBackend:
    """Plays a script (or its replies alone), or without any echoes the user's last words.

    `ttft_seconds` pass before the first token, and then `tokens_per_second` come (0: at once).
    """

    model = "script"

    def __init__(
        self,
        script: Script | Sequence[Reply] = (),
        ttft_seconds: float = 0.0,
        tokens_per_second: float = 0.0,
    ) -> None:
        if not isinstance(script, Script):
            script = Script(list(script))
        self.faults: Faults | None = ScriptFaults(script)
        self._replies = script.reply
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
        items = _joined(prompt.items)
        if not self._replies:
            return Reply(text=_echo(items))
        return self._replies[_place(self._replies, items)]


def _place(replies: Sequence[Reply], items: Sequence[Item]) -> int:
    """Which of the replies is due to a conversation."""
    last = _last_words(items).lower()
    matches = [reply.match.lower() for reply in replies]
    words = next((match for match in matches if match and match in last), "")
    if words:
        due = _steps(items, lambda text: words in text)
    else:
        due = _steps(items, lambda text: not any(match and match in text for match in matches))
    fitting = [n for n, match in enumerate(matches) if match == words] or range(len(replies))
    return fitting[due % len(fitting)]


def _steps(items: Sequence[Item], fits: Callable[[str], bool]) -> int:
    """How many replies were due so far to messages that fit, without the present one.

    One is due to each message of the user, and one to each run of tool outputs.
    """
    steps, last = -1, ""
    previous: Item | None = None
    for item in items:
        if _is_user(item):
            last = item.text.lower()
            steps += fits(last)
        elif isinstance(item, CallOutput) and not isinstance(previous, CallOutput):
            steps += fits(last)
        previous = item
    return max(steps, 0)


def _joined(items: Sequence[Item]) -> list[Item]:
    """The items, with a message of the user and what goes on with it as one."""
    joined: list[Item] = []
    for item in items:
        last = joined[-1] if joined else None
        if last and _is_user(item) and _is_user(last) and item.text[:1].isspace():
            joined[-1] = Message("user", last.text + item.text)
        else:
            joined.append(item)
    return joined


def _is_user(item: Item) -> TypeGuard[Message]:
    return isinstance(item, Message) and item.role == "user"


def _last_words(items: Sequence[Item]) -> str:
    """The user's last message."""
    return next((item.text for item in reversed(items) if _is_user(item)), "")


def _echo(items: Sequence[Item]) -> str:
    last = items[-1] if items else None
    if isinstance(last, CallOutput):
        return f"The tool says: {last.output}"
    return f"You said: {_last_words(items) or 'nothing'}"


def _count(prompt: Prompt) -> int:
    """The words of the prompt, the only tokens that there are here."""
    texts = [prompt.instructions]
    for item in prompt.items:
        if isinstance(item, Message):
            texts.append(item.text)
        else:
            texts.append(item.arguments if isinstance(item, Call) else item.output)
    return sum(len(_TOKEN.findall(text)) for text in texts)
