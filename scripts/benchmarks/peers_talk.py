"""A conversation with one of the programs that are compared, on a rig and a server of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.duplex_clips import Said
from scripts.benchmarks.duplex_talk import Talk, TalkError, TraceTail
from scripts.benchmarks.figures import ROOT, rounded
from scripts.benchmarks.peers_cost import PeakMemory, cost
from tests.support.programs import script_server
from tests.support.rig import AudioRig
from voice.models.resolve import resolve, weights

WHISPER = "tiny.en"
VOICE = "en_US-joe-medium"
FIRST_TOKEN_SECONDS = 0.15
TOKENS_PER_SECOND = 60

_START_SECONDS = 120.0
_SETTLE_SECONDS = 1.5
_END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program under test: its command line but for the server's address and the trace."""

    name: str
    before_url: tuple[str, ...]
    after_url: tuple[str, ...] = ()

    def command(self, url: str, trace: Path) -> list[str]:
        """The whole command line."""
        return [*self.before_url, url, *self.after_url, "--trace", str(trace)]


def ours() -> Program:
    """`voice run` with the models that both have."""
    module = (sys.executable, "-m", "voice.cli", "run", "--agent")
    return Program("voice", module)


def pipecat(python: Path) -> Program:
    """pipecat in its own environment. Raises `ModelError` where a model is missing."""
    program = str(Path(__file__).with_name("peers_pipecat.py"))
    models = (str(resolve(WHISPER)), str(weights(VOICE, ".onnx")))
    return Program("pipecat", (str(python), program), models)


@dataclass
class Spent:
    """What a conversation has cost; known when it is over."""

    minutes: float = 0.0
    cpu_seconds: float = 0.0
    memory_mb: float = 0.0
    start_seconds: float = 0.0
    speaker_reopened: int = 0
    """How often the sound card stalled so that it had to be opened again."""

    def record(self, program: Program, part: str) -> dict[str, object]:
        """As a record of the benchmark."""
        return {
            "kind": "spent",
            "program": program.name,
            "part": part,
            "minutes": rounded(self.minutes),
            "cpu_seconds": rounded(self.cpu_seconds, 2),
            "memory_mb": rounded(self.memory_mb, 1),
            "start_seconds": rounded(self.start_seconds, 2),
            "speaker_reopened": self.speaker_reopened,
        }


@contextmanager
def talking(
    program: Program, replies: Sequence[str], question: Said
) -> Iterator[tuple[Talk, Spent]]:
    """The program, listening; the server's `replies` come in order. Raises `TalkError`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(_server(folder, replies))
        rig = stack.enter_context(AudioRig())
        trace = TraceTail(folder / "t.jsonl")
        began = time.monotonic()
        command = program.command(url, folder / "t.jsonl")
        process = stack.enter_context(_running(command, folder / "log", rig.env))
        talk, spent = Talk(rig, trace, process, question), Spent()
        if talk.wait(lambda: trace.named("listening")[:1] or None, _START_SECONDS) is None:
            raise TalkError(f"{program.name} does not listen")
        spent.start_seconds = time.monotonic() - began
        time.sleep(_SETTLE_SECONDS)
        with _spending(process.pid, spent):
            yield talk, spent
        trace.update()
        spent.speaker_reopened = len(trace.named("speaker.reopened"))


@contextmanager
def _server(folder: Path, replies: Sequence[str]) -> Iterator[str]:
    script = folder / "replies.toml"
    script.write_text("\n".join(f"[[reply]]\ntext = {json.dumps(one)}\n" for one in replies))
    pace = ("--ttft", str(FIRST_TOKEN_SECONDS), "--tokens-per-second", str(TOKENS_PER_SECOND))
    with script_server(*pace, "--script", str(script)) as url:
        yield url


@contextmanager
def _spending(pid: int, spent: Spent) -> Iterator[None]:
    began, before = time.monotonic(), cost(pid)
    with PeakMemory(pid) as peak:
        yield
    spent.minutes = (time.monotonic() - began) / 60
    spent.cpu_seconds = cost(pid).cpu_seconds - before.cpu_seconds
    spent.memory_mb = peak.megabytes


@contextmanager
def _running(
    command: Sequence[str], log: Path, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended at last; a `TalkError` also tells the end of its log."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        yield process
    except TalkError as error:
        raise TalkError(f"{error}; it said: {_end_of(log)}") from error
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-500:]
