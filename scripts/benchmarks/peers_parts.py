"""What is measured of each program: each part is one start of it, and yields records.

Times come from the rig's recordings of microphone and speaker and not from the programs; these
only tell when an answer began and ended, and when they took the user's turn to be over.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

from scripts.benchmarks import duplex_texts
from scripts.benchmarks.duplex_clips import Said
from scripts.benchmarks.duplex_conditions import Watch
from scripts.benchmarks.duplex_hearing import audible, located, stretch
from scripts.benchmarks.duplex_records import Record, of_interruption, of_question, of_sound
from scripts.benchmarks.duplex_talk import Answer, Talk, TalkError
from scripts.benchmarks.figures import rounded
from scripts.benchmarks.peers_talk import Program, talking

_INTO_ANSWER = (1.2, 2.5, 4.5, 1.8, 3.5, 6.0)
"""Seconds into the answer at which the user speaks, in turn."""

_LATEST_SECONDS = 9.0
_LATEST_SOUND_SECONDS = 30.0
_GIVE_WAY_SECONDS = 3.0
_RESUME_SECONDS = 2.5
_ANSWER_SECONDS = 10.0
_QUIET_SECONDS = 1.2


def turns(program: Program, said: Sequence[Said], question: Said, watch: Watch) -> Iterator[Record]:
    """Questions into silence with short answers; `question` warms up and does not count."""
    with talking(program, duplex_texts.SHORT, question) as (talk, spent):
        _hear_out(talk, talk.ask()[0])
        for one in said:
            answer, sent = talk.ask(one)
            _hear_out(talk, answer)
            yield of_question(talk, one, answer, sent, watch)
        unanswered = talk.unanswered
    yield spent.record(program, "turns") | {"unanswered": unanswered}


def interruptions(
    program: Program, said: Sequence[Said], question: Said, watch: Watch
) -> Iterator[Record]:
    """Answers that people interrupt."""
    with talking(program, duplex_texts.STORIES, question) as (talk, spent):
        for one, after in zip(said, itertools.cycle(_INTO_ANSWER), strict=False):
            attempt = talk.say_over(one, after, _LATEST_SECONDS, _GIVE_WAY_SECONDS)
            record = of_interruption("interruption", talk, attempt, watch)
            record.pop("played", None)
            yield record
    yield spent.record(program, "interruptions")


def backchannels(
    program: Program, said: Sequence[Said], question: Said, watch: Watch
) -> Iterator[Record]:
    """Answers over which somebody listens aloud; they have to go on."""
    with talking(program, duplex_texts.PAIRS, question) as (talk, spent):
        for one in said:
            attempt = talk.say_over(one, 1.2, _LATEST_SOUND_SECONDS, _RESUME_SECONDS)
            yield of_sound(talk, attempt, watch) | {"kind": "backchannel"}
    yield spent.record(program, "backchannels")


def pauses(
    program: Program, said: Sequence[Said], question: Said, watch: Watch
) -> Iterator[Record]:
    """Questions with a pause inside: was the turn taken for over, or was there sound, before?"""
    with talking(program, duplex_texts.SHORT, question) as (talk, spent):
        _hear_out(talk, talk.ask()[0])
        for one in said:
            yield _paused(talk, one, watch)
    yield spent.record(program, "pauses")


def _paused(talk: Talk, one: Said, watch: Watch) -> Record:
    sent = time.monotonic()
    talk.rig.say(one.samples, wait=False)
    time.sleep(one.seconds)
    spoken = stretch(talk.rig.microphone, sent - 0.1, sent + one.seconds + 1.5)
    began = located(one.samples, spoken)
    begins, ends = began + one.begins, began + one.ends
    answer = talk.wait(lambda: _answer_after(talk, ends), _ANSWER_SECONDS)
    if answer is not None:
        _hear_out(talk, answer)
    early = talk.trace.between(begins, ends, "turn.ended")
    sounds = audible(stretch(talk.rig.speaker, begins, time.monotonic()))
    record: Record = {"kind": "pause", "name": one.name, "real": one.real}
    record["stalled"] = watch.stalled(begins, ends + 1.0)
    record["split"] = bool(early) or any(at < ends for at in sounds)
    later = [at for at in sounds if at >= ends]
    if not later:
        return record | {"unanswered": True}
    return record | {"voice_to_voice": rounded(later[0] - ends)}


def _answer_after(talk: Talk, moment: float) -> Answer | None:
    answer = talk.answer()
    return answer if answer is not None and answer.began >= moment else None


def _hear_out(talk: Talk, answer: Answer) -> None:
    """Hear it to its end; a program that still speaks after a minute is not waited for."""
    talk.wait_until_over(answer, 60.0)
    if talk.rig.speaker.wait_for_quiet(_QUIET_SECONDS) is None:
        raise TalkError("an answer that nobody could hear")
