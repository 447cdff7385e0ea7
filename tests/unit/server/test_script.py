"""The script backend: what it replies, and when."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from voice.errors import UsageError
from voice.server.backend import (
    Call,
    CallOutput,
    Finished,
    Item,
    Message,
    Piece,
    Prompt,
    TextDelta,
    ToolCall,
)
from voice.server.script import Reply, ScriptBackend, load_replies

SCRIPT = """
[[reply]]
match = "timer"
call = "set_timer"
arguments = { minutes = 5 }

[[reply]]
match = "timer"
text = "Your timer is set."

[[reply]]
text = "First."

[[reply]]
text = "Second."
"""


@pytest.fixture
def script(tmp_path: Path) -> ScriptBackend:
    path = tmp_path / "script.toml"
    path.write_text(SCRIPT)
    return ScriptBackend(load_replies(path))


async def pieces(backend: ScriptBackend, *items: Item, limit: int | None = None) -> list[Piece]:
    prompt = Prompt(items=items, max_output_tokens=limit)
    return [piece async for piece in backend.generate(prompt)]


def text(produced: list[Piece]) -> str:
    return "".join(piece.text for piece in produced if isinstance(piece, TextDelta))


async def test_without_a_script_it_echoes_word_by_word() -> None:
    produced = await pieces(ScriptBackend(), Message("user", "Hello, my friend."))
    assert text(produced) == "You said: Hello, my friend."
    assert len(produced) == 6
    assert isinstance(produced[-1], Finished)


async def test_a_call_then_after_its_output_the_next_reply(script: ScriptBackend) -> None:
    asked = Message("user", "Set a TIMER, please.")
    produced = await pieces(script, asked)
    assert produced[0] == ToolCall("set_timer", '{"minutes": 5}')
    called = Call("c1", "set_timer", '{"minutes": 5}')
    produced = await pieces(script, asked, called, CallOutput("c1", "ok"))
    assert text(produced) == "Your timer is set."


async def test_replies_without_a_match_come_in_order_and_begin_again(
    script: ScriptBackend,
) -> None:
    items: list[Item] = []
    heard = []
    for n in range(3):
        items.append(Message("user", f"message {n}"))
        answer = text(await pieces(script, *items))
        heard.append(answer)
        items.append(Message("assistant", answer))
    assert heard == ["First.", "Second.", "First."]


async def test_the_limit_of_tokens_cuts(script: ScriptBackend) -> None:
    produced = await pieces(ScriptBackend(), Message("user", "one two three"), limit=2)
    assert text(produced) == "You said:"
    finished = produced[-1]
    assert isinstance(finished, Finished)
    assert finished.reached_limit
    assert finished.output_tokens == 2


async def test_the_pace_is_kept() -> None:
    backend = ScriptBackend([Reply(text="a b c d e")], ttft_seconds=0.05, tokens_per_second=100)
    clock = asyncio.get_running_loop().time
    began = clock()
    times = [clock() - began async for _ in backend.generate(Prompt(items=()))]
    assert times[0] >= 0.05
    assert times[4] >= 0.05 + 4 / 100


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("reply = 5", "reply"),
        ("[[reply]]\ntxet = 'x'", "txet"),
        ("[[reply]]\nmatch = 'x'", "reply 1"),
        ("[[reply", "script.toml"),
        ("reply = []", "no replies"),
    ],
)
def test_a_bad_script_is_named(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "script.toml"
    path.write_text(content)
    with pytest.raises(UsageError, match=named):
        load_replies(path)


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_replies(tmp_path / "none.toml")
