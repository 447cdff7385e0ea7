"""The only place that chooses implementations: options in, a session with all its parts out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from voice.audio.echo import EchoCancellingMicrophone
from voice.audio.frames import AudioInput, AudioOutput
from voice.audio.onset_listener import OnsetListener
from voice.audio.recorded import RecordedInput
from voice.build_agent import Brought, choose_server, open_agent, open_journal
from voice.clock import Clock
from voice.config import Options
from voice.errors import ModelError
from voice.listen.gate import Gate
from voice.listen.judge import EndOfTurnWorker
from voice.listen.vad import choose_vad
from voice.listen.worker import TranscriptionWorker
from voice.loading import Loading
from voice.parts import Parts
from voice.responses.proposal import EXPIRED
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
async def open_session(
    options: Options,
    devices: Devices,
    trace: Trace,
    *,
    resume: bool = False,
    fetch: bool = False,
    brought: Brought = Brought(),  # noqa: B008  # frozen
) -> AsyncIterator[Session]:
    """A session that is ready to run. Models and server are loaded side by side.

    The voice may still be loading, unless the devices are patient; `run` fails if it cannot be.

    `resume` goes on with the journal's last conversation, `fetch` brings models that are not here.
    Raises `VoiceError`s, in a group where several failed.
    """
    async with AsyncExitStack() as stack:
        clock = devices.clock
        loading = Loading(trace, clock, fetches=fetch)
        stack.callback(loading.close)
        journal = await open_journal(options, clock, trace, stack, resume=resume)
        server = choose_server(options, clock, trace, brought, loading, stack)
        voice = VoiceSettings(options.speak.volume, options.speak.speed)
        echo = _echo_canceller(devices.input)
        async with asyncio.TaskGroup() as tasks:
            transcriber = tasks.create_task(_transcriber(options, clock, brought, loading))
            synthesizer = tasks.create_task(
                _synthesizer(options, devices.output.rate, voice, brought, loading)
            )
            judge = tasks.create_task(_judge(options, loading))
            if echo:
                tasks.create_task(loading.load("echo canceller", echo.load))
        stack.push_async_callback(transcriber.result().close)
        stack.callback(synthesizer.result().close)
        if hears := judge.result():
            stack.callback(hears.close)
        side = await open_agent(options, clock, trace, voice, server, journal, brought, stack)
        if devices.patient or options.agent.url != "local":
            await side.agent.connected()
        if devices.patient:
            await side.agent.ready()
            await synthesizer.result().prepare()
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
                agent=side.agent,
                commands=SpokenCommands(voice, options.listen.language),
                keeper=side.keeper,
                synthesizer=synthesizer.result(),
                speak=options.speak,
                playback=Playback(devices.output.rate),
                timers=side.timers,
                clock=clock,
                trace=trace,
            )
        )


def _echo_canceller(heard: AudioInput) -> EchoCancellingMicrophone | None:
    if isinstance(heard, RecordedInput):
        heard = heard.source
    return heard if isinstance(heard, EchoCancellingMicrophone) else None


async def _transcriber(
    options: Options, clock: Clock, brought: Brought, loading: Loading
) -> TranscriptionWorker:
    if brought.transcriber:
        return TranscriptionWorker(brought.transcriber, options.listen, clock.now)
    load = partial(load_transcriber, options, clock)
    return await loading.load("hearing", load, [options.listen.model])


async def _judge(options: Options, loading: Loading) -> EndOfTurnWorker | None:
    if not options.turns.judge or options.turns.mode == "push-to-talk":
        return None
    load = partial(_load_judge, options)
    return await loading.load("end of turn", load, [options.turns.judge])


async def _synthesizer(
    options: Options, rate: int, settings: VoiceSettings, brought: Brought, loading: Loading
) -> SynthesisWorker:
    """A voice that may still be loading."""
    if brought.synthesizer:
        return SynthesisWorker(brought.synthesizer)
    loading.begin("voice")
    await loading.fetch("voice", [options.speak.voice])
    worker, voice = await asyncio.to_thread(_load_synthesizer, options, rate, settings)
    loading.end_with("voice", voice)
    return worker


def load_transcriber(options: Options, clock: Clock) -> TranscriptionWorker:
    """Whisper on its thread. Raises `ModelError`."""
    from voice.listen.incremental import IncrementalTranscriber
    from voice.listen.whisper import WhisperModel
    from voice.models.resolve import resolve

    folder = resolve(options.listen.model)
    transcriber = IncrementalTranscriber(WhisperModel(folder, options.listen), options.listen)
    return TranscriptionWorker(transcriber, options.listen, clock.now)


def _load_judge(options: Options) -> EndOfTurnWorker:
    from voice.listen.smart_turn import SmartTurn
    from voice.models.resolve import weights

    return EndOfTurnWorker(SmartTurn.load(weights(options.turns.judge, ".onnx")))


def _load_synthesizer(
    options: Options, rate: int, settings: VoiceSettings
) -> tuple[SynthesisWorker, Future[Synthesizer]]:
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
    return SynthesisWorker(ClipSynthesizer(clips, voice, rate, settings), voice, ahead), voice


def _load_voice(
    model: Path, rate: int, speak: SpeakOptions, settings: VoiceSettings
) -> Synthesizer:
    from voice.speak.piper import PiperSynthesizer

    return PiperSynthesizer.load(model, rate, speak, settings)


def _keep(clips: Clips, phrase: str, voice: Future[Synthesizer]) -> None:
    with suppress(ModelError):  # an answer will tell that the voice fails
        clips.add([phrase], voice.result())
