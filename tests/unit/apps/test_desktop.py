"""When `voice run` draws a screen, and when it prints lines."""

from __future__ import annotations

import sys

import pytest

from voice.apps.desktop import Request, wants_screen


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return monkeypatch


def test_a_terminal_has_a_screen(terminal: pytest.MonkeyPatch) -> None:
    assert wants_screen(Request())
    assert wants_screen(Request(source="mic", sink="speaker"))


@pytest.mark.parametrize(
    "request_",
    [Request(plain=True), Request(source="a.wav"), Request(sink="b.wav"), Request(fast=True)],
)
def test_files_and_plain_mode_have_none(terminal: pytest.MonkeyPatch, request_: Request) -> None:
    assert not wants_screen(request_)


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_nor_has_a_pipe(terminal: pytest.MonkeyPatch, name: str) -> None:
    terminal.setattr(getattr(sys, name), "isatty", lambda: False, raising=False)
    assert not wants_screen(Request())


def test_nor_has_a_dumb_terminal(terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("TERM", "dumb")
    assert not wants_screen(Request())
