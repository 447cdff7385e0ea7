"""Presses on a Unix socket."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from functools import partial
from pathlib import Path

import pytest

from voice.apps.kiosk.buttons import is_press, open_buttons, refusal
from voice.config import KioskOptions
from voice.errors import UsageError


@pytest.mark.parametrize(
    ("line", "pressed", "refused"),
    [("", True, False), ("Press\r", True, False), ("release", False, False), ("x", False, True)],
)
def test_lines_are_presses_or_not(line: str, pressed: bool, refused: bool) -> None:
    assert is_press(line) is pressed
    assert bool(refusal(line)) is refused


def test_several_clients_press_and_a_bad_line_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "button"
    presses: list[int] = []

    async def press() -> list[bytes]:
        options = KioskOptions(button="socket", button_socket=str(path))
        async with open_buttons(options, lambda: presses.append(1)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            answers = []
            for line in (b"press\n", b"release\n", b"\n", b"jump\n"):
                lines, client = await asyncio.open_unix_connection(path)
                client.write(line)
                answers.append(await lines.readline())
                client.close()
            return answers

    *good, bad = asyncio.run(press())
    assert good == [b"ok\n"] * 3
    assert bad.startswith(b'error: there is no "jump"')
    assert len(presses) == 2
    assert not path.exists()


def test_a_socket_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    async def press() -> None:
        options = KioskOptions(button="socket", button_socket=str(tmp_path / "no" / "button"))
        async with open_buttons(options, lambda: None):
            pass

    with pytest.raises(UsageError, match="cannot be opened"):
        asyncio.run(press())


async def test_after_a_reload_lines_on_stdin_press_for_the_new_kiosk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, write = os.pipe()
    presses: asyncio.Queue[str] = asyncio.Queue()
    with os.fdopen(read) as stdin, os.fdopen(write, "wb", buffering=0) as hand:
        monkeypatch.setattr(sys, "stdin", stdin)
        for kiosk in ("old", "new"):
            async with open_buttons(
                KioskOptions(button="stdin"), partial(presses.put_nowait, kiosk)
            ):
                hand.write(b"press\r\nrelease\nwhat\n\npr")
                hand.write(b"ess\n")
                assert [await presses.get() for _ in range(3)] == [kiosk] * 3
    assert presses.empty()


async def test_a_stdin_that_has_ended_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        async with open_buttons(KioskOptions(button="stdin"), lambda: None):
            os.close(write)
            for _ in range(3):
                await asyncio.sleep(0)
            assert not asyncio.get_running_loop().remove_reader(read)


async def test_a_stdin_that_nobody_can_type_on_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "lines"
    file.write_text("press\n")
    with file.open() as stdin:
        for none in (stdin, None):
            monkeypatch.setattr(sys, "stdin", none)
            with pytest.raises(UsageError, match="nobody can press"):
                async with open_buttons(KioskOptions(button="stdin"), lambda: None):
                    pass
