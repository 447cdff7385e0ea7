"""What a person sees of a conversation."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from voice.apps.terminal import Terminal, latency_line
from voice.trace import Trace

LATENCY = {
    "endpoint": 0.6,
    "transcribe": 0.05,
    "first_token": 0.2,
    "first_audio": 0.15,
    "voice_to_voice": 1.0,
}


def _shown(*events: tuple[str, dict[str, object]]) -> str:
    console = Console(file=io.StringIO(), width=120)
    trace = Trace(Terminal(console))
    for at, (event, fields) in enumerate(events):
        trace.mark(event, float(at), 1, **fields)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_turn_is_shown_as_it_happens() -> None:
    done = {"interrupted": False, "heard_text": "It is three.", "latency": LATENCY}
    shown = _shown(
        ("transcript.final", {"text": "What time is it?"}),
        ("answer.written", {"text": "It is three."}),
        ("turn.completed", done),
    )
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[0] == "you  What time is it?"
    assert lines[1] == "voice  It is three."
    assert lines[2].endswith("1.00 s from your last word to the first sound")


def test_an_interruption_tells_what_was_heard() -> None:
    done = {"interrupted": True, "heard_text": "Once upon", "latency": LATENCY}
    assert "interrupted; heard: Once upon" in _shown(("turn.completed", done))
    done = {**done, "heard_text": ""}
    assert "interrupted before a word" in _shown(("turn.completed", done))


def test_a_lost_connection_is_told_and_so_is_its_return() -> None:
    shown = _shown(
        ("connection.lost", {"reason": "the cable"}),
        ("connection.recovered", {"seconds": 0.5}),
        ("connection.fallback", {"reason": "the proxy wants no WebSocket"}),
        ("journal.failed", {"reason": "the disk is full"}),
    )
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[:2] == ["the cable", "connected again"]
    assert lines[2] == "the proxy wants no WebSocket: going on over HTTP"
    assert lines[3] == "the disk is full"


def test_how_one_can_interrupt_is_told_in_plain_words() -> None:
    shown = _shown(("duplex.chosen", {"half": True, "reason": "I listen only while I am silent"}))
    assert shown.strip() == "I listen only while I am silent"


def test_a_conversation_that_goes_on_says_so() -> None:
    assert "going on where we stopped (4 messages)" in _shown(
        ("journal.opened", {"resumed": True, "items": 4})
    )
    assert "nothing to go on with" in _shown(("journal.opened", {"resumed": True, "items": 0}))
    assert _shown(("journal.opened", {"resumed": False, "items": 0})) == ""


def test_square_brackets_are_words_and_no_markup() -> None:
    assert "[bold]loud[/bold]" in _shown(("transcript.final", {"text": "[bold]loud[/bold]"}))


def test_a_turn_without_sound_has_no_latency_line() -> None:
    assert latency_line({**LATENCY, "voice_to_voice": None}) == ""
    assert latency_line(LATENCY) == (
        "pause 0.60 + words 0.05 + first token 0.20 + first sound 0.15 "
        "→ 1.00 s from your last word to the first sound"
    )


def test_long_answers_are_broken_between_words_beside_who_says_them() -> None:
    console = Console(file=io.StringIO(), width=24, force_terminal=True, no_color=True)
    trace = Trace(Terminal(console))
    trace.mark("answer.written", 1.0, 1, text="Once upon a time there was")
    assert isinstance(console.file, io.StringIO)
    shown = Text.from_ansi(console.file.getvalue()).plain
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    assert lines[:2] == [" voice  Once upon a time", "        there was"]


def test_each_part_that_is_loaded_has_a_line_where_there_is_no_terminal() -> None:
    shown = _shown(
        ("loading.progress", {"part": "voice", "done": 0, "total": 1}),
        ("loading.progress", {"part": "hearing", "done": 0, "total": 1}),
        ("loading.progress", {"part": "hearing", "done": 30, "total": 100}),
        ("loading.progress", {"part": "hearing", "done": 1, "total": 1, "seconds": 0.42}),
    )
    assert [line.strip() for line in shown.splitlines()] == ["hearing ready in 0.4 s"]
