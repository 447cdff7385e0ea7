"""The wake word: a small model hears every frame, on a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from voice.audio.frames import SAMPLE_RATE, Frame, Int16
from voice.errors import UsageError

WORDS: Final = ("alexa", "hey_jarvis", "hey_mycroft", "okay_nabu")
"""Those whose models come with the package pymicro-wakeword."""

REFRACTORY_SECONDS: Final = 2.0
"""Piper says these words in 0.4 to 0.8 s, and their scores stay high for up to 1.3 s after them
(hey_mycroft; the others 0.7 s)."""

MOST_WAITING_FRAMES: Final = 250
"""Five seconds: a thread that is behind by more tells of words that nobody waits for any more."""


class Detector(Protocol):
    """Hears one word."""

    threshold: float
    """The word was said where a score reaches it."""

    def scores(self, samples: Int16) -> Iterable[float]:
        """How likely the word has just ended, 0 to 1, at each step within more sound (16 kHz)."""


class Utterances:
    """Makes of many scores one detection each time that the word is said. Knows no clock."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._end = self._deaf_until = 0

    def receive(self, score: float, end: int) -> bool:
        """Whether the word has been said by the sample `end`, and was not told before."""
        if end < self._end:  # another microphone, whose samples count from 0
            self._deaf_until = 0
        self._end = end
        if score < self._threshold or end < self._deaf_until:
            return False
        self._deaf_until = end + round(REFRACTORY_SECONDS * SAMPLE_RATE)
        return True


class MicroWakeWord:
    """A `Detector` of the package pymicro-wakeword; its scores are means over 150 ms."""

    def __init__(self, word: str) -> None:
        """Load the model of one of `WORDS`.

        Raises `ImportError`, `OSError`, `RuntimeError` or `ValueError` if the package is broken.
        """
        from pymicro_wakeword import MicroWakeWord as Package
        from pymicro_wakeword import MicroWakeWordFeatures, Model

        self._features = MicroWakeWordFeatures()
        self._model = Package.from_builtin(Model(word))
        self.threshold = self._model.probability_cutoff

    def scores(self, samples: Int16) -> Iterator[float]:
        """One for each 10 ms, 0 where the model does not run: it does every 30 ms."""
        for features in self._features.process_streaming(samples.tobytes()):
            score = self._model.process_streaming_prob(features)
            if score is not None:
                yield score


def load_detector(word: str) -> Detector:
    """The detector of one of `WORDS`. Raises `UsageError`."""
    if word not in WORDS:
        raise UsageError(
            f'there is no wake word "{word}"',
            f"set wake_word in [kiosk] to one of {', '.join(WORDS)}",
        )
    try:
        return MicroWakeWord(word)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f'the wake word "{word}" cannot be listened for: {error}',
            "install it anew with: pip install --force-reinstall pymicro-wakeword; "
            'or set activation in [kiosk] to "always" or "button"',
        ) from error


class WakeListener:
    """Tells when the wake word is heard.

    `heard` is called on the event loop with the word, its score (0 to 1) and the position of the
    sample after the frame in which it was recognised.
    """

    def __init__(
        self,
        word: str,
        heard: Callable[[str, float, int], None],
        load: Callable[[str], Detector] = load_detector,
    ) -> None:
        """Begin to listen, within a running event loop. Raises `UsageError`."""
        self.lost = 0
        """Frames that were dropped since the thread was behind."""
        self._word = word
        self._heard = heard
        self._detector = load(word)
        self._loop = asyncio.get_running_loop()
        self._frames: queue.Queue[Frame | None] = queue.Queue(MOST_WAITING_FRAMES + 1)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="wake word", daemon=True)
        self._thread.start()

    def hear(self, frame: Frame) -> None:
        """Listen to the next frame. Never blocks."""
        if self._frames.qsize() >= MOST_WAITING_FRAMES:
            self.lost += 1
        else:
            self._frames.put_nowait(frame)

    def close(self) -> None:
        """End the thread after the frame in progress; `heard` is called no more.

        Safe to call twice.
        """
        if not self._closed:
            self._closed = True
            self._frames.put_nowait(None)  # `hear` leaves room for it
            self._thread.join()

    def _work(self) -> None:
        utterances = Utterances(self._detector.threshold)
        while (frame := self._frames.get()) is not None and not self._closed:
            for score in self._detector.scores(frame.samples):
                if utterances.receive(score, frame.end):
                    self._loop.call_soon_threadsafe(self._tell, score, frame.end)

    def _tell(self, score: float, end: int) -> None:
        if not self._closed:
            self._heard(self._word, score, end)
