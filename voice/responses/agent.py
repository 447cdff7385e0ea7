"""The agent's side of the conversation: a user's words in, the answer's text out, tools between.

One task at a time asks. It owns the conversation while it does; whoever cancels it calls
`interrupt` afterwards with what was heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import UNSET

from voice.errors import AgentError
from voice.responses.client import CONNECTION_LOST, ResponsesClient
from voice.responses.conversation import Conversation
from voice.responses.events import (
    Completed,
    ErrorBody,
    ErrorEvent,
    Failed,
    FunctionCall,
    Incomplete,
    InputItem,
    JsonObject,
    OutputItem,
    OutputItemDone,
    OutputTextDelta,
    ResponseCreate,
    ServerEvent,
    output_items,
)
from voice.responses.lanes import NAMES, Lanes
from voice.responses.options import AgentOptions

_log = logging.getLogger(__name__)


class Tools(Protocol):
    """What the model may call."""

    def definitions(self) -> list[JsonObject]:
        """The tools in the API's flat form."""

    async def run(self, name: str, arguments: str) -> str:
        """The result as text, also where the call was wrong or failed."""


@dataclass(frozen=True, slots=True)
class RequestSent:
    """A request went out."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TextReceived:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool was called."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool returned."""

    name: str
    output: str


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The socket, or the server's memory of the conversation, was lost."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionRecovered:
    """The whole conversation is on its way again."""


AgentEvent = (
    RequestSent | TextReceived | ToolStarted | ToolEnded | ConnectionLost | ConnectionRecovered
)

# Errors after which the same request succeeds when it brings its whole context along.
_RECOVERABLE = {
    CONNECTION_LOST,
    "previous_response_not_found",
    "websocket_connection_limit_reached",
}


class Agent:
    """Asks the server, runs the tools, keeps the conversation."""

    def __init__(
        self, client: ResponsesClient, model: str, options: AgentOptions, tools: Tools
    ) -> None:
        self._client = client
        self._model = model
        self._options = options
        self._tools = tools
        self._lanes = Lanes()
        self.conversation = Conversation()

    async def warm_up(self, limit_seconds: float = 10.0) -> None:
        """Let the server read instructions and tools. Raises `AgentError` if it talks garbage."""
        request = self._request([], None, NAMES[0])
        request.generate = False
        try:
            async with asyncio.timeout(limit_seconds):
                async for event in self._client.stream(request):
                    if isinstance(event, ErrorEvent):
                        _log.info("no warm-up: %s", event.body.message)
        except TimeoutError:
            if self._client.garbage:
                raise AgentError(
                    "the server answers, but not in the Responses API's events",
                    "check the address given with --agent",
                ) from None
            _log.info("no warm-up: the server does not answer to `generate: false`")

    async def answer(self, text: str) -> AsyncIterator[AgentEvent]:
        """The user said `text`: the events of the answer. Raises `AgentError` if it fails."""
        self.conversation.add_user(text)
        spoke = False
        for _ in range(self._options.most_tool_rounds):
            calls: list[FunctionCall] = []
            apart = spoke  # words before a tool call and after it are sentences of their own
            async for event in self._respond(calls):
                if isinstance(event, TextReceived):
                    if apart:
                        yield TextReceived(" ")
                    spoke, apart = True, False
                yield event
            if not calls:
                return
            for call in calls:
                yield ToolStarted(call.name, call.arguments)
                output = await self._tools.run(call.name, call.arguments)
                self.conversation.add_tool_output(call.call_id, output)
                yield ToolEnded(call.name, output)
        raise AgentError(
            f"the model called tools {self._options.most_tool_rounds} times and said nothing",
            "ask differently, or raise agent.most_tool_rounds",
        )

    async def _respond(self, calls: list[FunctionCall]) -> AsyncIterator[AgentEvent]:
        """One response; fills in its tool calls. Sent once more with everything if that cures."""
        for attempt in (1, 2):
            failure: ErrorBody | None = None
            spoke = False
            async for event in self._attempt():
                match event:
                    case ErrorBody():
                        failure = event
                    case FunctionCall():
                        calls.append(event)
                    case _:
                        spoke = spoke or isinstance(event, TextReceived)
                        yield event
            if failure is None:
                if attempt > 1:
                    yield ConnectionRecovered()
                return
            if attempt > 1 or spoke or failure.code not in _RECOVERABLE:
                raise AgentError(
                    f"the server failed: {failure.message or failure.code}",
                    "say it again; if it stays, look at the server's log",
                )
            yield ConnectionLost(failure.message or str(failure.code))
            self.conversation.forget_heads()

    async def _attempt(self) -> AsyncIterator[AgentEvent | ErrorBody | FunctionCall]:
        context = self.conversation.context()
        parent = context.head
        if parent is not None and not self._client.connected:
            yield ConnectionLost("the connection was lost")
            await self._client.connect()
            yield ConnectionRecovered()
            self.conversation.forget_heads()
            context, parent = self.conversation.context(), None
        settled = self.conversation.settled
        lane = self._lanes.choose(
            parent.lane if parent else None,
            settled.lane if settled else None,
            self._client.running_on,
        )
        request = self._request(list(context.items), parent.response_id if parent else None, lane)
        yield RequestSent({"lane": lane, "items": len(context.items), "chained": bool(parent)})
        output: list[OutputItem] = []
        async for event in self._client.stream(request):
            match event:
                case OutputTextDelta() if event.delta:
                    yield TextReceived(event.delta)
                case OutputItemDone():
                    output += output_items([event.item])
                case Completed() | Incomplete():
                    output = output_items(event.response.output) or output
                    self.conversation.add_response(event.response.id, lane, output)
                    for item in output:
                        if isinstance(item, FunctionCall):
                            yield item
                case _ if (failure := _failure(event)) is not None:
                    yield failure

    def _request(
        self, items: list[InputItem], previous_response_id: str | None, lane: str
    ) -> ResponseCreate:
        definitions = self._tools.definitions()
        return ResponseCreate(
            model=self._model,
            input=items,
            instructions=self._options.instructions,
            previous_response_id=previous_response_id,
            tools=definitions if definitions else UNSET,
            stream_id=lane,
        )


def _failure(event: ServerEvent) -> ErrorBody | None:
    if isinstance(event, ErrorEvent):
        return event.body
    if isinstance(event, Failed):
        return event.response.error or ErrorBody(message="the response failed")
    return None
