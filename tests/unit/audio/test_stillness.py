"""Stillness: which blocks of a microphone may wait."""

from __future__ import annotations

from voice.audio.stillness import QUIET_PEAK, STILL_SECONDS, TOGETHER, Stillness

_BLOCK_SECONDS = 0.02


def _quiet(stillness: Stillness, seconds: float) -> list[bool]:
    blocks = round(seconds / _BLOCK_SECONDS)
    return [stillness.may_wait(QUIET_PEAK, _BLOCK_SECONDS) for _ in range(blocks)]


def test_a_pause_is_handed_over_block_by_block() -> None:
    stillness = Stillness()
    assert not any(_quiet(stillness, STILL_SECONDS - 0.05))
    assert not stillness.may_wait(20_000, _BLOCK_SECONDS)
    assert not any(_quiet(stillness, STILL_SECONDS - 0.05))


def test_in_long_silence_blocks_are_handed_over_together() -> None:
    stillness = Stillness()
    _quiet(stillness, STILL_SECONDS)
    waited = _quiet(stillness, 6.0)
    assert waited.count(False) == len(waited) // TOGETHER
    assert all(False in waited[n : n + TOGETHER] for n in range(len(waited) - TOGETHER))


def test_a_sound_does_not_wait() -> None:
    stillness = Stillness()
    for count in range(1, TOGETHER + 1):
        _quiet(stillness, STILL_SECONDS + count * _BLOCK_SECONDS)
        assert not stillness.may_wait(QUIET_PEAK + 1, _BLOCK_SECONDS)
