"""pipecat as a voice agent on the default microphone and speaker, the peer of our own program.

    peers_pipecat.py URL WHISPER_FOLDER PIPER_ONNX --trace FILE.jsonl

It runs in an environment of its own (requirements-peers.lock) and writes the few events of our
trace that the benchmark's user has to know. Voice activity, end of turn and interruption are
pipecat's defaults. Its own local transport needs a compiler for PyAudio; this one opens PortAudio's
streams through sounddevice, with the block and latency of our program.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Condition
from typing import Any

import sounddevice
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.openai.responses.llm import OpenAIResponsesLLMService
from pipecat.services.piper.tts import PiperTTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

MICROPHONE_RATE = 16000
MICROPHONE_SECONDS = 0.02
"""A block, and the latency that is asked for."""

SPEAKER_BLOCK_SECONDS = 0.01
SPEAKER_LATENCY_SECONDS = 0.03
HELD_SECONDS = 0.04
"""What waits for the device beside its own latency."""

STALLED_SECONDS = 0.2
OPENING_SECONDS = 1.0
"""A device that has asked for nothing for so long, or since it was opened, is opened again."""


class Microphone(BaseInputTransport):
    """The default input device, in blocks of 20 ms."""

    async def start(self, frame: StartFrame) -> None:
        """Open the device and begin to hand on what it hears."""
        await super().start(frame)
        loop = asyncio.get_running_loop()

        def heard(block: Any, *_: Any) -> None:
            sound = InputAudioRawFrame(bytes(block), MICROPHONE_RATE, 1)
            asyncio.run_coroutine_threadsafe(self.push_audio_frame(sound), loop)

        self._stream = sounddevice.RawInputStream(
            samplerate=MICROPHONE_RATE,
            blocksize=round(MICROPHONE_RATE * MICROPHONE_SECONDS),
            channels=1,
            dtype="int16",
            latency=MICROPHONE_SECONDS,
            callback=heard,
        )
        self._stream.start()
        await self.set_transport_ready(frame)


class Speaker(BaseOutputTransport):
    """The default output device; a write returns when no more than 40 ms wait for it.

    The device asks for its sound, and gets silence when there is none. After an underrun of the
    virtual sound card it may ask no more: it is then opened again, so that pipecat goes on.
    """

    def __init__(self, params: TransportParams, note: Trace) -> None:
        super().__init__(params)
        self._note = note
        self._devices = ThreadPoolExecutor(max_workers=2)
        self._waiting = bytearray()
        self._changed = Condition()
        self._asked_at = 0.0

    async def start(self, frame: StartFrame) -> None:
        """Open the device."""
        await super().start(frame)
        self._most_bytes = round(self.sample_rate * HELD_SECONDS) * 2
        self._stream = self._opened()
        await self.set_transport_ready(frame)
        self._watch = asyncio.create_task(self._keep_open())

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Play one piece of sound."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._devices, self._write, frame.audio)
        return True

    def _opened(self) -> sounddevice.RawOutputStream:
        self._asked_at = time.monotonic() + OPENING_SECONDS
        stream = sounddevice.RawOutputStream(
            samplerate=self.sample_rate,
            blocksize=round(self.sample_rate * SPEAKER_BLOCK_SECONDS),
            channels=1,
            dtype="int16",
            latency=SPEAKER_LATENCY_SECONDS,
            callback=self._fill,
        )
        stream.start()
        return stream

    def _write(self, sound: bytes) -> None:
        with self._changed:
            self._waiting += sound
            self._changed.wait_for(lambda: len(self._waiting) <= self._most_bytes)

    def _fill(self, out: Any, _count: int, *_: Any) -> None:
        with self._changed:
            self._asked_at = max(self._asked_at, time.monotonic())
            sound = bytes(self._waiting[: len(out)])
            del self._waiting[: len(out)]
            self._changed.notify_all()
        out[:] = sound.ljust(len(out), b"\0")

    async def _keep_open(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(STALLED_SECONDS / 2)
            if time.monotonic() - self._asked_at > STALLED_SECONDS:
                self._note.write("speaker.reopened")
                await loop.run_in_executor(self._devices, self._reopen)

    def _reopen(self) -> None:
        self._stream.abort()
        self._stream.close()
        self._stream = self._opened()


class Trace(BaseObserver):
    """Writes what the program does as events of our trace."""

    def __init__(self, path: Path) -> None:
        super().__init__(observe_every_push=False)
        self._file = path.open("a", encoding="utf-8")
        self._turn = 0
        self._speaking = False

    def write(self, event: str, **more: Any) -> None:
        """One event, now."""
        line = {"at": time.monotonic(), "turn": self._turn, "event": event, **more}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    async def on_push_frame(self, data: FramePushed) -> None:
        """Look at a frame that goes from one part of the pipeline to the next."""
        if data.direction is FrameDirection.DOWNSTREAM:
            self._seen(data.frame)

    def _seen(self, frame: Frame) -> None:
        match frame:
            case UserStoppedSpeakingFrame():
                self.write("turn.ended")
            case TranscriptionFrame():
                self.write("transcript.final", text=frame.text)
            case LLMFullResponseStartFrame():
                self.write("request.sent")
            case BotStartedSpeakingFrame() if not self._speaking:
                self._turn, self._speaking = self._turn + 1, True
                self.write("audio.first")
            case BotStoppedSpeakingFrame() | InterruptionFrame() if self._speaking:
                self._speaking = False
                interrupted = isinstance(frame, InterruptionFrame)
                words = {"assistant_text": "", "heard_text": "", "latency": {}}
                self.write("turn.completed", interrupted=interrupted, **words)
            case _:
                pass


def pipeline(url: str, whisper: str, voice: Path, note: Trace) -> PipelineWorker:
    """All parts with their defaults; Whisper with the same arithmetic as ours."""
    sound = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    words = WhisperSTTService(
        device="cpu",
        compute_type="int8",
        settings=WhisperSTTService.Settings(model=whisper),
    )
    model = OpenAIResponsesLLMService(
        api_key="none",
        base_url=url.replace("ws:", "http:"),
        ws_url=f"{url}/responses",
        settings=OpenAIResponsesLLMService.Settings(
            model="script", system_instruction="You are a helpful assistant."
        ),
    )
    speech = PiperTTSService(
        download_dir=voice.parent, settings=PiperTTSService.Settings(voice=voice.stem)
    )
    listening = LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    pair = LLMContextAggregatorPair(LLMContext(), user_params=listening)
    parts = [Microphone(sound), words, pair.user(), model, speech]
    return PipelineWorker(
        Pipeline([*parts, Speaker(sound, note), pair.assistant()]),
        params=PipelineParams(audio_in_sample_rate=MICROPHONE_RATE),
        observers=[note],
        idle_timeout_secs=None,
        enable_rtvi=False,
    )


async def main(url: str, whisper: str, voice: str, _flag: str, trace: str) -> None:
    """A conversation that goes on until the process is ended."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    note = Trace(Path(trace))
    worker = pipeline(url, whisper, Path(voice), note)

    @worker.event_handler("on_pipeline_started")
    async def _(*_: Any) -> None:
        note.write("listening")

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
