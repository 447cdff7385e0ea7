"""What turns cost and how long they wait: bytes, interruptions, rotation, losses, memory.

The agent runs here, with the assistant's instructions and tools; the local server with its script
backend runs in a process of its own. Between them lies loopback.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from scripts.benchmarks.figures import kept, quantile, rounded
from scripts.benchmarks.responses_caller import (
    LOCAL,
    Caller,
    calling,
    relayed,
    script_server,
    toolbox,
)
from scripts.benchmarks.responses_figures import rotation_figures, rotation_samples
from scripts.benchmarks.responses_server import Scripted
from voice.responses.options import AgentOptions
from voice.responses.requests import Features
from voice.responses.signals import Committed
from voice.server.script import Reply, Script

_TOKENS_PER_SECOND = 60.0
"""A fast model's pace."""

_WORDS = (
    "the a small old kitchen garden window morning evening weather cloud train station ticket "
    "coffee water paper music letter number street market bridge river winter summer quiet early "
    "later never often maybe today again under over between about without before after because"
)


def sentence(words: int, seed: int) -> str:
    """So many words that no other seed gives."""
    chosen = random.Random(seed).choices(_WORDS.split(), k=words)
    return " ".join(chosen).capitalize() + "."


def _voice_script(answers: int = 20, words: int = 25, **chosen: Any) -> Script:
    return Script([Reply(text=sentence(words, 1000 + n)) for n in range(answers)], **chosen)


# ── bytes ────────────────────────────────────────────────────────────────────────────────────


async def measure_bytes(turns: int) -> dict[str, Any]:
    """What the client sends for the last turn of one conversation, in three ways."""
    ways = {
        "chained": (AgentOptions(input="warmup"), LOCAL),
        "chained, words ahead": (AgentOptions(input="stream"), LOCAL),
        "whole context": (AgentOptions(input="off"), replace(LOCAL, chaining=False)),
    }
    with script_server(Scripted(script=_voice_script())) as url:
        sent = {name: await _sent_bytes(url, turns, *way) for name, way in ways.items()}
    fixed = msgspec.json.encode([AgentOptions().instructions, toolbox().definitions()])
    return {
        "bytes_sent_per_turn": sent["chained"][-1],
        "bytes_sent_per_turn_words_ahead": sent["chained, words ahead"][-1],
        "bytes_sent_per_turn_whole_context": sent["whole context"][-1],
        "bytes_sent_to_whole_context": rounded(sent["chained"][-1] / sent["whole context"][-1]),
        "bytes_sent_at_turn": turns,
        "bytes_sent_in_all_turns": {name: sum(turns) for name, turns in sent.items()},
        "bytes_of_instructions_and_tools": len(fixed),
    }


async def _sent_bytes(url: str, turns: int, options: AgentOptions, features: Features) -> list[int]:
    """Bytes on the wire, turn by turn."""
    sent: list[int] = []
    async with relayed(url) as relay, calling(relay.url, options, features) as caller:
        for turn in range(1, turns + 1):
            before = relay.sent_bytes
            await _speak(caller, sentence(12, turn), seconds_per_word=0.003)
            caller.ask(sentence(12, turn))
            await caller.written()
            caller.hear()
            sent.append(relay.sent_bytes - before)
    return sent


async def _speak(caller: Caller, text: str, seconds_per_word: float) -> None:
    """Say the words one after another; each is final at once."""
    turn, words = caller.next_turn(), text.split()
    for count in range(1, len(words) + 1):
        caller.tell(Committed(turn, " ".join(words[:count])))
        await asyncio.sleep(seconds_per_word)


# ── interruptions ────────────────────────────────────────────────────────────────────────────


async def measure_bargein(repeats: int) -> dict[str, Any]:
    """From words that break into an answer to the moment at which the server has the request.

    The server ignores the cancel, so the answer streams on meanwhile. It notes when its backend
    was given the request, whole and parsed, which is later than the arrival at its socket.
    """
    delays: list[float] = []
    scripted = Scripted(
        script=_voice_script(ignore_cancel=True), tokens_per_second=_TOKENS_PER_SECOND, stamped=True
    )
    with script_server(scripted) as url:
        async with calling(url) as caller:
            caller.next_turn()
            caller.ask(sentence(8, 0))
            for number in range(repeats):
                for _ in range(6):  # the first is the server's note of the time
                    await caller.token()
                heard = " ".join(caller.text.split()[:3])
                caller.interrupt(heard)
                caller.next_turn()
                asked_at = caller.ask(sentence(8, number))
                await caller.first_token()
                delays.append(float(caller.text) - asked_at)
    return {
        "bargein_to_next_request_ms_p50": _ms(quantile(delays, 0.5)),
        "bargein_to_next_request_ms_p95": _ms(quantile(delays, 0.95)),
        "bargein_repeats": len(delays),
        "samples": {"bargein_to_next_request_ms": kept(delays, 1e3)},
    }


# ── connections ──────────────────────────────────────────────────────────────────────────────

_ROTATE_SECONDS = 0.3


async def measure_rotation(turns: int) -> dict[str, Any]:
    """Questions while the connection is replaced again and again."""
    times: list[float] = []
    rotated: list[bool] = []
    pause = random.Random(3)
    options = AgentOptions(rotate_minutes=_ROTATE_SECONDS / 60)
    with script_server(Scripted(script=_voice_script(), tokens_per_second=1000.0)) as url:
        async with calling(url, options) as caller:
            before = 0
            for turn in range(turns):
                times.append(await caller.answer(sentence(12, turn)))
                rotated.append(caller.noted["connection.rotated"] > before)
                before = caller.noted["connection.rotated"]
                await asyncio.sleep(pause.uniform(0.0, 0.12))
    return rotation_figures(times, rotated) | {"samples": rotation_samples(times, rotated)}


async def measure_recovery(repeats: int) -> dict[str, Any]:
    """From the reset of the connection to the next token: while nobody spoke, and amid an answer.

    In the first case the user has finished a question just when the connection is lost.
    """
    idle: list[float] = []
    amid: list[float] = []
    scripted = Scripted(script=_voice_script(), tokens_per_second=_TOKENS_PER_SECOND * 5)
    with script_server(scripted) as url:
        async with relayed(url) as relay, calling(relay.url) as caller:
            for number in range(repeats):
                await caller.answer(sentence(12, number))
                await asyncio.sleep(0.02)
                caller.next_turn()
                lost_at = relay.reset()
                caller.ask(sentence(12, number))
                idle.append(await caller.first_token() - lost_at)
                await caller.written()
                caller.hear()
                caller.next_turn()
                caller.ask(sentence(12, number))
                for _ in range(5):
                    await caller.token()
                lost_at = relay.reset()
                await caller.until("connection.lost", 2 * number + 2)
                amid.append(await caller.token() - lost_at)
                await caller.written()
                caller.hear()
    return {
        "recovery_idle_ms_p50": _ms(quantile(idle, 0.5)),
        "recovery_idle_ms_p95": _ms(quantile(idle, 0.95)),
        "recovery_answer_ms_p50": _ms(quantile(amid, 0.5)),
        "recovery_answer_ms_p95": _ms(quantile(amid, 0.95)),
        "recovery_repeats": repeats,
        "samples": {"recovery_idle_ms": kept(idle, 1e3), "recovery_answer_ms": kept(amid, 1e3)},
    }


# ── memory ───────────────────────────────────────────────────────────────────────────────────


async def measure_memory(turns: int, settled: int) -> dict[str, Any]:
    """How much this process grows over `turns` turns, from the `settled`-th on.

    Every tenth turn calls a tool.
    """
    script = Script(
        [
            Reply(match="tell me the time", call="get_time"),
            Reply(match="tell me the time", text=sentence(25, 1)),
            *_voice_script(10).reply,
        ]
    )
    samples: list[tuple[int, float]] = []
    began = time.monotonic()
    with script_server(Scripted(script=script)) as url:
        async with calling(url) as caller:
            for turn in range(1, settled + turns + 1):
                text = "Please tell me the time." if turn % 10 == 0 else sentence(12, turn)
                await caller.answer(text)
                if turn == settled or (turn > settled and turn % 500 == 0):
                    samples.append((turn, _rss_mb()))
                    print(f"turn {turn}: {samples[-1][1]:.1f} MB", file=sys.stderr)
            calls = caller.noted["tool.ended"]
    return {
        "memory_growth_mb": rounded(samples[-1][1] - samples[0][1], 2),
        "memory_turns": turns,
        "memory_tool_calls": calls,
        "memory_mb_by_turn": {turn: rounded(mb, 1) for turn, mb in samples},
        "memory_seconds": rounded(time.monotonic() - began, 1),
    }


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else rounded(seconds * 1e3, 2)
