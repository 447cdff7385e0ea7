"""`voice run` with a real microphone and a real speaker: the rig's."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.programs import (
    plain_words,
    read_trace,
    recording_proxy,
    running,
    script_server,
    sounding,
    speech_samples,
    word_errors,
)
from tests.support.rig import AudioRig, available
from tests.support.steadiness import repeated_if_stalled
from voice.audio.frames import Int16

STORY = (
    "The little dog ran down to the river. There it saw a red boat with three children in it. "
    "They gave the dog some bread and a cup of milk. Then they all went home together, because "
    "it was getting dark. The next morning the dog came back to the river and waited."
)


def _script(folder: Path, story: str = STORY) -> Path:
    path = folder / "replies.toml"
    path.write_text(f'[[reply]]\ntext = "{story}"\n\n[[reply]]\ntext = "As you wish."\n')
    return path


@repeated_if_stalled
def test_a_question_into_the_microphone_is_answered_on_the_speaker(
    rig: AudioRig, speech: Path, tmp_path: Path, understand: Callable[[Int16], str]
) -> None:
    trace = tmp_path / "t.jsonl"
    with (
        script_server() as url,
        running("run", "--agent", url, trace=trace, env=rig.env) as program,
    ):
        program.wait_for("listening")
        began = time.monotonic()
        rig.say(speech_samples(speech / "what_time_is_it.flac"))
        turn = program.wait_for("turn.completed")
        first_sound = rig.speaker.wait_for_sound(1, since=began)
        time.sleep(0.3)
    assert plain_words(turn["user_text"]) == ["what", "time", "is", "it"]
    assert first_sound is not None
    traced = next(e["at"] for e in program.events("audio.first"))
    assert abs(traced - first_sound) < 0.25, "the trace tells when sound reached the device"
    end_of_speech = program.events("speech.ended")[0]["at"]
    assert 0.2 < first_sound - end_of_speech < 8.0
    understood = understand(sounding(rig.speaker.samples(since=began)))
    assert word_errors(turn["assistant_text"], understood) <= 2, understood


@repeated_if_stalled
def test_speech_during_the_answer_silences_it_and_only_the_heard_words_are_kept(
    rig: AudioRig, speech: Path, tmp_path: Path, understand: Callable[[Int16], str]
) -> None:
    trace = tmp_path / "t.jsonl"
    with (
        script_server("--script", str(_script(tmp_path)), "--tokens-per-second", "8") as upstream,
        recording_proxy(upstream) as proxy,
        running("run", "--agent", proxy.url, trace=trace, env=rig.env) as program,
    ):
        program.wait_for("listening")
        began = time.monotonic()
        rig.say(speech_samples(speech / "what_time_is_it.flac"))
        program.wait_for("audio.first")
        time.sleep(4.0)
        interruption = time.monotonic()
        rig.say(speech_samples(speech / "turn_on_the_living_room_lamp.flac"))
        stopped = program.wait_for("playback.stopped")
        next_heard = program.wait_for("audio.first", count=2)
        second_answer = program.wait_for("turn.completed", count=2)
        interrupted = program.events("turn.completed")[0]

    until = min(stopped["at"] + 1.0, next_heard["at"] - 0.1)  # then the next answer may sound
    sounds = [at for at in rig.speaker.sounds(interruption) if at < until]
    assert max(sounds) < stopped["at"] + 0.35, ("not silent", sounds[-1], read_trace(trace))
    assert stopped["at"] - interruption < 3.0

    assert word_errors("turn on the living room lamp", second_answer["user_text"]) <= 1

    assert interrupted["interrupted"] is True
    heard = interrupted["heard_text"]
    assert heard
    assert STORY.startswith(heard)
    assert len(heard) < len(STORY)
    understood = understand(sounding(rig.speaker.samples(began, stopped["at"] + 0.3)))
    assert word_errors(heard, understood) <= 4, (heard, understood)

    story, second = proxy.creations()
    assert second["previous_response_id"] == story["previous_response_id"]
    assert [item["content"] for item in second["input"]][1:] == [
        heard.strip(),
        second_answer["user_text"],
    ]
    assert second["stream_id"] != story["stream_id"]
    assert "response.cancel" in [request["type"] for request in proxy.requests]


@repeated_if_stalled
def test_the_assistant_does_not_hear_itself(speech: Path, tmp_path: Path) -> None:
    """The speaker is heard by the microphone, 10 dB down and 60 ms late; nobody else speaks."""
    if reason := available():
        pytest.skip(reason)
    trace, story = tmp_path / "t.jsonl", STORY.partition(" Then they all")[0]
    with (
        AudioRig(echo_gain=0.3, echo_delay_ms=60) as rig,
        script_server("--script", str(_script(tmp_path, story))) as url,
        running("run", "--agent", url, trace=trace, env=rig.env) as program,
    ):
        program.wait_for("listening")
        rig.say(speech_samples(speech / "what_time_is_it.flac"))
        turn = program.wait_for("turn.completed")
        echoed = rig.microphone.sounds(program.events("audio.first")[0]["at"])
    assert len(echoed) > 200, "the microphone did carry the echo"
    assert turn["interrupted"] is False
    assert turn["heard_text"] == story
    assert len(program.events("bargein")) == 0
