"""The recorded conversation: what `voice run` holds where there is no sound card."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import msgspec

from voice.audio.wav import Recordings
from voice.trace import TraceEvent

FOLDER = Path(__file__).parent / "demo"

PAUSE_SECONDS = 1.0
"""Between the end of an answer and the next question."""


class Clip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recording of one question; it waits for the answer before it, or falls into it."""

    file: str
    text: str
    licence: str
    source: str
    into_answer_seconds: float | None = None


class _File(msgspec.Struct, frozen=True):
    clip: list[Clip]


def load_clips() -> list[Clip]:
    """The clips in the order in which they are spoken."""
    text = (FOLDER / "conversation.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).clip


class Prompter:
    """A sink of the trace that cues the next clip when its moment has come."""

    def __init__(self, recordings: Recordings, clips: list[Clip]) -> None:
        self._recordings = recordings
        self._waiting = list(clips)

    def __call__(self, event: TraceEvent) -> None:
        """Look whether the event is the next clip's moment."""
        if not self._waiting:
            return
        into_answer = self._waiting[0].into_answer_seconds
        if event.event == "audio.first" and into_answer is not None:
            self._cue_in(into_answer)
        elif event.event in ("listening", "turn.completed", "turn.discarded"):
            self._cue_in(PAUSE_SECONDS)

    def _cue_in(self, seconds: float) -> None:
        self._waiting.pop(0)
        asyncio.get_running_loop().call_later(seconds, self._recordings.cue)
