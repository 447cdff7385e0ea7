"""What is said where there is no answer, or no voice to say it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress

import numpy as np

from voice.audio.frames import AudioOutput
from voice.clock import Clock
from voice.errors import VoiceError
from voice.speak.chunker import Chunker
from voice.speak.options import SpeakOptions
from voice.speak.playback import Playback, PlaybackEvent
from voice.speak.worker import SynthesisWorker

APOLOGY = "Sorry, something went wrong, and I have no answer."

_POLL_SECONDS = 0.02
"""Between two looks at whether the apology was heard."""


def fixed_phrases(options: SpeakOptions, phrases: Sequence[str] = (APOLOGY,)) -> list[str]:
    """What is said without a model, as it is spoken: whole, and as the first of an answer."""
    spoken = []
    for phrase in phrases:
        chunker = Chunker(options)
        clauses = [*chunker.receive(phrase), *chunker.finish()]
        spoken += [phrase, *(clause.text for clause in clauses)]
    return list(dict.fromkeys(spoken))


async def apologize(
    synthesizer: SynthesisWorker,
    output: AudioOutput,
    playback: Playback,
    clock: Clock,
    report: Callable[[PlaybackEvent], None],
) -> None:
    """For a voice that has failed: said if it was said before and kept, and part of no answer.

    `report` goes on hearing of what sounds before it.
    """
    with suppress(VoiceError):
        with clock.working():
            async with aclosing(synthesizer.synthesize(APOLOGY)) as sounds:
                samples = np.concatenate([sound.samples async for sound in sounds])
        end = output.write(samples) + len(samples)
        while (position := output.position()).played < end:
            for event in playback.advance(position, clock.now()):
                report(event)
            await clock.sleep_until(clock.now() + _POLL_SECONDS)
