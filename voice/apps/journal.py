"""`voice journal list|show|delete`: results on stdout, questions and messages on stderr."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voice.errors import JournalError, UsageError
from voice.responses.events import FunctionCall, FunctionCallOutput, InputItem, InputMessage
from voice.responses.journal import Journal, Summary
from voice.responses.journal_options import JournalOptions

_SPEAKERS = {"user": "you", "assistant": "voice"}

_FIRST_CHARACTERS = 60
"""Of a conversation's first words, so that a line of the table fits a terminal."""


def list_conversations(options: JournalOptions) -> None:
    """Print a table of the conversations, the latest last. Raises `JournalError`, `UsageError`."""
    with _opened(options) as journal:
        found = journal.conversations()
    if not found:
        print("voice: no conversation is in the journal yet", file=sys.stderr)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("number", "when", "turns", "first words"):
        table.add_column(
            title, justify="right" if title in ("number", "turns") else "left", no_wrap=True
        )
    for summary in found:
        table.add_row(*_row(summary))
    width = None if sys.stdout.isatty() else 120
    Console(highlight=False, width=width).print(table)


def show(options: JournalOptions, number: int | None, as_json: bool) -> None:
    """Print who said what in a conversation (None: the latest), or its items as JSON lines.

    Raises `JournalError` where it is unknown, `UsageError` where there is no journal.
    """
    with _opened(options) as journal:
        chosen = journal.latest() if number is None else number
        if chosen is None:
            raise JournalError("no conversation is in the journal yet", "`voice run` writes one")
        _check([chosen], journal, options)
        items = journal.items(chosen)
    for line in map(_json, items) if as_json else _lines(items):
        print(line)


def delete(options: JournalOptions, numbers: Sequence[int], everything: bool, sure: bool) -> None:
    """Delete conversations, after a question on a terminal unless the user is `sure`.

    Raises `JournalError` where one is unknown, `UsageError` where it is not clear what is meant.
    """
    if everything == bool(numbers):
        raise UsageError("say which conversations to delete", "give their numbers, or --all alone")
    with _opened(options) as journal:
        _check(numbers, journal, options)
        count = len(journal.conversations()) if everything else len(set(numbers))
        what = f"{count} conversation{'' if count == 1 else 's'}"
        if not sure:
            _ask(f"Delete {what} for good?")
        if everything:
            journal.forget_before(math.inf)  # those without a word, too
        else:
            journal.delete(*set(numbers))
    print(f"deleted {what}", file=sys.stderr)


@contextmanager
def _opened(options: JournalOptions) -> Iterator[Journal]:
    """The journal as it is: who only looks neither creates one nor deletes what is old."""
    if not options.path:
        raise UsageError(
            "no journal is kept",
            'switch it on with path = "FILE" in [journal] of the configuration, or with '
            "VOICE_JOURNAL_PATH, or name one with --path",
        )
    path = Path(options.path).expanduser()
    if not path.exists():
        raise JournalError(
            f"there is no journal at {path}",
            "`voice run` with this [journal] path begins it; is the path right?",
        )
    journal = Journal.open(path, retention_days=0, now=0)
    try:
        yield journal
    finally:
        journal.close()


def _check(numbers: Sequence[int], journal: Journal, options: JournalOptions) -> None:
    known = {summary.number for summary in journal.conversations()}
    if unknown := [str(number) for number in numbers if number not in known]:
        raise JournalError(
            f"there is no conversation {', '.join(unknown)} in {options.path}",
            "`voice journal list` shows them",
        )


def _ask(question: str) -> None:
    """Go on only with a yes."""
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to confirm the deletion", "add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise JournalError("nothing was deleted")


def _row(summary: Summary) -> tuple[str | Text, ...]:
    when = datetime.fromtimestamp(summary.last_at)
    words = _plain(summary.first_words)
    if len(words) > _FIRST_CHARACTERS:
        words = f"{words[: _FIRST_CHARACTERS - 1]}…"
    return str(summary.number), f"{when:%Y-%m-%d %H:%M}", str(summary.turns), Text(words)


def _json(item: InputItem) -> str:
    return msgspec.json.encode(item).decode()


def _lines(items: Sequence[InputItem]) -> Iterator[str]:
    names = {item.call_id: item.name for item in items if isinstance(item, FunctionCall)}
    for item in items:
        match item:
            case InputMessage(role=role, content=content):
                yield _line(_SPEAKERS.get(role, role), content)
            case FunctionCall(name=name, arguments=arguments):
                yield _line("", f"calls {name} {arguments}")
            case FunctionCallOutput(call_id=call_id, output=output):
                yield _line("", f"{names.get(call_id, 'a tool')}: {output}")
            case _:
                yield _line("", "(what came before, in the server's own words)")


def _line(who: str, what: str) -> str:
    return f"{who:>6}  {_plain(what)}"


def _plain(text: str) -> str:
    """On one line, and without what a terminal would take for a command."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
