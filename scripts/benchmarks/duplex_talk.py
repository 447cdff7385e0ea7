"""A conversation through the rig: the program as a child, recordings as its user.

It only drives and writes down; what happened is found out afterwards, from the recordings and the
trace, so that little else runs while sound is played.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from scripts.benchmarks.duplex_clips import Said
from scripts.benchmarks.figures import ROOT
from tests.support.programs import script_server
from tests.support.rig import AudioRig

T = TypeVar("T")

Kind = Literal["plain", "hum", "echo"]

Event = dict[str, Any]

_VARIANTS = "scripts.benchmarks.duplex_program"

NOTES = "echo.jsonl"
"""What the canceller says, in the folder of a talk of the kind `echo`."""

_START_SECONDS = 90.0
_ANSWER_SECONDS = 8.0
_NEXT_ANSWER_SECONDS = 4.0
_BETWEEN_SECONDS = 0.6
_POLL_SECONDS = 0.02
_ATTEMPTS = 3

OVER = ("playback.ended", "playback.stopped", "turn.completed")


class TalkError(Exception):
    """The conversation did not come about."""


class TraceTail:
    """Reads a trace as it grows, each line once."""

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self._path = path
        self._read = 0

    def update(self) -> None:
        """Read the lines that are whole by now."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        self.events += [json.loads(line) for line in whole.splitlines()]

    def named(self, *names: str, turn: int | None = None) -> list[Event]:
        """The events of these names so far, of one turn or of all."""
        return [
            event
            for event in self.events
            if event["event"] in names and turn in (None, event["turn"])
        ]

    def between(self, since: float, until: float, *names: str) -> list[Event]:
        """The events of these names between two times."""
        return [event for event in self.named(*names) if since <= event["at"] <= until]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that can be heard: its turn, and when its first sound was."""

    turn: int
    began: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something was said while the agent spoke; `until` is how long that was watched."""

    said: Said
    answer: Answer
    sent: float
    until: float


class Talk:
    """One start of the program, and what its user does."""

    def __init__(
        self, rig: AudioRig, trace: TraceTail, program: subprocess.Popen[bytes], question: Said
    ) -> None:
        self.rig = rig
        self.trace = trace
        self._program = program
        self._question = question
        self._watched_until = 0.0
        self.unanswered = 0
        """Questions that had to be asked again."""

    def wait(self, found: Callable[[], T | None], seconds: float) -> T | None:
        """What `found` finds in the trace within that time. Raises `TalkError` if it ended."""
        deadline = time.monotonic() + seconds
        while True:
            self.trace.update()
            if (result := found()) is not None or time.monotonic() > deadline:
                return result
            if self._program.poll() is not None:
                raise TalkError(f"the program ended with {self._program.returncode}")
            time.sleep(_POLL_SECONDS)

    def answer(self) -> Answer | None:
        """The answer that can be heard now."""
        begun = self.trace.named("audio.first")
        if not begun or self.trace.named(*OVER, turn=begun[-1]["turn"]):
            return None
        return Answer(begun[-1]["turn"], begun[-1]["at"])

    def ask(self, question: Said | None = None) -> tuple[Answer, float]:
        """Ask until an answer is heard; also when the question was sent off."""
        asked = question or self._question
        for _ in range(_ATTEMPTS):
            sent = time.monotonic()
            self.rig.say(asked.samples, wait=False)
            time.sleep(asked.seconds)
            if (answer := self.wait(self.answer, _ANSWER_SECONDS)) is not None:
                return answer, sent
            self.unanswered += 1
        raise TalkError(f"no answer to {asked.name!r}")

    def wait_until_over(self, answer: Answer, seconds: float) -> bool:
        """Wait until its turn is completed; False: it is not, after so long."""
        done = self.wait(
            lambda: self.trace.named("turn.completed", turn=answer.turn)[:1] or None, seconds
        )
        return done is not None

    def say_over(self, said: Said, after: float, latest: float, patience: float) -> Attempt:
        """Say something `after` seconds into an answer, or later, but not `latest` seconds into it.

        Watched until the turn is completed, but `patience` seconds after it was said at most.
        """
        answer = self._fresh_answer(latest)
        due = max(answer.began + after, self._watched_until + _BETWEEN_SECONDS)
        time.sleep(max(0.0, due - said.begins - time.monotonic()))
        sent = time.monotonic()
        self.rig.say(said.samples, wait=False)
        time.sleep(said.seconds)
        self.wait_until_over(answer, patience)
        self._watched_until = time.monotonic()
        return Attempt(said, answer, sent, self._watched_until)

    def _fresh_answer(self, latest: float) -> Answer:
        answer = self.wait(self.answer, 0.0)
        if answer is None and self.trace.named("turn.completed"):
            answer = self.wait(self.answer, _NEXT_ANSWER_SECONDS)
        if answer is not None and time.monotonic() - answer.began > latest:
            self.wait_until_over(answer, 60.0)
            answer = None
        return answer or self.ask()[0]


@contextmanager
def talking(
    kind: Kind,
    replies: Sequence[str],
    question: Said,
    *,
    agent: str = "script",
    echo: tuple[float, int] = (0.0, 60),
) -> Iterator[tuple[Talk, Path]]:
    """The program on a rig of its own, listening; also the folder with its notes and log.

    `replies` come in order; `echo` is the gain and the delay in ms of the way from the speaker to
    the microphone. Raises `TalkError`.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = agent
        if agent == "script":
            script = folder / "replies.toml"
            lines = [f"[[reply]]\ntext = {json.dumps(reply)}\n" for reply in replies]
            script.write_text("\n".join(lines))
            pace = ("--ttft", "0.15", "--tokens-per-second", "60", "--script", str(script))
            url = stack.enter_context(script_server(*pace))
        rig = stack.enter_context(AudioRig(*echo))
        arguments = [*_program(kind, folder), "run", "--agent", url]
        program = stack.enter_context(running(arguments, folder, rig.env))
        trace = TraceTail(folder / "t.jsonl")
        talk = Talk(rig, trace, program, question)
        if talk.wait(lambda: trace.named("listening")[:1] or None, _START_SECONDS) is None:
            raise TalkError("the program does not listen")
        time.sleep(1.0 if agent == "script" else 6.0)  # the server reads its instructions
        yield talk, folder


def _program(kind: Kind, folder: Path) -> list[str]:
    """The module that is run, and its arguments."""
    programs: dict[Kind, list[str]] = {
        "plain": ["voice.cli"],
        "hum": [_VARIANTS, "hum"],
        "echo": [_VARIANTS, "echo", str(folder / NOTES)],
    }
    return programs[kind]


@contextmanager
def running(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python module with its arguments; it writes `t.jsonl` and `log` into the folder.

    A `TalkError` also tells the end of the log.
    """
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments, "--trace", str(folder / "t.jsonl")],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    except TalkError as error:
        said = (folder / "log").read_text(errors="replace").strip()[-500:]
        raise TalkError(f"{error}; it said: {said}") from error
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
