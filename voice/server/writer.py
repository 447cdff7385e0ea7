"""One response as the sequence of events that the protocol prescribes.

    created, in_progress,
    then for text:  output_item.added, content_part.added, output_text.delta …,
                    output_text.done, content_part.done, output_item.done
    for a call:     output_item.added, function_call_arguments.delta, .done, output_item.done
    and one end:    completed, incomplete or failed

Pure: ids come from a function, time is an argument. Sequence numbers count from 0 in each
response, because each is a stream of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import structs

from voice.responses.events import (
    ArgumentsDelta,
    ArgumentsDone,
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
    Response,
    ServerEvent,
    Usage,
)
from voice.server.backend import Call, Finished, Item, Message
from voice.server.requests import CreateRequest

NewId = Callable[[str], str]
"""A fresh id that begins with the prefix given: `resp`, `msg`, `fc` or `call`."""

E = TypeVar("E", bound=ServerEvent)


class ResponseWriter:
    """Turns what a backend produces into events and the final response object."""

    def __init__(self, request: CreateRequest, model: str, new_id: NewId, unix_now: float) -> None:
        self.request = request
        self.id = new_id("resp")
        self._new_id = new_id
        self._number = 0
        self._output: list[OutputMessage | FunctionCall] = []
        self._message: OutputMessage | None = None
        self._pieces: list[str] = []
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
        return tuple(
            Message("assistant", item.text)
            if isinstance(item, OutputMessage)
            else Call(item.call_id, item.name, item.arguments)
            for item in self._output
        )

    def begin(self) -> list[ServerEvent]:
        """`created` and `in_progress`."""
        return [
            self.number(Created(response=self._snapshot())),
            self.number(InProgress(response=self._snapshot())),
        ]

    def text(self, delta: str) -> list[ServerEvent]:
        """More text; opens a message where none is open."""
        if not delta:
            return []
        events = [] if self._message else self._open_message()
        assert self._message
        self._pieces.append(delta)
        event = OutputTextDelta(item_id=self._message.id, output_index=self._index, delta=delta)
        return [*events, self.number(event)]

    def call(self, name: str, arguments: str) -> list[ServerEvent]:
        """A whole function call."""
        events = self._close_message("completed")
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

    def complete(self, finished: Finished, unix_now: float) -> list[ServerEvent]:
        """The end of a whole response, or of one that was cut at the limit of its length."""
        events: list[ServerEvent] = []
        if self.request.generate and not self._output:
            events += self._open_message()  # clients expect one, even where nothing was said
        self._response.usage = _usage(finished)
        if finished.reached_limit:
            return events + self._incomplete("max_output_tokens")
        events += self._close_message("completed")
        self._response.status = "completed"
        self._response.completed_at = unix_now
        return [*events, self.number(Completed(response=self._snapshot()))]

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
        events = self._close_message("incomplete")
        self._response.status = "failed"
        self._response.error = ErrorBody(code=code, message=message)
        return [*events, self.number(Failed(response=self._snapshot()))]

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    @property
    def _index(self) -> int:
        return len(self._output) - 1

    def _incomplete(self, reason: str | None) -> list[ServerEvent]:
        events = self._close_message("incomplete")
        self._response.status = "incomplete"
        self._response.incomplete_details = {"reason": reason}
        return [*events, self.number(Incomplete(response=self._snapshot()))]

    def _open_message(self) -> list[ServerEvent]:
        self._message = OutputMessage(id=self._new_id("msg"), status="in_progress")
        self._pieces = []
        self._output.append(self._message)
        return [
            self.number(
                OutputItemAdded(output_index=self._index, item=structs.replace(self._message))
            ),
            self.number(
                ContentPartAdded(
                    item_id=self._message.id, output_index=self._index, part=OutputText()
                )
            ),
        ]

    def _close_message(self, status: str) -> list[ServerEvent]:
        message, self._message = self._message, None
        if message is None:
            return []
        text = "".join(self._pieces)
        message.status = status
        message.content = [OutputText(text=text)]
        at, item_id = self._index, message.id
        return [
            self.number(OutputTextDone(item_id=item_id, output_index=at, text=text)),
            self.number(ContentPartDone(item_id=item_id, output_index=at, part=message.content[0])),
            self.number(OutputItemDone(output_index=at, item=message)),
        ]

    def _snapshot(self) -> Response:
        return structs.replace(self._response, output=list(self._output))


def _usage(finished: Finished) -> Usage:
    return Usage(
        input_tokens=finished.input_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=finished.cached_tokens),
        output_tokens=finished.output_tokens,
        output_tokens_details=OutputTokensDetails(),
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
        tool_choice="auto" if body.tool_choice is None else body.tool_choice,
        truncation=body.truncation or "auto",
        parallel_tool_calls=body.parallel_tool_calls is not False,
        text={"format": {"type": "text"}} if body.text is None else body.text,
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


def _echoed(tool: dict[str, Any]) -> dict[str, Any]:
    """A function tool with the keys that strict clients ask for."""
    return {"parameters": None, "strict": None, "description": None, **tool}
