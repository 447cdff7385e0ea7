"""The examples of `docs/faults.md`, played over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.programs import run_voice
from voice.server.backend import FaultKind
from voice.server.endpoint import Endpoint
from voice.server.script import Reply, Script, ScriptBackend, load_script

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
SCRIPTS = [text for language, text in BLOCKS if language == "toml"]
TALKS = [text for language, text in BLOCKS if language == "text"]
REST = "…"


class Player:
    """A client that says and hears what the lines tell it to; it connects again when it is cut."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._socket: ClientConnection | None = None
        self._parent: str | None = None
        self._running = ""
        self._call_id = ""

    async def close(self) -> None:
        if self._socket:
            await self._socket.close()

    async def play(self, lines: Sequence[str]) -> None:
        skipping = False
        for line in lines:
            mark, _, told = line.partition(" ")
            if mark == ">":
                await self._say(told)
            elif told == REST:
                skipping = True
            elif mark == "<":
                while (heard := await self._hear()) != told:
                    assert skipping, f"{heard!r} instead of {told!r}"
                skipping = False
            else:
                await self._lose(told)

    async def _say(self, words: str) -> None:
        if self._socket is None:
            self._socket = await connect(self._url, close_timeout=0.05, ping_interval=None)
            self._parent = None
        request: dict[str, Any]
        if words == "[cancel]":
            request = {"type": "response.cancel", "response_id": self._running}
        else:
            given: Any = words
            if words.startswith("[output] "):
                output = words.removeprefix("[output] ")
                kind = "function_call_output"
                given = [{"type": kind, "call_id": self._call_id, "output": output}]
            request = {"type": "response.create", "input": given, "store": False}
            request["previous_response_id"] = self._parent
        await self._socket.send(json.dumps(request))

    async def _receive(self) -> str:
        assert self._socket
        async with asyncio.timeout(10):
            message = await self._socket.recv()
        assert isinstance(message, str)
        return message

    async def _hear(self) -> str:
        """The next event, as the page writes it."""
        event = json.loads(await self._receive())
        kind, response = event["type"], event.get("response", {})
        self._running = response.get("id", self._running)
        if kind == "response.completed":
            self._parent = self._running
        elif kind in ("error", "response.failed"):
            self._parent = None  # a continuation that fails takes its parent along
        if event.get("item", {}).get("type") == "function_call":
            self._call_id = event["item"]["call_id"]
        error = event.get("error") or response.get("error") or {}
        more = event.get("delta") or error.get("code")
        return f"{kind} {more}" if more else kind

    async def _lose(self, how: str) -> None:
        assert self._socket
        if how == "garbage":
            assert not is_event(await self._receive())
        elif how == "silence":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self._socket.recv()
        else:
            with pytest.raises(ConnectionClosed) as closed:
                await self._receive()
            received = closed.value.rcvd
            assert how == (f"closed {received.code}" if received else "reset")
            self._socket = None


def is_event(text: str) -> bool:
    """Whether a client can make something of it."""
    try:
        event = json.loads(text)
    except ValueError:
        return False
    known = isinstance(event, dict) and str(event.get("type")).startswith("response.output")
    return known and isinstance(event.get("delta", ""), str)


@pytest.mark.parametrize(("script", "talk"), list(zip(SCRIPTS, TALKS, strict=True)))
async def test_the_examples_play_as_they_are_written(
    tmp_path: Path, script: str, talk: str
) -> None:
    path = tmp_path / "script.toml"
    path.write_text(script)
    endpoint = Endpoint(ScriptBackend(load_script(path)), "127.0.0.1", 0)
    host, port = await endpoint.open()
    player = Player(f"ws://{host}:{port}/v1/responses")
    try:
        await player.play(talk.splitlines())
    finally:
        await player.close()
        await endpoint.close()


def test_every_key_and_every_fault_is_on_the_page_and_in_an_example() -> None:
    page, examples = PAGE.read_text(), "".join(SCRIPTS)
    for key in (*Reply.__struct_fields__, *Script.__struct_fields__):
        assert re.search(rf"\b{key}\b", examples), key
    for fault in (*get_args(FaultKind), "forget"):
        assert f"| `{fault}` |" in page, fault
        assert f'fault = "{fault}"' in examples, fault


def test_the_example_for_other_projects_passes(tmp_path: Path) -> None:
    [program] = [text for language, text in BLOCKS if language == "python"]
    (tmp_path / "test_client.py").write_text(program)
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."],
        cwd=tmp_path,
        env={**os.environ, "PATH": binaries},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_mistake_on_the_page_is_told_in_these_words(tmp_path: Path) -> None:
    script = '[[reply]]\ntext = "x"\n[[reply]]\ntxet = "x"\n'
    (tmp_path / "faults.toml").write_text(script)
    options = ("serve", "--backend", "script", "--script", "faults.toml", "--port", "0")
    ended = run_voice(*options, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr in PAGE.read_text()
