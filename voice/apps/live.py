"""The conversation behind the screen: opened, acted upon, and opened anew with other choices."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voice.apps.controls import Levels, Subject
from voice.apps.recording import Recording
from voice.audio.frames import level_dbfs
from voice.audio.speaker import Speaker
from voice.build import Devices, open_session
from voice.build_agent import Brought
from voice.clock import MonotonicClock
from voice.config import Options
from voice.errors import first_known
from voice.session import Session
from voice.trace import Sink, Trace, TraceEvent

_QUIET = Levels(-96.0, -96.0)

_PROGRESS_SECONDS = 0.1
"""Between two looks at what was heard of an answer: a word takes three times as long."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What a conversation is opened with."""

    options: Options
    devices: Devices
    speaker: Speaker
    recording: Recording | None = None


class Live:
    """One conversation after another; its methods are `Controls`."""

    def __init__(self, choose_ends: Callable[[], Ends]) -> None:
        """`choose_ends` reads the options anew, and may raise `VoiceError`s."""
        self._choose_ends = choose_ends
        self._clock = MonotonicClock()
        self._screen: Sink = lambda _: None
        self._session: Session | None = None
        self._speaker: Speaker | None = None
        self._muted = False
        self._chosen = asyncio.Event()

    async def converse(self, screen: Sink, *others: Sink, resume: bool) -> None:
        """Hold conversations until cancelled; one that fails is told, and awaits another choice."""
        self._screen = screen
        while True:
            self._chosen.clear()
            talking = asyncio.create_task(self._talk((screen, *others), resume))
            choosing = asyncio.create_task(self._chosen.wait())
            try:
                await asyncio.wait((talking, choosing), return_when=asyncio.FIRST_COMPLETED)
                if talking.done():
                    await self._tell_end(talking)
                    await choosing
            finally:
                for task in (talking, choosing):
                    task.cancel()
                await asyncio.gather(talking, choosing, return_exceptions=True)

    # ── what a person does ───────────────────────────────────────────────────────────────

    def mute(self, on: bool) -> None:
        """Hear nothing of the user, or hear again: in the next conversation as in this one."""
        self._muted = on
        if self._session:
            self._session.mute(on)
        else:
            self._tell("input.muted", on=on)

    def press_talk(self) -> None:
        """The user holds the key to talk."""
        if self._session:
            self._session.press_talk()
            self._tell("talk.pressed")

    def release_talk(self) -> None:
        """The user let go of it."""
        if self._session:
            self._session.release_talk()
            self._tell("talk.released")

    def interrupt(self) -> None:
        """The assistant falls silent."""
        if self._session:
            self._session.interrupt()

    def repeat(self) -> None:
        """The assistant says its last answer again."""
        if self._session:
            self._session.repeat()

    def new_conversation(self) -> None:
        """What was said so far is forgotten, and stays in the journal."""
        if self._session:
            self._session.begin_anew()

    def type_text(self, text: str) -> None:
        """The user typed this."""
        if self._session:
            self._session.type_text(text)

    def levels(self) -> Levels:
        """How loud it is now."""
        frame = self._session.latest_frame if self._session else None
        if frame is None or self._speaker is None:
            return _QUIET
        return Levels(level_dbfs(frame.samples), self._speaker.level_dbfs)

    def choose(self, subject: Subject, value: str) -> None:
        """Go on with what was chosen and saved, in a conversation that is opened anew."""
        self._chosen.set()

    # ── one conversation ─────────────────────────────────────────────────────────────────

    async def _talk(self, sinks: tuple[Sink, ...], resume: bool) -> None:
        began = self._clock.now()
        self._tell("loading.progress", part="sound devices", done=0, total=1)
        ends = await asyncio.to_thread(self._choose_ends)
        took = round(self._clock.now() - began, 3)
        self._tell("loading.progress", part="sound devices", done=1, total=1, seconds=took)
        self._speaker = ends.speaker
        with ends.recording or contextlib.nullcontext():
            await self._hold(ends, sinks, resume)

    async def _hold(self, ends: Ends, sinks: tuple[Sink, ...], resume: bool) -> None:
        devices, brought, trace = ends.devices, Brought(), Trace(*sinks)
        if record := ends.recording:
            devices, brought, trace = record.devices, record.brought, Trace(*sinks, record.sink)
        opening = open_session(
            ends.options, devices, trace, resume=resume, fetch=True, brought=brought
        )
        async with opening as session:
            self._session = session
            if self._muted:
                session.mute(True)
            gc.collect()
            gc.freeze()  # as for a conversation in lines
            following = asyncio.create_task(self._follow(session))
            try:
                await session.run()
            finally:
                self._session = None
                following.cancel()

    async def _follow(self, session: Session) -> None:
        """Tell the screen how much of the answer was heard."""
        told: tuple[int, str, int] | None = None
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            progress = session.progress
            if progress and progress != told:
                turn, text, characters = told = progress
                self._tell("heard.progress", turn, text=text, characters=characters)

    async def _tell_end(self, talking: asyncio.Task[None]) -> None:
        """Why the conversation has ended; what is no `VoiceError` is a bug, and raised."""
        with contextlib.suppress(asyncio.CancelledError):
            error = talking.exception()
            if error and (known := first_known(error)):
                self._tell("conversation.failed", problem=known.problem, cure=known.cure)
            elif error:
                raise error

    def _tell(self, event: str, turn: int = 0, **fields: Any) -> None:
        """Only the screen needs to know: it is no part of the trace."""
        self._screen(TraceEvent(self._clock.now(), turn, event, fields))
