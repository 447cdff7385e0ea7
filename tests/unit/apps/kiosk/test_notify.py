"""What systemd is told, over a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from voice.apps.kiosk.notify import Notifier
from voice.errors import UsageError


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A manager that listens, and its address as systemd writes it."""
    path = str(tmp_path / "notify")
    address = f"@{path}" if request.param == "abstract" else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{path}" if request.param == "abstract" else path)
        listener.settimeout(5)
        yield listener, address


def test_each_fact_is_a_datagram(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.status("listening\nfor visitors")
    notifier.watchdog()
    notifier.reloading(1_234_567)
    notifier.stopping()
    assert [listener.recv(4096).decode() for _ in range(5)] == [
        "READY=1",
        "STATUS=listening for visitors",
        "WATCHDOG=1",
        "RELOADING=1\nMONOTONIC_USEC=1234567",
        "STOPPING=1",
    ]


def test_without_a_manager_nobody_is_told() -> None:
    notifier = Notifier.from_environment({})
    notifier.ready()
    assert notifier.watchdog_seconds is None


def test_a_manager_that_is_gone_is_no_reason_to_stop(tmp_path: Path) -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


def test_a_manager_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        notifier = Notifier(str(path))
        for _ in range(2000):
            notifier.status("x" * 500)
        assert listener.recv(4096)


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_PID": str(os.getpid())}, None),
    ],
)
def test_the_watchdog_waits_for_this_process(
    environment: dict[str, str], seconds: float | None
) -> None:
    assert Notifier.from_environment(environment).watchdog_seconds == seconds


@pytest.mark.parametrize(
    "environment",
    [{"NOTIFY_SOCKET": "relative"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}],
)
def test_an_environment_that_systemd_does_not_make(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=next(iter(environment))):
        Notifier.from_environment(environment)
