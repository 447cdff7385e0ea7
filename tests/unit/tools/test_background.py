"""Calls in the background can be asked about, and ended."""

from __future__ import annotations

from voice.tools.background import NOTHING, background_tools
from voice.tools.runner import Toolbox


def _toolbox(running: dict[str, str], cancelled: list[str]) -> Toolbox:
    return Toolbox(background_tools(lambda: running, cancelled.append))


async def test_it_tells_how_far_they_are() -> None:
    toolbox = _toolbox({"search": "two of three", "print": ""}, [])
    assert await toolbox.run("check_background", "{}") == "search: two of three; print: at work"
    assert await _toolbox({}, []).run("check_background", "{}") == NOTHING


async def test_one_or_all_are_cancelled() -> None:
    cancelled: list[str] = []
    toolbox = _toolbox({"search": "", "print": ""}, cancelled)
    assert await toolbox.run("cancel_background", '{"name": "print"}') == "Cancelled print"
    assert await toolbox.run("cancel_background", "{}") == "Cancelled search, print"
    assert cancelled == ["print", ""]


async def test_what_does_not_run_is_not_cancelled() -> None:
    cancelled: list[str] = []
    toolbox = _toolbox({"search": ""}, cancelled)
    assert await toolbox.run("cancel_background", '{"name": "x"}') == "x is not at work"
    assert await _toolbox({}, cancelled).run("cancel_background", "{}") == NOTHING
    assert cancelled == []
