"""The script backend: what it replies, and when."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from voice.errors import UsageError
from voice.server.backend import (
    Call,
    CallOutput,
    Fault,
    Finished,
    Item,
    Message,
    Piece,
    Prompt,
    Reasoning,
    ReasoningDelta,
    TextDelta,
    ToolCall,
)
from voice.server.script import (
    Reply,
    Script,
    ScriptBackend,
    ScriptedCall,
    ScriptFaults,
    load_script,
)

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
    return ScriptBackend(load_script(path))


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


async def test_a_message_that_begins_with_a_blank_goes_on_with_the_one_before() -> None:
    spoken = (Message("user", "Set a"), Message("user", " ti"), Message("user", "\tmer"))
    assert text(await pieces(ScriptBackend(), *spoken)) == "You said: Set a ti\tmer"
    backend = ScriptBackend([Reply(match="set a ti\tmer", text="Done."), Reply(text="What?")])
    assert text(await pieces(backend, *spoken)) == "Done."
    apart = (Message("user", "Set a ti"), Message("user", "\tmer"), Message("user", "Hello"))
    assert text(await pieces(ScriptBackend(), *apart)) == "You said: Hello"
    assert text(await pieces(backend, *apart)) == "What?"


async def test_a_blank_joins_only_what_nobody_answered() -> None:
    items = (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", " again"))
    assert text(await pieces(ScriptBackend(), *items)) == "You said:  again"


async def test_each_message_of_the_user_is_due_one_reply_however_many_pieces_it_has(
    script: ScriptBackend,
) -> None:
    said = [Message("user", "What"), Message("user", " is this?")]
    assert text(await pieces(script, *said)) == "First."
    assert text(await pieces(script, *said, Message("user", "Well?"))) == "Second."
    assert text(await pieces(script, *said, Message("assistant", "It"), *said)) == "Second."


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


async def test_a_pace_of_its_own_wins_over_that_of_the_server() -> None:
    slow = ScriptBackend([Reply(text="a b", ttft=0, tokens_per_second=0)], 9.0, 0.1)
    quick = ScriptBackend([Reply(text="a b c", ttft=0.05, tokens_per_second=100)])
    clock = asyncio.get_running_loop().time
    async with asyncio.timeout(5):
        assert text(await pieces(slow)) == "a b"
    began = clock()
    times = [clock() - began async for _ in quick.generate(Prompt(items=()))]
    assert times[0] >= 0.05
    assert times[2] >= 0.05 + 2 / 100


async def test_at_full_speed_others_are_let_run() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    assert len(await pieces(ScriptBackend([Reply(text="word " * 6400)]))) > 6400
    task.cancel()
    assert turns >= 90


async def test_thoughts_come_before_words_and_count() -> None:
    backend = ScriptBackend([Reply(reasoning="Hm, so.", text="Noon it is.", call="get_time")])
    assert await pieces(backend) == [
        ReasoningDelta("Hm,"),
        ReasoningDelta(" so."),
        TextDelta("Noon"),
        TextDelta(" it"),
        TextDelta(" is."),
        ToolCall("get_time", "{}"),
        Finished(0, 0, 6, reasoning_tokens=2),
    ]
    assert await pieces(backend, limit=1) == [
        ReasoningDelta("Hm,"),
        Finished(0, 0, 1, reached_limit=True, reasoning_tokens=1),
    ]


async def test_several_calls_of_one_answer_with_any_arguments(tmp_path: Path) -> None:
    path = tmp_path / "script.toml"
    path.write_text("""
[[reply]]
calls = [{ name = "a", arguments = { n = [1, { m = 2.5 }] } }, { name = "b" }]

[[reply]]
call = "a"
arguments = "{oops"
calls = [{ name = "b", arguments = "" }]
""")
    backend = ScriptBackend(load_script(path))
    asked = Message("user", "x")
    assert await pieces(backend, asked) == [
        ToolCall("a", '{"n": [1, {"m": 2.5}]}'),
        ToolCall("b", "{}"),
        Finished(1, 0, 2),
    ]
    assert (await pieces(backend, asked, asked))[:2] == [ToolCall("a", "{oops"), ToolCall("b", "")]
    assert Reply(call="a", calls=[ScriptedCall("b")]).all_calls[0] == ScriptedCall("a")


async def test_json_is_text(tmp_path: Path) -> None:
    path = tmp_path / "script.toml"
    path.write_text('[[reply]]\njson = { city = "Ulm", temperatures = [1, 2.5] }')
    produced = await pieces(ScriptBackend(load_script(path)))
    assert json.loads(text(produced)) == {"city": "Ulm", "temperatures": [1, 2.5]}
    assert len(produced) > 3, "it comes in pieces"


async def test_thoughts_in_the_conversation_count_for_nothing(script: ScriptBackend) -> None:
    said = (Message("user", "a"), Reasoning({"type": "reasoning"}), Message("user", "b"))
    produced = await pieces(script, *said)
    assert text(produced) == "Second."
    assert produced[-1] == Finished(2, 0, 1)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("reply = 5", "script.toml has no replies"),
        ("reply = [5]", "reply 1 .*no table"),
        ("[[reply]]\ntext = 'x'\n[[reply]]\ntxet = 'x'", "reply 2 .*'txet'.*did you mean text"),
        ("[[reply]]\nmatch = 'x'", "reply 1 of the script .*script.toml says nothing"),
        ("[[reply]]\ntext = 5", "reply 1 .*script.toml, text: Expected `str`.*faults.md"),
        ("[[reply]]\ncalls = [{ name = 'x', argument = 1 }]", r"calls\[0\]: .*argument"),
        ("[[reply]]\ncalls = [{ arguments = {} }]", r"calls\[0\]: .*name"),
        ("[[reply]]\ntext = 'x'\narguments = {}", "reply 1 .*arguments without a call"),
        ("[[reply]]\ntext = 'x'\njson = {}", "reply 1 .*both text and json"),
        ("[[reply]]\ntext = 'x'\nttft = -1", "reply 1 .*ttft: "),
        ("[[reply", "script.toml is not valid TOML: .*mend"),
        ("reply = []", "no replies"),
        ("ignore_cancel = true", "no replies"),
        ("ignore_cancel = 3\n[[reply]]\ntext = 'x'", "script.toml: Expected `bool`"),
        ("ignore_cancels = true\n[[reply]]\ntext = 'x'", "did you mean ignore_cancel"),
        ("[[reply]]\nfault = 'explode'", "reply 1 .*fault: .*explode"),
        ("[[reply]]\nfault = 'drop'\nafter = -1", "reply 1 .*after: "),
        ("[[reply]]\nfault = 'error'\nstatus = 200", "reply 1 .*status: "),
        ("[[reply]]\ntext = 'x'\nafter = 3", "after without a fault"),
        ("[[reply]]\nfault = 'drop'\nstatus = 429", "status without fault = error"),
        ("[[reply]]\nfault = 'drop'\ncode = 'x'", "code without fault = error or fail"),
    ],
)
def test_a_bad_script_is_named_with_its_entry_and_the_cure(
    tmp_path: Path, content: str, named: str
) -> None:
    path = tmp_path / "script.toml"
    path.write_text(content)
    with pytest.raises(UsageError, match=named) as caught:
        load_script(path)
    assert str(path) in caught.value.problem
    assert caught.value.cure


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_script(tmp_path / "none.toml")


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────

FAULTS = """
ignore_cancel = true

[[reply]]
match = "break"
fault = "error"
after = 4
times = 2
status = 429
code = "rate_limit_exceeded"
retry_after = 0.5
text = "Better now."

[[reply]]
match = "always"
fault = "drop"

[[reply]]
match = "forget"
fault = "forget"
times = 1
text = "I know."

[[reply]]
text = "Fine."
"""


@pytest.fixture
def faulty(tmp_path: Path) -> ScriptFaults:
    path = tmp_path / "script.toml"
    path.write_text(FAULTS)
    return ScriptFaults(load_script(path))


def said(*texts: str) -> tuple[Item, ...]:
    return tuple(Message("user", text) for text in texts)


def test_a_reply_goes_wrong_as_often_as_it_says_on_the_whole_server(faulty: ScriptFaults) -> None:
    wanted = Fault("error", 4, 429, "rate_limit_exceeded", 0.5)
    chosen = [faulty.choose(said("Break", " it")) for _ in range(4)]
    assert chosen == [wanted, wanted, None, None]
    assert [faulty.choose(said("Always")) for _ in range(3)] == [Fault("drop")] * 3
    assert faulty.choose(said("Hello")) is None
    assert faulty.ignores_cancel


def test_forgetting_goes_by_the_new_words_alone_and_is_no_fault_of_the_answer(
    faulty: ScriptFaults,
) -> None:
    assert faulty.choose(said("forget")) is None
    assert not faulty.forgets(said("Hello"))
    assert not faulty.forgets((CallOutput("c", "forget"),))
    assert not faulty.forgets(())
    assert [faulty.forgets(said("Please", " forget")) for _ in range(2)] == [True, False]


def test_a_reply_without_match_forgets_before_every_request() -> None:
    faults = ScriptFaults(Script([Reply(fault="forget", text="So.")]))
    assert faults.forgets((CallOutput("c", "x"),))
    assert faults.forgets(())


async def test_a_reply_that_goes_wrong_has_its_text_all_the_same() -> None:
    backend = ScriptBackend([Reply(fault="drop", text="Still here.")])
    assert text(await pieces(backend, Message("user", "Hello"))) == "Still here."


def test_an_echo_never_goes_wrong() -> None:
    faults = ScriptFaults(Script())
    assert faults.choose(said("Hello")) is None
    assert not faults.forgets(said("Hello"))
