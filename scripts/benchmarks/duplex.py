"""The duplex benchmark: how the agent gives way, through the audio rig, to recordings of people.

The program under test is `voice run`, a child with an ordinary microphone and speaker
(tests/support/rig.py), Piper, Whisper tiny.en and the script backend.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks import duplex_clips, duplex_parts
from scripts.benchmarks.duplex_conditions import Watch
from scripts.benchmarks.duplex_figures import Record, failures, figures, verdicts
from scripts.benchmarks.duplex_records import compare_words
from scripts.benchmarks.duplex_talk import TalkError
from scripts.benchmarks.figures import code_version, machine
from scripts.benchmarks.listen_clips import SHARED
from tests.support.programs import listener
from tests.support.rig import RigError, available
from voice.errors import ModelError
from voice.models.resolve import resolve

ECHO_PATHS = ((0.1, 60), (0.3, 20), (0.3, 120), (0.6, 200))
"""Gain, and delay in ms, of the way from the speaker to the microphone."""


CONVERSATION_ECHO = (0.3, 60)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured; `minutes` are of the agent's speech on each echo path."""

    agent: str = "script"
    interruptions: int = 20
    stops: int = 8
    hums: int = 6
    sounds: int = 14
    questions: int = 8
    echo_paths: tuple[tuple[float, int], ...] = ECHO_PATHS
    minutes: float = 0.4
    conversation_minutes: float = 0.0
    """Only this instead: a conversation with echo, interruptions and sounds."""


SHORT = Plan(
    interruptions=6,
    stops=4,
    hums=4,
    sounds=8,
    questions=6,
    echo_paths=ECHO_PATHS[1:2],
    minutes=0.25,
)
"""Four minutes."""


def quick(agent: str, minutes: float) -> Plan:
    """A little of everything, to see whether it works."""
    return Plan(agent, 2, 1, 1, 2, 1, ECHO_PATHS[1:2], min(minutes, 0.1))


def measure_duplex(plan: Plan, save: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The figures of a plan. `save` gets the result so far after each part."""
    if reason := available():
        raise SystemExit(reason)
    records: list[Record] = []
    failed: list[str] = []
    listener_name = _listener()
    understand = listener(resolve(listener_name))
    with Watch() as watch:
        for name, part in _parts(plan, watch):
            began = time.monotonic()
            try:
                for record in part:  # what came before it broke off is kept
                    records.append(record)
            except (TalkError, RigError, TimeoutError) as error:
                failed.append(f"the part {name!r} broke off: {error}")
            compare_words(records, understand)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
            save(_result(plan, records, failed, watch, listener_name))
    return _result(plan, records, failed, watch, listener_name)


def _parts(plan: Plan, watch: Watch) -> Iterator[tuple[str, Iterator[Record]]]:
    question = duplex_clips.question()
    turns = duplex_clips.questions(plan.questions)
    if plan.agent != "script":
        yield "questions", duplex_parts.questions(turns, question, plan.agent, watch)
        return
    said = duplex_clips.interruptions(plan.interruptions)
    meant = [("interruption", one) for one in said]
    meant += [("stop word", one) for one in duplex_clips.stops(plan.stops)]
    sounds = duplex_clips.sounds(plan.sounds)
    if plan.conversation_minutes:
        yield (
            "conversation",
            duplex_parts.conversation(
                CONVERSATION_ECHO, plan.conversation_minutes, meant, sounds, question, watch
            ),
        )
        return
    hummed = list(itertools.islice(itertools.cycle(said), plan.hums))
    yield "interruptions", duplex_parts.interruptions(meant, question, watch)
    yield "hums", duplex_parts.hums(hummed, question, watch)
    yield "sounds", duplex_parts.sounds(sounds, question, watch)
    yield "questions", duplex_parts.questions(turns, question, plan.agent, watch)
    for path, one in zip(plan.echo_paths, itertools.cycle(said), strict=False):
        name = f"echo {path[0]}, {path[1]} ms"
        yield name, duplex_parts.echo(path, plan.minutes, one, question, watch)


def _result(
    plan: Plan, records: list[Record], failed: list[str], watch: Watch, listener_name: str
) -> dict[str, Any]:
    found, counts = figures(records)
    return {
        "figures": found,
        "n": counts,
        "verdicts": verdicts(found, local=plan.agent != "script"),
        "failures": [*failed, *failures(records)],
        "conditions": {
            **watch.conditions(),
            "agent": plan.agent,
            "machine": machine(),
            "code": code_version(),
            "people": "shared/speech" if SHARED.is_dir() else "tests/data/speech",
            "listener": listener_name,
        },
        "records": [
            {name: value for name, value in record.items() if name != "played"}
            for record in records
        ],
    }


def _listener() -> str:
    """A better one than the program's own, if it is there."""
    try:
        resolve("base")
    except ModelError:
        return "tiny.en"
    return "base"
