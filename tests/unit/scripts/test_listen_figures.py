"""From turns to figures: cut-offs, delays, quantiles, targets."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from scripts.benchmarks.figures import quantile
from scripts.benchmarks.listen_clips import Clip, for_real_time, thinned, with_inner_pause
from scripts.benchmarks.listen_conversation import Heard, LoopWatch, Turn, turns_of
from scripts.benchmarks.listen_figures import (
    cut_off,
    cut_offs,
    endpoint_delays,
    rows,
    table,
    time_figures,
)
from voice.trace import TraceEvent


def _clip(
    name: str = "commands_ha/lights",
    *,
    speech_end: float | None = 2.0,
    inner_pause: float = 0.0,
    tags: frozenset[str] = frozenset(),
    language: str = "en",
) -> Clip:
    category, _, stem = name.partition("/")
    path = Path(category) / f"{stem}.flac"
    return Clip(path, category, "a b", language, 6.0, tags, speech_end, inner_pause)


def _turn(decided: float, text: str = "a", speech_ended: float = 0.0) -> Turn:
    return Turn(
        started=0.5,
        first_partial=0.75,
        speech_ended=speech_ended or decided - 0.4,
        decided=decided,
        final=decided + 0.05,
        text=text,
    )


def _heard(*turns: Turn, cpu_seconds: float = 1.0) -> Heard:
    return Heard(turns, seconds=5.0, cpu_seconds=cpu_seconds, discarded=0)


def test_quantiles_are_values_that_occurred() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert quantile(values, 0.5) == 3.0
    assert quantile(values, 0.95) == 5.0
    assert quantile(values, 0.0) == 1.0
    assert quantile([], 0.5) is None


def test_two_turns_or_one_that_ended_in_the_speech_are_a_cut_off() -> None:
    clip = _clip(speech_end=2.0)
    assert not cut_off(clip, _heard(_turn(2.3)))
    assert not cut_off(clip, _heard(_turn(1.95))), "within what detectors differ by"
    assert not cut_off(clip, _heard()), "not heard is not cut off"
    assert cut_off(clip, _heard(_turn(1.5)))
    assert cut_off(clip, _heard(_turn(1.5), _turn(2.3)))
    um = dataclasses.replace(_turn(1.5, "um"), answered=False)
    assert not cut_off(clip, _heard(um, _turn(2.3))), "the agent never got the first"
    assert cut_off(_clip(speech_end=None), _heard(_turn(1.5), _turn(2.3)))


def test_the_rate_is_over_utterances() -> None:
    clips = [_clip("a/1"), _clip("a/2"), _clip("a/3"), _clip("a/4")]
    heard = [_heard(_turn(2.3)), _heard(_turn(1.0), _turn(2.3)), _heard(), _heard(_turn(2.4))]
    counted = cut_offs(zip(clips, heard, strict=True))
    assert counted == {"rate": 0.25, "utterances": 4, "unheard": 1, "cut": ["a/2"]}
    assert cut_offs([])["rate"] is None


def test_delays_are_those_of_whole_utterances() -> None:
    outcomes = [
        (_clip(speech_end=2.0), _heard(_turn(2.3, speech_ended=1.9))),
        (_clip(speech_end=2.0), _heard(_turn(1.0), _turn(2.9))),
        (_clip(speech_end=2.0), _heard()),
        (_clip(speech_end=None), _heard(_turn(3.0, speech_ended=2.5))),
    ]
    assert endpoint_delays(outcomes) == pytest.approx([0.3, 0.5])
    assert endpoint_delays(outcomes, traced=True) == pytest.approx([0.4, 0.5])


def test_processor_time_is_that_of_the_clips_without_a_watch() -> None:
    outcomes = [
        (_clip(), _heard(_turn(2.3), cpu_seconds=100.0)),
        (_clip(), _heard(_turn(2.3), cpu_seconds=1.0)),
    ]
    watch = LoopWatch(late_seconds=[0.001, 0.004], busy_seconds=[0.0005, 0.002])
    figures = time_figures(outcomes, watch)
    assert figures["cpu_per_audio_second"] == pytest.approx(0.2)
    assert figures["final_after_end_p50"] == pytest.approx(0.05)
    assert figures["first_partial_p50"] == pytest.approx(0.25)
    assert figures["event_loop_block_max_ms"] == pytest.approx(4.0)
    assert figures["event_loop_busy_max_ms"] == pytest.approx(2.0)


def test_turns_are_read_from_the_trace() -> None:
    events = [
        TraceEvent(10.0, 0, "listening"),
        TraceEvent(10.5, 1, "speech.started"),
        TraceEvent(10.8, 1, "transcript.partial", {"text": ""}),
        TraceEvent(10.9, 1, "transcript.partial", {"text": "turn"}),
        TraceEvent(11.1, 1, "transcript.partial", {"text": "turn on"}),
        TraceEvent(11.2, 1, "speech.ended"),
        TraceEvent(11.5, 1, "turn.ended"),
        TraceEvent(11.6, 1, "transcript.final", {"text": "turn on"}),
        TraceEvent(12.0, 2, "speech.started"),
        TraceEvent(12.9, 2, "turn.discarded", {"reason": "no words"}),
        TraceEvent(13.0, 3, "speech.started"),
        TraceEvent(13.2, 3, "speech.ended"),
        TraceEvent(13.9, 3, "turn.ended"),
        TraceEvent(13.9, 3, "transcript.final", {"text": "um"}),
        TraceEvent(13.9, 3, "turn.discarded", {"reason": "hesitation"}),
    ]
    turn, um = turns_of(events)
    assert (turn.answered, um.answered) == (True, False)
    assert turn.text == "turn on"
    assert (turn.started, turn.first_partial, turn.speech_ended, turn.decided, turn.final) == (
        pytest.approx((0.5, 0.9, 1.2, 1.5, 1.6))
    )


def test_pauses_are_sorted_by_origin_and_length() -> None:
    clips = [
        _clip("constructed_pause/short", inner_pause=0.55),
        _clip("constructed_pause/long", inner_pause=1.15),
        _clip("read_ljspeech/a", inner_pause=0.42),
        _clip("read_ljspeech/b", inner_pause=0.2),
        _clip("noisy_mix/a", inner_pause=0.6),
        _clip("multi/de", inner_pause=0.6, language="de"),
        _clip("conversation/two", inner_pause=0.6, tags=frozenset({"2spk"})),
    ]
    sets = with_inner_pause(clips)
    assert {name: [clip.name for clip in members] for name, members in sets.items()} == {
        "constructed": ["constructed_pause/short"],
        "natural": ["read_ljspeech/a"],
        "longer": ["constructed_pause/long"],
    }


def test_choices_are_spread_and_bounded() -> None:
    clips = [_clip(f"commands_ha/{n}") for n in range(10)] + [_clip("long/a")]
    assert [clip.path.stem for clip in thinned(clips, 2)] == ["0", "5", "a"]
    assert thinned(clips, 0) == clips
    assert sum(clip.seconds for clip in for_real_time(clips, 0.5)) == pytest.approx(30.0)
    assert len(for_real_time(clips, 60.0)) == len(clips)


def test_the_report_holds_figures_against_targets() -> None:
    figures = {
        "wer_full": {"tiny.en": 0.140, "base": 0.100},
        "wer_incremental": {"tiny.en": 0.145, "base": 0.110},
        "retractions": {"tiny.en": 0, "base": 1},
        "cpu_per_audio_second": {"tiny.en": 0.3, "base": 3.0},
        "cut_off_rate": {"tiny.en": None},
    }
    verdicts = {(row.figure, row.model): row.verdict for row in rows(figures, ["tiny.en", "base"])}
    assert verdicts["wer_incremental - wer_full", "tiny.en"] == "met"
    assert verdicts["wer_incremental - wer_full", "base"] == "missed"
    assert verdicts["retractions", "tiny.en"] == "met"
    assert verdicts["retractions", "base"] == "missed"
    assert verdicts["cpu_per_audio_second", "base"] == "", "the issue asks nothing of base"
    assert verdicts["cut_off_rate", "tiny.en"] == verdicts["cut_off_rate", "base"] == ""
    lines = table(rows(figures, ["tiny.en"])).splitlines()
    assert len({len(line) for line in lines}) == 1
