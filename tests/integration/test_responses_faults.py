"""The agent against servers that misbehave, over real sockets.

Whatever goes wrong, the question is answered, nothing that was said is lost (the server's next
prompt is the conversation as it was heard), and a tool runs once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.support.plain_server import plain_server
from tests.support.recording_backend import RecordingBackend, recorded
from tests.support.sse_server import (
    BrokenStreamError,
    Event,
    Refusal,
    Request,
    sse_server,
    text_events,
)
from tests.support.talk import PLAIN, Talk, talking
from voice.responses import connection
from voice.responses.answer import GO_ON
from voice.responses.signals import Noted
from voice.server.endpoint import Endpoint
from voice.server.script import Reply, Script, ScriptBackend

HELLO = Reply(match="hello", text="Hi there.")
OTHER = Reply(text="As I said.")
NOON = "It is noon, and the sun is high."


@dataclass
class Course:
    """How a conversation went: a greeting, the question, and one more."""

    answer: str
    seconds: float
    talk: Talk
    server: RecordingBackend
    names: list[str] = field(default_factory=list)


async def course(*replies: Reply, connection_seconds: float = 3600.0, **options: Any) -> Course:
    """Hold it. The last prompt, and what is settled, must be what was heard."""
    backend = ScriptBackend([HELLO, *replies, OTHER])
    async with (
        recorded(backend, connection_seconds) as (url, server),
        talking(url, **options) as talk,
    ):
        await talk.ask("Hello")
        began = asyncio.get_running_loop().time()
        answer = await talk.ask("Is it noon")
        seconds = asyncio.get_running_loop().time() - began
        assert await talk.ask("Really") == "As I said."
        check(talk, server)
    names = [event.event for _, event in talk.events if isinstance(event, Noted)]
    return Course(answer, seconds, talk, server, names)


def check(talk: Talk, server: RecordingBackend) -> None:
    """Nothing was lost and nothing made up, on the server, here, and for the journal."""
    assert talk.failures == []
    heard = talk.truth[:-1]
    assert server.prompts[-1][: len(heard)] == heard
    assert server.prompts[-1][len(heard) :][1:] in ([], [("developer", GO_ON)])
    assert talk.settled == talk.truth


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that die are noticed within half a second."""
    monkeypatch.setattr(connection, "PING_SECONDS", 0.2)
    monkeypatch.setattr(connection, "PONG_SECONDS", 0.2)
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.1)


# ── connections ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["drop", "close", "expire"])
@pytest.mark.parametrize("after", [0, 2])
async def test_a_connection_that_ends_before_the_first_word_costs_no_word(
    kind: Any, after: int
) -> None:
    went = await course(Reply(match="noon", fault=kind, after=after, times=1, text=NOON))
    assert went.answer == NOON
    assert went.names.count("connection.lost") == 1
    assert went.names.count("connection.recovered") == 1


@pytest.mark.parametrize("kind", ["drop", "close", "expire"])
async def test_an_answer_goes_on_where_its_connection_ended(kind: Any) -> None:
    went = await course(Reply(match="noon", fault=kind, after=6, times=1, text=NOON))
    assert went.answer == f"It is {NOON}"
    assert went.server.prompts[2][-2:] == [("assistant", "It is"), ("developer", GO_ON)]


async def test_a_connection_that_is_half_open_is_noticed(impatient: None) -> None:
    went = await course(Reply(match="noon", fault="half-open", after=6, times=1, text=NOON))
    assert went.answer == f"It is {NOON}"
    assert went.seconds < 5


async def test_a_stalled_response_is_given_up() -> None:
    went = await course(
        Reply(match="noon", fault="stall", after=6, times=1, text=NOON), stall_seconds=0.6
    )
    assert went.answer == f"It is {NOON}"
    assert 0.6 <= went.seconds < 5


async def test_a_server_that_ends_every_connection_young_is_talked_to_all_the_same() -> None:
    backend = ScriptBackend([Reply(text="One two three four.")], tokens_per_second=4.0)
    async with recorded(backend, 1.0) as (url, server), talking(url) as talk:
        for number in range(3):
            await talk.ask(f"Question {number}")
        check(talk, server)
        assert len(talk.noted("connection.lost")) >= 2


async def test_who_asks_does_not_wait_for_the_next_try_to_connect() -> None:
    backend = RecordingBackend(ScriptBackend([OTHER]))
    gone = Endpoint(backend, "127.0.0.1", 0)
    host, port = await gone.open()
    async with talking(f"ws://{host}:{port}/v1", jitter=20.0) as talk:
        await talk.ask("Hello")
        await gone.close()
        await talk.until(lambda: talk.noted("connection.lost"))
        await asyncio.sleep(0.3)  # it is tried at once, and then after 10 s
        back = Endpoint(backend, host, port)
        await back.open()
        asked_at = asyncio.get_running_loop().time()
        assert await talk.ask("Really") == "As I said."
        assert asyncio.get_running_loop().time() - asked_at < 5
        check(talk, backend)
    await back.close()


# ── responses ────────────────────────────────────────────────────────────────────────────────


async def test_garbage_in_between_costs_nothing() -> None:
    went = await course(Reply(match="noon", fault="garbage", after=6, text=NOON))
    assert went.answer == NOON
    assert "connection.lost" not in went.names


async def test_too_many_requests_are_repeated_when_the_server_says() -> None:
    went = await course(
        Reply(
            match="noon", fault="error", after=0, times=2, status=429, code="rate_limit_exceeded",
            retry_after=0.3, text=NOON,
        )
    )  # fmt: skip
    assert went.answer == NOON
    sent = [note["at"] for note in went.talk.noted("request.sent")[1:4]]
    for gap in (sent[1] - sent[0], sent[2] - sent[1]):
        assert 0.3 <= gap < 3


@pytest.mark.parametrize("kind", ["error", "fail"])
@pytest.mark.parametrize(("after", "kept"), [(0, ""), (2, ""), (6, "It is ")])
async def test_a_failure_of_the_server_is_tried_again(kind: Any, after: int, kept: str) -> None:
    went = await course(Reply(match="noon", fault=kind, after=after, times=2, text=NOON))
    assert went.answer == kept * 2 + NOON
    assert went.names.count("request.retried") == 2
    assert "connection.lost" not in went.names


async def test_a_server_that_has_forgotten_everything_is_told_everything() -> None:
    went = await course(Reply(match="noon", fault="forget", times=1, text=NOON))
    assert went.answer == NOON
    chained = [note["chained"] for note in went.talk.noted("request.sent")]
    assert chained[-3:] == [True, False, True]


async def test_a_refusal_is_told_and_the_conversation_goes_on() -> None:
    refusal = Reply(
        match="noon", fault="error", after=0, status=400, code="invalid_prompt", text=NOON
    )
    async with (
        recorded(ScriptBackend([refusal, OTHER])) as (url, server),
        talking(url) as talk,
    ):
        assert await talk.ask("Is it noon") == ""
        assert len(talk.failures) == 1
        assert await talk.ask("Really") == "As I said."
        assert server.prompts == [[("user", "Is it noon"), ("user", "Really")]]


async def test_who_must_wait_too_long_is_told_at_once_and_why() -> None:
    busy = Reply(
        match="noon", fault="error", after=0, times=1, status=429, code="rate_limit_exceeded",
        retry_after=60.0, text=NOON,
    )  # fmt: skip
    async with (
        recorded(ScriptBackend([busy, OTHER])) as (url, _),
        talking(url, patience_seconds=0.2) as talk,
    ):
        assert await talk.ask("Is it noon") == ""
        assert await talk.ask("Really") == ""
        assert ["asks to wait" in reason for reason in talk.failures] == [True, True]
        assert len(talk.noted("request.sent")) == 1, "nobody presses"


# ── tools ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["drop", "close", "expire", "error", "fail", "garbage"])
@pytest.mark.parametrize("after", [0, 6])
async def test_a_call_that_breaks_off_runs_once(kind: Any, after: int) -> None:
    call = Reply(match="noon", call="lamp", fault=kind, after=after, times=1)
    went = await course(call, Reply(match="noon", text="The lamp is on."))
    assert went.answer == "The lamp is on."
    assert len(went.talk.lamp.calls) == 1


@pytest.mark.parametrize("kind", ["drop", "close", "expire", "error", "fail", "forget"])
async def test_no_tool_runs_again_for_a_round_that_breaks_off(kind: Any) -> None:
    answer = Reply(match="noon", fault=kind, after=2, times=1, text="The lamp is on.")
    went = await course(Reply(match="noon", text="Let me see.", call="lamp"), answer)
    assert went.answer == "Let me see. The lamp is on."
    assert len(went.talk.lamp.calls) == 1


async def test_a_connection_that_ends_while_a_tool_runs_costs_nothing() -> None:
    replies = [Reply(match="lamp", call="lamp"), Reply(match="lamp", text="It is on."), OTHER]
    async with recorded(ScriptBackend(replies), 0.5) as (url, server), talking(url) as talk:
        talk.lamp.lit.clear()
        talk.begin("Light the lamp")
        await talk.until(lambda: talk.noted("connection.recovered"))
        talk.lamp.lit.set()
        assert await talk.hear() == "It is on."
        await talk.ask("Really")
        check(talk, server)
        assert len(talk.lamp.calls) == 1


# ── interruptions ────────────────────────────────────────────────────────────────────────────


async def test_a_server_that_ignores_cancels_does_not_delay_the_next_answer() -> None:
    script = Script(
        [Reply(match="story", text=" ".join(f"word{n}" for n in range(1000))), OTHER],
        ignore_cancel=True,
    )
    backend = ScriptBackend(script, tokens_per_second=50)
    async with recorded(backend) as (url, server), talking(url) as talk:
        for _ in range(3):
            talk.begin("Tell me a story")
            await talk.interrupt(3)
        assert await talk.ask("Stop") == "As I said."
        assert server.writing == 3, "the stories go on, and nobody hears them"
        check(talk, server)
        assert talk.truth.count(("assistant", "word0 word1 word2")) == 3


async def test_a_connection_that_ends_after_an_interruption_keeps_what_was_heard() -> None:
    replies = [Reply(match="story", text="once upon a time there was a king"), OTHER]
    backend = ScriptBackend(replies, tokens_per_second=20)
    async with recorded(backend, 0.8) as (url, server), talking(url) as talk:
        talk.begin("Tell me a story")
        await talk.interrupt(2)
        await talk.until(lambda: talk.noted("connection.recovered"))
        await talk.ask("Really")
        check(talk, server)


# ── steering ─────────────────────────────────────────────────────────────────────────────────


async def test_words_before_the_first_one_of_the_answer_steer_it() -> None:
    replies = [Reply(match="lamp", text="It is on."), Reply(text="One moment.")]
    backend = ScriptBackend(replies, ttft_seconds=1.0)
    async with recorded(backend) as (url, server), talking(url) as talk:
        await talk.ask("Hello")
        await begin(talk, server, "Turn on")
        await talk.cut("")
        assert await talk.ask("the lamp") == "It is on."
        assert len(talk.noted("steer.accepted")) == 1
        assert len(talk.noted("request.sent")) == 2, "the server goes on by itself"
        await talk.ask("Really")
        check(talk, server)


async def begin(talk: Talk, server: RecordingBackend, text: str) -> None:
    """Ask, and wait until the answer is under way and the agent knows its name."""
    server.begun.clear()
    talk.begin(text)
    async with asyncio.timeout(10):
        await server.begun.wait()
    await asyncio.sleep(0.2)  # `response.created` is on its way, and nothing tells its arrival


@pytest.mark.parametrize("kind", ["drop", "error", "stall"])
async def test_steering_that_goes_wrong_loses_no_word(kind: Any) -> None:
    replies = [
        Reply(match="lamp", fault=kind, after=2, times=1, text="It is on."),
        Reply(text="One moment."),
    ]
    backend = ScriptBackend(replies, ttft_seconds=0.5)
    async with recorded(backend) as (url, server), talking(url, stall_seconds=2.0) as talk:
        await begin(talk, server, "Turn on")
        await talk.cut("")
        assert await talk.ask("the lamp") == "It is on."
        await talk.ask("Really")
        check(talk, server)


# ── rotation ─────────────────────────────────────────────────────────────────────────────────


async def test_nobody_notices_that_connections_are_replaced() -> None:
    async with (
        recorded(ScriptBackend([Reply(text="I see.")], tokens_per_second=50)) as (url, server),
        talking(url, rotate_minutes=0.3 / 60) as talk,
    ):
        for number in range(9):
            assert await talk.ask(f"Question {number}") == "I see."
            await asyncio.sleep(0.1)
        await talk.until(lambda: len(talk.noted("connection.rotated")) >= 2)
        await talk.ask("Really")
        check(talk, server)
        assert talk.noted("connection.lost") == []
        assert all(note["chained"] for note in talk.noted("request.sent"))


# ── servers of others ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "habits",
    [
        {},
        {"ids": False},
        {"output": False},
        {"created": False},
        {"deltas": False},
        {"ids": False, "created": False, "output": False},
        {"ids": False, "created": False, "deltas": False},
        {"refusals": 2},
    ],
    ids=lambda habits: " ".join(habits) or "all",
)
@pytest.mark.parametrize("words", [None, 2])
async def test_a_server_may_leave_nearly_everything_out(
    habits: dict[str, Any], words: int | None
) -> None:
    """Without lanes, ids, beginnings; also where an answer that nobody waits for goes on."""
    deltas = habits.get("deltas", True)
    async with (
        plain_server(seconds_per_word=0.005, **habits) as server,
        talking(server.url, PLAIN) as talk,
    ):
        for number in range(3):
            talk.begin(f"one two three {number}")
            if words is None:
                assert await talk.hear() == f"You said one two three {number}."
            elif deltas:
                assert await talk.interrupt(words) == "You said"
            else:
                await talk.cut("")
        assert await talk.ask("four") == "You said four."
        assert talk.failures == []
        assert talk.settled == talk.truth
        assert server.connections == 1
        sent = [(item["role"], item["content"].strip()) for item in server.requests[-1]["input"]]
        whole = server.requests[-1].get("previous_response_id") is None
        assert sent == talk.truth[:-1] if whole else sent[-1] == ("user", "four")


async def test_a_server_that_throws_us_out_is_not_besieged() -> None:
    """Let in and thrown out at once, nobody comes back at once, again and again."""
    comings = 0

    async def throw_out(socket: ServerConnection) -> None:
        nonlocal comings
        comings += 1
        await socket.close(1013)

    async with serve(throw_out, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with talking(f"ws://127.0.0.1:{port}/v1", PLAIN) as talk:
            await talk.until(lambda: len(talk.noted("connection.recovered")) >= 2)
            await asyncio.sleep(0.5)
        assert comings <= 12


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────

BROKEN = [*text_events("r", "It is ")[:2], BrokenStreamError]
TOLD = text_events("r", NOON)
REFUSED = '{"error": {"code": "%s", "message": "Not now."}}'


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        (BROKEN, f"It is {NOON}"),
        ([BrokenStreamError], NOON),
        ([Refusal(429, REFUSED % "rate_limit_exceeded", {"retry-after": "0.1"})], NOON),
        ([Refusal(503)], NOON),
        ([*text_events("r", "It is ")[:2], b"data: {garbage\n\n"], f"It is {NOON}"),
    ],
    ids=["breaks off", "no answer", "429", "503", "ends early"],
)
async def test_over_http_nothing_is_lost_either(parts: list[Any], answer: str) -> None:
    scripts = [text_events("r", "Hi there."), parts, TOLD, text_events("r", "As I said.")]

    async def reply(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
        for part in scripts.pop(0):
            if isinstance(part, type):
                raise part
            yield part

    async with sse_server(reply) as server, talking(server.url, kind="http") as talk:
        assert await talk.ask("Hello") == "Hi there."
        assert await talk.ask("Is it noon") == answer
        assert await talk.ask("Really") == "As I said."
        assert talk.failures == []
        assert talk.settled == talk.truth
        sent = server.requests[-1].body["input"]
        assert [(item["role"], item["content"]) for item in sent] == talk.truth[:-1]


async def test_an_interruption_over_http_ends_the_stream() -> None:
    over = asyncio.Event()

    async def reply(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
        if request.body["input"][-1]["content"] == "Stop":
            for event in text_events("r2", "Yes."):
                yield event
            return
        for event in text_events("r1", *(f"word{n} " for n in range(9)))[:-1]:
            yield event
        await request.gone.wait()
        over.set()

    async with sse_server(reply) as server, talking(server.url, kind="http") as talk:
        talk.begin("Tell me a story")
        await talk.interrupt(2)
        assert await talk.ask("Stop") == "Yes."
        async with asyncio.timeout(5):
            await over.wait()
        sent = server.requests[-1].body["input"]
        assert [(item["role"], item["content"]) for item in sent] == talk.truth[:-1]


async def test_a_server_over_http_that_is_away_for_a_moment_is_waited_for() -> None:
    """Each try opens a connection at once there, so only the pauses between them help."""
    replies = [TOLD]

    async def reply(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
        for event in replies.pop(0):
            yield event

    with closing(socket.create_server(("127.0.0.1", 0))) as reserved:
        port = reserved.getsockname()[1]
    async with talking(f"http://127.0.0.1:{port}/v1", kind="http") as talk:
        talk.begin("Is it noon")
        await talk.until(lambda: len(talk.noted("request.retried")) == 2)
        async with sse_server(reply, port=port):
            assert await talk.hear() == NOON
