"""Who is heard, and when all that was said is forgotten: `visits` in a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import ExitStack

from voice.apps.kiosk.buttons import open_buttons
from voice.apps.kiosk.visitors import Note
from voice.apps.kiosk.visits import Action, Began, Ended, Listened, Silenced, Visits
from voice.apps.kiosk.wake import WakeListener
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame
from voice.clock import Clock
from voice.config import KioskOptions
from voice.errors import UsageError
from voice.session import Session
from voice.trace import TraceEvent

_TICK_SECONDS = 0.1

_WAKE_DELAY_SAMPLES = round(0.1 * SAMPLE_RATE)
"""A wake word is known 0.1 to 0.2 s after its end; what was said since belongs to the request."""


class Activation:
    """Performs what `Visits` decides. While nobody is heard the conversation is muted."""

    def __init__(self, options: KioskOptions, note: Note, clock: Clock) -> None:
        """Raises `UsageError` where nobody could ever be heard."""
        if options.activation == "button" and options.button == "none":
            raise UsageError(
                'activation = "button" needs a button',
                'set button = "stdin" or "socket" in [kiosk]',
            )
        self._options = options
        self._note = note
        self._clock = clock
        self._visits = Visits(
            always=options.activation == "always",
            follow_up_seconds=options.follow_up_seconds,
            forget_seconds=options.forget_seconds,
        )
        self._session: Session | None = None
        self._listener: WakeListener | None = None
        self._lost_frames = 0  # of the listener's, as far as they were told

    def __call__(self, event: TraceEvent) -> None:
        """Follow what happens; what is noted meanwhile comes in here again, and changes nothing."""
        self._perform(self._visits.receive(event))

    def attach(self, session: Session) -> None:
        """A conversation was opened."""
        self._session = session
        session.tap = self._tap
        session.clear_timers()  # of a visit that ended with the conversation before
        if not self._visits.heard:
            session.mute(True)

    def detach(self) -> None:
        """It is over, and with it the visit."""
        self._session = None
        self._perform(self._visits.end("fault"))

    async def run(self) -> None:
        """Listen for wake words and presses, and look whether the visitor has left.

        Runs until cancelled. Raises `UsageError`.
        """
        with ExitStack() as stack:
            if self._options.activation == "wake-word":
                self._listener = WakeListener(self._options.wake_word, self._wake)
                stack.callback(self._listener.close)
            async with open_buttons(self._options, self._press):
                while True:
                    await asyncio.sleep(_TICK_SECONDS)
                    self.look()

    def look(self) -> None:
        """Do what is due, and tell what the wake word's thread was too late for."""
        if self._listener and (lost := self._listener.lost - self._lost_frames):
            self._lost_frames += lost
            self._note("wake.lost", {"seconds": lost * FRAME_SAMPLES / SAMPLE_RATE})
        self._perform(self._visits.timeout(self._clock.now()))

    def _tap(self, frame: Frame) -> None:
        if self._listener:
            self._listener.hear(frame)

    def _wake(self, word: str, score: float, end: int) -> None:
        if self._session:
            self._note("wake.heard", {"word": word, "score": round(score, 3)})
            self._perform(
                self._visits.call("wake-word", self._clock.now()), end - _WAKE_DELAY_SAMPLES
            )

    def _press(self) -> None:
        if self._session:
            self._perform(self._visits.call("button", self._clock.now()))

    def _perform(self, actions: Iterable[Action], since: int | None = None) -> None:
        """`since`: the sample from which on the visitor is heard, where that is in the past."""
        for action in actions:
            if isinstance(action, Began):
                self._note("visit.began", {"by": action.by})
            elif session := self._session:
                self._do(action, session, since)
            if isinstance(action, Ended):
                self._note("visit.ended", {"reason": action.reason})

    def _do(self, action: Action, session: Session, since: int | None) -> None:
        match action:
            case Listened(True) if since is not None:
                session.hear_from(since)
            case Listened(on):
                session.mute(not on)
            case Silenced():
                session.interrupt()
            case Ended():
                session.clear_timers()
                session.begin_anew()
