"""The llama backend with a real model, the smallest one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from voice.server.answer import UnusableSchema
from voice.server.backend import (
    Call,
    CallOutput,
    Finished,
    Item,
    Message,
    Piece,
    Prompt,
    PromptTooLong,
    TextDelta,
    Tool,
    ToolCall,
)
from voice.server.engine import Chunk, Engine
from voice.server.llama import LlamaBackend

pytestmark = pytest.mark.asyncio(loop_scope="module")

INSTRUCTIONS = "You are a friendly voice assistant. Answer in one or two short spoken sentences."
TOOLS = (
    Tool(
        "get_time",
        "Tell the current local time and date.",
        {"type": "object", "properties": {}},
    ),
    Tool(
        "set_timer",
        "Set a timer that speaks up when it is over.",
        {
            "type": "object",
            "properties": {
                "minutes": {"type": "integer"},
                "seconds": {"type": "integer"},
                "name": {"type": "string"},
            },
            "required": ["minutes"],
        },
    ),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(llm_path: Path) -> AsyncIterator[LlamaBackend]:
    backend = await LlamaBackend.open(llm_path)
    yield backend
    await backend.close()


def prompt(*items: Item | str, tools: tuple[Tool, ...] = (), limit: int | None = 30) -> Prompt:
    said = tuple(Message("user", item) if isinstance(item, str) else item for item in items)
    return Prompt(
        items=said,
        instructions=INSTRUCTIONS,
        tools=tools,
        temperature=0,
        max_output_tokens=limit,
    )


async def answer(backend: LlamaBackend, prompt: Prompt) -> list[Piece]:
    return [piece async for piece in backend.generate(prompt)]


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))


def finished(pieces: list[Piece]) -> Finished:
    last = pieces[-1]
    assert isinstance(last, Finished)
    return last


async def test_it_answers_in_deltas_and_counts(backend: LlamaBackend) -> None:
    pieces = await answer(backend, prompt("What is the capital of France?"))
    assert "Paris" in text(pieces)
    assert len(pieces) > 4
    counted = finished(pieces)
    assert 30 < counted.input_tokens < 50
    assert abs(counted.output_tokens - len(pieces)) <= 2


async def test_a_continuation_computes_only_what_is_new(backend: LlamaBackend) -> None:
    first = await answer(backend, prompt("What is the capital of France?"))
    spoken = Message("assistant", text(first))
    second = await answer(
        backend, prompt("What is the capital of France?", spoken, "And of Italy?")
    )
    assert "Rome" in text(second)
    counted, before = finished(second), finished(first)
    assert counted.cached_tokens >= before.input_tokens
    assert counted.input_tokens - counted.cached_tokens < 20


async def test_preparing_computes_ahead(backend: LlamaBackend) -> None:
    words = "Once there was a river in the mountains that nobody had seen, and then"
    prepared = await backend.prepare(prompt(words))
    whole = finished(await answer(backend, prompt(words, "it was found. Why?", limit=3)))
    assert prepared.output_tokens == 0
    assert whole.cached_tokens >= prepared.input_tokens - 1


async def test_the_limit_is_kept_and_said(backend: LlamaBackend) -> None:
    counted = finished(await answer(backend, prompt("Tell me a long story.", limit=5)))
    assert counted.reached_limit
    assert counted.output_tokens == 5


async def test_stop_words_are_kept(backend: LlamaBackend) -> None:
    asked = Prompt(items=(Message("user", "Count from one to ten."),), temperature=0)
    whole = text(await answer(backend, asked))
    word = whole.split()[2]
    cut = Prompt(items=asked.items, temperature=0, stop=(word,))
    assert text(await answer(backend, cut)) == whole.partition(word)[0]


async def test_an_abandoned_answer_stops_at_once_and_frees_the_cores(
    backend: LlamaBackend,
) -> None:
    async with aclosing(backend.generate(prompt("Tell me a story.", limit=500))) as pieces:
        await anext(pieces)
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    used = time.process_time()
    await asyncio.sleep(0.5)
    assert time.process_time() - used < 0.1


async def test_an_answer_is_abandoned_while_its_prompt_is_read(backend: LlamaBackend) -> None:
    long = prompt("word and number " * 800)
    task = asyncio.create_task(answer(backend, long))
    await asyncio.sleep(0.3)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 3.0
    assert "Paris" in text(await answer(backend, prompt("What is the capital of France?")))


async def test_more_answers_than_slots_all_come(backend: LlamaBackend) -> None:
    asked = [prompt(f"What is {n} plus {n}?", limit=8) for n in range(4)]
    answers = await asyncio.gather(*(answer(backend, one) for one in asked))
    assert all(text(one) for one in answers)


async def test_a_conversation_that_is_too_long_loses_its_beginning(
    backend: LlamaBackend,
) -> None:
    items: list[Item] = []
    for n in range(60):
        items += [Message("user", f"{n}: " + "word " * 40), Message("assistant", "word " * 40)]
    items.append(Message("user", "What is the capital of France?"))
    whole = Prompt(items=tuple(items), temperature=0, max_output_tokens=3, may_truncate=False)
    with pytest.raises(PromptTooLong, match="tokens"):
        await answer(backend, whole)


@pytest.mark.parametrize(
    ("said", "name", "arguments"),
    [
        ("What time is it?", "get_time", {}),
        ("Set a timer for five minutes.", "set_timer", {"minutes": 5}),
        ("Set a timer for ten minutes for the pasta.", "set_timer", {"minutes": 10}),
        ("Wake me up in two minutes.", "set_timer", {"minutes": 2}),
    ],
)
async def test_a_command_becomes_a_call(
    backend: LlamaBackend, said: str, name: str, arguments: dict[str, int]
) -> None:
    call = (await answer(backend, prompt(said, tools=TOOLS)))[0]
    assert isinstance(call, ToolCall)
    assert call.name == name
    assert arguments.items() <= json.loads(call.arguments).items()


@pytest.mark.parametrize(
    "said",
    ["Good morning.", "Who wrote Romeo and Juliet?", "Tell me a joke.", "I am a bit tired today."],
)
async def test_talk_becomes_no_call(backend: LlamaBackend, said: str) -> None:
    pieces = await answer(backend, prompt(said, tools=TOOLS))
    assert not any(isinstance(piece, ToolCall) for piece in pieces)
    assert "{" not in text(pieces)


async def test_what_a_tool_returned_is_said(backend: LlamaBackend) -> None:
    items = (Call("c", "get_time", "{}"), CallOutput("c", '{"time": "14:05"}'))
    pieces = await answer(backend, prompt("What time is it?", *items, tools=TOOLS))
    assert "14:05" in text(pieces)


async def test_a_call_can_be_demanded(backend: LlamaBackend) -> None:
    asked = Prompt(items=(Message("user", "Good morning."),), tools=TOOLS, tool_choice="set_timer")
    call = (await answer(backend, asked))[0]
    assert isinstance(call, ToolCall)
    assert call.name == "set_timer"
    assert isinstance(json.loads(call.arguments)["minutes"], int)


async def test_two_things_asked_for_are_two_calls(backend: LlamaBackend) -> None:
    said = "Set a timer for three minutes and another one for ten minutes."
    first, second, last = await answer(backend, prompt(said, tools=TOOLS, limit=100))
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert isinstance(last, Finished)
    minutes = {json.loads(call.arguments)["minutes"] for call in (first, second)}
    assert minutes == {3, 10}
    one = replace(prompt(said, tools=TOOLS, limit=100), parallel_calls=False)
    assert len(await answer(backend, one)) == 2


async def test_a_call_that_exceeds_the_limit_is_not_made(backend: LlamaBackend) -> None:
    (only,) = await answer(backend, prompt("Set a timer for five minutes.", tools=TOOLS, limit=8))
    assert isinstance(only, Finished)
    assert only.reached_limit
    assert only.output_tokens <= 8


SCHEMAS: dict[str, dict[str, Any]] = {
    "nested": {
        "type": "object",
        "properties": {
            "place": {
                "type": "object",
                "properties": {"city": {"type": "string", "maxLength": 20}},
                "required": ["city"],
                "additionalProperties": False,
            },
            "kinds": {
                "type": "array",
                "items": {"enum": ["big", "old"]},
                "minItems": 1,
                "maxItems": 2,
            },
        },
        "required": ["place", "kinds"],
        "additionalProperties": False,
    },
    "reference": {
        "$ref": "#/$defs/answer",
        "$defs": {"answer": {"type": "string", "enum": ["Paris", "Rome"]}},
    },
    "any of": {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["Paris"]}]},
}


@pytest.mark.parametrize("name", SCHEMAS)
async def test_a_text_follows_its_schema(backend: LlamaBackend, name: str) -> None:
    asked = replace(prompt("What is the capital of France?", limit=60), schema=SCHEMAS[name])
    pieces = await answer(backend, asked)
    value = json.loads(text(pieces))
    assert not finished(pieces).reached_limit
    if name == "nested":
        assert value["place"].keys() == {"city"}
        assert set(value["kinds"]) <= {"big", "old"}
    else:
        assert value in ("Paris", "Rome", True, False)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "banana"},
        {"$ref": "#/$defs/nothing"},
        {"type": "object", "properties": [1]},
        {"type": "string", "pattern": "("},
        {"type": "integer", "minimum": 5, "maximum": 3},
    ],
    ids=str,
)
async def test_a_schema_without_a_grammar_is_refused(
    backend: LlamaBackend, schema: dict[str, Any]
) -> None:
    with pytest.raises(UnusableSchema, match="grammar"):
        await answer(backend, replace(prompt("Hello."), schema=schema))


async def test_a_call_may_be_made_where_the_text_has_a_schema(backend: LlamaBackend) -> None:
    schema = SCHEMAS["reference"]
    asked = replace(prompt("Set a timer for five minutes.", tools=TOOLS), schema=schema)
    assert isinstance((await answer(backend, asked))[0], ToolCall)
    asked = replace(prompt("What is the capital of France?", tools=TOOLS), schema=schema)
    assert text(await answer(backend, asked)) == '"Paris"'


async def test_a_schema_is_kept_to_until_a_stop_or_the_limit(backend: LlamaBackend) -> None:
    asked = replace(prompt("Name ten cities.", limit=6), schema={"type": "array"})
    pieces = await answer(backend, asked)
    assert text(pieces).startswith("[")
    assert finished(pieces).reached_limit
    assert finished(pieces).output_tokens == 6
    asked = replace(prompt("Paris?"), schema=SCHEMAS["reference"], stop=("aris",))
    assert text(await answer(backend, asked)) in ('"P', '"Rome"')


async def test_a_tool_whose_schema_has_no_grammar_is_called_all_the_same(
    backend: LlamaBackend,
) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "banana"}}}
    tool = Tool("get_weather", "Get the weather of a city.", parameters)
    asked = replace(prompt("Weather in Rome?", tools=(tool,), limit=60), tool_choice="required")
    call = (await answer(backend, asked))[0]
    assert isinstance(call, ToolCall)
    assert isinstance(json.loads(call.arguments), dict)


async def test_the_same_is_said_each_time_at_temperature_0_or_with_no_choice(
    backend: LlamaBackend,
) -> None:
    greedy = prompt("Name a colour.", limit=8)
    narrow = replace(greedy, temperature=1.5, top_p=0.0)
    said = [text(await answer(backend, one)) for one in (greedy, greedy, narrow, narrow)]
    assert said[0] == said[1]
    assert said[2] == said[3]


async def test_a_fork_beside_what_runs_and_after_it_finds_what_is_cached(
    backend: LlamaBackend,
) -> None:
    """Beside it another slot is needed, and no prefix can be copied there; afterwards it can."""
    head = Message("user", "Remember these words: " + "apple river stone cloud " * 40)
    heard = Message("assistant", "I will.")
    parent = await backend.prepare(prompt(head, heard))
    running = backend.generate(prompt(head, heard, "Tell me a story.", limit=200))
    async with aclosing(running) as pieces:
        await anext(pieces)
        await answer(backend, prompt(head, heard, "What was the first one?", limit=2))
    later = finished(await answer(backend, prompt(head, heard, "And the last one?", limit=2)))
    assert later.cached_tokens >= parent.input_tokens - 2


async def test_each_slot_has_the_whole_context_for_itself(llm_path: Path) -> None:
    """And none makes the other slower: a token looks at the cells of its own slot alone."""
    engine = await Engine.open(llm_path, None, 256)
    texts = [f"{word} and " * 90 for word in ("apples", "rivers")]
    try:
        first = [await last_chunk(engine, slot, text) for slot, text in enumerate(texts)]
        later = [await last_chunk(engine, slot, f"{text}so") for slot, text in enumerate(texts)]
    finally:
        await engine.close()
    for before, after in zip(first, later, strict=True):
        assert before.input_tokens > 256 / 2
        assert after.cached_tokens >= before.input_tokens - 2


async def last_chunk(engine: Engine, slot: int, text: str) -> Chunk:
    return [chunk async for chunk in engine.stream(slot, text, 8, {"n_predict": 1})][-1]


async def test_its_own_listener_lets_nobody_in(backend: LlamaBackend) -> None:
    import urllib.error
    import urllib.request

    url = backend._engine._server.listening_address
    request = urllib.request.Request(f"{url}/completion", b'{"prompt": "x"}')
    with pytest.raises(urllib.error.HTTPError, match="401"):
        await asyncio.to_thread(urllib.request.urlopen, request)


# ── what is kept for the next start ──────────────────────────────────────────────────────────

LONG = "You are a friendly voice assistant. " + "Answer in one short spoken sentence. " * 18


def kept_in(heads: Path) -> list[Path]:
    return list(heads.iterdir())


async def read_head(path: Path, heads: Path, question: str = "") -> tuple[Finished, list[Piece]]:
    """As at the start of a program: the head is read, and then a question is asked."""
    backend = await LlamaBackend.open(path, heads=heads)
    try:
        read = await backend.prepare(Prompt(items=(), instructions=LONG))
        asked = Prompt(items=(Message("user", question),), instructions=LONG, temperature=0)
        return read, await answer(backend, asked) if question else []
    finally:
        await backend.close()


async def test_a_head_is_read_once_for_all_starts(llm_path: Path, tmp_path: Path) -> None:
    heads = tmp_path / "kept"
    question = "What is the capital of France?"
    first, said = await read_head(llm_path, heads, question)
    again, said_again = await read_head(llm_path, heads, question)
    assert first.cached_tokens == 0
    assert first.input_tokens > 128
    assert again.cached_tokens >= first.input_tokens - 1
    assert text(said) == text(said_again)
    assert len(kept_in(heads)) == 1
    assert heads.stat().st_mode & 0o077 == 0, "nobody else's"


async def test_another_conversation_with_the_same_head_need_not_read_it(
    llm_path: Path, tmp_path: Path
) -> None:
    backend = await LlamaBackend.open(llm_path, heads=tmp_path)
    try:
        read = await backend.prepare(Prompt(items=(), instructions=LONG))
        for words in ("Tell me of the sea. " * 20, "Tell me of the hills. " * 20):
            told = Prompt(items=(Message("user", words),), instructions=LONG, max_output_tokens=1)
            assert finished(await answer(backend, told)).cached_tokens >= read.input_tokens - 1
    finally:
        await backend.close()


async def test_a_damaged_file_is_read_anew(llm_path: Path, tmp_path: Path) -> None:
    first, _ = await read_head(llm_path, tmp_path)
    (kept,) = kept_in(tmp_path)
    whole = kept.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"x" * 1000):
        kept.write_bytes(damaged)
        again, _ = await read_head(llm_path, tmp_path)
        assert (again.cached_tokens, again.input_tokens) == (0, first.input_tokens)
        assert [len(path.read_bytes()) for path in kept_in(tmp_path)] == [len(whole)]
