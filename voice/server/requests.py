"""What clients send, read leniently: one text message in, one request or one refusal out.

Keys that we do not know are accepted: real clients send them. What is refused is what would change
the meaning silently: a known field of a wrong type, or a wish that cannot be met. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from voice.server.backend import Call, CallOutput, Item, Message, Prompt, Tool
from voice.server.compaction import (
    LEAST_THRESHOLD_TOKENS,
    SUMMARY_REQUEST,
    Compaction,
    asked,
    expanded,
    planned,
)
from voice.server.items import read_items
from voice.server.refusals import Refused, brief
from voice.server.tools import choose_tools, read_tools

_STREAM_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_METADATA_LIMIT: Final = 16
_METADATA_KEY_CHARS: Final = 64
_METADATA_VALUE_CHARS: Final = 512
"""How much `metadata` may hold (the API reference)."""

_UNSERVED: Final = {
    "background": "ask again without it, and keep the connection open",
    "conversation": "continue with previous_response_id",
    "prompt": "send instructions and input",
}
"""Fields that would change the meaning silently, and what to do instead."""

_LEVEL_LIMIT: Final = 128
"""How deeply messages may be nested; ours: what is read must be written again, one level deeper,
by encoders whose own limits depend on how much of the stack is taken."""

_ANY_OBJECT: Final = {"type": "object"}
"""The schema of `json_object`."""

_STEER_KEYS: Final = {"type", "previous_response_id", "input"}
"""All that `response.steer` may have; the lane is that of the response that is steered."""


class Body(Struct):
    """The fields of `response.create` that are read or echoed; `None` is as good as left out."""

    model: str | None = None
    input: str | list[Any] | None = None
    instructions: str | list[Any] | None = None
    previous_response_id: str | None = None
    generate: bool | None = None
    store: bool | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    truncation: Literal["auto", "disabled"] | None = None
    context_management: list[dict[str, Any]] | None = None
    stop: str | list[str] | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    background: bool | None = None
    conversation: Any = None
    prompt: Any = None


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """`response.create`: `items` is the new input, `stream_id` the lane (None: the unnamed).

    `tools` are those that may be called; `tool_choice` and `schema` are as in `Prompt`.
    """

    stream_id: str | None
    body: Body
    items: tuple[Item, ...]
    instructions: str
    tools: tuple[Tool, ...]
    tool_choice: str
    schema: dict[str, Any] | None = None
    compact_threshold_tokens: int | None = None
    """A longer conversation is compacted before the answer."""
    compacts_only: bool = False
    """A compaction is wanted instead of an answer."""

    @property
    def parent_id(self) -> str | None:
        """The response that this one continues."""
        return self.body.previous_response_id

    @property
    def generate(self) -> bool:
        """Whether an answer is wanted, or only its preparation."""
        return self.body.generate is not False

    @property
    def steerable(self) -> bool:
        """Whether words may be put into its response: no output, or a compaction, rules that out.

        Clients reckon with the latter (`Features.compaction` of ours).
        """
        may_compact = self.compacts_only or self.compact_threshold_tokens is not None
        return self.generate and not may_compact

    def compaction(self, history: tuple[Item, ...]) -> Compaction | None:
        """What may have to be made of the conversation `history` before the answer."""
        if self.compacts_only:
            return asked(history)
        if self.compact_threshold_tokens is None or not self.generate:
            return None
        return planned(history, self.compact_threshold_tokens)

    def summary_prompt(self, compaction: Compaction) -> Prompt:
        """What the summary depends on; the head is that of an answer, for the cache's sake."""
        return replace(
            self.prompt((*compaction.older, Message("user", SUMMARY_REQUEST))),
            tool_choice="none",
            temperature=0.0,
            top_p=None,
            max_output_tokens=compaction.limit_tokens,
            stop=(),
            schema=None,
            may_truncate=True,
            ends=True,
        )

    def prompt(self, history: tuple[Item, ...]) -> Prompt:
        """What an answer to the conversation `history` depends on."""
        body = self.body
        stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
        return Prompt(
            items=expanded(history),
            instructions=self.instructions,
            tools=self.tools,
            tool_choice=self.tool_choice,
            temperature=body.temperature,
            top_p=body.top_p,
            max_output_tokens=body.max_output_tokens,
            stop=stop,
            parallel_calls=body.parallel_tool_calls is not False,
            schema=self.schema,
            may_truncate=body.truncation != "disabled",
        )


@dataclass(frozen=True, slots=True)
class SteerRequest:
    """`response.steer`: words of the user for a response that may still run.

    `given` is the input as it came, because a failure returns it. Where it is wrong, `problem`
    says why, and there are no `items`.
    """

    response_id: str
    given: Any
    items: tuple[Item, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """`response.cancel`: a courtesy that gets no answer of its own."""

    response_id: str


Request = CreateRequest | SteerRequest | CancelRequest


def parse(message: str | bytes) -> Request | None:
    """What a client's message asks for; None where nothing is to be done.

    Raises `Refused`.
    """
    raw = _json_object(message)
    kind = raw.get("type")
    if kind == "response.create":
        return _create(raw)
    if kind == "response.steer":
        return _steer(raw)
    if kind == "response.cancel":
        response_id = raw.get("response_id")
        return CancelRequest(response_id) if isinstance(response_id, str) else None
    raise Refused(f"Unknown event type: {brief(kind)}.", "invalid_event_type", "type")


def check_outputs(history: tuple[Item, ...]) -> None:
    """Every output in a conversation belongs to a call before it. Raises `Refused`."""
    called: set[str] = set()
    for item in expanded(history):
        if isinstance(item, Call):
            called.add(item.call_id)
        elif isinstance(item, CallOutput) and item.call_id not in called:
            raise Refused(
                f"No tool call found for function call output with call_id {item.call_id}.",
                "invalid_value",
                "input",
            )


def _json_object(message: str | bytes) -> dict[str, Any]:
    try:
        raw = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(f"The message is not valid JSON: {error}.", "invalid_json") from None
    if not isinstance(raw, dict):
        raise Refused("The message is not a JSON object.", "invalid_json")
    if _is_too_deep(raw):
        raise Refused(
            f"The message is nested more than {_LEVEL_LIMIT} levels deep.", "invalid_json"
        )
    return raw


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_LEVEL_LIMIT):
        insides = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for inside in insides for one in inside if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _create(raw: dict[str, Any]) -> CreateRequest:
    stream_id = _stream_id(raw.get("stream_id"))
    try:
        body = msgspec.convert({k: v for k, v in raw.items() if v is not None}, Body)
        _check(body)
        tools, tool_choice = choose_tools(read_tools(body.tools or []), body.tool_choice)
        given, compacts_only = _without_trigger(body)
        return CreateRequest(
            stream_id=stream_id,
            body=body,
            items=read_items(given),
            instructions=_instructions(body.instructions),
            tools=tools,
            tool_choice=tool_choice,
            schema=_schema((body.text or {}).get("format")),
            compact_threshold_tokens=_compact_threshold(body.context_management or []),
            compacts_only=compacts_only,
        )
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$.")
        raise _placed(
            Refused(f"{problem}.", "invalid_type", where.rstrip("`") or None), raw, stream_id
        ) from None
    except Refused as refusal:  # no name outlives this: its traceback would keep the connection
        raise _placed(refusal, raw, stream_id)  # noqa: B904 (it is the same one)


def _placed(refusal: Refused, raw: dict[str, Any], stream_id: str | None) -> Refused:
    """With what is known of the lane and of what it continues."""
    refusal.stream_id = stream_id
    parent_id = raw.get("previous_response_id")
    refusal.parent_id = parent_id if isinstance(parent_id, str) else None
    return refusal


def _without_trigger(body: Body) -> tuple[str | list[Any] | None, bool]:
    """The input, and whether a compaction was asked for at its end."""
    given = body.input
    last = given[-1] if isinstance(given, list) and given else None
    if not isinstance(last, dict) or last.get("type") != "compaction_trigger":
        return given, False
    assert isinstance(given, list)
    if body.generate is False:
        raise Refused("A compaction cannot be prepared with generate: false.", "invalid_value")
    return given[:-1], True


def _compact_threshold(entries: list[dict[str, Any]]) -> int | None:
    """The smallest threshold of `context_management`, in tokens."""
    thresholds = [_threshold(entry, f"context_management[{n}]") for n, entry in enumerate(entries)]
    return min(thresholds, default=None)


def _threshold(entry: dict[str, Any], where: str) -> int:
    kind, value = entry.get("type"), entry.get("compact_threshold")
    if kind != "compaction":
        raise Refused(
            f"{where}.type must be compaction, not {brief(kind)}.", "invalid_value", f"{where}.type"
        )
    where = f"{where}.compact_threshold"
    if value is None:
        raise Refused(
            f"{where} is needed: how many tokens a conversation may have before it is compacted.",
            "missing_required_parameter",
            where,
        )
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(f"{where} must be a whole number.", "invalid_type", where)
    if value < LEAST_THRESHOLD_TOKENS:
        raise Refused(
            f"{where} must be at least {LEAST_THRESHOLD_TOKENS}.", "integer_below_min_value", where
        )
    return value


def _steer(raw: dict[str, Any]) -> SteerRequest:
    response_id = raw.get("previous_response_id")
    request = SteerRequest(response_id if isinstance(response_id, str) else "", raw.get("input"))
    try:
        return replace(request, items=_steering_items(raw))
    except Refused as refusal:
        return replace(request, problem=str(refusal))


def _steering_items(raw: dict[str, Any]) -> tuple[Item, ...]:
    """Only messages of the user, at least one."""
    if foreign := sorted(set(raw) - _STEER_KEYS):
        raise Refused(f"response.steer does not take {brief(foreign)}.")
    if not isinstance(raw.get("previous_response_id"), str):
        raise Refused("response.steer does not say which response it steers.")
    given = raw.get("input")
    if not isinstance(given, str | list) or not given:
        raise Refused("input must be text or a list of messages, and not empty.")
    items = read_items(given)
    messages = [item for item in items if isinstance(item, Message) and item.role == "user"]
    if isinstance(given, list) and len(messages) < len(given):
        raise Refused("input holds something that is not a message of the user.")
    return items


def _stream_id(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and _STREAM_ID.fullmatch(value):
        return value
    raise Refused(
        "stream_id must be 1 to 256 letters, digits, underscores, hyphens or dots.",
        "invalid_stream_id",
        "stream_id",
    )


def _check(body: Body) -> None:
    _in_range("temperature", body.temperature, 0, 2)
    _in_range("top_p", body.top_p, 0, 1)
    _in_range("max_output_tokens", body.max_output_tokens, 1, 1 << 31)
    _check_metadata(body.metadata or {})
    for name, instead in _UNSERVED.items():
        if getattr(body, name):
            raise Refused(f"{name} is not served here: {instead}.", "unsupported_parameter", name)


def _check_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > _METADATA_LIMIT:
        raise Refused(
            f"metadata has {len(metadata)} pairs; at most {_METADATA_LIMIT} are taken.",
            "invalid_value",
            "metadata",
        )
    for key, value in metadata.items():
        if len(key) > _METADATA_KEY_CHARS or len(value) > _METADATA_VALUE_CHARS:
            raise Refused(
                f"A key of metadata may have {_METADATA_KEY_CHARS} characters, a value "
                f"{_METADATA_VALUE_CHARS}; {brief(key)} has {len(key)} and {len(value)}.",
                "invalid_value",
                "metadata",
            )


def _in_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise Refused(f"{name} must be from {low} to {high}.", "invalid_value", name)


def _instructions(value: str | list[Any] | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    items = read_items(value, "instructions")
    return "\n\n".join(item.text for item in items if isinstance(item, Message))


def _schema(form: Any) -> dict[str, Any] | None:
    """`text.format` as a JSON schema; None where words are free."""
    if form is None:
        return None
    if not isinstance(form, dict):
        raise Refused("text.format is not an object.", "invalid_type", "text.format")
    kind = form.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return dict(_ANY_OBJECT)
    if kind != "json_schema":
        raise Refused(
            f"text.format.type must be text, json_object or json_schema, not {brief(kind)}.",
            "invalid_value",
            "text.format.type",
        )
    for key, wanted in (("name", str), ("schema", dict)):
        if form.get(key) is None:
            raise Refused(
                f"text.format has no {key}.", "missing_required_parameter", f"text.format.{key}"
            )
        if not isinstance(form[key], wanted):
            raise Refused(
                f"text.format.{key} is of a wrong type: {brief(form[key])}.",
                "invalid_type",
                f"text.format.{key}",
            )
    schema: dict[str, Any] = form["schema"]
    return schema
