"""MCP servers as programs and over HTTP: our own, one by hand, and a reference server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support import mcp_plain_server
from tests.support.mcp_server import PROGRAM, serving
from voice.errors import ToolError, UsageError
from voice.tools.mcp_options import McpServerOptions
from voice.tools.mcp_server import McpServer, check
from voice.tools.mcp_tool import McpTool
from voice.tools.tool import ToolContext

pytestmark = [pytest.mark.timeout(30), pytest.mark.filterwarnings("error")]

KEY = "Bearer s3cret"
ENVIRONMENT = {"TEST_KEY": KEY}
PLAIN = mcp_plain_server.PROGRAM


class Running:
    """A server that runs, with what it told; `until` waits for something to become true."""

    def __init__(self, options: McpServerOptions) -> None:
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.server = McpServer(
            "test", options, self._note, random=lambda: 1.0, environment=ENVIRONMENT
        )

    def _note(self, event: str, fields: dict[str, Any]) -> None:
        self.notes.append((event, fields))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.notes]

    @property
    def names(self) -> list[str]:
        return [tool.name for tool in self.server.tools()]

    def tool(self, name: str) -> McpTool:
        return next(tool for tool in self.server.tools() if tool.listed.name == name)

    async def call(self, name: str, **arguments: Any) -> str:
        return await self.tool(name).call(json.dumps(arguments), ToolContext())

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 - what is waited for comes from other processes
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Running]:
    one = Running(McpServerOptions(**{"allow": ("*",), **settings}))
    task = asyncio.create_task(one.server.run())
    try:
        await one.until(lambda: one.notes)
        yield one
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert one.names == []


@pytest.fixture(params=["program", "address"])
async def ours(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """Our own server, both ways."""
    if request.param == "program":
        async with running(command=PROGRAM, env={"TOKEN": "env:TEST_KEY"}) as one:
            yield one
        return
    async with serving(KEY) as url, running(url=url, headers={"Authorization": KEY}) as one:
        yield one


async def test_tools_are_listed_called_and_explained(ours: Running) -> None:
    assert ours.events == ["mcp.connected"]
    assert ours.names[:3] == ["test_echo", "test_knows", "test_slow"]
    assert [tool.listed.name for tool in ours.server.tools() if tool.policy.confirm] == ["dies"]
    assert await ours.call("echo", text="grüß dich") == "grüß dich"
    assert await ours.call("image") == "an image (image/png, 12 kB)"
    with pytest.raises(ToolError, match=r"^the lamp is broken$"):
        await ours.call("failing")
    with pytest.raises(ToolError, match="Field required"):
        await ours.call("echo")


async def test_calls_run_side_by_side_report_and_are_cancelled(
    ours: Running, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", "voice.tools")
    heard: list[str] = []
    slow, context = ours.tool("slow"), ToolContext(report=heard.append)
    endless = asyncio.create_task(slow.call('{"seconds": 60}', ToolContext()))
    assert await slow.call('{"seconds": 0.2}', context) == "slept"
    assert heard == ["step 1", "step 2", "step 3", "step 4"]
    endless.cancel()
    await asyncio.wait({endless})
    assert endless.cancelled()
    said = ""

    def cancelled_there() -> bool:  # over HTTP the server is in this process
        nonlocal said
        said += capfd.readouterr().err
        return "slow was cancelled" in said + caplog.text

    await ours.until(cancelled_there)
    assert await ours.call("echo", text="still there") == "still there"


async def test_a_server_may_change_its_tools(ours: Running) -> None:
    assert await ours.call("grow") == "grown"
    await ours.until(lambda: "test_grown" in ours.names)
    assert ours.events == ["mcp.connected", "mcp.changed"]


async def test_a_program_sees_only_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSH", "not for everyone")
    async with running(command=PROGRAM, env={"TOKEN": "plain", "X": "env:TEST_KEY"}) as one:
        assert await one.call("knows") == "TOKEN=plain HUSH=None"


async def test_a_program_that_dies_in_a_call_is_started_again(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with running(command=PROGRAM, env={"TOKEN": "env:TEST_KEY"}) as one:
        assert await one.call("knows") == "TOKEN=… HUSH=None"
        old = one.tool("echo")
        waiting = asyncio.create_task(one.call("slow", seconds=60))
        with pytest.raises(ToolError, match="server test is gone, and nobody knows"):
            await one.call("dies")
        with pytest.raises(ToolError, match="server test is gone, and nobody knows"):
            await waiting
        await one.until(lambda: one.names == [])
        with pytest.raises(ToolError, match="server test is down at the moment"):
            await old.call('{"text": "a"}', ToolContext())
        await one.until(lambda: one.names)
        assert await one.call("echo", text="back") == "back"
        assert one.events == ["mcp.connected", "mcp.lost", "mcp.connected"]
        reason = "the MCP server test has ended; its last words: dying of …"
        assert one.notes[1][1] == {"server": "test", "reason": reason}
    assert capfd.readouterr().err == "", "the terminal is not the server's"


async def test_an_address_that_dies_is_found_again() -> None:
    async with contextlib.AsyncExitStack() as first:
        url = await first.enter_async_context(serving(KEY))
        async with running(url=url, headers={"Authorization": "env:TEST_KEY"}) as one:
            waiting = asyncio.create_task(one.call("slow", seconds=60))
            await first.aclose()
            with pytest.raises(ToolError, match="server test is gone, and nobody knows"):
                await waiting
            await one.until(lambda: "mcp.lost" in one.events)
            assert one.names == []
            async with serving(KEY, urlsplit(url).port or 0):
                await one.until(lambda: one.names)
                assert await one.call("echo", text="back") == "back"


async def test_a_server_of_the_older_protocol_with_its_list_in_pages() -> None:
    async with running(command=PLAIN, prefix="", allow=("first", "wait", "grow", "grown")) as one:
        assert one.names == ["first", "wait", "grow"]
        assert one.tool("wait").definition()["description"] == "The wait one."
        await one.call("grow")
        await one.until(lambda: one.names == ["first", "wait", "grow", "grown"])
        call = asyncio.create_task(one.call("wait"))
        await asyncio.sleep(0.05)  # it has no way to show that it waits
        call.cancel()
        await asyncio.wait({call})
        noted = await one.call("first")
        assert noted == "notifications/initialized, notifications/cancelled"


async def test_nonsense_from_a_server_is_an_error_of_the_call_alone() -> None:
    async with running(command=PLAIN) as one:
        with pytest.raises(ToolError, match="test_malformed: the server's answer is malformed"):
            await one.call("malformed")
        assert await one.call("grow") == "grow"


async def test_a_stubborn_program_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp.client.stdio.PROCESS_TERMINATION_TIMEOUT", 0.2)
    monkeypatch.setattr("mcp.client.stdio.FORCE_KILL_TIMEOUT", 0.2)
    mark = f"stubborn-{id(monkeypatch)}"
    one = Running(McpServerOptions(command=(*PLAIN, "stubborn", mark), allow=("*",)))
    task = asyncio.create_task(one.server.run())
    await one.until(lambda: one.names)
    assert _processes(mark) != []
    for _ in range(3):  # one who is in a hurry
        task.cancel()
        await asyncio.sleep(0.1)
    await asyncio.wait({task})
    assert task.cancelled()
    assert _processes(mark) == []


async def test_a_server_that_cannot_be_started_is_told_of_once() -> None:
    async with running(command=("no-such-program",)) as one:
        await asyncio.sleep(0.9)  # the second and the third try
        assert one.events == ["mcp.refused"]
        assert "no-such-program: No such file" in one.notes[0][1]["reason"]


async def test_a_server_without_allowed_tools_is_not_started() -> None:
    one = McpServer("test", McpServerOptions(command=("no-such-program",)))
    await one.run()
    off = McpServerOptions(command=("no-such-program",), allow=("*",), enabled=False)
    await McpServer("test", off).run()


def test_a_missing_secret_is_the_users_to_mend() -> None:
    options = McpServerOptions(command=("x",), env={"KEY": "env:TEST_KEY"})
    with pytest.raises(UsageError, match="TEST_KEY is not set"):
        McpServer("test", options, environment={})


@pytest.mark.parametrize(
    ("command", "start_seconds", "problem"),
    [
        (("no-such-program",), 10, "cannot be started: no-such-program: No such file"),
        ((sys.executable, "-c", "raise SystemExit('no key')"), 10, "its last words: no key"),
        ((*PLAIN, "silent"), 0.3, "did not answer within 0.3 s"),
    ],
)
async def test_the_check_says_what_is_wrong(
    command: tuple[str, ...], start_seconds: float, problem: str
) -> None:
    with pytest.raises(ToolError, match=problem):
        await check("test", McpServerOptions(command=command, start_seconds=start_seconds))


async def test_the_check_says_what_is_there() -> None:
    assert await check("test", McpServerOptions(command=PLAIN, allow=("*",))) == (
        "4 tools, 4 allowed"
    )
    assert await check("test", McpServerOptions(command=PLAIN, allow=("wait", "stay"))) == (
        "4 tools, 1 allowed (there is no stay)"
    )
    assert (await check("test", McpServerOptions(command=PLAIN))).startswith(
        "4 tools, none allowed (list in `allow` what the model may call: first, wait"
    )


async def test_the_check_of_an_address() -> None:
    async with serving(KEY) as url:
        wrong = McpServerOptions(url=url, headers={"Authorization": "Bearer wr0ng"})
        with pytest.raises(ToolError, match=r"answers 401 Unauthorized .*check its `headers`"):
            await check("test", wrong)
        right = McpServerOptions(url=url, headers={"Authorization": KEY}, allow=("echo",))
        assert await check("test", right) == "7 tools, 1 allowed"
    with pytest.raises(ToolError, match=r"cannot be reached at http://127\.0\.0\.1"):
        await check("test", right)


async def test_the_reference_server_for_time() -> None:
    command = (sys.executable, "-m", "mcp_server_time", "--local-timezone", "Europe/Berlin")
    async with running(command=command, allow=("convert_time",)) as one:
        assert one.names == ["test_convert_time"]
        parameters = one.tool("convert_time").definition()["parameters"]
        assert {"source_timezone", "target_timezone", "time"} <= parameters["properties"].keys()
        told = await one.call(
            "convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo"
        )
        assert "T21:00:00+09:00" in told
        with pytest.raises(ToolError, match="Invalid timezone"):
            await one.call(
                "convert_time", source_timezone="Mars", time="12:00", target_timezone="UTC"
            )


def _processes(argument: str) -> list[int]:
    """Those that were started with the argument and have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if argument.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
