"""What became of each thing that was said, from the recordings and the trace: one record each.

A record is a plain dict that goes into the report as it is, so that every figure can be traced to
the moments behind it. Times ending in `_ms` count from the first sample of the user's speech at
the microphone. A `void` record says why it counts for nothing.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from scripts.benchmarks.duplex_clips import Said
from scripts.benchmarks.duplex_conditions import Watch
from scripts.benchmarks.duplex_hearing import (
    Stretch,
    audible,
    edge_steps,
    gave_way_after,
    last_loud_after,
    located,
    loud_again_after,
    stopped_after,
    stretch,
)
from scripts.benchmarks.duplex_talk import Answer, Attempt, Event, Talk
from scripts.benchmarks.duplex_texts import STORIES
from scripts.benchmarks.figures import rounded
from tests.support.heard_words import heard_word_error, words_heard
from tests.support.programs import sounding
from voice.audio.frames import Int16

Record = dict[str, Any]

EDGES = ("speech.ducked", "speech.held", "speech.resumed", "bargein")
"""Where the level of an answer changes."""

_FALSE = ("speech.started", "duplex.chosen")

_FADED_SECONDS = 0.15
"""From a decision to silence at the speaker: the device's buffer and the fade."""

_NEXT_SECONDS = 0.1
"""Before the next answer is told to begin: what sounds then is the beginning of it."""

_TOO_LATE_SECONDS = 0.5
"""A user who begins so shortly before an answer ends by itself did not interrupt it."""


def of_interruption(kind: str, talk: Talk, attempt: Attempt, watch: Watch) -> Record:
    """A user who meant it: when the speaker gave way, and what was heard of the answer."""
    onset, _ = _spoken(talk, attempt)
    completed = _completed(talk, attempt.answer)
    until = _watched_until(talk, attempt, completed)
    played = stretch(talk.rig.speaker, attempt.answer.began - 0.1, until)
    record = _common(kind, attempt, onset, until, watch)
    record |= {"why": _why(talk, attempt, onset), **_clicks(talk, attempt.answer, played)}
    if completed and not completed["interrupted"] and completed["at"] < onset + _TOO_LATE_SECONDS:
        return record | {"void": "the answer ended by itself"}
    if not (completed and completed["interrupted"] and completed["at"] <= attempt.until):
        return record | {"missed": True}
    stop = stopped_after(played, onset)
    return record | {
        "missed": False,
        "duck_ms": _ms(last_loud_after(played, onset)),
        "stop_ms": _ms(stop),
        "answer": completed["assistant_text"],
        "heard": completed["heard_text"],
        "played": played.between(played.began, onset + (stop or 0.0) + _FADED_SECONDS),
    }


def of_hum(talk: Talk, attempt: Attempt, watch: Watch) -> Record:
    """An interrupted steady tone: when it was 18 dB quieter, and when silent."""
    onset, _ = _spoken(talk, attempt)
    until = _watched_until(talk, attempt, _completed(talk, attempt.answer))
    played = stretch(talk.rig.speaker, attempt.answer.began + 0.1, until)
    way = gave_way_after(played, onset)
    record = _common("hum", attempt, onset, until, watch)
    record |= {"why": _why(talk, attempt, onset), **_clicks(talk, attempt.answer, played)}
    if way.duck is None or way.hold is None:
        return record | {"missed": True}
    return record | {"missed": False, "duck_ms": _ms(way.duck), "hold_ms": _ms(way.hold)}


def of_sound(talk: Talk, attempt: Attempt, watch: Watch) -> Record:
    """Nothing that was meant to interrupt: whether the answer was as loud again soon after."""
    onset, said = _spoken(talk, attempt)
    completed = _completed(talk, attempt.answer)
    until = min(attempt.until, completed["at"] if completed else attempt.until)
    played = stretch(talk.rig.speaker, attempt.answer.began - 0.1, until)
    record = _common("sound", attempt, onset, until, watch)
    record |= {"why": _why(talk, attempt, onset), **_clicks(talk, attempt.answer, played)}
    interrupted = bool(completed and completed["interrupted"] and completed["at"] <= attempt.until)
    if not interrupted and until < said + _TOO_LATE_SECONDS:
        return record | {"void": "the answer ended by itself"}
    again = None if interrupted else loud_again_after(played, onset, said)
    record |= {"resumed": again is not None, "again_after_speech_ms": _ms(again)}
    return record | {"disturbed": bool(record["why"])}


def of_question(talk: Talk, said: Said, answer: Answer, sent: float, watch: Watch) -> Record:
    """A question into silence: from the last sample of speech to the first audible block."""
    heard = stretch(talk.rig.microphone, sent - 0.1, sent + said.seconds + 1.5)
    ended = located(said.samples, heard) + said.ends
    played = stretch(talk.rig.speaker, ended - said.seconds, answer.began + 1.0)
    sounds = audible(played)
    record: Record = {"kind": "question", "name": said.name, "real": said.real}
    record["stalled"] = watch.stalled(sent, answer.began)
    if completed := _completed(talk, answer):
        record["latency"] = completed["latency"]
    if not sounds:
        return record | {"void": "nothing was audible"}
    if sounds[0] < ended:
        return record | {"void": "answered before its end"}
    return record | {"voice_to_voice": rounded(sounds[0] - ended)}


def of_echo(
    talk: Talk,
    path: tuple[float, int],
    spans: Sequence[tuple[float, float]],
    notes: Sequence[Event],
    watch: Watch,
) -> Record:
    """How often the agent gave way to its own echo while nobody else spoke."""
    counts = Counter(
        event["event"] for span in spans for event in talk.trace.between(*span, *_FALSE, *EDGES)
    )
    why = [
        f"{event['event']} {event.get('reason', '')} after {event['at'] - span[0]:.1f} s"
        for span in spans
        for event in talk.trace.between(*span, *_FALSE, *EDGES)
    ]
    while_speaking = [note for note in notes if any(a <= note["at"] <= b for a, b in spans)]
    known = [note["erle_db"] for note in while_speaking if note["erle_db"] is not None]
    half = [note["half_duplex"] for note in while_speaking]
    return {
        "kind": "echo",
        "gain": path[0],
        "delay_ms": path[1],
        "minutes": round(sum(end - began for began, end in spans) / 60, 3),
        "interrupted": counts["bargein"],
        "held": counts["speech.held"],
        "ducked": counts["speech.ducked"],
        "gate_opened": counts["speech.started"],
        "stalled": any(watch.stalled(*span) for span in spans),
        "why": why,
        "erle_db": rounded(statistics.median(known) if known else None, 1),
        "erle_db_last": rounded(known[-1] if known else None, 1),
        "half_duplex_share": rounded(sum(half) / len(half) if half else None, 2),
    }


def of_conversation(
    talk: Talk,
    path: tuple[float, int],
    minutes: float,
    said: Sequence[tuple[float, float]],
) -> Record:
    """What the agent did while nobody said anything: between the times in `said`."""
    talk.trace.update()
    gave_way = [
        event
        for event in talk.trace.named("speech.held", "bargein")
        if not any(since <= event["at"] <= until for since, until in said)
    ]
    return {
        "kind": "conversation",
        "where": f"conversation, echo {path[0]}, {path[1]} ms",
        "minutes": minutes,
        "self_interruptions": sum(event["event"] == "bargein" for event in gave_way),
        "false_holds": sum(event["event"] == "speech.held" for event in gave_way),
    }


def of_lost_sound(where: str, talk: Talk) -> Record:
    """Pieces of sound that came too late for the speaker, and questions that were not heard."""
    talk.trace.update()
    counts = [event["count"] for event in talk.trace.named("audio.underrun")]
    return {"kind": "lost", "where": where, "underruns": sum(counts), "unanswered": talk.unanswered}


def compare_words(records: Sequence[Record], understand: Callable[[Int16], str]) -> None:
    """Let a listener hear what was played of the interrupted answers, and compare."""
    for record in records:
        if (played := record.pop("played", None)) is None:
            continue
        begun = record["answer"].strip()
        answer = next((story for story in STORIES if story.startswith(begun)), begun)
        text = understand(sounding(played))
        record["understood"] = text
        record["words_understood"] = words_heard(answer, text)
        record["word_error"] = heard_word_error(answer, record["heard"], text)


def _common(kind: str, attempt: Attempt, onset: float, until: float, watch: Watch) -> Record:
    return {
        "kind": kind,
        "name": attempt.said.name,
        "real": attempt.said.real,
        "seconds_into_answer": round(onset - attempt.answer.began, 2),
        "stalled": watch.stalled(onset - 0.5, until),
    }


def _spoken(talk: Talk, attempt: Attempt) -> tuple[float, float]:
    """When the user's speech began and ended at the microphone."""
    said = attempt.said
    heard = stretch(talk.rig.microphone, attempt.sent - 0.1, attempt.sent + said.seconds + 1.5)
    start = located(said.samples, heard)
    return start + said.begins, start + said.ends


def _completed(talk: Talk, answer: Answer) -> Event | None:
    return next(iter(talk.trace.named("turn.completed", turn=answer.turn)), None)


def _watched_until(talk: Talk, attempt: Attempt, completed: Event | None) -> float:
    """Before the next answer, and soon after the end of this one."""
    until = float(completed["at"]) + 1.0 if completed else attempt.until
    later = [
        float(event["at"])
        for event in talk.trace.named("audio.first")
        if event["turn"] != attempt.answer.turn and event["at"] > attempt.answer.began
    ]
    return min([until, *(at - _NEXT_SECONDS for at in later)])


def _why(talk: Talk, attempt: Attempt, onset: float) -> list[str]:
    """What the program decided from then on, with the reasons and the milliseconds."""
    return [
        f"{event['event'].removeprefix('speech.')} {event.get('reason', '')}"
        f" {1000 * (event['at'] - onset):.0f}"
        for event in talk.trace.between(onset - 0.1, attempt.until, *EDGES)
        if event["turn"] == attempt.answer.turn
    ]


def _clicks(talk: Talk, answer: Answer, played: Stretch) -> Record:
    """The largest steps between samples: where the level changes, and of the sound itself."""
    edges = [event["at"] for event in talk.trace.named(*EDGES, turn=answer.turn)]
    steps, own = edge_steps(played, [edge for edge in edges if played.began < edge < played.ended])
    return {"edges": len(steps), "edge_step": max(steps, default=None), "own_step": own}


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(1000 * seconds)
