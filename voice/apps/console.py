"""Lines typed on a terminal, or piped, and answers written as they come."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

_DIM, _BOLD, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"

_READ_BYTES = 65_536


class Console:
    """Answers go to stdout, all else to stderr. Prompts are for people, not for pipes."""

    def __init__(self) -> None:
        self._prompts = sys.stdin.isatty() and sys.stdout.isatty()
        self._styled = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._written = ""

    def ask(self) -> None:
        """It is the user's turn."""
        if self._prompts:
            self._write(f"{_BOLD}>{_PLAIN} " if self._styled else "> ")

    def show(self, text: str) -> None:
        """More of the answer; blanks before the first word are left out."""
        text = text if self._written else text.lstrip()
        self._written += text
        self._write(text)

    def end(self) -> None:
        """The answer is over."""
        if self._written and not self._written.endswith("\n"):
            self._write("\n")
        self._written = ""

    def note(self, text: str) -> None:
        """A line beside the conversation; an answer that has begun goes on below it."""
        self.end()
        print(f"{_DIM}{text}{_PLAIN}" if self._styled else text, file=sys.stderr, flush=True)

    def _write(self, text: str) -> None:
        print(text, end="", flush=True)


def read_lines(take: Callable[[str | None], None]) -> None:
    """Hand over what is typed, a line each, and None at its end, on this loop. Returns at once.

    A daemon thread reads the file itself: it holds no lock of `sys.stdin` when the program ends.
    """
    loop = asyncio.get_running_loop()

    def put(line: str | None) -> None:
        with suppress(RuntimeError):  # the program has ended meanwhile
            loop.call_soon_threadsafe(take, line)

    def read() -> None:
        decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
        while True:
            try:
                block = os.read(sys.stdin.fileno(), _READ_BYTES)
            except OSError:
                block = b""
            *whole, rest = (rest + decoder.decode(block, final=not block)).split("\n")
            for line in whole:
                put(line)
            if not block:
                break
        if rest:
            put(rest)
        put(None)

    threading.Thread(target=read, name="typed", daemon=True).start()
