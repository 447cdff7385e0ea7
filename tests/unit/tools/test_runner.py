from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from voice.errors import ToolError
from voice.tools.function import FunctionTool, function_tool
from voice.tools.policy import Policy
from voice.tools.runner import Toolbox
from voice.tools.tool import ToolContext


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


def leave() -> None:
    """Leave the program."""
    sys.exit("the lamp is gone")


async def await_cancelled() -> str:
    """Wait for something that was cancelled."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    future.cancel()
    return await future


def box() -> Toolbox:
    functions = (locate, fail, time_out, find, refuse, which_thread, leave, await_cancelled)
    impatient = Policy(limit_seconds=0.01)
    return Toolbox([*map(function_tool, functions), function_tool(wait_forever, policy=impatient)])


async def test_results_are_text() -> None:
    assert await box().run("locate", "{}") == '{"x":3}'
    assert await box().run("which_thread", "") != str(threading.get_ident())


@pytest.mark.parametrize(
    ("name", "arguments", "parts"),
    [
        ("locat", "{}", ["no tool `locat`", "did you mean locate?"]),
        ("make_tea", "{}", ["no tool `make_tea`", "the tools are: locate, fail"]),
        ("locate", "{", ["locate", "not JSON"]),
        ("locate", '{"x": 1}', ["locate", "x", "takes no arguments"]),
        ("fail", "{}", ["fail failed", "ValueError: no such thing"]),
        ("time_out", "{}", ["time_out failed", "far away"]),
        ("find", "{}", ["FileNotFoundError: caf?.txt"]),
        ("refuse", "{}", ["the lamp is broken (tell the user)"]),
        ("leave", "{}", ["leave failed", "the lamp is gone"]),
        ("await_cancelled", "{}", ["await_cancelled failed", "CancelledError"]),
        ("wait_forever", "{}", ["wait_forever", "0.01 s"]),
    ],
)
async def test_whatever_happens_is_told(
    name: str, arguments: str, parts: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    # pytest-xdist cannot carry a log with such a file's name.
    caplog.set_level(logging.CRITICAL, "voice.tools.runner")
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


async def test_an_empty_box_says_so() -> None:
    assert await Toolbox().run("locate", "{}") == (
        "Error: there is no tool `locate`; the tools are: none"
    )


class Shelf:
    """A source whose tools come and go."""

    def __init__(self, *tools: FunctionTool) -> None:
        self.held = list(tools)

    def tools(self) -> list[FunctionTool]:
        return self.held


def named(name: str, result: str) -> FunctionTool:
    def function() -> str:
        """Tell."""
        return result

    function.__name__ = name
    return function_tool(function, policy=Policy(filler_seconds=len(result)))


async def test_sources_are_asked_at_each_use() -> None:
    shelf = Shelf()
    tools = Toolbox([named("a", "x")], [shelf])
    assert [one["name"] for one in tools.definitions()] == ["a"]
    shelf.held.append(named("b", "longer"))
    assert [one["name"] for one in tools.definitions()] == ["a", "b"]
    assert await tools.run("b", "") == "longer"
    assert tools.policy("b").filler_seconds == 6
    shelf.held.clear()
    assert "no tool `b`" in await tools.run("b", "")
    assert tools.policy("b") == Policy()


async def test_of_two_tools_with_one_name_the_first_counts(caplog: Any) -> None:
    first, second = Shelf(named("a", "first"), named("b", "first")), Shelf(named("b", "second"))
    tools = Toolbox([named("a", "own")], [first, second])
    with caplog.at_level(logging.WARNING):
        assert [await tools.run(name, "") for name in "aabb"] == ["own", "own", "first", "first"]
    assert sorted(record.args[0] for record in caplog.records) == ["a", "b"]
    assert len(tools.definitions()) == 2


def test_only_what_needs_a_yes_is_asked_about() -> None:
    asking = function_tool(locate, policy=Policy(confirm=True), question="Shall I look for it?")
    tools = Toolbox([asking, function_tool(fail)])
    assert tools.question("locate", "{}") == "Shall I look for it?"
    assert tools.question("locate", '{"x": 1}') == ""
    assert tools.question("fail", "{}") == ""
    assert tools.question("unknown", "{}") == ""


class Shop:
    """Sells things, and counts how many."""

    def __init__(self) -> None:
        self.sold = 0
        self.opened = asyncio.Event()

    async def buy(self, thing: str = "") -> str:
        """Buy something."""
        self.sold += 1
        await self.opened.wait()
        return f"{thing} number {self.sold}"

    def tools(self, **policy: Any) -> Toolbox:
        return Toolbox([function_tool(self.buy, policy=Policy(**policy))])


@pytest.mark.parametrize(
    ("once", "keys", "sold"),
    [(True, "aa", 1), (True, "ab", 2), (False, "aa", 2), (True, ["", ""], 2)],
)
async def test_what_is_done_once_is_not_repeated(
    once: bool, keys: list[str] | str, sold: int
) -> None:
    shop = Shop()
    shop.opened.set()
    tools = shop.tools(once=once)
    results = [await tools.run("buy", "{}", ToolContext(key)) for key in keys]
    assert shop.sold == sold
    assert results == [" number 1", f" number {sold}"]


async def test_a_call_with_a_context_tells_how_far_it_is() -> None:
    said: list[str] = []

    def fetch(context: ToolContext) -> str:
        """Fetch."""
        context.report("half")
        return context.key

    tools = Toolbox([function_tool(fetch)])
    assert await tools.run("fetch", "", ToolContext("7", said.append)) == "7"
    assert said == ["half"]


async def test_long_messages_of_exceptions_are_cut() -> None:
    assert len(await Toolbox([function_tool(raising("x" * 5000))]).run("raise_it", "")) < 400


def raising(message: str) -> Callable[[], None]:
    def raise_it() -> None:
        """Fail."""
        raise RuntimeError(message)

    return raise_it
