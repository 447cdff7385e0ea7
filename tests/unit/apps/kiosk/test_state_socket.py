"""The state as JSON lines, over a real Unix socket."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from voice.apps.kiosk.state_socket import StateSocket
from voice.errors import UsageError
from voice.trace import TraceEvent


def tell(sink: StateSocket, event: str, turn: int = 0, **fields: Any) -> None:
    sink(TraceEvent(1.0, turn, event, fields))


async def told(reader: asyncio.StreamReader) -> dict[str, Any]:
    return json.loads(await asyncio.wait_for(reader.readline(), 5))


async def test_a_reader_is_told_the_state_and_each_change(tmp_path: Path) -> None:
    async with StateSocket(tmp_path / "state") as state:
        tell(state, "listening")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "state")
        assert await told(reader) == {
            "state": "loading", "ready": False, "visit": False, "faults": []
        }  # fmt: skip
        tell(state, "kiosk.ready")
        tell(state, "transcript.partial", 1, text="no change")
        tell(state, "visit.began", by="speech")
        tell(state, "fault.began", fault="network", problem="gone", cure="")
        assert [(await told(reader))["state"] for _ in range(2)] == ["asleep", "ready"]
        assert await told(reader) == {
            "state": "ready", "ready": True, "visit": True, "faults": ["network"]
        }  # fmt: skip
        late, other = await asyncio.open_unix_connection(tmp_path / "state")
        assert (await told(late))["faults"] == ["network"]
        writer.close()
        other.close()


async def test_only_its_owner_may_open_it_and_it_goes_with_the_kiosk(tmp_path: Path) -> None:
    path = tmp_path / "state"
    async with StateSocket(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        reader, writer = await asyncio.open_unix_connection(path)
        await told(reader)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert not path.exists()
    writer.close()


async def test_who_does_not_read_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with StateSocket(tmp_path / "state") as state:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lazy:
            lazy.connect(str(tmp_path / "state"))
            reader, writer = await asyncio.open_unix_connection(tmp_path / "state")
            await told(reader)
            tell(state, "listening")
            tell(state, "kiosk.ready")
            with caplog.at_level(logging.WARNING):
                for number in range(5000):
                    by = "began" if number % 2 == 0 else "ended"
                    tell(state, f"visit.{by}", by="speech", reason="silence")
                    await reader.readline()
            assert "does not read" in caplog.text
            tell(state, "kiosk.stopping")
            while (await told(reader))["state"] != "stopping":
                pass
            writer.close()


async def test_what_an_ended_kiosk_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
    async with StateSocket(path):
        reader, writer = await asyncio.open_unix_connection(path)
        assert (await told(reader))["state"] == "loading"
        writer.close()


async def test_a_socket_that_another_serves_is_left_alone(tmp_path: Path) -> None:
    async with StateSocket(tmp_path / "state"):
        with pytest.raises(UsageError, match=r"another program.*state_socket"):
            async with StateSocket(tmp_path / "state"):
                pass
        reader, writer = await asyncio.open_unix_connection(tmp_path / "state")
        await told(reader)
        writer.close()


@pytest.mark.parametrize("name", ["file", "no/such/folder"])
async def test_a_path_that_cannot_be_a_socket(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="state_socket"):
        async with StateSocket(tmp_path / name):
            pass
    assert (tmp_path / "file").read_text() == "mine"


async def test_without_a_path_nothing_is_served() -> None:
    async with StateSocket("") as state:
        tell(state, "kiosk.ready")
