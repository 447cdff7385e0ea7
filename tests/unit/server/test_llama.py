"""How an answer is put together from completions, with an engine that plays them."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from voice.errors import ModelError
from voice.server.answer import MOST_CALLS, UnusableSchema
from voice.server.backend import Finished, Message, Piece, Prompt, PromptTooLong, TextDelta, Tool
from voice.server.backend import ToolCall as Called
from voice.server.calling import PROOF
from voice.server.chatml import ARGUMENTS_START, CALL_START, call_text
from voice.server.engine import Chunk, chat_template
from voice.server.llama import LlamaBackend

MINUTES = {"properties": {"minutes": {"type": "integer"}}}
TOOLS = (Tool("get_time", "Tell the time.", {}), Tool("set_timer", "Set a timer.", MINUTES))


class PlayedEngine:
    """Completions by how their prompt ends; counts a token for every character."""

    weights_bytes = 1 << 28

    def __init__(self, brace: float = 0.0, name: float = 0.0, limit: int = 1 << 20) -> None:
        self.brace, self.name = brace, name
        self.context_tokens = limit
        self.another = 0.0
        """The probability of another call after one."""
        self.knows_schema = True
        self.prompts: list[str] = []
        self.options: list[Mapping[str, Any]] = []
        self.arguments = ['{"minutes": 5}']
        """What comes as arguments, one each time; the last is repeated."""

    async def stream(
        self, slot: int, prompt: str, reserve_tokens: int, options: Mapping[str, Any]
    ) -> AsyncGenerator[Chunk, None]:
        if len(prompt) > self.context_tokens:
            raise PromptTooLong("too long")
        self.prompts.append(prompt)
        self.options.append(options)
        likelies: list[dict[str, float]] = []
        if prompt.endswith(CALL_START):
            parts, likely = ["set_timer", '"'], {"set": self.name, "joke": 1 - self.name}
            likelies = [likely, {'"': 1.0}]
        elif PROOF in options.get("grammar", ""):
            parts, likely = [PROOF if self.knows_schema else "#"], {}
        elif prompt.endswith("}}"):
            parts, likely = ["."], {' {"': self.another}
        elif prompt.endswith(ARGUMENTS_START):
            parts, likely = [self.arguments[0] + "}"], {}
            del self.arguments[: len(self.arguments) > 1]
        elif "logit_bias" in options or self.brace < 0.5:
            parts, likely = ["Hello", " there."], {'{"': self.brace, "Hello": 1 - self.brace}
        else:
            parts, likely = ['{"', 'name": "joke"}'], {'{"': self.brace}
        room = options.get("n_predict", len(parts))
        for n, part in enumerate(parts[:room]):
            yield Chunk(part, likelies[n] if likelies else likely, None, len(prompt), 0, n + 1)
        reason = "stop" if len(parts) <= room else "length"
        yield Chunk("", None, reason, len(prompt), 0, min(room, len(parts)))


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
    call = call_text("set_timer", '{"minutes": 5}')
    assert finished.output_tokens == len(call) + 1  # and the end


async def test_two_calls_are_made_where_two_are_meant() -> None:
    engine = PlayedEngine(brace=0.9, name=0.99)
    engine.another = 0.1
    engine.arguments = ['{"minutes": 5}', '{"minutes": 9}']
    first, second, last = await answer(engine)
    assert (first, second) == (
        Called("set_timer", '{"minutes": 5}'),
        Called("set_timer", '{"minutes": 9}'),
    )
    assert isinstance(last, Finished)
    engine.arguments = ['{"minutes": 5}', '{"minutes": 9}']
    assert len(await answer(engine, parallel_calls=False)) == 2


async def test_a_call_that_was_made_already_is_the_end() -> None:
    engine = PlayedEngine(brace=0.9, name=0.99)
    engine.another = 0.9
    assert len(await answer(engine)) == 2


async def test_there_is_an_end_to_calls() -> None:
    engine = PlayedEngine(brace=0.9, name=0.99)
    engine.another = 0.9
    engine.arguments = [f'{{"minutes": {n}}}' for n in range(100)]
    assert len(await answer(engine)) == MOST_CALLS + 1


async def test_a_call_without_room_is_cut() -> None:
    engine = PlayedEngine(brace=0.9, name=0.99)
    (only,) = await answer(engine, max_output_tokens=2)
    assert isinstance(only, Finished)
    assert only.reached_limit


async def test_a_schema_is_proved_and_then_kept_to() -> None:
    engine = PlayedEngine()
    await answer(engine, tools=(), schema={"type": "integer"})
    assert "integer" in engine.options[-1]["grammar"]
    engine.knows_schema = False
    with pytest.raises(UnusableSchema, match="grammar"):
        await answer(engine, tools=(), schema={"type": "banana"})


async def test_arguments_without_an_end_are_tried_again_and_then_given_up() -> None:
    tool = Tool("set_timer", "", {"properties": {"name": {"type": "string"}}})
    engine = PlayedEngine(brace=0.9, name=0.99)
    engine.arguments = ['{"name": "on and on and', "{}"]
    assert (await answer(engine, tools=(tool,)))[0] == Called("set_timer", "{}")
    engine.arguments = ['{"name": "on and on and']
    assert (await answer(engine, tools=(tool,)))[0] == TextDelta("Hello")


async def test_for_arguments_that_are_none_nobody_asks_the_model() -> None:
    engine = PlayedEngine(brace=0.9, name=0.99)
    demanded = {"tool_choice": "get_time", "tools": (Tool("get_time", "", {"properties": {}}),)}
    pieces = await answer(engine, **demanded)
    assert pieces[0] == Called("get_time", "{}")
    assert not any("grammar" in options for options in engine.options)
    assert engine.prompts[-1].endswith(call_text("get_time", "{}"))


async def test_the_first_grammar_is_not_that_of_the_first_call() -> None:
    """It takes llama.cpp most of a second, and nobody waits while instructions are read."""
    engine = PlayedEngine()
    backend = LlamaBackend(engine, "played")  # type: ignore[arg-type]
    for items in ((), (Message("user", "Hi"),), ()):
        await backend.prepare(Prompt(items=items, tools=TOOLS))
    assert ["grammar" in options for options in engine.options] == [False, True, False, False]


async def test_a_call_of_what_there_is_not_becomes_words() -> None:
    engine = PlayedEngine(brace=0.9, name=0.1)
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


def gguf(tmp_path: Path, *fields: bytes) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(20) + b"".join(fields))
    return path


def test_the_chat_format_is_read_from_the_file(tmp_path: Path) -> None:
    key, text = b"tokenizer.chat_template", "{{ '<|im_start|>ü' }}"
    told = key + struct.pack("<IQ", 8, len(text.encode())) + text.encode()
    with gguf(tmp_path, b"before", told, b"after").open("rb") as file:
        assert chat_template(file) == text
    for fields in ((), (key,), (key, struct.pack("<IQ", 4, 5)), (key + b"abc",)):
        with gguf(tmp_path, *fields).open("rb") as file:
            assert chat_template(file) is None


async def test_another_chat_format_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = b"{{ '[INST]' }}"
    told = b"tokenizer.chat_template" + struct.pack("<IQ", 8, len(text)) + text
    with pytest.raises(ModelError, match="cannot load"):
        await LlamaBackend.open(gguf(tmp_path, told))
    assert "another chat format than ChatML" in caplog.text
