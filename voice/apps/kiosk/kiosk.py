"""The kiosk: one conversation after another, whatever happens in between.

Three tasks. One holds conversations and opens them anew, one looks after them (`faults`,
`watchdog`, probes of what does not work), and one decides who is heard (`activation`). What they
tell each other is in the trace.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from voice.apps.kiosk import memory
from voice.apps.kiosk.announcing import announce, keep_phrases
from voice.apps.kiosk.ends import open_ends
from voice.apps.kiosk.faults import Action, Faults, Said, Told, name_of
from voice.apps.kiosk.notify import Notifier
from voice.apps.kiosk.probes import discard_damaged
from voice.apps.kiosk.probing import Probing
from voice.apps.kiosk.retention import forget_in_time
from voice.apps.kiosk.visitors import Note, Visitors
from voice.apps.kiosk.watchdog import Watchdog
from voice.audio.frames import Frame
from voice.audio.speaker import Speaker
from voice.build import open_session
from voice.clock import Clock, MonotonicClock
from voice.config import Options
from voice.errors import SpeakerError, UsageError, VoiceError, first_known
from voice.session import Session
from voice.trace import Sink, Trace, TraceEvent

_TICK_SECONDS = 0.5

_LOOK_SECONDS = 0.1
"""Between two looks at microphone and speaker of a conversation."""

_END_SECONDS = 10.0
"""A conversation that has not ended by then is stuck in a library, and only a new process helps."""

_MOST_STALLS = 3
"""After so many in succession the service manager may begin the whole program anew."""


class Kiosk:
    """Holds conversations until it is cancelled or given other options."""

    def __init__(
        self,
        options: Options,
        notifier: Notifier,
        visitors: Callable[[Note, Clock], Visitors],
        *sinks: Sink,
    ) -> None:
        self._options = options
        self._notifier = notifier
        self._clock: Clock = MonotonicClock()
        self._faults = Faults()
        self._watchdog = Watchdog(options.kiosk.stalled_seconds)
        self._visitors = visitors(self._note, self._clock)
        self._trace = Trace(*sinks, self._visitors, self._take)
        self._reopen = asyncio.Event()
        self._replacement: Options | None = None
        self._opened: Options | None = None  # what the conversation was opened with
        self._session: Session | None = None
        self._visited = self._degraded = self._worn = False
        self._stalls = 0
        self._told_at = 0.0
        self._phrases: list[str] = []
        self._probing = Probing(self._faults, self._clock, self._act)
        self._keeping: asyncio.Task[None] | None = None

    async def run(self) -> Options:
        """Hold conversations until nobody is there and `replace` was called; its options.

        Raises `UsageError` if these options cannot work, and `VoiceError` if a new process is
        needed, in a group.
        """
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._visitors.run()),
                tasks.create_task(self._look_after()),
                tasks.create_task(forget_in_time(lambda: self._options.journal)),
            ]
            try:
                while self._replacement is None:
                    await self._converse()
            finally:
                self._probing.end()
                for task in beside:
                    task.cancel()
        return self._replacement

    def replace(self, options: Options) -> None:
        """Go on with other options as soon as nobody is there."""
        self._replacement = options

    def _note(self, event: str, fields: dict[str, Any]) -> None:
        self._trace.mark(event, self._clock.now(), **fields)

    def _take(self, event: TraceEvent) -> None:
        """Follow what happens; every part of it is in the trace."""
        self._watchdog.receive(event)
        if event.event in ("visit.began", "visit.ended"):
            self._visited = event.event == "visit.began"
        elif event.event == "turn.completed":
            self._stalls = 0
        self._act(self._faults.receive(event))

    def _act(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Told(event, fields):
                    self._note(event, dict(fields))
                case Said(phrase):
                    self._phrases.append(phrase)

    # ── conversations ────────────────────────────────────────────────────────────────────

    async def _converse(self) -> None:
        """Hold one until it fails or is to be opened anew, and then wait as long as that needs."""
        memory.release()
        self._reopen.clear()
        self._faults.reconnect()
        self._opened = self._wanted()
        talking = asyncio.create_task(self._talk(self._opened))
        reopening = asyncio.create_task(self._reopen.wait())
        try:
            await asyncio.wait((talking, reopening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._opened = None
            reopening.cancel()
            await _end(talking)
            self._watchdog.forget()
        if not talking.cancelled() and (error := talking.exception()):
            await self._mend(error)
        else:
            await self._say_all()

    def _wanted(self) -> Options:
        """The options, as far as what they name works."""
        options = self._options
        if self._faults.away and options.kiosk.fallback == "local" and options.agent.url != "local":
            options = replace(options, agent=replace(options.agent, url="local", model="auto"))
        if "disk" in self._faults.names:
            options = replace(options, journal=replace(options.journal, path=""))
        return options

    async def _talk(self, options: Options) -> None:
        if self._worn:
            self._worn = False
            wrong = await asyncio.to_thread(discard_damaged, options)
            self._note("models.checked", {"wrong": wrong})
        ends = await asyncio.to_thread(open_ends, options.audio, self._clock)
        names = {"input": ends.microphone.name, "output": ends.speaker.device.name}
        self._note("devices.opened", names)
        async with open_session(options, ends.devices, self._trace, fetch=True) as session:
            self._session = session
            self._visitors.attach(session)
            memory.spare()
            try:
                async with asyncio.TaskGroup() as tasks:
                    following = tasks.create_task(self._follow(session, ends.speaker, options))
                    await session.run()
                    following.cancel()
            finally:
                self._session = None
                self._visitors.detach()

    async def _follow(self, session: Session, speaker: Speaker, options: Options) -> None:
        """See that microphone and speaker go on. Raises `SpeakerError`."""
        latest: Frame | None = None
        ready, played = False, -1
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now, frame, position = self._clock.now(), session.latest_frame, speaker.position()
            if not ready and frame is not None and speaker.running:
                ready = True
                self._begin_to_hear(now, options, speaker.rate)
            if frame is not latest:
                self._watchdog.beat("input", now)
            if session.progress is None or position.played >= position.written:
                self._watchdog.rest("playback")
            elif position.played != played:
                self._watchdog.beat("playback", now)
            else:
                self._watchdog.owes("playback", now)
            latest, played = frame, position.played
            if not speaker.alive:
                problem = f"the speaker {speaker.device.name!r} takes no sound any more"
                raise SpeakerError(problem, "connect it again, or choose another: voice devices")

    def _begin_to_hear(self, now: float, options: Options, rate: int) -> None:
        degraded = options.agent != self._options.agent
        self._act(self._faults.heard(now, answered=not degraded))
        if degraded != self._degraded:
            self._degraded = degraded
            if degraded:
                self._note("agent.degraded", {"to": "local"})
            else:
                self._note("agent.restored", {})
        self._note("kiosk.ready", {})
        self._notifier.ready()
        self._notifier.status(f"listening; {options.agent.url} answers")
        if self._keeping is None:
            keeping = asyncio.to_thread(keep_phrases, options, rate)
            self._keeping = asyncio.create_task(_quietly(keeping))

    async def _mend(self, error: BaseException) -> None:
        """Tell of what ended the conversation, and wait before the next. Raises other errors."""
        known = _known(error)
        if known is None or isinstance(known, UsageError):
            raise error
        self._note("conversation.failed", {"problem": known.problem, "cure": known.cure})
        name = "memory" if isinstance(known, _NoMemoryError) else name_of(known)
        new, before = name not in self._faults.names, self._wanted()
        self._act(self._faults.began(name, known, self._clock.now()))
        self._worn = name == "model" and new
        await self._say_all()
        if self._wanted() != before:
            return  # it goes on without what failed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._faults.retry_seconds(name)):
                await self._reopen.wait()

    async def _say_all(self) -> None:
        """Say what is to be said while there is no conversation."""
        while self._phrases:
            phrase = self._phrases.pop(0)
            await _quietly(announce(phrase, self._options))

    # ── looking after them ───────────────────────────────────────────────────────────────

    async def _look_after(self) -> None:
        while True:
            now = self._clock.now()
            self._tell_alive(now)
            self._act(self._faults.timeout(now))
            if stage := self._watchdog.stalled(now):
                self._stall(stage, now)
            self._probing.look(self._options)
            if self._due():
                self._reopen.set()
            elif session := self._session:
                while self._phrases:
                    session.announce(self._phrases.pop(0))
            await asyncio.sleep(_TICK_SECONDS)

    def _tell_alive(self, now: float) -> None:
        """Tell the service manager often enough, unless what stalls keeps stalling."""
        seconds = self._notifier.watchdog_seconds
        if seconds and now >= self._told_at + seconds / 3 and self._stalls < _MOST_STALLS:
            self._told_at = now
            self._notifier.watchdog()

    def _stall(self, stage: str, now: float) -> None:
        self._stalls += 1
        seconds = self._options.kiosk.stalled_seconds
        problem = f"the {stage} has done nothing for {seconds:g} s although it has work"
        cure = "the conversation is opened anew; `stalled_seconds` in [kiosk] may be too short"
        self._act(self._faults.began(f"stalled:{stage}", VoiceError(problem, cure), now))
        self._watchdog.forget()
        self._reopen.set()

    def _due(self) -> bool:
        """Whether the conversation is to be opened anew, now."""
        if self._opened is None:
            return False
        other = self._opened != self._wanted()
        if self._faults.cut and (other or self._opened.agent.url == "local"):
            return True  # whoever is there gets no answers anyway
        over = self._faults.cut and not self._faults.away
        return not self._visited and (other or over or self._replacement is not None)


class _NoMemoryError(VoiceError):
    """Python's own error as one of ours."""


def _known(error: BaseException) -> VoiceError | None:
    """The user's error, or that there is no memory; None for a bug."""
    group = error if isinstance(error, BaseExceptionGroup) else BaseExceptionGroup("", [error])
    if group.subgroup(MemoryError):
        return _NoMemoryError("there is no memory left", "see what else runs on this machine")
    return first_known(error)


async def _end(talking: asyncio.Task[None]) -> None:
    """Let a conversation end. Raises `VoiceError` if it does not."""
    talking.cancel()
    _, stuck = await asyncio.wait((talking,), timeout=_END_SECONDS)
    if stuck:
        problem = f"a conversation has not ended within {_END_SECONDS:g} s"
        raise VoiceError(problem, "the program has to be started anew, as its service does")


async def _quietly(work: Awaitable[None]) -> None:
    """Do what is nice to have: it may fail because of the same fault."""
    with contextlib.suppress(VoiceError, TimeoutError):
        await work
