"""The desktop assistant: `voice run`."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from voice.apps.recorded import FOLDER, Prompter, load_clips
from voice.apps.recording import Recording
from voice.apps.sigterm import ended_by_sigterm
from voice.apps.sound import FILE_RATE, live_devices, microphone, speaker
from voice.apps.terminal import Terminal
from voice.audio.frames import AudioInput, AudioOutput
from voice.audio.wav import FileInput, FileOutput, Recordings
from voice.build import Devices, open_session
from voice.build_agent import Brought
from voice.clock import Clock, MonotonicClock, VirtualClock
from voice.config import AudioOptions, Options
from voice.errors import AudioError, UsageError
from voice.trace import Sink, Trace, TraceFile

SAID = Path("voice-said.wav")
"""What the assistant said, where there is no speaker."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asked for: where sound comes from and goes to."""

    source: str | None = None
    sink: str | None = None
    trace: Path | None = None
    fast: bool = False
    resume: bool = False
    plain: bool = False
    """Lines instead of a screen, even on a terminal."""

    record: Path | None = None
    """Folder for a recording that can be replayed."""

    @property
    def live(self) -> bool:
        """Whether a person is to talk with a microphone and a speaker."""
        return self.source in (None, "mic") and self.sink in (None, "speaker") and not self.fast


def wants_screen(request: Request) -> bool:
    """Whether there is a terminal to draw on, and something live to draw."""
    ends = (sys.stdin, sys.stdout, sys.stderr)  # Textual draws on the last
    terminal = all(end.isatty() for end in ends) and os.environ.get("TERM") != "dumb"
    return terminal and request.live and not request.plain


async def converse_on_screen(load: Callable[[], Options], config: Path, request: Request) -> bool:
    """Hold conversations on a screen until the person leaves; False: there is no sound for it.

    `load` reads the options, from `config` among others, which keeps what is chosen. Raises
    `VoiceError`s.
    """
    from voice.apps.live import Ends, Live
    from voice.apps.saved_settings import KEYS, save
    from voice.apps.screen.app import ConversationApp

    options = load()
    folders = recording_folders(request.record)

    def choose_ends() -> Ends:
        options = load()
        output = speaker(options.audio)
        devices = live_devices(options.audio, MonotonicClock(), output, microphone(options.audio))
        folder = next(folders)
        recording = Recording(folder, options, devices) if folder else None
        return Ends(options, devices, output, recording)

    try:
        await asyncio.to_thread(microphone, options.audio)
        await asyncio.to_thread(speaker, options.audio)
    except AudioError:
        return False  # a recorded conversation needs no screen
    with ExitStack() as stack:
        files = [stack.enter_context(closing(TraceFile(path))) for path in [request.trace] if path]
        live = Live(choose_ends)
        chosen = {setting: getattr(getattr(options, s), key) for setting, (s, key) in KEYS.items()}
        app = ConversationApp(live, chosen, lambda what, value: save(config, *KEYS[what], value))
        talking = asyncio.create_task(live.converse(app, *files, resume=request.resume))
        talking.add_done_callback(lambda _: app.exit())
        try:
            await app.converse()
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        if not talking.cancelled() and (error := talking.exception()):
            raise error
    return True


def recording_folders(folder: Path | None) -> Iterator[Path | None]:
    """A folder for each conversation that is opened anew: DIR, DIR-2, DIR-3; or none for ever."""
    yield folder
    for number in itertools.count(2):
        yield folder and folder.with_name(f"{folder.name}-{number}")


async def converse(options: Options, request: Request) -> None:
    """Hold a conversation, showing it on the terminal. Raises `VoiceError`s, perhaps in a group."""
    console = Console(highlight=False)
    terminal = Terminal(console)
    with ExitStack() as stack:
        devices, prompter = _devices(options.audio, request, console)
        sinks: list[Sink] = [terminal, *([prompter] if prompter else [])]
        if request.trace:
            sinks.append(stack.enter_context(closing(TraceFile(request.trace))))
        terminal.start()
        stack.callback(terminal.stop)
        stack.enter_context(ended_by_sigterm())
        brought, said = Brought(), devices.output
        if request.record:
            recording = stack.enter_context(Recording(request.record, options, devices))
            devices, brought = recording.devices, recording.brought
            sinks.append(recording.sink)
        opening = open_session(
            options, devices, Trace(*sinks), resume=request.resume, brought=brought
        )
        async with opening as session:
            gc.collect()
            gc.freeze()  # a full collection took 10 ms and more over what stays for good anyway
            await session.run()
        if isinstance(said, FileOutput):
            console.print(f"What was said is in {said.path}.", style="dim", markup=False)


def _devices(
    audio: AudioOptions, request: Request, console: Console
) -> tuple[Devices, Prompter | None]:
    """The ends of the conversation; a recorded one where nothing was asked for and nothing is."""
    source, sink = request.source, request.sink
    if request.fast and source in (None, "mic"):
        raise UsageError("--fast needs a recording", "give one: --input FILE")
    if source and sink and Path(source).resolve() == Path(sink).resolve():
        raise UsageError(f"{sink} would overwrite what is listened to", "name another --output")
    if request.fast and sink == "speaker":
        raise UsageError("--fast cannot play on a speaker", "give a file: --output FILE.wav")
    clock: Clock = VirtualClock() if request.fast else MonotonicClock()
    if source is None and sink is None:
        try:
            return live_devices(audio, clock, speaker(audio), microphone(audio)), None
        except AudioError as error:
            return _recorded(clock, error, console)
    if source in (None, "mic") and sink in (None, "speaker"):
        return live_devices(audio, clock, speaker(audio), microphone(audio)), None
    if source in (None, "mic"):
        heard: AudioInput = microphone(audio)
    else:
        heard = FileInput(Path(source), clock)
    said = _output(sink, request.fast, audio, clock, console)
    return Devices(heard, said, clock, patient=source not in (None, "mic")), None


def _recorded(clock: Clock, why: AudioError, console: Console) -> tuple[Devices, Prompter]:
    console.print(f"{why.problem}: holding a recorded conversation instead.", markup=False)
    console.print(f"To talk yourself: {why.cure}.", markup=False, style="dim")
    clips = load_clips()
    recordings = Recordings([FOLDER / clip.file for clip in clips], clock)
    said = FileOutput(SAID, clock, FILE_RATE)
    return Devices(recordings, said, clock, patient=True), Prompter(recordings, clips)


def _output(
    sink: str | None, fast: bool, audio: AudioOptions, clock: Clock, console: Console
) -> AudioOutput:
    """Where answers go; a file where there is no speaker and none was asked for."""
    if sink is not None and sink != "speaker":
        return FileOutput(Path(sink), clock, FILE_RATE)
    if not fast:
        try:
            return speaker(audio)
        except AudioError as error:
            if sink == "speaker":
                raise
            console.print(f"{error.problem}: answers go to {SAID}.", markup=False)
    return FileOutput(SAID, clock, FILE_RATE)
