"""The only place that chooses implementations: options in, a session with all its parts out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from voice.audio.echo import EchoCancellingMicrophone
from voice.audio.frames import AudioInput, AudioOutput
from voice.clock import Clock
from voice.config import Options
from voice.errors import UsageError
from voice.listen.gate import Gate
from voice.listen.judge import EndOfTurnWorker
from voice.listen.vad import choose_vad
from voice.listen.worker import TranscriptionWorker
from voice.responses.agent import Agent
from voice.responses.client import ResponsesClient
from voice.responses.connection import Endpoint, Transport, endpoint, open_websocket
from voice.session import Parts, Session
from voice.speak.playback import Playback
from voice.speak.worker import SynthesisWorker
from voice.tools.builtin import time_tool
from voice.tools.runner import Toolbox
from voice.tools.timers import Timers
from voice.trace import Trace
from voice.turns.machine import TurnMachine


@dataclass(frozen=True, slots=True)
class Devices:
    """The two ends of a conversation, and the clock they run on."""

    input: AudioInput
    output: AudioOutput
    clock: Clock
    patient: bool
    """Whether the conversation may begin later, when everything is warm: a recording can wait."""


@asynccontextmanager
async def open_session(options: Options, devices: Devices, trace: Trace) -> AsyncIterator[Session]:
    """A session that is ready to run. Models and server are loaded side by side.

    Raises `VoiceError`s, in a group where several failed.
    """
    async with AsyncExitStack() as stack:
        connect, model = _choose_server(options, devices.clock, trace, stack)
        async with asyncio.TaskGroup() as loading:
            transcriber = loading.create_task(
                asyncio.to_thread(_load_transcriber, options, devices.clock)
            )
            synthesizer = loading.create_task(
                asyncio.to_thread(_load_synthesizer, options, devices.output.rate)
            )
            judge = loading.create_task(asyncio.to_thread(_load_judge, options))
            if isinstance(devices.input, EchoCancellingMicrophone):
                loading.create_task(asyncio.to_thread(devices.input.load))
        stack.push_async_callback(transcriber.result().close)
        stack.callback(synthesizer.result().close)
        if hears := judge.result():
            stack.callback(hears.close)
        client = ResponsesClient(connect, stall_seconds=options.agent.stall_seconds)
        timers = Timers(devices.clock.now)
        toolbox = Toolbox([time_tool(datetime.now), *timers.tools()])
        agent = Agent(client, model, options.agent, toolbox)
        await stack.enter_async_context(client.running())
        if devices.patient or options.agent.url != "local":
            await client.connect()
        if devices.patient and options.agent.warm_up:
            await agent.warm_up()
        yield Session(
            Parts(
                input=devices.input,
                output=devices.output,
                vad=choose_vad(options.gate),
                gate=Gate(options.gate),
                transcriber=transcriber.result(),
                judge=hears,
                machine=TurnMachine(options.turns, options.listen.language),
                agent=agent,
                synthesizer=synthesizer.result(),
                playback=Playback(devices.output.rate),
                timers=timers,
                clock=devices.clock,
                trace=trace,
                warm_up=options.agent.warm_up and not devices.patient,
            )
        )


Connect = Callable[[], Awaitable[Transport]]


def _choose_server(
    options: Options, clock: Clock, trace: Trace, stack: AsyncExitStack
) -> tuple[Connect, str]:
    """How to connect to the server to ask, and its model's name.

    A local server is started at once, ends with the stack, and is waited for by whoever connects:
    nobody has finished a question before it is ready.
    """
    chosen, named = options.agent, options.agent.model != "auto"
    if chosen.url == "local":
        server = _start_server(options, stack)
        model = chosen.model
    else:
        found = endpoint(chosen.url, os.environ.get("OPENAI_API_KEY", ""))
        if not (named or found.loopback):
            raise UsageError(f"no model is chosen for {chosen.url}", "name one with --model")
        server = asyncio.get_running_loop().create_future()
        server.set_result(found)
        model = chosen.model if named else "default"

    async def connect() -> Transport:
        there = await asyncio.shield(server)
        transport = await open_websocket(there)
        trace.mark("connection.opened", clock.now(), url=there.url)
        return transport

    return connect, model


def _start_server(options: Options, stack: AsyncExitStack) -> asyncio.Future[Endpoint]:
    from voice.models.resolve import this_machines_llm, weights
    from voice.server.child import local_server
    from voice.server.serve import ServeOptions

    name = options.agent.model if options.agent.model != "auto" else options.server.model
    model = weights(this_machines_llm() if name == "auto" else name, ".gguf")
    serving = ServeOptions(
        model=model,
        threads=options.server.threads or None,
        context_tokens=options.server.context_tokens,
    )

    async def start() -> Endpoint:
        url, key = await stack.enter_async_context(local_server(serving))
        return endpoint(url, key)

    async def end() -> None:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)  # whoever connects has seen it

    starting = asyncio.create_task(start())
    stack.push_async_callback(end)
    return starting


def _load_transcriber(options: Options, clock: Clock) -> TranscriptionWorker:
    from voice.listen.incremental import IncrementalTranscriber
    from voice.listen.whisper import WhisperModel
    from voice.models.resolve import resolve

    folder = resolve(options.listen.model)
    transcriber = IncrementalTranscriber(WhisperModel(folder, options.listen), options.listen)
    return TranscriptionWorker(transcriber, options.listen, clock.now)


def _load_judge(options: Options) -> EndOfTurnWorker | None:
    from voice.listen.smart_turn import SmartTurn
    from voice.models.resolve import weights

    if not options.turns.judge or options.turns.mode == "push-to-talk":
        return None
    return EndOfTurnWorker(SmartTurn.load(weights(options.turns.judge, ".onnx")))


def _load_synthesizer(options: Options, rate: int) -> SynthesisWorker:
    from voice.models.resolve import weights
    from voice.speak.piper import PiperSynthesizer

    model = weights(options.speak.voice, ".onnx")
    return SynthesisWorker(PiperSynthesizer.load(model, rate, options.speak))
