"""Sound on its way through a buffer that can be wound back a little."""

from __future__ import annotations

from collections import deque

import numpy as np

from voice.audio.frames import Int16


class Tape:
    """Samples in the order in which they were written; `next` is the number of the next to take.

    The last `kept_samples` that were taken stay, and can be taken again.
    """

    def __init__(self, kept_samples: int) -> None:
        self.next = 0
        self.written = 0
        self._kept_samples = kept_samples
        self._ahead: deque[Int16] = deque()
        self._behind: deque[Int16] = deque()
        self._behind_samples = 0

    @property
    def left(self) -> int:
        """Samples that have not been taken, or are to be taken again."""
        return self.written - self.next

    def write(self, samples: Int16) -> int:
        """Append samples; returns the number of the first."""
        first = self.written
        if len(samples):
            self._ahead.append(np.array(samples, np.int16))
            self.written += len(samples)
        return first

    def take(self, out: Int16) -> int:
        """Move the next samples into `out`; how many there were."""
        done = 0
        while done < len(out) and self._ahead:
            block = self._ahead.popleft()
            part = block[: len(out) - done]
            out[done : done + len(part)] = part
            done += len(part)
            if len(part) < len(block):
                self._ahead.appendleft(block[len(part) :])
            self._behind.append(part)
        self.next += done
        self._behind_samples += done
        while self._behind and self._behind_samples - len(self._behind[0]) >= self._kept_samples:
            self._behind_samples -= len(self._behind.popleft())
        return done

    def last(self, count: int) -> Int16:
        """The up to `count` samples before the next one, as far as they are still here."""
        found: list[Int16] = [np.zeros(0, np.int16)]
        for block in reversed(self._behind):
            if count <= 0:
                break
            found.append(block[-count:])
            count -= len(block)
        return np.concatenate(found[::-1])

    def rewind(self, index: int) -> None:
        """Take the sample `index` next, or the first after it that is still here."""
        while self.next > index and self._behind:
            block = self._behind.pop()
            count = min(len(block), self.next - index)
            if count < len(block):
                self._behind.append(block[:-count])
            self._ahead.appendleft(block[-count:])
            self.next -= count
            self._behind_samples -= count

    def cut(self, index: int) -> None:
        """Forget all samples; the next to be written has the number `index`."""
        self._ahead.clear()
        self._behind.clear()
        self._behind_samples = 0
        self.next = self.written = index
