"""`voice run` on real recordings, with real models, through files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.programs import (
    plain_words,
    read_trace,
    recording_proxy,
    run_voice,
    script_server,
    sounding,
    speech_samples,
    word_errors,
)
from voice.apps.recorded import load_clips
from voice.audio.frames import Int16

NAMES_IN_ORDER = [
    "speech.started",
    "speech.ended",
    "turn.ended",
    "transcript.final",
    "audio.first",
    "playback.ended",
    "turn.completed",
]


def _manifest(speech: Path) -> dict[str, str]:
    lines = (speech / "manifest.jsonl").read_text().splitlines()
    return {clip["path"]: clip["text"] for clip in map(json.loads, lines)}


def _completed(trace: Path) -> list[dict[str, Any]]:
    return [event for event in read_trace(trace) if event["event"] == "turn.completed"]


def test_a_question_is_answered_by_the_local_model(
    speech: Path, tmp_path: Path, understand: Callable[[Int16], str]
) -> None:
    clip = "what_time_is_it.flac"
    said, trace = tmp_path / "said.wav", tmp_path / "t.jsonl"
    done = run_voice(
        "run", "--input", str(speech / clip), "--output", str(said), "--trace", str(trace),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "what time is it" in done.stdout.lower()
    (turn,) = _completed(trace)
    assert plain_words(turn["user_text"]) == plain_words(_manifest(speech)[clip])
    assert turn["assistant_text"]
    assert turn["heard_text"] == turn["assistant_text"]
    assert turn["interrupted"] is False
    understood = understand(sounding(speech_samples(said)))
    errors = word_errors(turn["assistant_text"], understood)
    # The answer is the time of day, whose figures are easily misheard: of 337 times, 13 had two
    # words or more wrong, the worst four of eight (12:18 PM: "12.8 and P them").
    assert errors <= max(3, 0.5 * len(plain_words(turn["assistant_text"]))), understood


def test_the_trace_is_complete_and_in_order(speech: Path, tmp_path: Path) -> None:
    said, trace = tmp_path / "said.wav", tmp_path / "t.jsonl"
    with script_server("--ttft", "0.1", "--tokens-per-second", "60") as url:
        done = run_voice(
            "run", "--input", str(speech / "turn_on_the_living_room_lamp.flac"), "--agent", url,
            "--output", str(said), "--trace", str(trace),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = read_trace(trace)
    first = [event for event in events if event["turn"] == 1]
    names = [event["event"] for event in first if event["event"] in NAMES_IN_ORDER]
    assert names == NAMES_IN_ORDER
    at = {event["event"]: event["at"] for event in reversed(first)}
    assert at["request.sent"] + 0.1 <= at["token.first"] < at["audio.first"]
    assert at["turn.likely_end"] <= at["request.sent"], "the answer is begun early"
    commits = [event for event in first if event["event"] == "transcript.committed"]
    final = next(event for event in first if event["event"] == "transcript.final")
    assert " ".join(commit["added"] for commit in commits) == commits[-1]["text"] == final["text"]
    (turn,) = _completed(trace)
    latency = turn["latency"]
    assert set(latency) == {
        "endpoint", "transcribe", "first_token", "first_audio", "voice_to_voice",
    }  # fmt: skip
    assert 0.2 < latency["endpoint"] < 1.5
    assert turn["eager"] is True
    assert sum(latency[key] for key in latency if key != "voice_to_voice") == pytest.approx(
        latency["voice_to_voice"], abs=0.1
    )
    assert turn["at"] >= first[0]["at"]


def test_a_fast_run_holds_the_same_conversation_in_virtual_time(
    speech: Path, tmp_path: Path
) -> None:
    clip = speech / "turn_on_the_living_room_lamp.flac"
    runs = []
    with script_server() as url:
        for number in range(2):
            said, trace = tmp_path / f"{number}.wav", tmp_path / f"{number}.jsonl"
            done = run_voice(
                "run", "--fast", "--input", str(clip), "--agent", url,
                "--output", str(said), "--trace", str(trace),
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            runs.append((read_trace(trace), soundfile.read(said)[0]))
    (first, _), (second, said_twice) = runs
    untold = ("playback.ended", "turn.completed")  # Piper's sound is not equally long each time
    timeless = [
        [(e["event"], e["turn"], e["at"]) for e in events if e["event"] not in untold]
        for events in (first, second)
    ]
    assert timeless[0] == timeless[1]
    times = {name: at for name, _, at in reversed(timeless[0])}
    assert times["transcript.committed"] < times["speech.ended"], "final before the last is said"
    assert np.abs(said_twice).max() > 0.05
    started = next(event["at"] for event in first if event["event"] == "audio.first")
    quiet = said_twice[: int((started - 0.01) * 22050)]
    assert np.abs(quiet).max() == 0, "the file is aligned with the conversation"


def test_a_conversation_is_chained_on_one_socket(speech: Path, tmp_path: Path) -> None:
    """Two questions in one file: each request sends only what is new, on another lane."""
    first = speech_samples(speech / "what_time_is_it.flac")
    second = speech_samples(speech / "turn_on_the_living_room_lamp.flac")
    both, rate = tmp_path / "both.wav", 16_000
    pause = np.zeros(7 * rate, np.int16)
    soundfile.write(both, np.concatenate([first, pause, second]), rate)
    with script_server() as upstream, recording_proxy(upstream) as proxy:
        done = run_voice(
            "run", "--fast", "--input", str(both), "--agent", proxy.url,
            "--output", str(tmp_path / "said.wav"), "--trace", str(tmp_path / "t.jsonl"),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two = proxy.creations()
    assert one["previous_response_id"], "the server has read the instructions already"
    assert two["previous_response_id"] not in (None, one["previous_response_id"])
    assert len(one["input"]) == len(two["input"]) == 1
    assert two["store"] is False
    assert one["stream_id"] != two["stream_id"]
    assert len(_completed(tmp_path / "t.jsonl")) == 2


def test_without_a_sound_card_a_recorded_conversation_is_held(tmp_path: Path) -> None:
    if "no microphone" not in run_voice("devices").stderr:
        pytest.skip("this machine has a microphone")
    trace = tmp_path / "t.jsonl"
    with script_server("--script", str(_long_answers(tmp_path))) as url:
        done = run_voice("run", "--agent", url, "--trace", str(trace), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "holding a recorded conversation" in done.stdout
    clips = load_clips()
    events = read_trace(trace)
    finals = [event["text"] for event in events if event["event"] == "transcript.final"]
    said = [(clip.text, text) for clip, text in zip(clips, finals, strict=True)]
    mistaken = sum(word_errors(text, understood) for text, understood in said)
    assert mistaken <= 4, said  # which sound the decoder had at its last pass depends on the load
    interrupted = [turn["interrupted"] for turn in _completed(trace)]
    assert interrupted == [False, False, False, True], '"stop" is obeyed, and not answered'
    assert np.abs(soundfile.read(tmp_path / "voice-said.wav")[0]).max() > 0.05


def _long_answers(folder: Path) -> Path:
    path = folder / "replies.toml"
    text = "This is an answer of some length, so that it can be interrupted in the middle."
    path.write_text(f'[[reply]]\ntext = "{text}"\n')
    return path
