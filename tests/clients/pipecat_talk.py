"""Pipecat, a voice framework, in a talk over WebSocket; prints as JSON what it saw.

    pipecat_talk.py ws://HOST:PORT/v1

Its language model service stands in a pipeline without ears and mouth: words go in as messages,
and come out as text frames. It has one request at a time on its connection. Lanes are named
through the settings' `extra`.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import sys
from typing import Any

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMContextAssistantTurnFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.responses.llm import OpenAIResponsesLLMService
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.workers.runner import WorkerRunner

Seen = dict[str, Any]
Settings = OpenAIResponsesLLMService.Settings

LIMIT_SECONDS = 30.0
"""How long the talk may take; it takes a second or two."""

TIMER = FunctionSchema(
    name="set_timer",
    description="Set a timer.",
    properties={"minutes": {"type": "integer"}},
    required=["minutes"],
)


class Ear(FrameProcessor):
    """Keeps the frames of one type that come from before it."""

    def __init__(self, kind: type[Frame]) -> None:
        super().__init__()
        self._kind = kind
        self.heard: asyncio.Queue[Any] = asyncio.Queue()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Look at what passes by."""
        await super().process_frame(frame, direction)
        if isinstance(frame, self._kind) and direction is FrameDirection.DOWNSTREAM:
            self.heard.put_nowait(frame)
        await self.push_frame(frame, direction)

    def rest(self) -> list[Any]:
        """What was heard and not yet asked for."""
        return [self.heard.get_nowait() for _ in range(self.heard.qsize())]


class Talk:
    """One pipeline, and so one connection."""

    def __init__(self, url: str) -> None:
        llm = OpenAIResponsesLLMService(
            api_key="any",
            base_url=url.replace("ws:", "http:"),
            ws_url=f"{url}/responses",
            settings=Settings(model="script", system_instruction="Be brief."),
        )
        llm.register_function("set_timer", self._set_timer)
        context = LLMContext(tools=ToolsSchema(standard_tools=[TIMER]))
        turns = LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
        pair = LLMContextAggregatorPair(context, user_params=turns)
        self._text, self._turns = Ear(LLMTextFrame), Ear(LLMContextAssistantTurnFrame)
        self.worker = PipelineWorker(
            Pipeline([pair.user(), llm, self._text, pair.assistant(), self._turns]),
            enable_rtvi=False,
        )
        self.worker.add_event_handler("on_pipeline_error", self._on_error)
        self._errors: asyncio.Queue[str] = asyncio.Queue()
        self._timers: list[int] = []

    async def _set_timer(self, call: FunctionCallParams) -> None:
        self._timers.append(call.arguments["minutes"])
        await call.result_callback("ok")

    async def _on_error(self, _worker: PipelineWorker, frame: ErrorFrame) -> None:
        self._errors.put_nowait(frame.error)

    async def say(self, words: str) -> None:
        """Say something to the model."""
        message = {"role": "user", "content": words}
        await self.worker.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))

    async def turn(self) -> Seen:
        """What the model has said when the context has taken up its next turn."""
        text = (await self._turns.heard.get()).text
        return {"deltas": [frame.text for frame in self._text.rest()], "text": text}

    async def answer(self, words: str) -> Seen:
        """Say something, and hear the answer."""
        await self.say(words)
        return await self.turn()

    async def tool(self) -> Seen:
        """A call, and the answer to its output."""
        await self.say("Set a timer")
        asked = await self._turns.heard.get()
        answer = await self.turn()
        return {**answer, "asked": asked.text, "timers": self._timers}

    async def interrupted(self) -> Seen:
        """An answer that is cut short, and the next one."""
        await self.say("Something slow")
        await self._text.heard.get()
        await self.worker.queue_frame(InterruptionFrame())
        cut = await self.turn()
        return {"cut": cut, "answer": await self.answer("Hello")}

    async def failure(self) -> Seen:
        """An error, after which the server has forgotten the response that was continued."""
        await self.say("A failure, please")
        error = await self._errors.get()
        return {"error": error, "answer": await self.answer("Count")}

    async def lane(self) -> Seen:
        """The talk goes on in another lane."""
        other: Any = Settings(extra={"stream_id": "b"})
        await self.worker.queue_frame(LLMUpdateSettingsFrame(delta=other))
        return await self.answer("Count")


async def main(url: str) -> None:
    """One talk from its first word to its last."""
    faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)  # a pipeline waits for ever
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    talk = Talk(url)
    runner = WorkerRunner()
    await runner.add_workers(talk.worker)
    running = asyncio.create_task(runner.run())
    seen = {
        "turn": await talk.answer("Hello"),
        "chain": [await talk.answer("Count") for _ in range(2)],
        "tool": await talk.tool(),
        "interrupted": await talk.interrupted(),
        "failure": await talk.failure(),
        "lane": await talk.lane(),
    }
    await talk.worker.queue_frame(EndFrame())
    await running
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
