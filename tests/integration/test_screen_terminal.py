"""The screen on a real terminal: how soon it is there, its keys, and what it leaves behind."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")

ROOT = Path(__file__).parents[3]
FIRST_FRAME_SECONDS = 5.0
"""Measured: 0.4 s. A machine that is busy with other tests takes longer."""

PROGRAM = """
import asyncio, os, signal
from tests.support.screen_scenes import Hand, happened, ready
from voice.apps.screen.app import ConversationApp

class Answering(Hand):
    def type_text(self, text):
        app(happened("answer.written", 1, text=text.upper()))

    def mute(self, on):
        app(happened("input.muted", on=on))

    def press_talk(self):
        app(happened("talk.pressed"))

async def main():
    global app
    hand = Answering()
    app = ConversationApp(hand, {}, lambda setting, value: None)
    for event in ready():
        app(event)
    task = asyncio.ensure_future(app.converse())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.sleep(0.2)
    os.write(2, b"ALSA lib complains")
    await asyncio.wait([task])
    print("done")

asyncio.run(main())
"""

CTRL_C, CTRL_T, CTRL_SPACE = b"\x03", b"\x14", b"\x00"
ALTERNATE, ORDINARY = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, **environment: str) -> None:
        self.began = time.monotonic()
        self.shown = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:  # pragma: no cover
            os.chdir(ROOT)
            os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="30", **environment)
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM])

    def until(self, text: bytes, seconds: float = 10.0) -> float:
        """Read until this is shown; returns the seconds since the start."""
        while text not in self.shown:
            left = self.began + seconds - time.monotonic()
            assert left > 0 and select.select([self._fd], [], [], left)[0], self.shown[-500:]
            self.shown += os.read(self._fd, 65_536)
        return time.monotonic() - self.began

    def press(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def ended(self) -> int:
        """Wait for the end; returns the exit code."""
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def close(self) -> None:
        """Leave nothing behind."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()
        os.close(self._fd)


@pytest.fixture
def start() -> Iterator[Callable[..., Terminal]]:
    """Starts the program, and ends what is left of it."""
    with ExitStack() as stack:

        def begin(**environment: str) -> Terminal:
            terminal = Terminal(**environment)
            stack.callback(terminal.close)
            return terminal

        yield begin


def test_it_is_there_at_once_hears_real_keys_and_leaves_the_terminal_as_it_was(
    start: Callable[..., Terminal],
) -> None:
    terminal = start()
    assert terminal.until(b"Say something") < FIRST_FRAME_SECONDS
    for keys, answer in ((b"hello\r", b"HELLO"), (CTRL_T, b"muted"), (CTRL_SPACE, b"recording")):
        terminal.press(keys)
        terminal.until(answer)
    terminal.press(CTRL_C)
    terminal.until(b"done")
    assert terminal.ended() == 0
    assert terminal.shown.index(ALTERNATE) < terminal.shown.index(ORDINARY)
    assert b"ALSA" not in terminal.shown


def test_a_signal_gives_the_terminal_back(start: Callable[..., Terminal]) -> None:
    terminal = start(NO_COLOR="1")
    terminal.until(b"Say something")
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.until(b"done")
    assert terminal.ended() == 0
    assert ORDINARY in terminal.shown
