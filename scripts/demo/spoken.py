"""The voice part: recorded questions through the whole pipeline, with mechanisms on and off.

The parts are those of `voice run` with files: the recording is heard in real time, and the answer
goes to a file at the speed of a speaker.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from voice.audio.wav import FileOutput, Recordings
from voice.build import Devices, open_session
from voice.clock import MonotonicClock
from voice.config import Options
from voice.listen.options import ListenOptions
from voice.responses.options import AgentOptions
from voice.trace import Trace, TraceEvent
from voice.turns.options import TurnOptions

_RATE = 22_050
"""Hz: that of the voice."""

_ANSWER = "It is half past nine."
TTFT_SECONDS: Final = 0.3
"""Of the script backend: what a server in another country needs for a first token, or a local
model with a warm prefix."""

_TOKENS_PER_SECOND = 60.0
_PAUSE_SECONDS = 0.5
_MOST_SECONDS = 90.0
"""What takes longer hangs."""

_ON_AGENT = AgentOptions()
_ON_TURNS = TurnOptions()

VARIANTS: Final[Mapping[str, tuple[AgentOptions, TurnOptions]]] = {
    "all on": (_ON_AGENT, _ON_TURNS),
    "no eager answers": (replace(_ON_AGENT, eager=False), _ON_TURNS),
    "words not sent ahead": (replace(_ON_AGENT, input="warmup"), _ON_TURNS),
    "nothing sent ahead": (replace(_ON_AGENT, input="off"), _ON_TURNS),
    "no ear for the end of a turn": (_ON_AGENT, replace(_ON_TURNS, judge="")),
    "all off": (replace(_ON_AGENT, eager=False, input="off"), replace(_ON_TURNS, judge="")),
}
"""What can be switched off by options, one at a time and all of it."""

MARKS: Final = ("speech.ended", "turn.ended", "transcript.final", "token.first", "audio.first")
"""A turn's waterfall, in the order in which it happens where nothing is begun early."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question. Times are seconds after its last sample of speech; negative ones before."""

    variant: str
    question: str
    heard: str
    eager: bool
    at: Mapping[str, float]
    """By the trace's names, each the first of its kind."""

    @property
    def seconds(self) -> float:
        """Voice to voice."""
        return self.at["audio.first"]


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked, and of whom."""

    clips: Sequence[Path]
    variants: Sequence[str]
    backend: Literal["script", "llama"] = "script"
    rounds: int = 1


async def measure_spoken(asking: Asking) -> AsyncIterator[Turn]:
    """Every turn, variant by variant. Raises `VoiceError`s, perhaps in a group."""
    for _ in range(asking.rounds):
        for variant in asking.variants:
            for turn in await _converse(asking, variant):
                yield turn


async def _converse(asking: Asking, variant: str) -> list[Turn]:
    """All clips in one conversation."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "answer.toml"
        script.write_text(f'[[reply]]\ntext = "{_ANSWER}"\n', encoding="utf-8")
        clock = MonotonicClock()
        recordings = Recordings(list(asking.clips), clock)
        listener = _Listener(recordings, len(asking.clips))
        output = FileOutput(Path(folder) / "said.wav", clock, _RATE)
        devices = Devices(recordings, output, clock, patient=True)
        options = _options(asking, variant, script)
        async with open_session(options, devices, Trace(listener)) as session:
            async with asyncio.timeout(_MOST_SECONDS * len(asking.clips)):
                await session.run()
    return read_turns(variant, [clip.stem for clip in asking.clips], listener.events)


def _options(asking: Asking, variant: str, script: Path) -> Options:
    agent, turns = VARIANTS[variant]
    defaults = Options()
    server = replace(
        defaults.server,
        backend=asking.backend,
        script=str(script) if asking.backend == "script" else "",
        ttft=TTFT_SECONDS,
        tokens_per_second=_TOKENS_PER_SECOND,
        keep_instructions=False,  # or what is sent ahead would be there in any way
    )
    return replace(defaults, agent=agent, turns=turns, server=server, listen=ListenOptions())


class _Listener:
    """A sink of the trace: keeps its events, and plays the next clip when an answer is over."""

    def __init__(self, recordings: Recordings, clips: int) -> None:
        self.events: list[TraceEvent] = []
        self._recordings, self._waiting = recordings, clips

    def __call__(self, event: TraceEvent) -> None:
        """Look whether the event is the next clip's moment."""
        self.events.append(event)
        over = event.event in ("listening", "turn.completed", "turn.discarded")
        if over and self._waiting:
            self._waiting -= 1
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._recordings.cue)


def read_turns(variant: str, questions: Sequence[str], events: Sequence[TraceEvent]) -> list[Turn]:
    """The turns that were answered; the questions are told apart by their order."""
    firsts: dict[int, dict[str, float]] = {}
    turns: list[Turn] = []
    for event in events:
        marks = firsts.setdefault(event.turn, {})
        if event.event == "speech.ended":
            marks["speech.ended"] = event.at  # the last one: a pause within is none
        else:
            marks.setdefault(event.event, event.at)
        if event.event == "turn.completed" and event.turn and "audio.first" in marks:
            began = marks["speech.ended"]
            at = {name: time - began for name, time in marks.items()}
            question = questions[min(len(turns), len(questions) - 1)]
            text, eager = str(event.fields["user_text"]), bool(event.fields["eager"])
            turns.append(Turn(variant, question, text, eager, at))
    return turns
