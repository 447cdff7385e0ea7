"""Into which windows of frames a sentence is cut for decoding."""

from __future__ import annotations

FIRST_FRAMES = 24
"""0.28 s of sound at Piper's usual 22.05 kHz and 256 samples a frame, of which some 0.05 s are the
silence before the first word. A shorter one is ready only a little sooner: with the context that
follows, 16 frames are the work of 27 in the decoder and 59 in the flow, 24 of 35 and 67."""

GROWTH = 1.5
"""How much longer each window is than the one before, which is played while it is decoded. The
second one has the least time: 54 ms of work on one core while 220 ms of sound are played."""

MOST_FRAMES = 160
"""1.9 s: a longer one gains little (14 % of its work are context) and delays a cancellation."""


def windows(frames: int) -> list[tuple[int, int]]:
    """`start:end` of each window: a short one first, then longer ones.

    A rest shorter than half a window is part of the last one.
    """
    spans, start, size = [], 0, FIRST_FRAMES
    while start < frames:
        end = frames if frames - start < size * 3 // 2 else start + size
        spans.append((start, end))
        start, size = end, min(MOST_FRAMES, round(size * GROWTH))
    return spans
