"""A conversation in a program of one's own: `from voice import Assistant`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from voice.apps.sound import FILE_RATE, live_devices, microphone, speaker
from voice.audio.frames import AudioInput, AudioOutput
from voice.audio.wav import FileInput, FileOutput
from voice.build import Devices, open_session
from voice.build_agent import Brought
from voice.clock import Clock, MonotonicClock, VirtualClock
from voice.config import Options, load
from voice.errors import UsageError, first_known
from voice.listen.transcriber import Transcriber
from voice.session import Session
from voice.speak.synthesizer import Synthesizer
from voice.tools.function import function_tool
from voice.trace import Trace, TraceEvent


class Assistant:
    """Listens and speaks inside `async with`; `converse` tells what happens.

    Sound comes from `input` and goes to `output`: a device of one's own (`AudioInput`,
    `AudioOutput`), a sound file, or by default microphone and speaker. With files only, `fast`
    holds the conversation as fast as the machine can. `transcriber` and `synthesizer` take the
    place of Whisper and Piper.
    """

    def __init__(
        self,
        *,
        agent: str | None = None,
        model: str | None = None,
        tools: Iterable[Callable[..., Any]] = (),
        input: AudioInput | Path | str | None = None,  # noqa: A002
        output: AudioOutput | Path | str | None = None,
        transcriber: Transcriber | None = None,
        synthesizer: Synthesizer | None = None,
        config: Path | str | None = None,
        options: Options | None = None,
        fast: bool = False,
    ) -> None:
        """`agent` and `model` are as in `voice run`; `tools` are functions with docstrings.

        All else that can be chosen is in `config`, a TOML file, or in `options`; without either it
        is the default, and what the environment says. Raises `VoiceError`s.
        """
        flags = {"agent": {"url": agent, "model": model}}
        file = Path(config) if config else None
        self._options = options or load(file, os.environ, flags)
        self._ends = input, output
        self._clock: Clock = VirtualClock() if fast else MonotonicClock()
        self._brought = Brought(
            transcriber=transcriber,
            synthesizer=synthesizer,
            tools=[function_tool(function) for function in tools],
        )
        self._events: asyncio.Queue[TraceEvent | None] = asyncio.Queue()
        self._opened = asyncio.Event()
        self._holding: asyncio.Task[None] | None = None
        self._session: Session | None = None

    async def __aenter__(self) -> Assistant:
        """Load what is needed and listen. Raises `VoiceError`s."""
        self._holding = asyncio.create_task(self._hold())
        self._holding.add_done_callback(self._end)
        await self._opened.wait()
        if self._session is None:
            await self._wait_for_end()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the conversation."""
        assert self._holding is not None
        self._holding.cancel()
        await asyncio.gather(self._holding, return_exceptions=True)

    async def converse(self) -> AsyncIterator[TraceEvent]:
        """The events of the conversation until it ends, as `--trace` writes them.

        Raises the `VoiceError` that has ended it, if one has.
        """
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)
        await self._wait_for_end()

    def say(self, text: str) -> None:
        """Say this at the next free moment."""
        self._there().announce(text)

    def type(self, text: str) -> None:
        """Ask this as if the user had said it; the assistant falls silent for it."""
        self._there().type_text(text)

    def interrupt(self) -> None:
        """Fall silent."""
        self._there().interrupt()

    def mute(self, on: bool = True) -> None:
        """Hear nothing of the user, or hear again."""
        self._there().mute(on)

    def _there(self) -> Session:
        if self._session is None:
            raise UsageError("there is no conversation", "use the assistant inside `async with`")
        return self._session

    async def _hold(self) -> None:
        devices = await asyncio.to_thread(self._devices)
        trace = Trace(self._events.put_nowait)
        async with open_session(self._options, devices, trace, brought=self._brought) as session:
            self._session = session
            self._opened.set()
            await session.run()

    def _end(self, _: asyncio.Task[None]) -> None:
        self._events.put_nowait(None)
        self._opened.set()

    async def _wait_for_end(self) -> None:
        assert self._holding is not None
        try:
            await self._holding
        except Exception as error:
            if known := first_known(error):
                raise known from None
            raise

    def _devices(self) -> Devices:
        (source, sink), audio, clock = self._ends, self._options.audio, self._clock
        if source is None and sink is None:
            return live_devices(audio, clock, speaker(audio), microphone(audio))
        heard: AudioInput
        if source is None:
            heard = microphone(audio)
        else:
            heard = FileInput(Path(source), clock) if isinstance(source, Path | str) else source
        said: AudioOutput
        if sink is None:
            said = speaker(audio)
        elif isinstance(sink, Path | str):
            said = FileOutput(Path(sink), clock, FILE_RATE)
        else:
            said = sink
        return Devices(heard, said, clock, patient=isinstance(source, Path | str))
