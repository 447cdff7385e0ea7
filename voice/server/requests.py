"""What clients send, read leniently: one text message in, one request or one refusal out.

Real clients leave out the `type` of items, send content as a string or as parts, calls without id
or status, and keys that we do not know. All that is accepted. What is refused is what would
change the meaning silently: a known field of a wrong type, an image, an unknown role.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from voice.responses.events import ErrorBody
from voice.server.backend import Call, CallOutput, Item, Message, Tool

log = logging.getLogger(__name__)

_STREAM_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_ROLES: Final = ("user", "assistant", "system", "developer")
_TEXT_PARTS: Final = ("input_text", "output_text", "text")
_STEER_KEYS: Final = {"type", "previous_response_id", "input"}
"""All that `response.steer` may have; the lane is that of the response that is steered."""


class Refused(Exception):  # noqa: N818 (says what happened)
    """The request cannot be served; `body` is the wire's error, `status` its HTTP status."""

    def __init__(
        self, message: str, code: str | None = None, param: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.body = ErrorBody(type=kind, code=code, message=message, param=param)
        self.status = status
        self.stream_id: str | None = None
        self.parent_id: str | None = None
        self.headers: dict[str, str] = {}


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
    stop: str | list[str] | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """`response.create`: `items` is the new input, `stream_id` the lane (None: the unnamed)."""

    stream_id: str | None
    body: Body
    items: tuple[Item, ...]
    instructions: str
    tools: tuple[Tool, ...]
    tool_choice: str

    @property
    def parent_id(self) -> str | None:
        """The response that this one continues."""
        return self.body.previous_response_id

    @property
    def generate(self) -> bool:
        """Whether an answer is wanted, or only its preparation."""
        return self.body.generate is not False


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
    raise Refused(f"Unknown event type: {_brief(kind)}.", "invalid_event_type", "type")


def _json_object(message: str | bytes) -> dict[str, Any]:
    try:
        raw = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(f"The message is not valid JSON: {error}.", "invalid_json") from None
    if not isinstance(raw, dict):
        raise Refused("The message is not a JSON object.", "invalid_json")
    return raw


def _create(raw: dict[str, Any]) -> CreateRequest:
    stream_id = _stream_id(raw.get("stream_id"))
    try:
        body = msgspec.convert({k: v for k, v in raw.items() if v is not None}, Body)
        return CreateRequest(
            stream_id=stream_id,
            body=_checked(body),
            items=_items(body.input),
            instructions=_instructions(body.instructions),
            tools=_tools(body.tools or []),
            tool_choice=_tool_choice(body.tool_choice),
        )
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$.")
        refusal = Refused(f"{problem}.", "invalid_type", where.rstrip("`") or None)
    except Refused as error:
        refusal = error
    refusal.stream_id = stream_id
    parent_id = raw.get("previous_response_id")
    refusal.parent_id = parent_id if isinstance(parent_id, str) else None
    raise refusal


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
        raise Refused(f"response.steer does not take {_brief(foreign)}.")
    if not isinstance(raw.get("previous_response_id"), str):
        raise Refused("response.steer does not say which response it steers.")
    given = raw.get("input")
    if not isinstance(given, str | list) or not given:
        raise Refused("input must be text or a list of messages, and not empty.")
    items = _items(given)
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


def _checked(body: Body) -> Body:
    _in_range("temperature", body.temperature, 0, 2)
    _in_range("top_p", body.top_p, 0, 1)
    _in_range("max_output_tokens", body.max_output_tokens, 1, 1 << 31)
    return body


def _in_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise Refused(f"{name} must be from {low} to {high}.", "invalid_value", name)


# ── items ────────────────────────────────────────────────────────────────────────────────────


def _items(value: str | list[Any] | None, name: str = "input") -> tuple[Item, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (Message("user", value),)
    items = (_item(item, f"{name}[{n}]") for n, item in enumerate(value))
    return tuple(item for item in items if item is not None)


def _item(raw: Any, where: str) -> Item | None:
    if not isinstance(raw, dict):
        raise Refused(f"{where} is not an object.", "invalid_type", where)
    kind = raw.get("type") or ("message" if "role" in raw else None)
    if kind == "message":
        return _message(raw, where)
    if kind == "function_call":
        arguments = raw.get("arguments")
        return Call(
            _required(raw, "call_id", where, "id"),
            _required(raw, "name", where),
            arguments if isinstance(arguments, str) else json.dumps(arguments or {}),
        )
    if kind == "function_call_output":
        return CallOutput(
            _required(raw, "call_id", where), _text(raw.get("output"), f"{where}.output")
        )
    if kind == "reasoning":
        return None  # belongs to the model that wrote it
    raise Refused(f"{where} is of an unknown type: {_brief(kind)}.", "invalid_value", where)


def _message(raw: dict[str, Any], where: str) -> Message:
    role = raw.get("role")
    if role not in _ROLES:
        raise Refused(
            f"{where}.role must be one of {', '.join(_ROLES)}.", "invalid_value", f"{where}.role"
        )
    return Message(role, _text(raw.get("content"), f"{where}.content"))


def _required(raw: dict[str, Any], key: str, where: str, instead: str = "") -> str:
    value = raw.get(key) or raw.get(instead)
    if not isinstance(value, str):
        raise Refused(f"{where} has no {key}.", "missing_required_parameter", f"{where}.{key}")
    return value


def _text(content: Any, where: str) -> str:
    """The text of a string or of a list of text parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Refused(f"{where} is neither text nor a list of parts.", "invalid_type", where)
    return "".join(_part(part, f"{where}[{n}]") for n, part in enumerate(content))


def _part(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        kind = part.get("type", "text")
        text = part.get("refusal" if kind == "refusal" else "text")
        if (kind in _TEXT_PARTS or kind == "refusal") and isinstance(text, str):
            return text
        raise Refused(
            f"{where}: only text is served here, not {_brief(kind)}.", "invalid_value", where
        )
    raise Refused(f"{where} is not a part.", "invalid_type", where)


def _instructions(value: str | list[Any] | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    items = _items(value, "instructions")
    return "\n\n".join(item.text for item in items if isinstance(item, Message))


# ── tools ────────────────────────────────────────────────────────────────────────────────────


def _tools(raw: list[dict[str, Any]]) -> tuple[Tool, ...]:
    """The function tools. Hosted and custom ones, which real clients send along, are left out."""
    tools: list[Tool] = []
    for n, tool in enumerate(raw):
        if tool.get("type") != "function":
            log.info("a tool of the type %s is not served and left out", _brief(tool.get("type")))
            continue
        name, parameters = tool.get("name"), tool.get("parameters")
        if not isinstance(name, str) or not name:
            raise Refused(
                f"tools[{n}] has no name.", "missing_required_parameter", f"tools[{n}].name"
            )
        if parameters is not None and not isinstance(parameters, dict):
            raise Refused(
                f"tools[{n}].parameters is not a JSON schema.",
                "invalid_type",
                f"tools[{n}].parameters",
            )
        tools.append(Tool(name, str(tool.get("description") or ""), parameters or {}))
    return tuple(tools)


def _tool_choice(value: str | dict[str, Any] | None) -> str:
    if value is None:
        return "auto"
    if isinstance(value, dict):
        return str(value["name"]) if value.get("name") else str(value.get("mode", "auto"))
    if value not in ("auto", "none", "required"):
        raise Refused(
            "tool_choice must be auto, none, required or a function.",
            "invalid_value",
            "tool_choice",
        )
    return value


def _brief(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"
