"""The view model as styled text; the colours are named here and chosen by the theme.

It reads without colours, too: what may change is in italics, what was cut off is struck out after
a dash.
"""

from __future__ import annotations

from textual.content import Content

from voice.apps.screen.conversation import Conversation, ToolCall, Turn
from voice.apps.screen.latency import Bar, waterfall
from voice.apps.screen.notices import Notice
from voice.apps.screen.wording import call_line, part_done

MARGIN = 8
"""Cells beside the words, where it stands who says them."""

_LINE_CELLS = 24
"""Of the bar in a turn's latency line."""

_LOADING_CELLS = 20

_TONES = {"plain": "$muted", "good": "$agent", "warning": "$warning", "error": "$error"}

_COLOURS = {
    "endpoint": "$pause",
    "transcribe": "$words",
    "first_token": "$token",
    "first_audio": "$sound",
}

_BLANKS = " \n\t"


def turn_text(turn: Turn, width: int, *, opened: bool = False, explained: bool = False) -> Content:
    """All of a turn in lines of at most `width` cells.

    Its latencies are a bar, which is `explained` where there is room, or `opened` to a waterfall.
    """
    parts = [_beside("you", "$user", _words(turn), width)] if turn.words else []
    parts += [_beside("", "", _call(tool), width) for tool in turn.tools]
    if turn.answer or turn.interrupted:
        parts.append(_beside("voice", "$agent", _answer(turn), width))
    if turn.failure:
        parts.append(_beside("", "", Content.styled(f"✗ {turn.failure}", "$error"), width))
    room = width - MARGIN
    latency = waterfall_rows(turn, room) if opened else _bar_line(turn, room if explained else 0)
    if latency:
        parts.append(_beside("", "", latency, width))
    return Content("\n").join(parts)


def notice_text(notice: Notice, width: int) -> Content:
    """A notice beside the conversation."""
    return _beside("·", "$faint", Content.styled(notice.text, _TONES[notice.tone]), width)


def loading_text(conversation: Conversation) -> Content:
    """How far the parts are that are being loaded, a line each."""
    rows = [
        Content.assemble(
            (f"{part:<20} ", "$muted"),
            ("━" * (lit := _LOADING_CELLS * done // max(total, 1)), "$agent"),
            ("─" * (_LOADING_CELLS - lit), "$line"),
            (f" {part_done(done, total, conversation.loading_seconds.get(part))}", "$faint"),
        )
        for part, (done, total) in conversation.loading.items()
    ]
    return Content("\n").join(rows)


def _beside(who: str, colour: str, what: Content, width: int) -> Content:
    """A text with who says it in the margin of its first line."""
    label = Content.assemble((f"{who:>{MARGIN - 2}}", colour), "  ")
    lines = what.wrap(max(1, width - MARGIN)) or [Content("")]
    blank = Content(" " * MARGIN)
    return Content("\n").join([label + lines[0], *[blank + line for line in lines[1:]]])


def _words(turn: Turn) -> Content:
    """The user's words: those that may still change are grey."""
    committed, open_ = turn.words[: turn.committed], turn.words[turn.committed :]
    return Content.assemble((committed, "$foreground"), (open_, "$faint italic"))


def _answer(turn: Turn) -> Content:
    """The assistant's words: heard, about to be heard, or cut off."""
    if not turn.answer:
        return Content.assemble(("— ", "$warning"), ("interrupted before a word", "$faint italic"))
    if turn.lost:
        heard = turn.answer[: turn.heard].rstrip()
        dash = " — " if heard else "— "
        return Content.assemble(
            (heard, "$foreground"), (dash, "$warning"), (turn.lost, "$faint strike")
        )
    if turn.heard is None or turn.completed:
        return Content.styled(turn.answer, "$foreground")
    begin, end = _word_after(turn.answer, turn.heard)
    return Content.assemble(
        (turn.answer[:begin], "$foreground"),
        (turn.answer[begin:end], "$agent underline"),
        (turn.answer[end:], "$faint"),
    )


def _word_after(text: str, start: int) -> tuple[int, int]:
    """Where the word that follows `start` begins and ends."""
    begin = next((i for i in range(start, len(text)) if text[i] not in _BLANKS), len(text))
    return begin, next((i for i in range(begin, len(text)) if text[i] in _BLANKS), len(text))


def _call(tool: ToolCall) -> Content:
    """A tool's call and how long it took."""
    took = "…" if tool.seconds is None else f"{tool.seconds:.2f} s"
    return Content.assemble((f"↳ {call_line(tool)}", "$muted"), (f"  {took}", "$faint"))


def _bar_line(turn: Turn, width: int) -> Content:
    """From the last word to the first sound: the sum, a bar, and its parts if `width` allows."""
    bars = waterfall(turn.latency, _LINE_CELLS)
    if not bars:
        return Content("")
    total = turn.latency["voice_to_voice"]
    line = Content.assemble((f"{total:.2f} s  ", "$muted"), _in_a_row(bars))
    legend = Content("").join(
        Content.assemble((f"  {bar.label}", _COLOURS[bar.part]), (f" {bar.seconds:.2f}", "$faint"))
        for bar in bars
    )
    return line + legend if line.cell_length + legend.cell_length <= width else line


def _in_a_row(bars: list[Bar]) -> Content:
    return Content.assemble(*[("━" * bar.cells, _COLOURS[bar.part]) for bar in bars])


def waterfall_rows(turn: Turn, width: int) -> Content:
    """The parts of a turn's latency, each beginning below the end of the one before."""
    label, figure = 12, 5
    rows = [
        Content.assemble(
            (f"{bar.label:<{label}}", "$muted"),
            " " * bar.offset,
            ("━" * bar.cells or "╷", _COLOURS[bar.part]),
            (f" {bar.seconds:.2f}", "$faint"),
        )
        for bar in waterfall(turn.latency, max(1, width - label - figure))
    ]
    return Content("\n").join(rows)
