"""What a tool returned or raised, as text for the model."""

from __future__ import annotations

from typing import Any

import msgspec

MOST_CHARACTERS = 8_000
"""Of a result, about 2,000 tokens: more would fill a small model's context."""

MOST_ERROR_CHARACTERS = 300
"""Of an exception's message: what is longer is a page or a dump, not a reason."""


def as_text(result: Any) -> str:
    """A tool's result: text as it is, nothing as "done", all else as JSON if it can be."""
    text = _text(result)
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]} … (cut: {len(text)} characters in all)"
    # Names of files may hold what no encoding can write; it would break trace, wire and journal.
    return text.encode(errors="replace").decode()


def failure_text(name: str, error: BaseException) -> str:
    """What a tool raised, in one line."""
    reason = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    if len(reason) > MOST_ERROR_CHARACTERS:
        reason = f"{reason[:MOST_ERROR_CHARACTERS]} …"
    return as_text(f"Error: {name} failed: {reason}")


def _text(result: Any) -> str:
    if result is None:
        return "done"
    if isinstance(result, str):
        return result
    if isinstance(result, bytes | bytearray | memoryview):
        return _text_of_bytes(bytes(result))
    try:
        return msgspec.json.encode(result, enc_hook=str).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):  # keys, huge numbers, cycles
        return repr(result)


def _text_of_bytes(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"({len(data)} bytes that are no text)"
