"""What programs say on their standard error is kept, redacted, and goes to the log."""

from __future__ import annotations

import logging

import pytest

from voice.tools.standard_error import KEPT_LINES, LINE_CHARACTERS, StandardError


def errors() -> StandardError:
    return StandardError("notes", lambda said: said.replace("s3cret", "…"))


async def test_the_last_line_is_kept_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kept = errors()
    async with kept.collected() as pipe:
        pipe.write("starting\nmy key is s3cret\n\n")
    assert kept.last_words() == "my key is …"
    assert caplog.messages == ["notes: starting", "notes: my key is …"]


async def test_long_lines_many_lines_and_odd_bytes_do_no_harm() -> None:
    kept = errors()
    async with kept.collected() as pipe:
        pipe.write("line\n" * (10 * KEPT_LINES) + "x" * (10 * LINE_CHARACTERS))
        pipe.flush()
        pipe.buffer.write(b"\n\xff\xfe!")
    assert kept.last_words() == "\ufffd\ufffd!"


def test_who_said_nothing_has_no_last_words() -> None:
    assert errors().last_words() == ""
