"""The end-of-turn model's own thread, and the sound of the turn that it is asked about."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.errors import VoiceError
from voice.listen.smart_turn import WINDOW_SAMPLES, EndOfTurnModel


class EndOfTurnWorker:
    """Keeps the newest sound of one utterance, and has it judged on a thread."""

    def __init__(self, model: EndOfTurnModel) -> None:
        self._model = model
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge")
        self._heard: deque[Int16] = deque()
        self._heard_samples = 0

    def warm_up(self) -> None:
        """Let the model allocate what it needs; returns at once."""
        self._thread.submit(self._try, np.zeros(SAMPLE_RATE, np.int16))

    def begin(self) -> None:
        """The sound that follows belongs to a new utterance."""
        self._heard.clear()
        self._heard_samples = 0

    def accept(self, samples: Int16) -> None:
        """More of the utterance (int16, mono, 16 kHz); only the newest 8 s are kept."""
        self._heard.append(samples)
        self._heard_samples += len(samples)
        while self._heard_samples - len(self._heard[0]) >= WINDOW_SAMPLES:
            self._heard_samples -= len(self._heard.popleft())

    async def probability(self) -> float:
        """How likely the turn is over after what was accepted. Raises `ModelError`."""
        heard = np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._model.probability, heard)

    def close(self) -> None:
        """End the thread after the judgement in progress. Safe to call twice."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _try(self, samples: Int16) -> None:
        with contextlib.suppress(VoiceError):  # it will fail again, where somebody listens
            self._model.probability(samples)
