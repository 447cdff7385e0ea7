"""The commands of a set, spoken to the program through the rig: does the right tool run?

Each command is a conversation of its own: a child `voice run` with an ordinary microphone and
speaker, whose tools are functions in a folder, asks one server that all share. What was said before
a command comes from a journal. No person has recorded the commands, so Piper speaks them.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.commands import COMMANDS, Command, Outcome, load_commands
from scripts.benchmarks.duplex_clips import Said
from scripts.benchmarks.duplex_hearing import true_speech
from scripts.benchmarks.duplex_talk import Event, Talk, TalkError, TraceTail, running
from scripts.benchmarks.tools_figures import Spoken, spoken_figures, spoken_samples
from scripts.benchmarks.tools_source import tools_source
from tests.support.rig import AudioRig, available
from voice.audio.frames import SAMPLE_RATE
from voice.errors import ModelError
from voice.models.resolve import weights
from voice.responses.events import FunctionCall, FunctionCallOutput, InputItem, InputMessage
from voice.responses.journal import Journal
from voice.server.backend import Call, CallOutput, Item, ToolCall
from voice.server.child import local_server
from voice.server.serve import ServeOptions
from voice.speak.options import SpeakOptions
from voice.speak.piper import PiperSynthesizer

Server = tuple[str, str]
"""Its URL and key."""

SET = "tuning"

SPEEDS = (0.85, 1.0, 1.25)
"""Of the voice, command by command."""

VOICE = "en_US-joe-medium"

QUICK = (0, 12, 21, 25, 30)
"""A timer, a light, two calls in one command, one that goes on with another, and none."""

_START_SECONDS = 120.0
_ANSWER_SECONDS = 45.0
_LEAD_SECONDS = 0.25

_OVER = ("tool.ended", "turn.completed", "turn.discarded", "answer.failed")
"""With the first of these it is known what the command led to."""


async def measure_spoken(model: str, *, quick: bool) -> dict[str, Any]:
    """The commands spoken to a model, all of them or five.

    Raises `ModelError` where the model, or what the rig needs, is not there.
    """
    if reason := available():
        raise ModelError(reason)
    commands = load_commands(SET)
    chosen = [commands[n] for n in QUICK] if quick else commands
    async with local_server(ServeOptions(model=weights(model, ".gguf"))) as server:
        done = await asyncio.to_thread(_speak_all, chosen, server)
    return spoken_figures(model, done) | {"samples": spoken_samples(model, done)}


def _speak_all(commands: Sequence[Command], server: Server) -> list[Spoken]:
    """One after another; a conversation that breaks off counts as wrong."""
    done = []
    with AudioRig() as rig:
        for number, command in enumerate(commands):
            said = spoken(command.said, SPEEDS[number % len(SPEEDS)])
            try:
                one = _speak(rig, said, command, server)
            except TalkError as error:
                one = Spoken(Outcome(command, (), 0.0), "", str(error))
            done.append(one)
            verdict = "right" if one.right else "WRONG"
            print(f"{number + 1:3} {verdict}  {one.heard}", file=sys.stderr, flush=True)
    return done


def _speak(rig: AudioRig, said: Said, command: Command, server: Server) -> Spoken:
    with (
        tempfile.TemporaryDirectory() as folder,
        _talking(Path(folder), rig, said, command, server) as talk,
    ):
        trace = talk.trace
        if talk.wait(lambda: _listens(trace) or None, _START_SECONDS) is None:
            raise TalkError("the program does not listen")
        sent = time.monotonic()
        rig.say(said.samples, wait=False)
        time.sleep(said.seconds)
        talk.wait(lambda: trace.named(*_OVER)[:1] or None, _ANSWER_SECONDS)
        started = trace.named("tool.started")
        seconds = started[0]["at"] - sent - said.ends if started else 0.0
        heard = " ".join(event["text"] for event in trace.named("transcript.final"))
        return Spoken(Outcome(command, first_calls(trace.events), seconds), heard)


def first_calls(events: Sequence[Event]) -> tuple[ToolCall, ...]:
    """The calls of the first response that makes any: all begin before one of them ends."""
    calls = []
    for event in events:
        if event["event"] == "tool.ended":
            break
        if event["event"] == "tool.started":
            calls.append(ToolCall(event["tool"], event["arguments"]))
    return tuple(calls)


def _listens(trace: TraceTail) -> bool:
    """Whether it hears, and the server has read instructions and tools."""
    return bool(trace.named("listening") and trace.named("input.read"))


# ── the program ──────────────────────────────────────────────────────────────────────────────


@contextmanager
def _talking(
    folder: Path, rig: AudioRig, said: Said, command: Command, server: Server
) -> Iterator[Talk]:
    """`voice run` with the set's tools, and what was said before the command.

    Raises `TalkError` with the end of the program's log.
    """
    url, key = server
    arguments = ["voice.cli", "run", "--agent", url, "--config", str(configure(folder, command))]
    arguments += ["--resume"] if command.before else []
    with running(arguments, folder, {**rig.env, "OPENAI_API_KEY": key}) as program:
        yield Talk(rig, TraceTail(folder / "t.jsonl"), program, said)


def configure(folder: Path, command: Command) -> Path:
    """Write the tools, the journal where there is something before, and the options."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "commands.py").write_text(tools_source(_definitions()), encoding="utf-8")
    sections = [f"[tools]\nbuiltin = []\nfolder = {json.dumps(str(tools))}\n"]
    if command.before:
        path = folder / "journal.sqlite"
        journal = Journal.open(path, 0.0, time.time())
        number = journal.begin(time.time())
        journal.append(number, 1, time.time(), [_input_item(item) for item in command.before])
        journal.close()
        sections.append(f"[journal]\npath = {json.dumps(str(path))}\n")
    options = folder / "options.toml"
    options.write_text("\n".join(sections), encoding="utf-8")
    return options


def _definitions() -> list[Mapping[str, Any]]:
    sets = json.loads(COMMANDS.read_text(encoding="utf-8"))["sets"]
    return next(list(one["tools"]) for one in sets if one["name"] == SET)


def _input_item(item: Item) -> InputItem:
    """As the client has it."""
    if isinstance(item, Call):
        return FunctionCall(call_id=item.call_id, name=item.name, arguments=item.arguments)
    if isinstance(item, CallOutput):
        return FunctionCallOutput(call_id=item.call_id, output=item.output)
    return InputMessage(role=item.role, content=item.text)


# ── the voice ────────────────────────────────────────────────────────────────────────────────


def spoken(text: str, speed: float) -> Said:
    """What Piper makes of it, after a little silence."""
    sound = [piece.samples for piece in _synthesizer(speed).synthesize(text)]
    samples = np.concatenate([np.zeros(round(_LEAD_SECONDS * SAMPLE_RATE), np.int16), *sound])
    begins, ends = true_speech(samples)
    return Said(text, False, samples, begins, ends)


@functools.cache
def _synthesizer(speed: float) -> PiperSynthesizer:
    return PiperSynthesizer.load(weights(VOICE, ".onnx"), SAMPLE_RATE, SpeakOptions(speed=speed))
