"""The only place that chooses implementations: options in, a session with all its parts out."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice.audio.echo import EchoCancellingMicrophone
from voice.audio.frames import AudioInput, AudioOutput
from voice.audio.onset_listener import OnsetListener
from voice.build_tools import ended, open_tools
from voice.clock import Clock, VirtualClock
from voice.config import Options
from voice.errors import ModelError, UsageError
from voice.keeper import Keeper
from voice.listen.gate import Gate
from voice.listen.judge import EndOfTurnWorker
from voice.listen.vad import choose_vad
from voice.listen.worker import TranscriptionWorker
from voice.parts import Parts
from voice.responses.agent import Agent, Connect
from voice.responses.connection import Endpoint, Transport, endpoint
from voice.responses.events import InputItem
from voice.responses.journal import Journal, JournalWriter
from voice.responses.machine import AgentMachine
from voice.responses.options import AgentOptions
from voice.responses.presets import PRESETS, resolve_agent
from voice.responses.proposal import EXPIRED
from voice.responses.requests import Features
from voice.responses.signals import ToolsCancelled
from voice.responses.transports import TransportKind, open_transport
from voice.responses.work import AT_WORK
from voice.session import Session
from voice.speak.apology import APOLOGY, fixed_phrases
from voice.speak.clips import Clips, ClipSynthesizer, clip_key
from voice.speak.options import SpeakOptions
from voice.speak.playback import Playback
from voice.speak.settings import VoiceSettings
from voice.speak.synthesizer import Synthesizer
from voice.speak.worker import SynthesisWorker
from voice.spoken_commands import FORGOTTEN, NOTHING_SAID, SpokenCommands
from voice.tools.kept_timers import KeptTimers
from voice.tools.timers import Timers
from voice.trace import Trace
from voice.turns.machine import TurnMachine

if TYPE_CHECKING:
    from voice.server.serve import ServeOptions

_SPARE_MINUTES = 5.0
"""Before a server ends a connection: it is replaced after a turn, perhaps not at the first try."""


@dataclass(frozen=True, slots=True)
class Devices:
    """The two ends of a conversation, and the clock they run on."""

    input: AudioInput
    output: AudioOutput
    clock: Clock
    patient: bool
    """Whether the conversation may begin later, when everything is warm: a recording can wait."""


@asynccontextmanager
async def open_session(
    options: Options, devices: Devices, trace: Trace, *, resume: bool = False
) -> AsyncIterator[Session]:
    """A session that is ready to run. Models and server are loaded side by side.

    The voice may still be loading, unless the devices are patient; `run` fails if it cannot be.

    `resume` goes on with the journal's last conversation. Raises `VoiceError`s, in a group where
    several failed.
    """
    async with AsyncExitStack() as stack:
        journal = await _open_journal(options, resume, stack)
        if journal:
            trace.mark(
                "journal.opened", devices.clock.now(), resumed=resume, items=len(journal.items)
            )
        server = _choose_server(options, devices.clock, trace, stack)
        voice = VoiceSettings(options.speak.volume, options.speak.speed)
        async with asyncio.TaskGroup() as loading:
            transcriber = loading.create_task(
                asyncio.to_thread(_load_transcriber, options, devices.clock)
            )
            synthesizer = loading.create_task(
                asyncio.to_thread(_load_synthesizer, options, devices.output.rate, voice)
            )
            judge = loading.create_task(asyncio.to_thread(_load_judge, options))
            if isinstance(devices.input, EchoCancellingMicrophone):
                loading.create_task(asyncio.to_thread(devices.input.load))
        stack.push_async_callback(transcriber.result().close)
        stack.callback(synthesizer.result().close)
        if hears := judge.result():
            stack.callback(hears.close)
        timers = Timers(devices.clock.now, datetime.now)
        kept_timers = await _open_timers(options, devices.clock, timers, stack)

        def note(event: str, fields: dict[str, Any]) -> None:
            trace.mark(event, devices.clock.now(), **fields)

        toolbox = await open_tools(
            options.tools,
            timers,
            voice,
            running=lambda: {one.call.name: one.progress for one in agent.background},
            cancel=lambda name: agent.tell(ToolsCancelled(name)),
            note=note,
            stack=stack,
        )
        machine = AgentMachine(
            server.model,
            server.options,
            server.features,
            toolbox,
            random.random,
            journal.items if journal else (),
            options.listen.language,
        )
        agent = Agent(machine, server.connect, toolbox, devices.clock)
        await stack.enter_async_context(agent.running())
        if devices.patient or options.agent.url != "local":
            await agent.connected()
        if devices.patient:
            await agent.ready()
            await synthesizer.result().prepare()
        echo = devices.input if isinstance(devices.input, EchoCancellingMicrophone) else None
        yield Session(
            Parts(
                input=devices.input,
                output=devices.output,
                echo=None if options.barge_in.half_duplex else echo,
                onset=OnsetListener(),
                vad=choose_vad(options.gate),
                gate=Gate(options.gate),
                transcriber=transcriber.result(),
                judge=hears,
                machine=TurnMachine(options.turns, options.listen.language, options.barge_in),
                agent=agent,
                commands=SpokenCommands(voice, options.listen.language),
                keeper=Keeper(
                    timers,
                    devices.clock,
                    trace,
                    journal.writer if journal else None,
                    kept_timers,
                ),
                synthesizer=synthesizer.result(),
                speak=options.speak,
                playback=Playback(devices.output.rate),
                timers=timers,
                clock=devices.clock,
                trace=trace,
            )
        )


@dataclass(frozen=True, slots=True)
class _Server:
    """Whom to ask, and what it is known to understand."""

    connect: Connect
    model: str
    features: Features
    options: AgentOptions
    """As they suit this server."""


def _choose_server(options: Options, clock: Clock, trace: Trace, stack: AsyncExitStack) -> _Server:
    """The server to ask.

    A local one is started at once, ends with the stack, and is waited for by whoever connects:
    nobody has finished a question before it is ready.
    """
    chosen, named = options.agent, options.agent.model != "auto"
    address: asyncio.Future[Endpoint]
    if chosen.url == "local":
        address, preset = _start_server(options, stack), PRESETS["local"]
        model = chosen.model
        if options.server.backend == "llama":
            context_tokens = options.server.context_tokens * 3 // 4  # the rest is for the answer
            chosen = replace(chosen, context_tokens=min(chosen.context_tokens, context_tokens))
    else:
        url, key, preset = resolve_agent(chosen.url, os.environ)
        found = endpoint(url, key, preset.key_variable)
        if not (named or found.loopback):
            raise UsageError(f"no model is chosen for {url}", "name one with --model")
        address = asyncio.get_running_loop().create_future()
        address.set_result(found)
        model = chosen.model if named else "default"
    minutes = min(chosen.rotate_minutes, preset.connection_minutes - _SPARE_MINUTES)
    kind: TransportKind = chosen.transport

    async def connect() -> Transport:
        nonlocal kind
        there = await asyncio.shield(address)
        transport, fallback = await open_transport(there, kind)
        carries = "websocket" if transport.remembers else "http"
        trace.mark("connection.opened", clock.now(), url=there.url, transport=carries)
        if fallback:
            kind = "http"  # a network that refuses once does so all session
            trace.mark("connection.fallback", clock.now(), reason=fallback)
        return transport

    features = Features(
        ahead=preset.warm_up,
        steering=preset.steering,
        compaction=preset.compaction,
        cancel=preset.cancel,
        chaining=preset.chaining,
    )
    return _Server(connect, model, features, replace(chosen, rotate_minutes=minutes))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The journal, and what it holds of the conversation that goes on."""

    writer: JournalWriter
    items: list[InputItem]


async def _open_journal(options: Options, resume: bool, stack: AsyncExitStack) -> _Kept | None:
    if not options.journal.path:
        if resume:
            raise UsageError(
                "there is no journal to go on with", "set [journal] path, or leave --resume out"
            )
        return None
    kept = await asyncio.to_thread(_read_journal, options, resume)
    stack.push_async_callback(kept.writer.close)
    return kept


def _read_journal(options: Options, resume: bool) -> _Kept:
    now = time.time()
    journal = Journal.open(Path(options.journal.path), options.journal.retention_days, now)
    try:
        number = journal.latest() if resume else None
        items = journal.items(number) if number is not None else []
        if number is None:
            number = journal.begin(now, options.agent.model)
    except BaseException:
        journal.close()
        raise
    return _Kept(JournalWriter(journal, number), items)


def _start_server(options: Options, stack: AsyncExitStack) -> asyncio.Future[Endpoint]:
    from voice.server.child import local_server

    serving = _serving(options)

    async def start() -> Endpoint:
        url, key = await stack.enter_async_context(local_server(serving))
        return endpoint(url, key)

    starting = asyncio.create_task(start())
    stack.push_async_callback(ended, starting)  # whoever connects has seen how it failed
    return starting


def _serving(options: Options) -> ServeOptions:
    """What our own server does. Raises `ModelError` and `UsageError`.

    Its model may be named in [agent] too. The key of an upstream server is in the environment,
    which the child inherits; its command line can be read by anybody on the machine.
    """
    from voice.models.resolve import this_machines_llm, weights
    from voice.server.serve import ServeOptions

    server = options.server
    name = options.agent.model if options.agent.model != "auto" else server.model
    match server.backend:
        case "llama":
            return ServeOptions(
                model=weights(this_machines_llm() if name == "auto" else name, ".gguf"),
                threads=server.threads or None,
                context_tokens=server.context_tokens,
            )
        case "upstream":
            if not server.upstream:
                raise UsageError(
                    "[server] backend is upstream, but no server is named to ask",
                    "set `upstream` in [server], such as http://127.0.0.1:11434/v1 for Ollama",
                )
            return ServeOptions(
                backend="upstream",
                upstream=server.upstream,
                upstream_model="" if name == "auto" else name,
                warm=server.warm,
            )
        case "script":
            return ServeOptions(
                backend="script",
                script=Path(server.script) if server.script else None,
                ttft_seconds=server.ttft,
                tokens_per_second=server.tokens_per_second,
            )


async def _open_timers(
    options: Options, clock: Clock, timers: Timers, stack: AsyncExitStack
) -> KeptTimers | None:
    """What was set before goes on, where there is a journal; with recordings nothing is kept."""
    if not options.journal.path or isinstance(clock, VirtualClock):
        return None
    kept = await asyncio.to_thread(KeptTimers.open, Path(options.journal.path))
    stack.push_async_callback(kept.close)
    timers.restore(kept.found)
    return kept


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


def _load_synthesizer(options: Options, rate: int, settings: VoiceSettings) -> SynthesisWorker:
    """A voice that is still loading, and until then says what it has said before."""
    from voice.models.cache import default_cache
    from voice.models.resolve import weights

    speak = options.speak
    model = weights(speak.voice, ".onnx")
    clips = Clips.open(default_cache().root / "clips", clip_key(model, rate, speak))
    loader = ThreadPoolExecutor(1, thread_name_prefix="voice")
    voice = loader.submit(_load_voice, model, rate, speak, settings)
    loader.shutdown(wait=False)
    phrases = fixed_phrases(speak, (APOLOGY, AT_WORK, EXPIRED, FORGOTTEN, NOTHING_SAID))
    ahead = [partial(_keep, clips, phrase, voice) for phrase in phrases]
    return SynthesisWorker(ClipSynthesizer(clips, voice, rate, settings), voice, ahead)


def _load_voice(
    model: Path, rate: int, speak: SpeakOptions, settings: VoiceSettings
) -> Synthesizer:
    from voice.speak.piper import PiperSynthesizer

    return PiperSynthesizer.load(model, rate, speak, settings)


def _keep(clips: Clips, phrase: str, voice: Future[Synthesizer]) -> None:
    with suppress(ModelError):  # an answer will tell that the voice fails
        clips.add([phrase], voice.result())
