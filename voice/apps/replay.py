"""The same conversation again: `voice replay DIR`.

What was heard goes through the pipeline as it is today, on a virtual clock and without a network;
the server's messages and the tools' outputs come as they did, as long after what asked for them.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from voice.apps.recording import (
    MICROPHONE,
    OPTIONS,
    REPLIES,
    TRACE,
    read_replies,
    read_trace,
)
from voice.apps.sound import FILE_RATE
from voice.audio.wav import FileInput, FileOutput
from voice.build import Devices, open_session
from voice.build_agent import Brought, Server
from voice.clock import VirtualClock
from voice.config import load
from voice.errors import UsageError
from voice.responses.agent import Tools
from voice.responses.connection import Transport
from voice.responses.exchanges import Recorded
from voice.responses.replayed import ReplayedTransport
from voice.session import Session
from voice.tools.runner import Toolbox
from voice.tools.tool import ToolContext
from voice.trace import Sink, Trace, TraceEvent, TraceFile

_SEED = 1
"""Of the noise in the voice: an answer is equally long each time."""


async def replay(folder: Path, trace: Path | None = None, said: Path | None = None) -> list[str]:
    """Hold the conversation again; returns what was said, `- ` and `+ ` marking what has changed.

    `trace` and `said` are files for what happens and for the assistant's sound. Raises
    `VoiceError`s.
    """
    before = read_trace(folder / TRACE)
    happened: list[TraceEvent] = []
    sinks: list[Sink] = [happened.append]
    with ExitStack() as stack:
        if trace:
            sinks.append(stack.enter_context(closing(TraceFile(trace))))
        if said is None:
            said = Path(stack.enter_context(TemporaryDirectory(prefix="voice-"))) / "said.wav"
        await _converse(folder, before, said, Trace(*sinks))
    return changes(transcript(before), transcript(happened))


async def _converse(folder: Path, before: list[TraceEvent], said: Path, trace: Trace) -> None:
    import onnxruntime

    onnxruntime.set_seed(_SEED)
    options = load(folder / OPTIONS, {}, {})
    clock = VirtualClock(timed_answers=True)
    heard = FileInput(folder / MICROPHONE, clock)
    devices = Devices(heard, FileOutput(said, clock, FILE_RATE), clock, patient=True)
    brought = _recorded_parts(folder, before, clock)
    async with open_session(options, devices, trace, brought=brought) as session:
        acting = asyncio.create_task(_act(session, before, clock))
        try:
            await session.run()
        finally:
            acting.cancel()


def _recorded_parts(folder: Path, before: list[TraceEvent], clock: VirtualClock) -> Brought:
    asked, messages = read_replies(folder / REPLIES)
    recorded = Recorded(messages)
    opened = (event for event in before if event.event == "connection.opened")
    remembers = all(event.fields["transport"] == "websocket" for event in opened)

    async def connect() -> Transport:
        return ReplayedTransport(recorded, clock, remembers=remembers)

    def calls(toolbox: Toolbox) -> Tools:
        return RecordedTools(toolbox, before, clock)

    server = Server(connect, asked.model, asked.features, asked.agent)
    return Brought(server=server, calls=calls)


class RecordedTools:
    """Tools give what they gave, after as long; only timers are really set, for they will ring."""

    def __init__(self, toolbox: Toolbox, before: Sequence[TraceEvent], clock: VirtualClock) -> None:
        self._toolbox = toolbox
        self._clock = clock
        self._left: list[tuple[str, str, float]] = []
        running: list[TraceEvent] = []
        for event in before:
            if event.event == "tool.started":
                running.append(event)
            elif event.event == "tool.ended":
                name = event.fields["tool"]
                began = next((one for one in running if one.fields["tool"] == name), event)
                running = [one for one in running if one is not began]
                self._left.append((name, event.fields["output"], event.at - began.at))

    async def run(self, name: str, arguments: str, context: ToolContext) -> str:
        """The recorded result of the next call of that tool."""
        found = next((one for one in self._left if one[0] == name), None)
        if found is None:
            return f"Error: the recording has no other call of {name}"
        self._left.remove(found)
        if name in _TIMER_TOOLS:
            await self._toolbox.run(name, arguments, context)
        await self._clock.sleep_until(self._clock.now() + found[2])
        return found[1]


_TIMER_TOOLS = {"set_timer", "set_alarm", "cancel_timers", "list_timers"}


async def _act(session: Session, before: Sequence[TraceEvent], clock: VirtualClock) -> None:
    """Do what the person did with hands: type, mute, interrupt, begin anew."""
    began = next((event.at for event in before if event.event == "listening"), 0.0)
    typed = {event.at for event in before if event.fields.get("typed")}
    for event in before:
        if event.at >= began:
            await clock.sleep_until(event.at - began)
        match event.event, event.fields:
            case "transcript.final", {"typed": True, "text": text}:
                session.type_text(text)
            case "input.muted", {"on": on}:
                session.mute(on)
            case "bargein", {"reason": "key"} if event.at not in typed:
                session.interrupt()
            case "conversation.begun", {"forgotten": False}:
                session.begin_anew()


def transcript(events: Sequence[TraceEvent]) -> list[str]:
    """What was said, a line each, as far as it was heard; words that opened no turn in brackets."""
    lines: list[str] = []
    for event in events:
        if event.event == "turn.completed":
            if words := event.fields["user_text"]:
                lines.append(f"you    {words}")
            cut = " —" if event.fields["interrupted"] else ""
            lines.append(f"voice  {event.fields['heard_text']}{cut}")
        elif event.event == "turn.discarded":
            lines.append(f"       (not meant for the assistant: turn {event.turn})")
        elif event.event == "answer.failed":
            lines.append(f"       (failed: {event.fields['reason']})")
    return lines


def changes(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The lines of both: `  ` where they are the same, `- ` what was, `+ ` what is instead."""
    return [line for line in difflib.ndiff(before, after) if not line.startswith("?")]


def run_replay(folder: Path, trace: Path | None, said: Path | None) -> bool:
    """Replay and print the conversation; whether it was the same. Raises `VoiceError`s."""
    if trace and trace.resolve() == (folder / TRACE).resolve():
        raise UsageError(f"{trace} would overwrite the recording", "name another --trace")
    lines = asyncio.run(replay(folder, trace, said))
    print("\n".join(lines) or "nothing was said")
    changed = sum(not line.startswith(" ") for line in lines)
    print(f"{changed} lines differ" if changed else "the same as when it was recorded")
    return not changed
