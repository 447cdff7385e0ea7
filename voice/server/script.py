"""A backend that plays replies from a file, or echoes: for demos, tests and load measurements.

The file is TOML, a list of replies; `docs/faults.md` has examples of everything:

    [[reply]]
    match = "timer"                 # optional: words in the user's last message, any case
    reasoning = "A timer, then."    # optional: thoughts before the answer
    text = "Let me see."            # optional: words …
    json = { minutes = 5 }          # … or a value whose JSON text is the words
    call = "set_timer"              # optional: a tool call after the words …
    arguments = { minutes = 5 }     # … and its arguments, or a text that need not even be JSON
    ttft = 0.5                      # optional: seconds to the first token …
    tokens_per_second = 20.0        # … and the pace after it, if not those of the server

    [[reply]]
    match = "timer"                 # after the tool's output: the next reply with the same match
    text = "Done."

    [[reply]]
    match = "lights and"            # several calls in one answer
    calls = [{ name = "lights" }, { name = "set_timer", arguments = { minutes = 5 } }]

    [[reply]]                       # without `match`: for everything else, in order
    text = "I see."

A reply is played as it is written, whatever tools, schema or number of calls a request names; only
`max_output_tokens` cuts it. One with `match` is preferred to one without. Among those that fit they
are taken in order, and after the last one begins again. A conversation's place in the order is
counted in its own items, so a connection does not disturb another and a fork goes its own way. A
message of the user that begins with a blank goes on with the one before it: both are one message.

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
import difflib
import itertools
import json
import re
import tomllib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeGuard, TypeVar

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
    ReasoningDelta,
    TextDelta,
    ToolCall,
)

_TOKEN: Final = re.compile(r"\s*\S+|\s+$")
"""What counts as a token here: a word with the blanks before it."""

_BREATH: Final = 64
"""Tokens at full speed after which others are let run: well under a millisecond."""

_EXAMPLES: Final = "docs/faults.md has an example of every key"

T = TypeVar("T")

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Amount = Annotated[float, msgspec.Meta(ge=0)]
_Arguments = dict[str, Any] | str


class ScriptedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of several calls; `arguments` is an object, or a text that is sent as it is."""

    name: str
    arguments: _Arguments = {}


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the file."""

    text: str = ""
    match: str = ""
    reasoning: str = ""
    json: Any = msgspec.UNSET
    call: str = ""
    arguments: _Arguments = {}
    calls: list[ScriptedCall] = []
    ttft: _Amount | None = None
    tokens_per_second: _Amount | None = None
    fault: FaultKind | Literal["forget"] | None = None
    after: _Count = 1
    times: _Count = 0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    code: str = "server_error"
    retry_after: _Amount | None = None

    @property
    def words(self) -> str:
        """The text of the answer."""
        return self.text if self.json is msgspec.UNSET else json.dumps(self.json)

    @property
    def all_calls(self) -> list[ScriptedCall]:
        """The calls of the answer, in order."""
        one = [ScriptedCall(self.call, self.arguments)] if self.call else []
        return one + self.calls


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. Without replies the user's last words are echoed."""

    reply: list[Reply] = []
    ignore_cancel: bool = False


_FAULT_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "after": (),
    "times": (),
    "status": ("error",),
    "code": ("error", "fail"),
    "retry_after": ("error",),
}
"""What says how a reply goes wrong, and the faults that it belongs to; none are all."""


def load_script(path: Path) -> Script:
    """Read a script file. Raises `UsageError` with the file, the reply, and the cure."""
    where = f"the script {path}"
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror}", "check --script") from None
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise UsageError(f"{where} is not valid TOML: {error}", "mend that place") from None
    _check_keys(raw, Script, where)
    entries = raw.get("reply", [])
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{where} has no replies", f"give it some [[reply]]; {_EXAMPLES}")
    replies = [_reply(entry, f"reply {n} of {where}") for n, entry in enumerate(entries, 1)]
    return Script(replies, _converted(raw.get("ignore_cancel", False), bool, where))


def _reply(entry: Any, where: str) -> Reply:
    """One entry. Raises `UsageError` where it is wrong or contradicts itself."""
    if not isinstance(entry, dict):
        raise UsageError(f"{where} is no table", f"begin it with [[reply]]; {_EXAMPLES}")
    _check_keys(entry, Reply, where)
    reply = _converted(entry, Reply, where)
    if not {"text", "json", "reasoning", "call", "calls", "fault"} & set(entry):
        raise UsageError(f"{where} says nothing", f"give it text, call or fault; {_EXAMPLES}")
    if "text" in entry and "json" in entry:
        raise UsageError(f"{where} has both text and json", "leave one of them out")
    if "arguments" in entry and not reply.call:
        raise UsageError(f"{where} has arguments without a call", 'name the tool: call = "…"')
    for key, faults in _FAULT_KEYS.items():
        if key in entry and (reply.fault is None or (faults and reply.fault not in faults)):
            belongs = f"fault = {' or '.join(faults)}" if faults else "a fault"
            raise UsageError(f"{where} has {key} without {belongs}", f"set that, or drop {key}")
    return reply


def _converted(value: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem, _, key = str(error).partition(" - at `$.")
        at = f"{where}, {key.rstrip('`')}" if key else where
        raise UsageError(f"{at}: {problem}", _EXAMPLES) from None


def _check_keys(given: Mapping[str, Any], kind: type[msgspec.Struct], where: str) -> None:
    known = kind.__struct_fields__
    for key in given:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise UsageError(f"{where} has no key {key!r}", f"did you mean {nearest}?")


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
        self._tokens_per_second = tokens_per_second

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The reply that fits, word by word, at its pace or the server's.

        Thoughts are tokens too, as a model's are.
        """
        reply = self._choose(prompt)
        thoughts, words = _TOKEN.findall(reply.reasoning), _TOKEN.findall(reply.words)
        count = len(thoughts) + len(words)
        limit = min(count, prompt.max_output_tokens or count)
        pieces: Iterator[Piece] = itertools.chain(
            map(ReasoningDelta, thoughts), map(TextDelta, words)
        )
        due, each, clock = self._pace(reply)
        for n, piece in enumerate(itertools.islice(pieces, limit), 1):
            if due > clock():
                await asyncio.sleep(due - clock())
            elif n % _BREATH == 0:
                await asyncio.sleep(0)
            due += each  # a late token does not delay the ones after it
            yield piece
        if not limit and due > clock():
            await asyncio.sleep(due - clock())
        calls = reply.all_calls if limit == count else []
        for call in calls:
            yield ToolCall(call.name, _text(call.arguments))
        yield Finished(
            input_tokens=_count(prompt),
            cached_tokens=0,
            output_tokens=limit + len(calls),
            reached_limit=limit < count,
            reasoning_tokens=min(limit, len(thoughts)),
        )

    def _pace(self, reply: Reply) -> tuple[float, float, Callable[[], float]]:
        """When the first token is due, the seconds from one to the next, and the clock of both."""
        clock = asyncio.get_running_loop().time
        first = self._ttft_seconds if reply.ttft is None else reply.ttft
        rate = (
            self._tokens_per_second if reply.tokens_per_second is None else reply.tokens_per_second
        )
        return clock() + first, 1 / rate if rate else 0.0, clock

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


def _text(arguments: _Arguments) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


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
        elif isinstance(item, Call):
            texts.append(item.arguments)
        elif isinstance(item, CallOutput):
            texts.append(item.output)
    return sum(len(_TOKEN.findall(text)) for text in texts)
