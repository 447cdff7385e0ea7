"""The peers benchmark: pipecat and our program side by side on the same virtual sound card.

Both hear the same recordings, use the same Whisper and Piper models and talk to the same kind of
server; parts take turns, ours and the peer's, so that a slow minute of the machine meets both.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks import duplex_clips, peers_clips, peers_parts
from scripts.benchmarks.duplex_clips import Said
from scripts.benchmarks.duplex_conditions import Watch
from scripts.benchmarks.duplex_talk import TalkError
from scripts.benchmarks.figures import code_version, machine
from scripts.benchmarks.listen_clips import SHARED
from scripts.benchmarks.peers_environment import peer_python, versions
from scripts.benchmarks.peers_figures import Record, figures
from scripts.benchmarks.peers_talk import (
    FIRST_TOKEN_SECONDS,
    TOKENS_PER_SECOND,
    VOICE,
    WHISPER,
    Program,
    ours,
    pipecat,
)
from tests.support.rig import RigError, available

FAIRNESS = (
    "Fair: one virtual sound card, the same recordings, Whisper (int8), Piper voice and server "
    "(first token, tokens a second); pipecat's defaults for voice activity, end of turn (its "
    "smart-turn model) and interruption, its WebSocket service for the Responses API; nothing "
    "of its metrics is switched on; times are taken from recordings, by one rule for both.",
    "Not fair to us: our program also cancels echo, which pipecat's local transport does not.",
    "Not fair to pipecat: it is made for services in the cloud, with local models as a second "
    "way; its transport here is ours (sounddevice instead of PyAudio, with our block and latency); "
    "our program was tuned on recordings of the same kind.",
)

_PACKAGES = ("pipecat-ai", "faster-whisper", "piper-tts", "onnxruntime")

Part = Callable[[Program, Sequence[Said], Said, Watch], Iterator[Record]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured of each program, in all its rounds."""

    turns: int = 24
    interruptions: int = 12
    backchannels: int = 6
    pauses: int = 8
    rounds: int = 2


QUICK = Plan(2, 1, 1, 1, 1)


def measure_peers(plan: Plan, save: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The figures of both. `save` gets what is known after each part. Raises `PeerError`."""
    if reason := available():
        raise SystemExit(reason)
    programs = (ours(), pipecat(peer_python()))
    question, records, failed = duplex_clips.question(), [], []
    with Watch() as watch:
        for (name, part, said), program in _schedule(plan, programs):
            began = time.monotonic()
            try:
                for record in part(program, said, question, watch):
                    records.append({"program": program.name, **record})
            except (TalkError, RigError, TimeoutError) as error:
                failed.append(f"{program.name}, {name}, broke off: {error}")
            print(f"{name}, {program.name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
            save(_result(plan, programs, records, failed, watch))
    return _result(plan, programs, records, failed, watch)


def _schedule(
    plan: Plan, programs: Sequence[Program]
) -> Iterator[tuple[tuple[str, Part, Sequence[Said]], Program]]:
    """Each round's share of what is said, to one program after the other."""
    parts: list[tuple[str, Part, Sequence[Said]]] = [
        ("turns", peers_parts.turns, duplex_clips.questions(plan.turns)),
        (
            "interruptions",
            peers_parts.interruptions,
            duplex_clips.interruptions(plan.interruptions),
        ),
        ("backchannels", peers_parts.backchannels, peers_clips.backchannels(plan.backchannels)),
        ("pauses", peers_parts.pauses, peers_clips.pauses(plan.pauses)),
    ]
    for number in range(plan.rounds):
        for name, part, said in parts:
            for program in programs:
                yield (name, part, said[number :: plan.rounds]), program


def _result(
    plan: Plan, programs: Sequence[Program], records: list[Record], failed: list[str], watch: Watch
) -> dict[str, Any]:
    pinned = versions()
    return {
        "figures": figures(records, *(program.name for program in programs)),
        "failures": failed,
        "fairness": FAIRNESS,
        "conditions": {
            **watch.conditions(),
            "programs": [program.name for program in programs],
            "peer_versions": {name: pinned[name] for name in _PACKAGES},
            "rounds": plan.rounds,
            "whisper": WHISPER,
            "voice": VOICE,
            "server": f"script, {1000 * FIRST_TOKEN_SECONDS:g} ms, {TOKENS_PER_SECOND} tokens/s",
            "people": "shared/speech" if SHARED.is_dir() else "tests/data/speech",
            "machine": machine(),
            "code": code_version(),
        },
        "records": records,
    }
