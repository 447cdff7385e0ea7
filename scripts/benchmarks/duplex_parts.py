"""The parts of the benchmark: each is one start of the program on a rig, and yields records."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from scripts.benchmarks import duplex_texts
from scripts.benchmarks.duplex_clips import Said
from scripts.benchmarks.duplex_conditions import Watch
from scripts.benchmarks.duplex_records import (
    Record,
    of_conversation,
    of_echo,
    of_hum,
    of_interruption,
    of_lost_sound,
    of_question,
    of_sound,
)
from scripts.benchmarks.duplex_talk import (
    NOTES,
    OVER,
    Answer,
    Talk,
    TalkError,
    talking,
)

T = TypeVar("T")

_INTO_ANSWER = (1.0, 2.3, 3.6, 1.6, 4.5, 3.0)
"""Seconds into the answer at which the user speaks, in turn."""

_EARLY = 1.2

_LATEST = 7.0
"""An answer that has been heard for longer might end by itself: the next one is interrupted."""

_LATEST_SOUND = 30.0

_GIVE_WAY_SECONDS = 3.0
"""After the user's last word; an answer that then still goes on was not interrupted."""

_RESUME_SECONDS = 2.5
"""The same after a sound: by then the answer goes on."""

_QUIET_SECONDS = 0.5
_MOST_ANSWERS = 8


def interruptions(
    said: Sequence[tuple[str, Said]], question: Said, watch: Watch
) -> Iterator[Record]:
    """Answers that are interrupted, by what is said and its kind.

    An interruption is answered, and that answer is the next to be interrupted.
    """
    with talking("plain", duplex_texts.STORIES, question) as (talk, _):
        made = _made(
            (kind, talk.say_over(one, after, _LATEST, _GIVE_WAY_SECONDS))
            for (kind, one), after in zip(said, itertools.cycle(_INTO_ANSWER), strict=False)
        )
        for kind, attempt in made.attempts:
            yield of_interruption(kind, talk, attempt, watch)
        yield of_lost_sound("interruptions", talk)
        made.check()


def hums(said: Sequence[Said], question: Said, watch: Watch) -> Iterator[Record]:
    """Interruptions of a steady tone."""
    with talking("hum", [duplex_texts.HUMMED], question) as (talk, _):
        made = _made(talk.say_over(one, _EARLY, _LATEST, _GIVE_WAY_SECONDS) for one in said)
        for attempt in made.attempts:
            yield of_hum(talk, attempt, watch)
        yield of_lost_sound("hums", talk)
        made.check()


def sounds(said: Sequence[Said], question: Said, watch: Watch) -> Iterator[Record]:
    """Backchannels, hesitations and coughs, several in an answer, which has to go on."""
    with talking("plain", duplex_texts.PAIRS, question) as (talk, _):
        made = _made(talk.say_over(one, _EARLY, _LATEST_SOUND, _RESUME_SECONDS) for one in said)
        for attempt in made.attempts:
            yield of_sound(talk, attempt, watch)
        yield of_lost_sound("sounds", talk)
        made.check()


def questions(said: Sequence[Said], question: Said, agent: str, watch: Watch) -> Iterator[Record]:
    """Questions into silence, with short answers: the time from voice to voice.

    `question` is asked first, to warm up, and does not count.
    """
    with talking("plain", duplex_texts.SHORT, question, agent=agent) as (talk, _):
        _ask(talk, question)
        made = _made((one, *_ask(talk, one)) for one in said)
        for one, answer, sent in made.attempts:
            yield of_question(talk, one, answer, sent, watch)
        yield of_lost_sound("questions", talk)
        made.check()


def conversation(
    path: tuple[float, int],
    minutes: float,
    meant: Sequence[tuple[str, Said]],
    sounds: Sequence[Said],
    question: Said,
    watch: Watch,
) -> Iterator[Record]:
    """Answers in a room that echoes, with two sounds of somebody who listens to each interruption.

    `path` is the echo's gain and its delay in ms.
    """
    ends = time.monotonic() + 60 * minutes
    with talking("plain", duplex_texts.PAIRS, question, echo=path) as (talk, _):
        watched: list[tuple[float, float]] = []
        sound = itertools.cycle(sounds)
        for kind, one in itertools.cycle(meant):
            if time.monotonic() > ends:
                break
            for heard in itertools.islice(sound, 2):
                noticed = talk.say_over(heard, _EARLY, _LATEST_SOUND, _RESUME_SECONDS)
                watched.append((noticed.sent, noticed.until))
                yield of_sound(talk, noticed, watch)
            attempt = talk.say_over(one, _EARLY, _LATEST_SOUND, _GIVE_WAY_SECONDS)
            watched.append((attempt.sent, attempt.until))
            yield of_interruption(kind, talk, attempt, watch)
        yield of_conversation(talk, path, minutes, watched)
        yield of_lost_sound("conversation", talk)


def echo(
    path: tuple[float, int], minutes: float, said: Said, question: Said, watch: Watch
) -> Iterator[Record]:
    """The agent speaks with only its own echo in the room, and is then interrupted by a person.

    `path` is the echo's gain and its delay in ms, `minutes` how long the agent speaks.
    """
    name = f"echo {path[0]}, {path[1]} ms"
    reply = duplex_texts.long_reply(60 * minutes + 20)
    with talking("echo", [reply], question, echo=path) as (talk, folder):
        spans = _speak(talk, 60 * minutes)
        notes = [json.loads(line) for line in (folder / NOTES).read_text().splitlines()]
        yield of_echo(talk, path, spans, notes, watch)
        attempt = talk.say_over(said, 0.0, math.inf, _GIVE_WAY_SECONDS)
        yield of_interruption("double talk", talk, attempt, watch) | {"where": name}
        yield of_lost_sound(name, talk)


@dataclass(frozen=True, slots=True)
class _Made(Generic[T]):
    """What was done before the conversation broke off, if it did."""

    attempts: list[T]
    error: TalkError | TimeoutError | None

    def check(self) -> None:
        """Raises what it broke off with."""
        if self.error:
            raise self.error


def _made(doing: Iterator[T]) -> _Made[T]:
    attempts = []
    try:
        for attempt in doing:
            attempts.append(attempt)
    except (TalkError, TimeoutError) as error:
        return _Made(attempts, error)
    return _Made(attempts, None)


def _ask(talk: Talk, question: Said) -> tuple[Answer, float]:
    """Ask, and hear the answer to its end; also when the question was sent off."""
    answer, sent = talk.ask(question)
    talk.wait_until_over(answer, 60.0)
    talk.rig.speaker.wait_for_quiet(_QUIET_SECONDS)
    return answer, sent


def _speak(talk: Talk, seconds: float) -> list[tuple[float, float]]:
    """Let the agent speak so long in all; returns when it did."""
    spans: list[tuple[float, float]] = []
    while seconds > 0 and len(spans) < _MOST_ANSWERS:
        answer = talk.answer() or talk.ask()[0]
        talk.wait_until_over(answer, answer.began + seconds - time.monotonic())
        over = talk.trace.named(*OVER, turn=answer.turn)
        spans.append((answer.began, over[0]["at"] if over else time.monotonic()))
        seconds -= spans[-1][1] - spans[-1][0]
    return spans
