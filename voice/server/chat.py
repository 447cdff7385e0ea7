"""Chat completions, the API that nearly every model server has: a prompt out, pieces in.

    instructions, system and developer messages   system
    words of the user that go on with a blank     one message
    calls, with the words before them             one assistant message with `tool_calls`
    an output                                     a `tool` message right behind its calls
    thoughts                                      nothing: templates drop them, and Mistral's
                                                  server refuses a message that has some
    a schema of the text                          `response_format` of the type `json_schema`, the
                                                  one that Ollama, vLLM, llama-server and LM Studio
                                                  all know

Servers differ most in how they stream calls. OpenAI numbers them and sends their arguments in
fragments; Ollama sends them whole, before 0.4.7 without numbers, later all with the number 0
(ollama/ollama, issues 7881 and 15457); some gateways leave numbers out of fragments as well.
Thoughts come as `reasoning_content` (DeepSeek, llama-server, LM Studio, vLLM before 0.11), as
`reasoning` (Ollama, vLLM), or in the words (`thoughts`), as calls may (`written_calls`).

Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from voice.errors import ServerError
from voice.server.backend import (
    Call,
    CallOutput,
    Finished,
    Item,
    Message,
    Piece,
    Prompt,
    ReasoningDelta,
    TextDelta,
    Tool,
    ToolCall,
)
from voice.server.thoughts import ThoughtSplitter
from voice.server.upstream_errors import brief, given_up
from voice.server.written_calls import CallFinder, read_arguments

_ANY_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}}
"""The schema of a tool that has none."""

ChatMessage = dict[str, Any]

# ── what is asked ────────────────────────────────────────────────────────────────────────────


def body(prompt: Prompt, model: str) -> dict[str, Any]:
    """The request for a streamed answer. What the prompt leaves open is left to the server."""
    fields: dict[str, Any] = {
        "model": model,
        "messages": messages(prompt),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    chosen = {
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "max_tokens": prompt.max_output_tokens,
        "stop": list(prompt.stop) or None,
    }
    fields |= {name: value for name, value in chosen.items() if value is not None}
    if prompt.tools:
        fields["tools"] = [_tool(tool) for tool in prompt.tools]
        if prompt.tool_choice != "auto":  # which is the default, and not known everywhere
            fields["tool_choice"] = _tool_choice(prompt.tool_choice)
        fields["parallel_tool_calls"] = prompt.parallel_calls  # llama-server needs to be told
    if prompt.schema is not None:
        schema = {"name": "answer", "schema": prompt.schema, "strict": True}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return fields


def messages(prompt: Prompt) -> list[ChatMessage]:
    """The conversation. System messages in a row are one: many templates take only a first one."""
    told: list[ChatMessage] = []
    if prompt.instructions:
        told.append(_message("system", prompt.instructions))
    for item in prompt.items:
        _add(told, item)
    return told


def _add(told: list[ChatMessage], item: Item) -> None:
    if isinstance(item, Call):
        _add_call(told, item)
    elif isinstance(item, CallOutput):
        _add_output(told, item)
    elif isinstance(item, Message) and item.text:
        _add_words(told, item)


def _add_words(told: list[ChatMessage], item: Message) -> None:
    role = item.role if item.role in ("user", "assistant") else "system"
    last = told[-1] if told and told[-1]["role"] == role else None
    if last is None:
        told.append(_message(role, item.text))
    elif role == "system":
        last["content"] += f"\n\n{item.text}"
    elif role == "assistant" or item.text[0].isspace():
        last["content"] += item.text
    else:
        told.append(_message(role, item.text))


def _add_call(told: list[ChatMessage], call: Call) -> None:
    if not told or told[-1]["role"] != "assistant":
        told.append(_message("assistant", ""))
    function = {"name": call.name, "arguments": _readable(call.arguments)}
    calls = told[-1].setdefault("tool_calls", [])
    calls.append({"id": call.call_id, "type": "function", "function": function})


def _add_output(told: list[ChatMessage], output: CallOutput) -> None:
    """Right behind its calls, even where words of the user came in between (steering).

    One whose call was left out, because the conversation was too long, means nothing any more.
    """
    at = next((n for n in range(len(told), 0, -1) if _calls(told[n - 1], output.call_id)), None)
    if at is None:
        return
    while at < len(told) and told[at]["role"] == "tool":
        at += 1
    told.insert(at, _message("tool", output.output) | {"tool_call_id": output.call_id})


def _calls(message: ChatMessage, call_id: str) -> bool:
    return any(call["id"] == call_id for call in message.get("tool_calls", ()))


def _readable(arguments: str) -> str:
    """The arguments of a call. Servers parse them, and would refuse the conversation for ever."""
    if read_arguments(arguments) is not None:
        return arguments
    return json.dumps({"unreadable": arguments}) if arguments.strip() else "{}"


def _message(role: str, text: str) -> ChatMessage:
    return {"role": role, "content": text}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or _ANY_ARGUMENTS,
    }
    return {"type": "function", "function": function}


def _tool_choice(choice: str) -> str | dict[str, Any]:
    if choice in ("none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


# ── what comes back ──────────────────────────────────────────────────────────────────────────


class _Function(Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Fragment(Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct):
    content: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[_Fragment] | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Details(Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    error_message: Any = None
    """An error as Venice sends it."""
    object: Any = None
    message: Any = None
    """Of the object `error`, as vLLM sent it before 0.10."""


class _Written(Struct):
    """A call as far as it has come."""

    index: int | None
    id: str
    name: str
    arguments: str


_decoder = msgspec.json.Decoder(_Chunk)


class ChatReader:
    """One streamed answer from `url` to a prompt: takes its chunks, and says what they mean.

    Where the prompt wants one call at most, only the first counts: many servers do not know that.
    """

    def __init__(self, url: str, prompt: Prompt) -> None:
        self._url = url
        self._most_calls = None if prompt.parallel_calls else 1
        may_call = prompt.tool_choice != "none" and prompt.schema is None
        self._finder = CallFinder([tool.name for tool in prompt.tools] if may_call else [])
        self.finish_reason: str | None = None
        """Why the answer ended, such as `stop` or `length`; None while it goes on."""
        self._splitter = ThoughtSplitter()
        self._calls: list[_Written] = []
        self._usage = _Usage()

    def pieces(self, data: bytes) -> list[Piece]:
        """The words and thoughts in a chunk. Raises `PromptTooLong` and `ServerError`."""
        try:
            chunk = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise ServerError(
                f"{self._url} sent what is no chunk of an answer: {brief(data)}",
                "check that chat completions as OpenAI's are served there",
            ) from None
        if chunk.error is not None or chunk.error_message or chunk.object == "error":
            raise given_up(self._url, chunk.error or chunk.error_message or chunk.message)
        self._usage = chunk.usage or self._usage
        return self._choice(chunk.choices[0]) if chunk.choices else []

    def end(self) -> list[Piece]:
        """The calls, and the counts as far as the server told them.

        Of an answer that reached its limit, a call that is not whole is left out.
        """
        reached_limit = self.finish_reason == "length"
        last = self._sorted(self._splitter.end()) + self._finder.end()
        calls = [piece for piece in last if isinstance(piece, ToolCall)]
        calls += [
            ToolCall(call.name, call.arguments or "{}")
            for call in self._calls
            if not reached_limit or read_arguments(call.arguments) is not None
        ]
        usage = self._usage
        read = usage.prompt_tokens_details or _Details()
        written = usage.completion_tokens_details or _Details()
        finished = Finished(
            usage.prompt_tokens or 0,
            read.cached_tokens or 0,
            usage.completion_tokens or 0,
            reached_limit,
            written.reasoning_tokens or 0,
        )
        words = [piece for piece in last if not isinstance(piece, ToolCall)]
        return [*words, *calls[: self._most_calls], finished]

    def _choice(self, choice: _Choice) -> list[Piece]:
        self.finish_reason = choice.finish_reason or self.finish_reason
        if self.finish_reason in ("error", "abort"):  # vLLM and SGLang, when their engine fails
            raise given_up(self._url, f"its finish_reason is {self.finish_reason}")
        delta = choice.delta or _Delta()
        for fragment in delta.tool_calls or ():
            self._write_call(fragment)
        thought = delta.reasoning_content or delta.reasoning
        thoughts = [ReasoningDelta(thought)] if thought and isinstance(thought, str) else []
        return [*thoughts, *self._sorted(self._splitter.feed(delta.content or ""))]

    def _sorted(self, pieces: Iterable[TextDelta | ReasoningDelta]) -> list[Piece]:
        """Thoughts and words, without the words that may be a call."""
        told: list[Piece] = []
        for piece in pieces:
            told += self._finder.feed(piece.text) if isinstance(piece, TextDelta) else [piece]
        return told

    def _write_call(self, fragment: _Fragment) -> None:
        function = fragment.function or _Function()
        call = self._continued(fragment, function.name or "")
        if call is None:
            call = _Written(fragment.index, fragment.id or "", function.name or "", "")
            self._calls.append(call)
        call.id, call.name = call.id or fragment.id or "", call.name or function.name or ""
        given = function.arguments or ""
        call.arguments += given if isinstance(given, str) else json.dumps(given)

    def _continued(self, fragment: _Fragment, name: str) -> _Written | None:
        """The call that a fragment goes on with; None where it begins another.

        It is the last one of its number, unless the fragment has another id, or a name again
        although there is nothing left to say.
        """
        same = (c for c in reversed(self._calls) if fragment.index in (None, c.index))
        call = next(same, None)
        if call is None or (fragment.id and call.id and fragment.id != call.id):
            return None
        whole = call.name and read_arguments(call.arguments) is not None
        return None if name and whole and not fragment.id else call


def model_names(data: bytes) -> list[str]:
    """The models in the answer to `GET /models`; none where it is no such list."""
    try:
        listed = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return []
    entries: Iterable[Any] = (listed.get("data") if isinstance(listed, dict) else None) or ()
    if not isinstance(entries, list):
        return []
    names = (entry.get("id") for entry in entries if isinstance(entry, dict))
    return [name for name in names if isinstance(name, str)]
