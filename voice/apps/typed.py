"""A conversation in text: `voice run --text`.

There is no ear and no mouth, so there is no `Session`: silence for a microphone would keep frames,
a gate and a voice busy with nothing, and an answer would be as slow as speech. The agent is the
same, with its tools and its journal, and is driven here: a line is a turn, and an answer counts as
heard when it is written.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack, closing
from pathlib import Path
from typing import Protocol

from voice.apps.sigterm import ended_by_sigterm
from voice.build_agent import AgentSide, Brought, choose_server, open_agent, open_journal
from voice.clock import MonotonicClock
from voice.config import Options
from voice.loading import Loading
from voice.responses.signals import (
    AgentEvent,
    Announced,
    AnswerFailed,
    AnswerWritten,
    Asked,
    BegunAnew,
    Fact,
    Filled,
    Forgotten,
    Heard,
    Interrupted,
    Invited,
    ItemsSettled,
    Noted,
    TellLater,
    TextReceived,
)
from voice.speak.settings import VoiceSettings
from voice.spoken_commands import SpokenCommands
from voice.trace import Sink, Trace, TraceFile

Line = str | TellLater | None
"""What the user typed, what there is to tell, or the end."""

_TIMERS_SECONDS = 0.2
"""Between two looks at the timers."""


class Page(Protocol):
    """Where the conversation is shown."""

    def ask(self) -> None:
        """It is the user's turn."""

    def show(self, text: str) -> None:
        """More of the answer."""

    def end(self) -> None:
        """The answer is over."""

    def note(self, text: str) -> None:
        """Something beside the conversation."""


class TypedConversation:
    """One turn after another; what arrives meanwhile waits."""

    def __init__(self, side: AgentSide, commands: SpokenCommands, trace: Trace, page: Page) -> None:
        self._side = side
        self._commands = commands
        self._trace = trace
        self._page = page
        self._clock = MonotonicClock()
        self._turn = 0
        self._answer = ""
        self._last_said = ""
        self._over = asyncio.Event()
        self._settled = asyncio.Event()
        self._failure = ""

    async def run(self, lines: asyncio.Queue[Line]) -> None:
        """Answer the lines, and tell what is to be told, until there is None."""
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(self._follow(lines)), tasks.create_task(self._ring(lines))]
            self._trace.mark("listening", self._clock.now())
            self._page.ask()
            while (line := await lines.get()) is not None:
                if isinstance(line, TellLater):
                    await self._take_turn(_telling(self._turn + 1, line.text), "")
                elif line.strip():
                    await self._answer_to(line.strip())
                self._page.ask()
            for task in others:
                task.cancel()

    async def _answer_to(self, text: str) -> None:
        obeyed = self._commands.obey(text, self._last_said)
        if obeyed and obeyed.forgets:
            self._last_said = ""
            self._side.agent.tell(Forgotten(erased=True))
        if obeyed:
            await self._take_turn(Announced(self._turn + 1, obeyed.reply), text)
        else:
            await self._take_turn(Asked(self._turn + 1, text), text)

    async def _take_turn(self, fact: Fact, text: str) -> None:
        """Have an answer written, and wait until it is part of the conversation."""
        self._turn += 1
        self._answer = self._failure = ""
        self._over.clear()
        self._settled.clear()
        if text:
            self._trace.mark("transcript.final", self._clock.now(), self._turn, text=text)
        self._side.agent.tell(fact)
        await self._over.wait()
        self._page.end()
        written = self._answer.strip()
        self._last_said = written or self._last_said
        if self._failure:
            self._page.note(self._failure)
            self._side.agent.tell(Interrupted(self._turn, written))
        else:
            self._side.agent.tell(Heard(self._turn))
        await self._settled.wait()
        self._trace.complete(
            self._turn,
            self._clock.now(),
            user_text=text,
            assistant_text=written,
            heard_text=written,
            interrupted=False,
            eager=False,
        )

    async def _follow(self, lines: asyncio.Queue[Line]) -> None:
        async for at, event in self._side.agent.events():
            if isinstance(event, TellLater):
                lines.put_nowait(event)
            else:
                await self._take(event, at)

    async def _take(self, event: AgentEvent, now: float) -> None:
        match event:
            case Noted(name, turn, fields):
                self._trace.mark(name, now, turn, **fields)
                await self._note(event)
            case BegunAnew(erased):
                await self._side.keeper.begin_anew(forget=erased)
                self._trace.mark("conversation.begun", now, forgotten=erased)
            case ItemsSettled():
                await self._side.keeper.keep(event)
                self._settled.set()
            case Filled(_, text):
                self._page.note(text)
            case TextReceived(turn, text):
                if not self._trace.marked("token.first", turn):
                    self._trace.mark("token.first", now, turn)
                self._answer += text
                self._page.show(text)
            case AnswerWritten(turn):
                self._trace.mark("answer.written", now, turn, text=self._answer)
                self._over.set()
            case AnswerFailed(turn, reason):
                self._trace.mark("answer.failed", now, turn, reason=reason)
                self._failure = reason
                self._over.set()

    async def _note(self, noted: Noted) -> None:
        fields = noted.fields
        match noted.event:
            case "tool.started":
                self._page.note(f"calls {fields['tool']} {fields['arguments']}")
            case "tool.ended":
                self._page.note(f"{fields['tool']}: {fields['output']}")
                await self._side.keeper.keep_timers()
            case "connection.lost":
                self._page.note(fields["reason"])

    async def _ring(self, lines: asyncio.Queue[Line]) -> None:
        """What timers say is told in a turn of its own."""
        while True:
            await asyncio.sleep(_TIMERS_SECONDS)
            for announcement in self._side.timers.timeout(self._clock.now()):
                await self._side.keeper.keep_timers()
                lines.put_nowait(TellLater(announcement))


def _telling(turn: int, text: str | None) -> Fact:
    return Invited(turn) if text is None else Announced(turn, text)


async def converse_in_text(
    options: Options,
    trace: Trace,
    page: Page,
    lines: asyncio.Queue[Line],
    *,
    resume: bool = False,
    brought: Brought = Brought(),  # noqa: B008  # frozen
) -> None:
    """Hold a conversation of typed lines until one is None. Raises `VoiceError`s."""
    clock = MonotonicClock()
    voice = VoiceSettings(options.speak.volume, options.speak.speed)
    async with AsyncExitStack() as stack:
        loading = Loading(trace, clock)
        stack.callback(loading.close)
        journal = await open_journal(options, clock, trace, stack, resume=resume)
        server = choose_server(options, clock, trace, brought, loading, stack)
        side = await open_agent(options, clock, trace, voice, server, journal, brought, stack)
        if options.agent.url != "local":
            await side.agent.connected()
        commands = SpokenCommands(voice, options.listen.language)
        await TypedConversation(side, commands, trace, page).run(lines)


async def converse_on_console(options: Options, trace: Path | None, *, resume: bool) -> None:
    """The same with what is typed or piped, until that ends. Raises `VoiceError`s."""
    from voice.apps.console import Console, read_lines

    lines: asyncio.Queue[Line] = asyncio.Queue()
    read_lines(lines.put_nowait)
    with ExitStack() as stack:
        files: list[Sink] = [stack.enter_context(closing(TraceFile(p))) for p in [trace] if p]
        stack.enter_context(ended_by_sigterm())
        await converse_in_text(options, Trace(*files), Console(), lines, resume=resume)
