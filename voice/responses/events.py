"""The Responses API's wire types in WebSocket mode, as the client and the local server share them.

The contract is the types of the `openai` package (`openai/types/responses/`). Decoding is lenient,
because servers leave fields out: everything but the type has a default, unknown fields are
dropped, and an event of an unknown type is `None`. Encoding is complete.
"""

from __future__ import annotations

from typing import Any, Final, Union

import msgspec
from msgspec import UNSET, Struct, UnsetType

JsonObject = dict[str, Any]


class Wire(Struct, kw_only=True, omit_defaults=False):
    """Common settings of all wire types."""


# ── items ────────────────────────────────────────────────────────────────────────────────────


class OutputText(Wire, tag="output_text", tag_field="type"):
    """A text part of an assistant's message."""

    text: str = ""
    annotations: list[Any] = []
    logprobs: list[Any] = []


class OutputMessage(Wire, tag="message", tag_field="type"):
    """An assistant's message as the server sends it."""

    id: str = ""
    status: str = "completed"
    role: str = "assistant"
    content: list[OutputText] = []

    @property
    def text(self) -> str:
        """All text parts together."""
        return "".join(part.text for part in self.content)


class ReasoningText(Wire, tag="reasoning_text", tag_field="type"):
    """A text part of what the model thought."""

    text: str = ""


class ReasoningItem(Wire, tag="reasoning", tag_field="type"):
    """What the model thought before it answered."""

    id: str = ""
    summary: list[Any] = []
    content: list[ReasoningText] = []
    encrypted_content: str | None = None
    status: str = "completed"


class FunctionCall(Wire, tag="function_call", tag_field="type"):
    """The model wants a tool to be called; `arguments` is JSON text."""

    id: str | UnsetType = UNSET
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    status: str = "completed"


class InputMessage(Wire, tag="message", tag_field="type"):
    """Something that was said, as the client sends it."""

    role: str
    content: str


class FunctionCallOutput(Wire, tag="function_call_output", tag_field="type"):
    """What a tool returned."""

    call_id: str
    output: str


class Compaction(Wire, tag="compaction", tag_field="type"):
    """What the server made of all that came before; only it can read `encrypted_content`."""

    id: str | UnsetType = UNSET
    encrypted_content: str = ""


OutputItem = OutputMessage | FunctionCall | Compaction
InputItem = InputMessage | FunctionCall | FunctionCallOutput | Compaction

# ── responses ────────────────────────────────────────────────────────────────────────────────


class InputTokensDetails(Wire):
    """Of the input's tokens."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(Wire):
    """Of the output's tokens."""

    reasoning_tokens: int = 0


class Usage(Wire):
    """Counted tokens."""

    input_tokens: int = 0
    input_tokens_details: InputTokensDetails = msgspec.field(default_factory=InputTokensDetails)
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails = msgspec.field(default_factory=OutputTokensDetails)
    total_tokens: int = 0


class ErrorBody(Wire):
    """What went wrong, as in `error` and `response.failed`."""

    type: str | None = None
    code: str | int | None = None
    """A name; gateways put the HTTP status here."""

    message: str = ""
    param: str | None = None
    headers: JsonObject | UnsetType = UNSET


class Response(Wire):
    """A response object with every key of the Open Responses schema."""

    id: str = ""
    object: str = "response"
    created_at: float = 0
    completed_at: float | None = None
    status: str | None = None
    incomplete_details: JsonObject | None = None
    model: str | None = None
    previous_response_id: str | None = None
    instructions: Any = None
    output: list[Any] = []
    error: ErrorBody | None = None
    tools: list[Any] = []
    tool_choice: Any = "auto"
    truncation: str | None = "disabled"
    parallel_tool_calls: bool = True
    text: JsonObject | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    temperature: float | None = None
    reasoning: JsonObject | None = None
    usage: Usage | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    store: bool | None = None
    background: bool | None = False
    service_tier: str | None = None
    metadata: JsonObject | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


# ── what the client sends ────────────────────────────────────────────────────────────────────


class ResponseCreate(Struct, kw_only=True, tag="response.create", tag_field="type"):
    """Ask for a response. Left-out fields are not sent."""

    model: str
    input: list[InputItem]
    instructions: str | UnsetType = UNSET
    previous_response_id: str | None = None
    tools: list[JsonObject] | UnsetType = UNSET
    store: bool = False
    generate: bool | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET
    context_management: list[JsonObject] | UnsetType = UNSET


class ResponseSteer(Struct, kw_only=True, tag="response.steer", tag_field="type"):
    """Queue the user's words for a response that still runs."""

    previous_response_id: str
    input: list[InputMessage]


class ResponseCancel(Struct, kw_only=True, tag="response.cancel", tag_field="type"):
    """A courtesy: nothing waits for its effect."""

    response_id: str


ClientEvent = ResponseCreate | ResponseSteer | ResponseCancel

# ── what the server sends ────────────────────────────────────────────────────────────────────


class ServerEvent(Struct, kw_only=True, tag_field="type"):
    """Anything from the server; `stream_id` is the lane, where the request named one."""

    sequence_number: int = 0
    stream_id: str | UnsetType = UNSET


class Created(ServerEvent, tag="response.created"):
    """The response exists."""

    response: Response = msgspec.field(default_factory=Response)


class InProgress(ServerEvent, tag="response.in_progress"):
    """The response runs; its parent may be advanced now."""

    response: Response = msgspec.field(default_factory=Response)


class OutputItemAdded(ServerEvent, tag="response.output_item.added"):
    """A message or a call begins."""

    output_index: int = 0
    item: Any = None


class Compacting(ServerEvent, tag="response.compaction.compacting"):
    """A summary that was asked for is being written."""

    item_id: str = ""
    output_index: int = 0


class ContentPartAdded(ServerEvent, tag="response.content_part.added"):
    """A text part begins."""

    item_id: str = ""
    output_index: int = 0
    content_index: int = 0
    part: Any = None


class OutputTextDelta(ServerEvent, tag="response.output_text.delta"):
    """More text."""

    item_id: str = ""
    output_index: int = 0
    content_index: int = 0
    delta: str = ""
    logprobs: list[Any] = []


class OutputTextDone(ServerEvent, tag="response.output_text.done"):
    """The whole text of a part."""

    item_id: str = ""
    output_index: int = 0
    content_index: int = 0
    text: str = ""
    logprobs: list[Any] = []


class ContentPartDone(ServerEvent, tag="response.content_part.done"):
    """A text part ended."""

    item_id: str = ""
    output_index: int = 0
    content_index: int = 0
    part: Any = None


class ReasoningTextDelta(ServerEvent, tag="response.reasoning_text.delta"):
    """More of what the model thinks."""

    item_id: str = ""
    output_index: int = 0
    content_index: int = 0
    delta: str = ""


class ReasoningTextDone(ServerEvent, tag="response.reasoning_text.done"):
    """All that the model thought."""

    item_id: str = ""
    output_index: int = 0
    content_index: int = 0
    text: str = ""


class ArgumentsDelta(ServerEvent, tag="response.function_call_arguments.delta"):
    """More of a call's arguments."""

    item_id: str = ""
    output_index: int = 0
    delta: str = ""


class ArgumentsDone(ServerEvent, tag="response.function_call_arguments.done"):
    """A call's whole arguments."""

    item_id: str = ""
    output_index: int = 0
    name: str = ""
    arguments: str = ""


class OutputItemDone(ServerEvent, tag="response.output_item.done"):
    """A message or a call ended."""

    output_index: int = 0
    item: Any = None


class Completed(ServerEvent, tag="response.completed"):
    """The response is whole."""

    response: Response = msgspec.field(default_factory=Response)


class Incomplete(ServerEvent, tag="response.incomplete"):
    """The response ended early, for the reason in `incomplete_details`."""

    response: Response = msgspec.field(default_factory=Response)


class Failed(ServerEvent, tag="response.failed"):
    """The response failed, for the reason in `error`."""

    response: Response = msgspec.field(default_factory=Response)


class Steer(Wire):
    """A steering submission; `input` comes back where it failed.

    One that was refused at once has no `id`.
    """

    id: str | UnsetType = UNSET
    previous_response_id: str = ""
    input: Any = UNSET


class SteerAccepted(ServerEvent, tag="response.steer.accepted"):
    """The server owns the input; it counts once the successor's `response.created` is here."""

    steer: Steer = msgspec.field(default_factory=Steer)


class SteerPending(ServerEvent, tag="response.steer.pending"):
    """The response waits for tool outputs; the input goes before those of the next request."""

    steer: Steer = msgspec.field(default_factory=Steer)
    reason: str = "waiting_for_required_input"
    required_input: list[JsonObject] = []


class SteerFailed(ServerEvent, tag="response.steer.failed"):
    """The input could not be committed, and is ours again."""

    steer: Steer = msgspec.field(default_factory=Steer)
    error: ErrorBody = msgspec.field(default_factory=ErrorBody)


class ErrorEvent(ServerEvent, tag="error"):
    """A request was refused, or the connection is about to end.

    Some servers send the body's fields flat beside the type; `body` covers both.
    """

    status: int | None = None
    error: ErrorBody | None = None
    code: str | int | UnsetType | None = UNSET
    message: str | UnsetType = UNSET
    param: str | UnsetType | None = UNSET
    headers: JsonObject | UnsetType = UNSET

    @property
    def body(self) -> ErrorBody:
        """The error, nested or flat."""
        if self.error is not None:
            return self.error
        return ErrorBody(code=self.code or None, message=self.message or "")


SERVER_EVENTS: Final[dict[str, type[ServerEvent]]] = {
    str(event.__struct_config__.tag): event for event in ServerEvent.__subclasses__()
}


class _Type(Struct):
    type: str = ""


_encoder = msgspec.json.Encoder()
_type_decoder = msgspec.json.Decoder(_Type)
_error_decoder = msgspec.json.Decoder(ErrorEvent)
_known_decoder: msgspec.json.Decoder[ServerEvent] = msgspec.json.Decoder(
    Union[tuple(SERVER_EVENTS.values())]  # noqa: UP007 (not known to the type checker)
)
_decoders = {name: msgspec.json.Decoder(event) for name, event in SERVER_EVENTS.items()}


def encode(event: ClientEvent | ServerEvent) -> str:
    """An event as one JSON text message."""
    return _encoder.encode(event).decode()


def decode_server_event(message: str | bytes) -> ServerEvent | None:
    """What a server's message says; None if its type is unknown.

    Raises `msgspec.DecodeError` (or its `ValidationError`) where it is not a JSON object or a
    field that is there has a wrong type.
    """
    try:
        return _known_decoder.decode(message)
    except msgspec.ValidationError:
        return _decode_oddity(message)


def _decode_oddity(message: str | bytes) -> ServerEvent | None:
    """An event of an unknown type, or of none, or one with a wrong field."""
    kind = _type_decoder.decode(message).type
    if decoder := _decoders.get(kind):
        return decoder.decode(message)
    if kind:
        return None
    untyped = _error_decoder.decode(message)  # some gateways name no type for an error
    return untyped if untyped.error is not None else None


def output_items(raw: list[Any]) -> list[OutputItem]:
    """The messages and calls among raw output items; other and malformed ones are left out."""
    items: list[OutputItem] = []
    for item in raw:
        try:
            items.append(msgspec.convert(item, OutputItem))
        except msgspec.ValidationError:
            continue
    return items
