"""What a session is made of."""

from __future__ import annotations

from dataclasses import dataclass

from voice.audio.echo import EchoCancellingMicrophone
from voice.audio.frames import AudioInput, AudioOutput
from voice.audio.onset_listener import OnsetListener
from voice.clock import Clock
from voice.keeper import Keeper
from voice.listen.gate import Gate
from voice.listen.judge import EndOfTurnWorker
from voice.listen.vad import Vad
from voice.listen.worker import TranscriptionWorker
from voice.responses.agent import Agent
from voice.speak.options import SpeakOptions
from voice.speak.playback import Playback
from voice.speak.worker import SynthesisWorker
from voice.spoken_commands import SpokenCommands
from voice.tools.timers import Timers
from voice.trace import Trace
from voice.turns.machine import TurnMachine


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a session is made of; `build.py` chooses them."""

    input: AudioInput
    output: AudioOutput
    echo: EchoCancellingMicrophone | None
    """Who tells of the echo in the input; None: there is none, or nothing is heard over it."""

    onset: OnsetListener
    vad: Vad
    gate: Gate
    transcriber: TranscriptionWorker
    judge: EndOfTurnWorker | None
    """Who hears whether a turn is over; None leaves it to the words."""

    machine: TurnMachine
    agent: Agent
    commands: SpokenCommands
    keeper: Keeper
    """Where the conversation is kept, if it is."""

    synthesizer: SynthesisWorker
    speak: SpeakOptions
    playback: Playback
    timers: Timers
    clock: Clock
    trace: Trace
