"""The upstream backend, in front of a model server on loopback: streams, errors, conversations."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
import xllamacpp
from websockets.asyncio.client import connect

from tests.support.chat_server import (
    DONE,
    LLAMA_LOADING,
    LLAMA_PING,
    LM_STUDIO_NO_MODEL,
    OLLAMA_NO_MODEL,
    VLLM_TOO_LONG,
    Answer,
    BrokenStreamError,
    ChatServer,
    Json,
    Refusal,
    Request,
    chat_server,
    delta,
    fragment,
    llama_2025_error,
    lm_studio_error,
    ollama_call,
    saying,
    sse,
    usage,
)
from tests.support.programs import command
from tests.support.talk import talking
from voice.errors import ServerError, UsageError
from voice.server import upstream, upstream_errors
from voice.server.backend import (
    Call,
    CallOutput,
    Finished,
    Message,
    Misconfigured,
    Piece,
    Prompt,
    PromptTooLong,
    ReasoningDelta,
    TextDelta,
    Tool,
    ToolCall,
)
from voice.server.endpoint import Endpoint
from voice.server.serve import ServeOptions, open_backend
from voice.server.upstream import Upstream, UpstreamBackend


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOICE_UPSTREAM_KEY", raising=False)


HELLO = Prompt((Message("user", "Hello."),), "Be kind.")
LAMP = Tool("lamp", "Light the lamp.", {"type": "object"})


def once(*parts: Json | bytes | Refusal | type[Exception]) -> Answer:
    async def answer(_: Request) -> AsyncIterator[Json | bytes | Refusal]:
        for part in parts:
            if isinstance(part, type):
                await asyncio.sleep(0.05)  # let the bytes before it arrive
                raise part
            yield part

    return answer


async def endless(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
    """Words until nobody listens."""
    for n in count():
        yield delta(content=f" {n}")
        await asyncio.sleep(0.005)


async def silent(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
    """Nothing at all."""
    await request.gone.wait()
    raise BrokenStreamError
    yield DONE


@asynccontextmanager
async def asking(
    answer: Answer, **options: Any
) -> AsyncIterator[tuple[UpstreamBackend, ChatServer]]:
    """A backend that asks such a server."""
    async with asyncio.timeout(20), chat_server(answer) as server:
        backend = await UpstreamBackend.open(Upstream(server.url, "m", **options))
        try:
            yield backend, server
        finally:
            await backend.close()


async def pieces(backend: UpstreamBackend, prompt: Prompt = HELLO) -> list[Piece]:
    return [piece async for piece in backend.generate(prompt)]


# ── answers ──────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_is_streamed_with_its_counts_and_the_connection_is_used_again() -> None:
    async with asking(once(*saying("Good", " day.")[:-1], usage(9, 2, 4), DONE)) as (backend, at):
        for _ in range(3):
            assert await pieces(backend) == [
                TextDelta("Good"),
                TextDelta(" day."),
                Finished(9, 4, 2),
            ]
    assert at.connections == 1
    body = at.requests[0].body
    assert (body["model"], body["stream"]) == ("m", True)
    assert body["messages"][-1] == {"role": "user", "content": "Hello."}
    assert "authorization" not in at.requests[0].headers


async def test_words_are_passed_on_at_once() -> None:
    more = asyncio.Event()

    async def answer(_: Request) -> AsyncIterator[Json | bytes | Refusal]:
        yield delta(content="One")
        await more.wait()
        yield delta("stop", content=" two")

    async with asking(answer) as (backend, _), aclosing(backend.generate(HELLO)) as stream:
        assert await anext(stream) == TextDelta("One")
        more.set()
        assert [piece async for piece in stream] == [TextDelta(" two"), Finished(0, 0, 0)]


async def test_chunks_may_end_anywhere_and_comments_are_no_words() -> None:
    stream = b": ping\r\n\r\n" + b"".join(
        sse(chunk).replace(b"\n", b"\r\n")
        for chunk in (delta(content="größer →"), delta("stop"), usage(1, 1))
    )
    async with asking(once(*(stream[at : at + 1] for at in range(len(stream))))) as (backend, _):
        assert await pieces(backend) == [TextDelta("größer →"), Finished(1, 0, 1)]


async def test_several_calls_come_at_the_end() -> None:
    chunks = (
        delta(content="So."),
        fragment(0, "x", "lamp", ""),
        fragment(0, arguments='{"on": '),
        fragment(1, "y", "get_time", "{}"),
        fragment(0, arguments="true}"),
        delta("tool_calls"),
        DONE,
    )
    async with asking(once(*chunks)) as (backend, _):
        assert await pieces(backend) == [
            TextDelta("So."),
            ToolCall("lamp", '{"on": true}'),
            ToolCall("get_time", "{}"),
            Finished(0, 0, 0),
        ]


async def test_ollama_thinks_and_sends_whole_calls_of_one_number() -> None:
    chunks = (
        delta(role="assistant", content="", reasoning="Two lamps."),
        ollama_call("x", "lamp", {"n": 1}),
        ollama_call("y", "lamp", {"n": 2}),
        delta("tool_calls", role="assistant", content=""),
        usage(5, 20),
        DONE,
    )
    async with asking(once(*chunks)) as (backend, _):
        assert await pieces(backend) == [
            ReasoningDelta("Two lamps."),
            ToolCall("lamp", '{"n": 1}'),
            ToolCall("lamp", '{"n": 2}'),
            Finished(5, 0, 20),
        ]
        one = replace(HELLO, tools=(LAMP,), parallel_calls=False)
        assert (await pieces(backend, one))[1:] == [
            ToolCall("lamp", '{"n": 1}'),
            Finished(5, 0, 20),
        ]


async def test_a_stream_that_is_not_closed_after_its_end_holds_nobody_up() -> None:
    async def answer(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
        yield delta("length", content="Word")
        await request.gone.wait()

    async with asking(answer) as (backend, at):
        assert await pieces(backend) == [TextDelta("Word"), Finished(0, 0, 0, reached_limit=True)]
        await at.requests[0].gone.wait()


async def test_what_breaks_after_the_last_word_does_not_spoil_the_answer() -> None:
    for broken in (BrokenStreamError, b"data: <html>\n\n"):
        async with asking(once(delta("stop", content="Word"), broken)) as (backend, _):
            assert await pieces(backend) == [TextDelta("Word"), Finished(0, 0, 0)]


@pytest.mark.parametrize("answer", [endless, silent])
async def test_a_cancelled_answer_closes_its_stream_at_once(answer: Answer) -> None:
    async with asking(answer) as (backend, at):
        task = asyncio.create_task(pieces(backend))
        await at.arrived.wait()
        task.cancel()
        async with asyncio.timeout(1):
            await at.requests[0].gone.wait()
        assert task.cancelled() or ((await asyncio.wait([task])) and task.cancelled())


async def test_a_closed_generator_closes_its_stream_at_once() -> None:
    async with asking(endless) as (backend, at):
        async with aclosing(backend.generate(HELLO)) as stream:
            assert await anext(stream) == TextDelta(" 0")
            assert not at.requests[0].gone.is_set()
        async with asyncio.timeout(1):
            await at.requests[0].gone.wait()


async def test_a_conversation_that_is_too_long_loses_its_beginning() -> None:
    async def answer(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
        if len(json.dumps(request.body["messages"])) > 8000:
            told = {"error": {"message": "too long", "type": "exceed_context_size_error"}}
            yield Refusal(400, json.dumps(told))
        for part in saying("Short enough."):
            yield part

    turns = [
        Message(role, f"{n} " + "word " * 150) for n in range(20) for role in ("user", "assistant")
    ]
    prompt = Prompt((*turns, Message("user", "The question.")), "Be kind.")
    async with asking(answer) as (backend, at):
        assert (await pieces(backend, prompt))[0] == TextDelta("Short enough.")
        messages = at.requests[-1].body["messages"]
        assert messages[0]["content"] == "Be kind."
        assert messages[1]["role"] == "user"
        assert messages[-1]["content"] == "The question."
        assert len(messages) > 2, "not more than needed is left out"
        assert len(at.requests) <= 9
        whole = Prompt(prompt.items, may_truncate=False)
        with pytest.raises(PromptTooLong, match="too long"):
            await pieces(backend, whole)


@pytest.mark.parametrize(
    "part",
    [
        VLLM_TOO_LONG,
        llama_2025_error("the request exceeds the available context size."),
        lm_studio_error("Trying to keep more tokens than the context length of 4096"),
        Refusal(200, '{"error": {"code": 400, "message": "exceeds the context size"}}'),
    ],
)
async def test_a_conversation_that_is_too_long_is_known_however_it_is_told(
    part: bytes | Refusal,
) -> None:
    async with asking(once(part)) as (backend, at):
        with pytest.raises(PromptTooLong, match="context"):
            await pieces(backend)
        assert len(at.requests) == 1, "there is nothing to leave out"


async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    prompt = Prompt(tuple(Message(role, "word " * 999) for role in ("user", "assistant", "user")))
    async with asking(once(delta(content="x"), lm_studio_error("context size"))) as (backend, at):
        with pytest.raises(PromptTooLong):
            await pieces(backend, prompt)
        assert len(at.requests) == 1


# ── reading ahead ────────────────────────────────────────────────────────────────────────────


async def test_a_prompt_is_read_ahead_with_a_request_for_one_token() -> None:
    async with asking(once(delta("length", content="x"), usage(20, 1, 5))) as (backend, at):
        assert await backend.prepare(HELLO) == Finished(20, 5, 0)
        await pieces(backend)
    ahead, asked = (request.body for request in at.requests)
    assert ahead.pop("max_tokens") == 1
    assert ahead == asked, "the prefix is the same"


async def test_nothing_is_read_ahead_that_is_empty_or_not_wanted() -> None:
    async with asking(once(*saying("x"))) as (backend, at):
        assert await backend.prepare(Prompt(())) == Finished(0, 0, 0)
    async with asking(once(*saying("x")), warm=False) as (backend, off):
        assert await backend.prepare(HELLO) == Finished(0, 0, 0)
    assert at.requests == off.requests == []


async def test_reading_ahead_that_fails_is_no_error() -> None:
    for answer in (once(Refusal(429)), once(Refusal(500)), once(BrokenStreamError)):
        async with asking(answer) as (backend, _):
            assert await backend.prepare(HELLO) == Finished(0, 0, 0)


async def test_reading_ahead_has_its_time_and_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "WARM_SECONDS", 0.2)

    async def answer(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
        async for part in (silent if "max_tokens" in request.body else once(*saying("x")))(request):
            yield part

    async with asking(answer) as (backend, at):
        await pieces(backend)
        ahead = [asyncio.create_task(backend.prepare(HELLO)) for _ in range(10)]
        assert await asyncio.gather(*ahead) == [Finished(0, 0, 0)] * 10
        assert len(at.requests) == 1 + upstream.WARM_LIMIT
        await asyncio.gather(*(request.gone.wait() for request in at.requests[1:]))


async def test_a_model_that_is_loaded_for_the_first_words_goes_on_being_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "WARM_SECONDS", 0.05)
    loaded = asyncio.Event()

    async def answer(_: Request) -> AsyncIterator[Json | bytes | Refusal]:
        await loaded.wait()
        for part in saying("x"):
            yield part

    async with asking(answer) as (backend, at):
        for _ in range(3):
            assert await backend.prepare(HELLO) == Finished(0, 0, 0)
        assert len(at.requests) == 1, "it is asked to load once"
        abandoned = asyncio.create_task(backend.prepare(HELLO))
        asked = asyncio.create_task(pieces(backend))
        await asyncio.sleep(0)
        abandoned.cancel()
        loaded.set()
        assert (await asked)[0] == TextDelta("x")
        assert not at.requests[0].gone.is_set(), "Ollama would have given the loading up"
        monkeypatch.setattr(upstream, "LOADED_SECONDS", -1.0)  # it may have been unloaded again
        loaded.clear()
        assert await backend.prepare(HELLO) == Finished(0, 0, 0)
        assert not at.requests[-1].gone.is_set()


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (once(Refusal(401, '{"error": "wrong key k-1"}')), "refuses the key .*VOICE_UPSTREAM_KEY"),
        (
            once(Refusal(404, '{"error": {"message": "model m not found, try pulling it"}}')),
            "does not serve the model 'm'.*try pulling it.*--model",
        ),
        (once(Refusal(400, '{"detail": "no tools here"}')), "refuses the request.*no tools here"),
        (once(Refusal(400, '{"error": "no json_schema"}')), "refuses a JSON schema.*structured"),
        (once(Refusal(307, headers={"location": "http://127.0.0.1:1/"})), "HTTP 307.*--upstream"),
        (once(Refusal(429)), "overloaded: HTTP 429 .*try again later"),
        (once(Refusal(500, "<html>")), r"failed: HTTP 500 \(look into its log"),
        (once(delta(content="x"), BrokenStreamError), "broke: .*log"),
        (once(delta(content="x"), DONE), "ended the stream before the answer .*log"),
        (once(delta(content="x"), {"error": {"message": "CUDA"}}), "gave the answer up: CUDA .*"),
        (once(delta(content="x"), lm_studio_error("no GPU")), "gave the answer up: no GPU .*log"),
        (once(delta(content="x"), llama_2025_error("no slot")), "gave the answer up: no slot .*"),
        (once(OLLAMA_NO_MODEL), "does not serve the model 'm'.*try pulling it.*--model"),
        (once(LM_STUDIO_NO_MODEL), "does not serve the model 'm'.*No models loaded"),
        (once(b"data: <html>\n\n"), "no chunk of an answer: <html> .*check"),
        (once(b"x" * 1_200_000), "sent no stream: .*--upstream"),
        (once(Refusal(200, '{"choices": []}')), "application/json instead of a stream .*/v1"),
    ],
)
async def test_a_failure_is_named_with_its_cure(answer: Answer, told: str) -> None:
    async with asking(answer) as (backend, at):
        with pytest.raises(ServerError, match=told) as caught:
            await pieces(backend)
        assert "k-1" not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert (len(at.requests), len(caught.value.cure) > 10) == (1, True)


async def test_a_server_that_is_not_there_is_named() -> None:
    async with chat_server(silent) as server:
        pass
    backend = await UpstreamBackend.open(Upstream(server.url, "m"))
    with pytest.raises(ServerError, match=r"no server answers at .*--upstream"):
        await pieces(backend)
    await backend.close()
    with pytest.raises(ServerError, match=r"no server answers at .*models"):
        await UpstreamBackend.open(Upstream(server.url))


async def test_a_server_without_tls_is_named() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    backend = await UpstreamBackend.open(Upstream(f"https://127.0.0.1:{port}/v1", "m"))
    with pytest.raises(ServerError, match=r"no secure connection .*plain is http"):
        await pieces(backend)
    await backend.close()
    listening.close()


async def test_a_connection_that_is_lost_before_the_answer_is_replaced_once() -> None:
    answers = iter([once(*saying("One.")), once(BrokenStreamError), once(*saying("Two."))])

    async def answer(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
        async for part in next(answers, once(BrokenStreamError))(request):
            yield part

    async with asking(answer) as (backend, at):
        assert (await pieces(backend))[0] == TextDelta("One.")
        assert (await pieces(backend))[0] == TextDelta("Two.")
        assert (len(at.requests), at.connections) == (3, 2)
        with pytest.raises(ServerError, match=r"broke: .*log"):
            await pieces(backend)
        assert len(at.requests) == 5


async def test_silence_has_an_end() -> None:
    async with asking(silent, first_seconds=0.2) as (backend, at):
        with pytest.raises(ServerError, match="fell silent"):
            await pieces(backend)
        await at.requests[0].gone.wait()

    async def stalled(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
        yield delta(content="Word")
        await request.gone.wait()

    async with asking(stalled, silence_seconds=0.2) as (backend, at):
        with pytest.raises(ServerError, match="fell silent"):
            await pieces(backend)
        await at.requests[0].gone.wait()


async def test_the_first_word_may_take_long_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upstream, "PROGRESS_SECONDS", 0.05)

    async def answer(_: Request) -> AsyncIterator[Json | bytes | Refusal]:
        for _ in range(8):
            yield LLAMA_PING
            await asyncio.sleep(0.05)
        for part in saying("Now."):
            yield part

    async with asking(answer, silence_seconds=0.1, first_seconds=5) as (backend, _):
        assert (await pieces(backend))[0] == TextDelta("Now.")
    assert "may still load the model" in caplog.text


async def test_a_model_that_loads_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_errors, "LOADING_SECONDS", 0.01)
    loading = iter([True] * 9)

    async def answer(_: Request) -> AsyncIterator[Json | bytes | Refusal]:
        if next(loading, False):
            yield LLAMA_LOADING
            return
        for part in saying("Now."):
            yield part

    async with chat_server(answer, refusals=[LLAMA_LOADING] * 3) as server:
        backend = await UpstreamBackend.open(Upstream(server.url))
        assert backend.model == "m"
        assert (await pieces(backend))[0] == TextDelta("Now.")
        await backend.close()
    async with asking(once(LLAMA_LOADING), first_seconds=0.05) as (backend, _):
        with pytest.raises(ServerError, match="loads its model"):
            await pieces(backend)


async def test_a_field_that_the_server_does_not_know_is_left_out_from_then_on() -> None:
    async def answer(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
        for name in ("stream_options", "parallel_tool_calls"):
            if name in request.body:
                told = [{"type": "extra_forbidden", "loc": ["body", name]}]
                yield Refusal(422, json.dumps({"object": "error", "detail": told}))
                return
        for part in saying("x"):
            yield part

    async with asking(answer) as (backend, at):
        for _ in range(2):
            assert (await pieces(backend, replace(HELLO, tools=(LAMP,))))[0] == TextDelta("x")
        assert len(at.requests) == 2 + 2
    refusal = Refusal(422, '{"detail": "stream_options"}')
    async with asking(once(refusal)) as (backend, at):
        with pytest.raises(ServerError, match="does not know stream_options"):
            await pieces(backend)
        assert len(at.requests) == 2


async def test_a_schema_that_is_refused_is_a_matter_of_configuration() -> None:
    refusal = Refusal(400, "{\"error\": \"'response_format.type' must be 'text'\"}")
    async with asking(once(refusal)) as (backend, at):
        with pytest.raises(Misconfigured, match="JSON schema"):
            await pieces(backend, replace(HELLO, schema={"type": "object"}))
    assert at.requests[0].body["response_format"]["json_schema"]["schema"] == {"type": "object"}


async def test_a_busy_server_is_asked_again_when_it_says_but_not_for_ever() -> None:
    asked: list[float] = []
    refusals = 2

    async def answer(_: Request) -> AsyncIterator[Json | bytes | Refusal]:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) <= refusals:
            yield Refusal(429, '{"error": "busy"}', {"retry-after": "0.1"})
        else:
            for part in saying("Now."):
                yield part

    async with asking(answer) as (backend, _):
        assert (await pieces(backend))[0] == TextDelta("Now.")
        assert all(later - earlier >= 0.1 for earlier, later in pairwise(asked))
        refusals = 100
        with pytest.raises(ServerError, match="overloaded: HTTP 429: busy"):
            await pieces(backend)
        assert len(asked) == 3 + 3


async def test_a_wait_that_is_too_long_is_left_to_the_client() -> None:
    async with asking(once(Refusal(429, headers={"retry-after": "3600"}))) as (backend, at):
        with pytest.raises(ServerError, match="overloaded"):
            await pieces(backend)
        assert len(at.requests) == 1


# ── the address, the key and the model ───────────────────────────────────────────────────────


async def test_the_key_is_shown_and_never_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    async with asking(once(*saying("x")), key=" k-123\n") as (backend, at):
        await pieces(backend)
    assert at.requests[0].headers["authorization"] == "Bearer k-123"
    assert "k-123" not in caplog.text + repr(Upstream("u", "m", "k-123"))
    monkeypatch.setenv("VOICE_UPSTREAM_KEY", "k-4")
    async with asking(once(*saying("x"))) as (backend, at):
        await pieces(backend)
    assert at.requests[0].headers["authorization"] == "Bearer k-4"
    assert "k-123" not in repr(ServeOptions(upstream_key="k-123"))


@pytest.mark.parametrize(
    ("url", "key", "told"),
    [
        ("http://10.0.0.7:8000/v1", "k", "in the clear.*https"),
        ("gpu.example:8000", "k", "in the clear.*https"),
        ("https://u:p@gpu.example/v1", "", "user or a password.*VOICE_UPSTREAM_KEY"),
        ("ftp://gpu.example/v1", "", "not an address"),
        ("http://[::1/v1", "", "not an address"),
        ("http:///v1", "", "not an address"),
        ("http://gpu.example/v1?x=1", "", "not an address"),
        ("http://127.0.0.1/v1", "k\x00", "characters that no key has"),
    ],
)
async def test_an_address_that_cannot_be_used_is_refused(url: str, key: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        await UpstreamBackend.open(Upstream(url, "m", key))
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "key"),
    [("http://10.0.0.7:8000", ""), ("https://gpu.example", "k"), ("http://[::1]:8080/v1/", "k")],
)
async def test_a_key_goes_over_https_or_stays_here_and_all_else_goes_anywhere(
    url: str, key: str
) -> None:
    await (await UpstreamBackend.open(Upstream(url, "m", key))).close()


@pytest.mark.parametrize("tail", ["/v1", "/v1/", "", "/", "/v1/chat/completions"])
async def test_the_path_need_not_be_exact(tail: str) -> None:
    async with chat_server(once(*saying("x"))) as server:
        url = server.url.removeprefix("http://").removesuffix("/v1") + tail
        backend = await UpstreamBackend.open(Upstream(url))
        assert (await pieces(backend))[0] == TextDelta("x")
        await backend.close()


async def test_without_a_name_the_first_model_is_used(caplog: pytest.LogCaptureFixture) -> None:
    async with chat_server(once(*saying("x")), ["big", "small"]) as server:
        backend = await UpstreamBackend.open(Upstream(server.url))
        await pieces(backend)
        await backend.close()
    assert backend.model == server.requests[0].body["model"] == "big"
    assert "--model" in caplog.text
    async with chat_server(silent, []) as server:
        with pytest.raises(ServerError, match=r"lists no models.*--model"):
            await UpstreamBackend.open(Upstream(server.url))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (ServeOptions(backend="upstream"), "--upstream"),
        (ServeOptions(upstream="http://127.0.0.1:1/v1"), "--backend upstream"),
    ],
)
async def test_options_that_do_not_fit_are_refused(options: ServeOptions, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        await open_backend(options)


# ── a real server ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def llama_server(llm_path: Path) -> Iterator[str]:
    """llama.cpp's own server, which its library opens; its base URL."""
    params = xllamacpp.CommonParams()
    params.model.path = str(llm_path)
    params.n_ctx, params.n_parallel, params.cache_ram_mib, params.verbosity = 1024, 1, 0, -1
    # One thread: several wait for each other, and for a long time where others need the cores.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server  # the last reference: the library ends its threads


async def test_llama_server_reads_ahead_and_goes_on_after_a_cancel(
    llama_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "WARM_SECONDS", 60.0)  # the cores may be busy
    backend = await UpstreamBackend.open(Upstream(llama_server))
    question = Message("user", "Tell me about a town with old houses, rivers and bridges")
    instructions = "You are a voice assistant. " + "Answer in one short sentence. " * 10
    ahead = await backend.prepare(Prompt((question,), instructions))
    assert ahead.input_tokens > 50
    assert ahead.output_tokens == 0
    items = (question, Message("user", ", please."))
    for _ in range(3):  # on connections that it closes when it likes
        *words, finished = await pieces(
            backend, Prompt(items, instructions, temperature=0, max_output_tokens=8)
        )
        assert isinstance(finished, Finished)
        assert "".join(word.text for word in words if isinstance(word, TextDelta))
        assert finished.cached_tokens > 0.8 * ahead.input_tokens
        assert (finished.output_tokens, finished.reached_limit) == (8, True)
    async with aclosing(backend.generate(Prompt((question,), instructions))) as stream:
        await anext(stream)
    answer = await pieces(backend, Prompt(items, instructions, max_output_tokens=1))
    assert len(answer) == 2, "the only place is free again"
    too_long = Prompt((Message("user", "word " * 2000),))
    with pytest.raises(PromptTooLong, match="1024"):
        await pieces(backend, too_long)
    await backend.close()


async def test_llama_server_calls_tools_and_keeps_to_a_schema(llama_server: str) -> None:
    """The model writes its call in a code fence, which this server takes for words."""
    backend = await UpstreamBackend.open(Upstream(llama_server))
    timer = Tool(
        "set_timer",
        "Set a timer.",
        {
            "type": "object",
            "properties": {"minutes": {"type": "integer"}},
            "required": ["minutes"],
        },
    )
    asked = Message("user", "Set a timer for five minutes.")
    called = Prompt((asked,), tools=(timer,), tool_choice="required", temperature=0)
    *_, call, finished = await pieces(backend, replace(called, max_output_tokens=32))
    assert isinstance(call, ToolCall)
    assert (call.name, json.loads(call.arguments)) == ("set_timer", {"minutes": 5})
    assert isinstance(finished, Finished)
    items = (asked, Call("c1", call.name, call.arguments), CallOutput("c1", "The timer runs."))
    *words, finished = await pieces(
        backend, Prompt(items, tools=(timer,), temperature=0, max_output_tokens=4)
    )
    assert "".join(word.text for word in words if isinstance(word, TextDelta))
    assert isinstance(finished, Finished)
    assert finished.cached_tokens > 0.5 * finished.input_tokens, "the prompt goes on from the call"

    schema = {
        "type": "object",
        "properties": {"color": {"enum": ["red", "blue"]}, "sure": {"type": "boolean"}},
        "required": ["color", "sure"],
        "additionalProperties": False,
    }
    sky = Prompt((Message("user", "The sky's color?"),), schema=schema, max_output_tokens=40)
    *words, _ = await pieces(backend, sky)
    told = json.loads("".join(word.text for word in words if isinstance(word, TextDelta)))
    assert set(told) == {"color", "sure"}
    assert told["color"] in ("red", "blue")
    with pytest.raises(Misconfigured, match="JSON schema"):
        await pieces(backend, replace(sky, schema={"$ref": "#/nowhere"}))
    await backend.close()


# ── behind our own protocol ──────────────────────────────────────────────────────────────────


@asynccontextmanager
async def in_front_of(answer: Answer, **options: Any) -> AsyncIterator[tuple[str, ChatServer]]:
    """Our server before such a one: its base URL."""
    async with asking(answer, **options) as (backend, at):
        endpoint = Endpoint(backend, "127.0.0.1", 0)
        host, port = await endpoint.open()
        try:
            yield f"ws://{host}:{port}/v1", at
        finally:
            await endpoint.close()


async def conversation(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
    """Lights the lamp when asked, tells a story without end, and else greets."""
    last = request.body["messages"][-1]
    if last["role"] == "tool":
        parts = saying("The lamp", " is lit.")
    elif "lamp" in last["content"]:
        parts = [fragment(0, "x1", "lamp", '{"on":'), fragment(0, arguments=" true}")]
        parts += [delta("tool_calls"), usage(30, 9), DONE]
    elif "story" in last["content"]:
        async for part in endless(request):
            yield part
    else:
        parts = saying("Good", " day.")
    for part in parts:
        yield part


def asked_for_answers(at: ChatServer) -> list[Request]:
    """The requests that were not only to be read ahead."""
    return [request for request in at.requests if request.body.get("max_tokens") != 1]


async def test_our_agent_talks_calls_a_tool_and_interrupts() -> None:
    async with in_front_of(conversation) as (url, at), talking(url) as talk:
        assert await talk.ask("Hello.") == "Good day."
        assert await talk.ask("Light the lamp.") == "The lamp is lit."
        assert talk.lamp.calls == ['{"on": true}']
        talk.begin("Tell me a story.")
        heard = await talk.interrupt(3)
        story = next(
            r for r in at.requests if "story" in r.last_words and r.body.get("max_tokens") != 1
        )
        async with asyncio.timeout(2):
            await story.gone.wait()
        assert await talk.ask("Thanks.") == "Good day."
    assert talk.failures == []
    assert talk.settled == talk.truth
    messages = [m for m in at.requests[-1].body["messages"] if m["role"] != "system"]
    assert [message["role"] for message in messages] == [
        *("user", "assistant"),
        *("user", "assistant", "tool", "assistant"),
        *("user", "assistant"),
        "user",
    ]
    call = messages[3]["tool_calls"][0]
    assert messages[4] == {
        "role": "tool",
        "tool_call_id": call["id"],
        "content": "lamp is on",
    }
    assert messages[7]["content"].strip() == heard.strip(), "only what was heard"


async def test_our_agent_waits_for_a_server_that_fails_for_a_while() -> None:
    failures = 2

    async def answer(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
        nonlocal failures
        if request.body.get("max_tokens") != 1 and failures:
            failures -= 1
            yield Refusal(500)
            return
        for part in saying("Good", " day."):
            yield part

    async with in_front_of(answer) as (url, _), talking(url) as talk:
        assert await talk.ask("Hello.") == "Good day."
    assert failures == 0
    assert talk.failures == []


async def test_a_client_sees_a_failed_response_and_goes_on() -> None:
    answers = iter([once(Refusal(401)), once(*saying("Good."))])

    async def answer(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
        async for part in next(answers)(request):
            yield part

    async with in_front_of(answer) as (url, _), connect(f"{url}/responses") as socket:
        for kind in ("response.failed", "response.completed"):
            await socket.send(json.dumps({"type": "response.create", "input": "Hello"}))
            event: Json = {"type": ""}
            while event["type"] not in ("response.failed", "response.completed"):
                event = json.loads(await socket.recv())
            assert event["type"] == kind
            if kind == "response.failed":
                error = event["response"]["error"]
                assert error["code"] == "invalid_prompt", "no client tries again after that"
                assert "VOICE_UPSTREAM_KEY" in error["message"]


async def test_a_cancelled_response_ends_the_request_to_the_server() -> None:
    async with in_front_of(endless) as (url, at), connect(f"{url}/responses") as socket:
        await socket.send(json.dumps({"type": "response.create", "input": "Hello"}))
        created = json.loads(await socket.recv())["response"]["id"]
        await at.arrived.wait()
        await socket.send(json.dumps({"type": "response.cancel", "response_id": created}))
        async with asyncio.timeout(2):
            await at.requests[0].gone.wait()


async def test_the_command_serves_with_the_key_from_the_environment() -> None:
    async with chat_server(once(*saying("Good", " day.")), ["m1"]) as server:
        program = await asyncio.create_subprocess_exec(
            *command("serve", "--backend", "upstream", "--upstream", server.url, "--port", "0"),
            stdout=subprocess.PIPE,
            env={**os.environ, "VOICE_UPSTREAM_KEY": "k-9"},
        )
        try:
            assert program.stdout is not None
            ready = (await program.stdout.readline()).decode()
            async with connect(f"{ready.split()[-1]}/responses") as socket:
                await socket.send(json.dumps({"type": "response.create", "input": "Hello"}))
                event: Json = {"type": ""}
                while event["type"] != "response.completed":
                    event = json.loads(await socket.recv())
        finally:
            program.terminate()
            await program.wait()
    assert event["response"]["output"][0]["content"][0]["text"] == "Good day."
    assert event["response"]["model"] == "m1"
    assert server.requests[0].headers["authorization"] == "Bearer k-9"
    assert program.returncode == 0
