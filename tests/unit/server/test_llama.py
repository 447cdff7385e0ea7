"""How an answer is put together from completions, with an engine that plays them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from voice.server.backend import Finished, Message, Piece, Prompt, PromptTooLong, TextDelta, Tool
from voice.server.backend import ToolCall as Called
from voice.server.chatml import ARGUMENTS_START, CALL_START
from voice.server.engine import Chunk
from voice.server.llama import LlamaBackend

TOOLS = (Tool("get_time", "Tell the time.", {}), Tool("set_timer", "Set a timer.", {}))


class PlayedEngine:
    """Completions by how their prompt ends; counts a token for every character."""

    def __init__(self, brace: float = 0.0, name: float = 0.0, limit: int = 1 << 20) -> None:
        self.brace, self.name = brace, name
        self.context_tokens = limit
        self.prompts: list[str] = []
        self.arguments = ['{"minutes": 5}']
        """What comes as arguments, one each time; the last is repeated."""

    async def stream(
        self, slot: int, prompt: str, reserve_tokens: int, options: Mapping[str, Any]
    ) -> AsyncGenerator[Chunk, None]:
        if len(prompt) > self.context_tokens:
            raise PromptTooLong("too long")
        self.prompts.append(prompt)
        if prompt.endswith(CALL_START):
            parts, likely = ["set_timer", '"'], {"set": self.name, "joke": 1 - self.name}
        elif prompt.endswith(ARGUMENTS_START):
            parts, likely = [self.arguments[0]], {}
            del self.arguments[: len(self.arguments) - 1]
        elif "logit_bias" in options or self.brace < 0.5:
            parts, likely = ["Hello", " there."], {'{"': self.brace, "Hello": 1 - self.brace}
        else:
            parts, likely = ['{"', 'name": "joke"}'], {'{"': self.brace}
        for n, part in enumerate(parts, 1):
            yield Chunk(part, likely, None, len(prompt), 0, n)
        yield Chunk("", None, "stop", len(prompt), 0, len(parts))


async def answer(engine: PlayedEngine, **fields: Any) -> list[Piece]:
    backend = LlamaBackend(engine, "played")  # type: ignore[arg-type]
    prompt = Prompt(**{"items": (Message("user", "Hi."),), "tools": TOOLS, **fields})
    return [piece async for piece in backend.generate(prompt)]


async def test_words_are_one_completion() -> None:
    engine = PlayedEngine(brace=0.001)
    assert (await answer(engine))[:2] == [TextDelta("Hello"), TextDelta(" there.")]
    assert len(engine.prompts) == 1


async def test_a_clear_call_is_made_and_its_tokens_are_counted() -> None:
    pieces = await answer(PlayedEngine(brace=0.9, name=0.99))
    assert pieces[0] == Called("set_timer", '{"minutes": 5}')
    finished = pieces[1]
    assert isinstance(finished, Finished)
    assert finished.output_tokens == len(f"{CALL_START}set_timer{ARGUMENTS_START}") + 1


async def test_arguments_without_an_end_are_tried_again_and_then_given_up() -> None:
    tool = Tool("set_timer", "", {"properties": {"name": {"type": "string"}}})
    engine = PlayedEngine(brace=0.9, name=0.99)
    engine.arguments = ['{"name": "on and on and', "{}"]
    assert (await answer(engine, tools=(tool,)))[0] == Called("set_timer", "{}")
    engine.arguments = ['{"name": "on and on and']
    assert (await answer(engine, tools=(tool,)))[0] == TextDelta("Hello")


async def test_a_call_of_what_there_is_not_becomes_words() -> None:
    engine = PlayedEngine(brace=0.9, name=0.3)
    pieces = await answer(engine)
    assert pieces[:2] == [TextDelta("Hello"), TextDelta(" there.")]
    assert len(engine.prompts) == 3


async def test_none_is_obeyed_and_required_is_too() -> None:
    sure = PlayedEngine(brace=0.9, name=0.99)
    assert isinstance((await answer(sure, tool_choice="none"))[0], TextDelta)
    unsure = PlayedEngine(brace=0.0, name=0.0)
    assert isinstance((await answer(unsure, tool_choice="required"))[0], Called)
    assert isinstance((await answer(unsure, tool_choice="set_timer"))[0], Called)


async def test_what_is_too_long_loses_its_beginning_if_it_may() -> None:
    items = tuple(
        Message(role, f"{n} {role} " + "word " * 20)
        for n in range(40)
        for role in ("user", "assistant")
    )
    engine = PlayedEngine(limit=4000)
    said = (*items, Message("user", "The last."))
    await answer(engine, items=said, tools=())
    assert "The last." in engine.prompts[0]
    assert "39 assistant" in engine.prompts[0]
    assert "0 user word" not in engine.prompts[0].replace("30 user", "").replace("20 user", "")
    with pytest.raises(PromptTooLong):
        await answer(PlayedEngine(limit=4000), items=said, tools=(), may_truncate=False)
    with pytest.raises(PromptTooLong):
        await answer(PlayedEngine(limit=10), items=said, tools=())
