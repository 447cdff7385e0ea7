"""What Markdown puts at the beginning of a line: headings, lists, quotes, rules, tables."""

from __future__ import annotations

import re

from voice.speak.ahead import Ahead, Found
from voice.speak.options import SpeakOptions

_STARTS = frozenset("#>-*+•‣▪–_=|:~[0123456789")
_RULE = re.compile(
    r"(?=[^\n]{1,200}\n)(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|=+[ \t]*)(?=\n)"
)
_DELIMITERS = re.compile(r"(?=[^\n|]{0,200}\|[^\n]{0,200}\n)\|?[ \t]*:?-+[-:| \t]*(?=\n)")
_RULE_BEGUN = re.compile(r"(?!.{0,200}[^-*_=|: \t])(?:[^|]{1,200}|[^|]{0,200}\|.{0,200})")
"""Nothing but these characters, up to 200 of them on either side of the first bar."""
_HEADING = re.compile(r"\#{1,6}(?=\s)")
_HEADING_BEGUN = re.compile(r"\#{1,6}")
_BULLET = re.compile(r"[-*+•‣▪–](?=\s)")
_BULLET_BEGUN = re.compile(r"[-*+•‣▪–]")
_TASK = re.compile(r"\[[ xX]\](?=\s)")
_TASK_BEGUN = re.compile(r"\[(?:[ xX]\]?)?")
_NUMBER = re.compile(r"(\d{1,3})[.)](?=[ \t]{1,40}\S)")
_NUMBER_BEGUN = re.compile(r"\d{1,3}(?:[.)][ \t]{0,40})?")
_FENCE = re.compile(r"~~~[^\n]{0,100}(?=\n)")
_FENCE_BEGUN = re.compile(r"~(?:~(?:~[^\n]{0,100})?)?")


def line_mark(ahead: Ahead, options: SpeakOptions) -> Found | None:
    """The mark at a line's beginning; None where none is. Raises `MoreNeeded`.

    What begins an item, a heading, a quote or a row is read as one more line's end.
    """
    first = ahead.text[ahead.at]
    if first not in _STARTS:
        return None
    if first == ">":
        return Found(ahead.at + 1, "\n", line=True)
    for pattern in (_RULE, _DELIMITERS):
        if rule := ahead.match(pattern, _RULE_BEGUN):
            return Found(rule.end())
    if first == "|":
        if options.tables == "skip":
            return Found(ahead.at + 1, "\n", until="\n")
        return Found(ahead.at + 1, "\n", row=True, alone=True)
    return _item_or_heading(ahead) or _fence(ahead, options)


def _item_or_heading(ahead: Ahead) -> Found | None:
    for pattern, begun in (
        (_HEADING, _HEADING_BEGUN),
        (_BULLET, _BULLET_BEGUN),
        (_TASK, _TASK_BEGUN),
    ):
        if mark := ahead.match(pattern, begun):
            return Found(mark.end(), "\n", line=True, alone=pattern is _HEADING)
    if number := ahead.match(_NUMBER, _NUMBER_BEGUN):
        return Found(number.end(), f"{number[1]},")
    return None


def _fence(ahead: Ahead, options: SpeakOptions) -> Found | None:
    fence = ahead.match(_FENCE, _FENCE_BEGUN)
    return Found(fence.end(), until="~~~", aloud=options.code == "say") if fence else None
