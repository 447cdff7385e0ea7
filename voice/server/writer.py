"""One response as the sequence of events that the protocol prescribes.

    created, in_progress,
    then for text:  output_item.added, content_part.added, output_text.delta …,
                    output_text.done, content_part.done, output_item.done
    for thoughts:   output_item.added, reasoning_text.delta …, .done, output_item.done
    for a call:     output_item.added, function_call_arguments.delta, .done, output_item.done
    for a summary:  output_item.added, compaction.compacting where it was asked for,
                    output_item.done
    and one end:    completed, incomplete or failed

Pure: ids come from a function, time is an argument. Sequence numbers count from 0 in each
response, because each is a stream of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from voice.responses.events import (
    ArgumentsDelta,
    ArgumentsDone,
    Compacting,
    Compaction,
    Completed,
    ContentPartAdded,
    ContentPartDone,
    Created,
    ErrorBody,
    Failed,
    FunctionCall,
    Incomplete,
    InProgress,
    InputTokensDetails,
    OutputItemAdded,
    OutputItemDone,
    OutputMessage,
    OutputText,
    OutputTextDelta,
    OutputTextDone,
    OutputTokensDetails,
    ReasoningItem,
    ReasoningText,
    ReasoningTextDelta,
    ReasoningTextDone,
    Response,
    ServerEvent,
    Usage,
)
from voice.server.backend import Call, Compacted, Finished, Item, Message, Reasoning
from voice.server.compaction import sealed, unsealed
from voice.server.requests import CreateRequest

NewId = Callable[[str], str]
"""A fresh id that begins with the prefix given: `resp`, `msg`, `rs`, `fc`, `call` or `cmp`."""

WrittenItem = OutputMessage | ReasoningItem | FunctionCall | Compaction

E = TypeVar("E", bound=ServerEvent)


class ResponseWriter:
    """Turns what a backend produces into events and the final response object."""

    def __init__(self, request: CreateRequest, model: str, new_id: NewId, unix_now: float) -> None:
        self.request = request
        self.id = new_id("resp")
        self._new_id = new_id
        self._number = 0
        self._output: list[WrittenItem] = []
        self._open: OutputMessage | ReasoningItem | None = None
        self._pieces: list[str] = []  # of what is open
        self._compaction: Compaction | None = None  # begun
        self._response = _blank_response(request, self.id, model, unix_now)

    @property
    def next_number(self) -> int:
        """The sequence number of the next event: how many there are so far."""
        return self._number

    @property
    def calls(self) -> tuple[Call, ...]:
        """The function calls of the output."""
        return tuple(item for item in self.items if isinstance(item, Call))

    @property
    def items(self) -> tuple[Item, ...]:
        """The output as items of the conversation that goes on from here."""
        return tuple(_item(item) for item in self._output)

    @property
    def response(self) -> Response:
        """The response object as it is now."""
        return structs.replace(self._response, output=list(self._output))

    def begin(self) -> list[ServerEvent]:
        """`created` and `in_progress`."""
        return [
            self.number(Created(response=self.response)),
            self.number(InProgress(response=self.response)),
        ]

    def text(self, delta: str) -> list[ServerEvent]:
        """More text; opens a message where none is open."""
        if not delta:
            return []
        events = [] if isinstance(self._open, OutputMessage) else self._open_message()
        assert self._open
        self._pieces.append(delta)
        event = OutputTextDelta(item_id=self._open.id, output_index=self._index, delta=delta)
        return [*events, self.number(event)]

    def reasoning(self, delta: str) -> list[ServerEvent]:
        """More thoughts; opens an item for them where none is open."""
        if not delta:
            return []
        events = [] if isinstance(self._open, ReasoningItem) else self._open_reasoning()
        assert self._open
        self._pieces.append(delta)
        event = ReasoningTextDelta(item_id=self._open.id, output_index=self._index, delta=delta)
        return [*events, self.number(event)]

    def call(self, name: str, arguments: str) -> list[ServerEvent]:
        """A whole function call."""
        events = self._close("completed")
        item_id, call_id = self._new_id("fc"), self._new_id("call")
        begun = FunctionCall(id=item_id, call_id=call_id, name=name, status="in_progress")
        done = structs.replace(begun, arguments=arguments, status="completed")
        self._output.append(done)
        at = self._index
        return [
            *events,
            self.number(OutputItemAdded(output_index=at, item=begun)),
            self.number(ArgumentsDelta(item_id=item_id, output_index=at, delta=arguments)),
            self.number(
                ArgumentsDone(item_id=item_id, output_index=at, name=name, arguments=arguments)
            ),
            self.number(OutputItemDone(output_index=at, item=done)),
        ]

    def begin_compaction(self) -> list[ServerEvent]:
        """A summary begins; it joins the output when it is whole. Nothing else is open."""
        assert self._open is None
        item = self._compaction = Compaction(id=self._new_id("cmp"))
        at = len(self._output)
        events: list[ServerEvent] = [OutputItemAdded(output_index=at, item=structs.replace(item))]
        if self.request.compacts_only:
            events.append(Compacting(item_id=str(item.id), output_index=at))
        return [self.number(event) for event in events]

    def end_compaction(self, compacted: Compacted) -> list[ServerEvent]:
        """What the conversation goes on from."""
        events = [] if self._compaction else self.begin_compaction()
        item, self._compaction = self._compaction, None
        assert item
        item.encrypted_content = sealed(compacted)
        self._output.append(item)
        return [*events, self.number(OutputItemDone(output_index=self._index, item=item))]

    def complete(self, finished: Finished, unix_now: float) -> list[ServerEvent]:
        """The end of a whole response, or of one that was cut at the limit of its length."""
        events: list[ServerEvent] = []
        unsaid = all(isinstance(item, ReasoningItem | Compaction) for item in self._output)
        if self.request.generate and not self.request.compacts_only and unsaid:
            events += self._open_message()  # clients expect one, even where nothing was said
        self._response.usage = _usage(finished)
        if finished.reached_limit:
            return events + self._incomplete("max_output_tokens")
        events += self._close("completed")
        self._response.status = "completed"
        self._response.completed_at = unix_now
        return [*events, self.number(Completed(response=self.response))]

    def cancel(self) -> list[ServerEvent]:
        """The end of a response that the client gave up.

        The published types know no reason for that, so `reason` is null.
        """
        return self._incomplete(None)

    def steer(self) -> list[ServerEvent]:
        """The end of a response that goes on as another, with words that came meanwhile."""
        return self._incomplete("steered")

    def number(self, event: E) -> E:
        """Make an event that is about the response one of its own: with number and lane."""
        event.sequence_number = self._number
        self._number += 1
        if self.request.stream_id is not None:
            event.stream_id = self.request.stream_id
        return event

    def fail(self, code: str, message: str) -> list[ServerEvent]:
        """The end of a response that the backend could not finish."""
        events = self._close("incomplete")
        self._response.status = "failed"
        self._response.error = ErrorBody(code=code, message=message)
        return [*events, self.number(Failed(response=self.response))]

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    @property
    def _index(self) -> int:
        return len(self._output) - 1

    def _incomplete(self, reason: str | None) -> list[ServerEvent]:
        events = self._close("incomplete")
        self._response.status = "incomplete"
        self._response.incomplete_details = {"reason": reason}
        return [*events, self.number(Incomplete(response=self.response))]

    def _open_message(self) -> list[ServerEvent]:
        message = OutputMessage(id=self._new_id("msg"), status="in_progress")
        opened = self._begin(message)
        part = ContentPartAdded(item_id=message.id, output_index=self._index, part=OutputText())
        return [*opened, self.number(part)]

    def _open_reasoning(self) -> list[ServerEvent]:
        return self._begin(ReasoningItem(id=self._new_id("rs"), status="in_progress"))

    def _begin(self, item: OutputMessage | ReasoningItem) -> list[ServerEvent]:
        closed = self._close("completed")
        self._open, self._pieces = item, []
        self._output.append(item)
        added = OutputItemAdded(output_index=self._index, item=structs.replace(item))
        return [*closed, self.number(added)]

    def _close(self, status: str) -> list[ServerEvent]:
        """End the message or the thoughts that are open, if any are."""
        item, self._open = self._open, None
        if item is None:
            return []
        item.status = status
        text = "".join(self._pieces)
        at, item_id = self._index, item.id
        events: list[ServerEvent]
        if isinstance(item, OutputMessage):
            item.content = [OutputText(text=text)]
            events = [
                OutputTextDone(item_id=item_id, output_index=at, text=text),
                ContentPartDone(item_id=item_id, output_index=at, part=item.content[0]),
            ]
        else:
            item.content = [ReasoningText(text=text)]
            events = [ReasoningTextDone(item_id=item_id, output_index=at, text=text)]
        return [
            self.number(event) for event in [*events, OutputItemDone(output_index=at, item=item)]
        ]


def _item(item: WrittenItem) -> Item:
    match item:
        case OutputMessage():
            return Message("assistant", item.text)
        case ReasoningItem():
            return Reasoning(msgspec.to_builtins(item))
        case FunctionCall():
            return Call(item.call_id, item.name, item.arguments)
        case Compaction():
            return unsealed(item.encrypted_content, "output")


def _choice_in_force(request: CreateRequest) -> str | dict[str, Any]:
    given = request.body.tool_choice
    if isinstance(given, dict) and given.get("type") == "allowed_tools":
        return given
    if request.tool_choice in ("auto", "none", "required"):
        return request.tool_choice
    return {"type": "function", "name": request.tool_choice}


def _usage(finished: Finished) -> Usage | None:
    """The counts; None where the backend could not count, for an input has tokens."""
    if not finished.input_tokens:
        return None
    return Usage(
        input_tokens=finished.input_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=finished.cached_tokens),
        output_tokens=finished.output_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=finished.reasoning_tokens),
        total_tokens=finished.input_tokens + finished.output_tokens,
    )


def _blank_response(
    request: CreateRequest, response_id: str, model: str, unix_now: float
) -> Response:
    """The response with all that the request set, and the defaults of what it did not."""
    body = request.body
    return Response(
        id=response_id,
        created_at=unix_now,
        status="in_progress",
        model=body.model or model,
        previous_response_id=body.previous_response_id,
        instructions=request.instructions or None,
        tools=[_echoed(tool) for tool in body.tools or [] if tool.get("type") == "function"],
        tool_choice=_choice_in_force(request),
        truncation=body.truncation or "auto",
        parallel_tool_calls=body.parallel_tool_calls is not False,
        text={"format": {"type": "text"}, **_given(body.text)},
        top_p=body.top_p,
        temperature=body.temperature,
        reasoning=body.reasoning,
        max_output_tokens=body.max_output_tokens,
        max_tool_calls=body.max_tool_calls,
        store=body.store is not False,
        metadata=body.metadata or {},
        safety_identifier=body.safety_identifier,
        prompt_cache_key=body.prompt_cache_key,
    )


def _given(fields: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (fields or {}).items() if value is not None}


def _echoed(tool: dict[str, Any]) -> dict[str, Any]:
    """A function tool with the keys that strict clients ask for."""
    return {"parameters": None, "strict": None, "description": None, **tool}
