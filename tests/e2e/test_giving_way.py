"""How the agent gives way to real recordings of a user, measured through the rig."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.giving_way import GaveWay, gave_way, said_at
from tests.support.heard_words import heard_word_error
from tests.support.programs import (
    running,
    script_server,
    sounding,
    speech_samples,
    word_errors,
)
from tests.support.rig import AudioRig
from tests.support.steadiness import repeated_if_stalled
from voice.audio.frames import Int16

HUM = " ".join(["One two three four five six seven."] * 12)

STORY = "My little dog ran down to the river. There he found a red boat with three children in it."


def _script(folder: Path, *replies: str) -> str:
    path = folder / "replies.toml"
    path.write_text("\n".join(f'[[reply]]\ntext = "{reply}"\n' for reply in replies))
    return str(path)


@repeated_if_stalled
def test_speech_makes_the_agent_quieter_and_then_silent(
    rig: AudioRig, speech: Path, tmp_path: Path
) -> None:
    clips = ["compassion_and_empathy", "iced_mocha_with_a_pause"]
    found: list[GaveWay] = []
    with (
        script_server("--script", _script(tmp_path, *[HUM] * 9)) as url,
        running(
            "run",
            "--agent",
            url,
            trace=tmp_path / "t.jsonl",
            env=rig.env,
            module="tests.support.humming",
        ) as program,
    ):
        program.wait_for("listening")
        rig.say(speech_samples(speech / "what_time_is_it.flac"))
        for number, name in enumerate(clips, start=1):
            answering = program.wait_for("audio.first", number)
            time.sleep(1.0)
            clip, began = speech_samples(speech / f"{name}.flac"), time.monotonic()
            rig.say(clip)
            stopped = program.wait_for("playback.stopped", number)
            assert stopped["turn"] == answering["turn"]
            found.append(gave_way(rig.speaker, said_at(rig.microphone, clip, began)))
    print(found)
    ducks = [one.duck for one in found if one.duck is not None]
    holds = [one.hold for one in found if one.hold is not None]
    assert len(holds) == len(clips)
    assert statistics.median(ducks) < 0.2
    assert statistics.median(holds) < 0.5


@repeated_if_stalled
def test_after_a_hum_the_agent_goes_on_and_no_word_is_lost(
    rig: AudioRig, speech: Path, tmp_path: Path, understand: Callable[[Int16], str]
) -> None:
    with (
        script_server("--script", _script(tmp_path, STORY)) as url,
        running("run", "--agent", url, trace=tmp_path / "t.jsonl", env=rig.env) as program,
    ):
        program.wait_for("listening")
        rig.say(speech_samples(speech / "what_time_is_it.flac"))
        began = program.wait_for("audio.first")["at"]
        time.sleep(1.0)
        rig.say(speech_samples(speech / "hm.flac"))
        turn = program.wait_for("turn.completed")
        time.sleep(0.3)
    assert program.events("speech.ducked")
    assert program.events("speech.resumed")
    assert turn["interrupted"] is False
    assert turn["heard_text"] == STORY
    understood = understand(sounding(rig.speaker.samples(since=began - 0.1)))
    again = 1 if program.events("speech.held") else 0
    assert word_errors(STORY, understood) <= 2 + again, understood


@repeated_if_stalled
def test_what_was_heard_of_an_interrupted_answer_is_known_to_the_word(
    rig: AudioRig,
    speech: Path,
    tmp_path: Path,
    understand: Callable[[Int16], str],
) -> None:
    with (
        script_server("--script", _script(tmp_path, STORY, "Yes.")) as url,
        running("run", "--agent", url, trace=tmp_path / "t.jsonl", env=rig.env) as program,
    ):
        program.wait_for("listening")
        rig.say(speech_samples(speech / "what_time_is_it.flac"))
        began = program.wait_for("audio.first")["at"]
        time.sleep(2.7)  # the recording begins with 0.7 s of silence
        rig.say(speech_samples(speech / "compassion_and_empathy.flac"))
        stopped = program.wait_for("playback.stopped")["at"]
        heard = program.wait_for("turn.completed")["heard_text"]
        rig.speaker.catch_up(stopped)
    understood = understand(sounding(rig.speaker.samples(began - 0.1, stopped + 0.15)))
    print(heard, "|", understood)
    assert STORY.startswith(heard)
    assert abs(heard_word_error(STORY, heard, understood)) <= 2, (heard, understood)
