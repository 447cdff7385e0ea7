from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import pytest

from voice.errors import ToolError
from voice.tools.function import function_tool
from voice.tools.runner import MOST_CHARACTERS, Toolbox, as_text


@dataclass
class Point:
    x: int


async def locate() -> Point:
    """Say where."""
    return Point(3)


async def fail() -> str:
    """Fail."""
    raise ValueError("no such thing")


async def time_out() -> str:
    """Fail with a time-out of its own."""
    raise TimeoutError("the lamp is far away")


async def find() -> str:
    """Fail with the name of a file that is not valid UTF-8."""
    raise FileNotFoundError("caf\udce9.txt")


async def refuse() -> str:
    """Refuse."""
    raise ToolError("the lamp is broken", "tell the user")


async def wait_forever() -> str:
    """Wait."""
    await asyncio.Event().wait()
    return ""


def which_thread() -> int:
    """Tell the thread."""
    return threading.get_ident()


def box() -> Toolbox:
    functions = (locate, fail, time_out, find, refuse, which_thread)
    return Toolbox(
        [*map(function_tool, functions), function_tool(wait_forever, limit_seconds=0.01)]
    )


async def test_results_are_text() -> None:
    assert await box().run("locate", "{}") == '{"x":3}'
    assert await box().run("which_thread", "") != str(threading.get_ident())
    assert as_text(None) == "done"
    assert as_text("as it is") == "as it is"
    assert as_text("caf\udce9.txt") == "caf?.txt"
    assert as_text({1: object}) == f'{{"1":"{object}"}}'


def test_long_results_are_cut_and_say_so() -> None:
    text = as_text("x" * (MOST_CHARACTERS + 5))
    assert text.startswith("x" * MOST_CHARACTERS + " …")
    assert str(MOST_CHARACTERS + 5) in text


@pytest.mark.parametrize(
    ("name", "arguments", "parts"),
    [
        ("locat", "{}", ["no tool `locat`", "locate, fail"]),
        ("locate", "{", ["locate", "not JSON"]),
        ("locate", '{"x": 1}', ["locate", "x", "takes no arguments"]),
        ("fail", "{}", ["fail failed", "ValueError: no such thing"]),
        ("time_out", "{}", ["time_out failed", "far away"]),
        ("find", "{}", ["FileNotFoundError: caf?.txt"]),
        ("refuse", "{}", ["the lamp is broken (tell the user)"]),
        ("wait_forever", "{}", ["wait_forever", "0.01 s"]),
    ],
)
async def test_whatever_happens_is_told(name: str, arguments: str, parts: list[str]) -> None:
    text = await box().run(name, arguments)
    assert text.startswith("Error: ")
    assert all(part in text for part in parts)


async def test_cancelling_is_not_swallowed() -> None:
    task = asyncio.create_task(Toolbox([function_tool(wait_forever)]).run("wait_forever", "{}"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_names_are_unique() -> None:
    with pytest.raises(ToolError, match="locate"):
        Toolbox([function_tool(locate), function_tool(locate)])
    assert [d["name"] for d in box().definitions()][:2] == ["locate", "fail"]
