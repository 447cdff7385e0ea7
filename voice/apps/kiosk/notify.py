"""What a service tells the manager that started it: systemd's `sd_notify` protocol.

A datagram of `NAME=value` lines to the socket that `NOTIFY_SOCKET` names; `@` in front stands for
a name that is no file. Whoever was not started by systemd has nobody to tell.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from voice.errors import UsageError


class Notifier:
    """Tells how the service is."""

    def __init__(self, address: str = "", watchdog_seconds: float | None = None) -> None:
        """`address` is that of the manager's socket; "": nobody is told."""
        self.watchdog_seconds = watchdog_seconds
        """The longest time between two calls of `watchdog`; None where nobody waits for them."""

        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Notifier:
        """As systemd said when it started us. Raises `UsageError`."""
        address = environment.get("NOTIFY_SOCKET", "")
        if address and address[0] not in "/@":
            raise UsageError(
                f"NOTIFY_SOCKET names no Unix socket: {address}",
                "leave it to systemd to set it, or unset it",
            )
        return cls(address, _watchdog_seconds(environment))

    def ready(self) -> None:
        """The service does its work, for the first time or after a reload."""
        self._tell("READY=1")

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._tell(f"STATUS={' '.join(text.split())}")

    def watchdog(self) -> None:
        """The service is alive."""
        self._tell("WATCHDOG=1")

    def reloading(self, monotonic_usec: int) -> None:
        """It reads its configuration anew, since that time of `CLOCK_MONOTONIC`."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={monotonic_usec}")

    def stopping(self) -> None:
        """It is about to end."""
        self._tell("STOPPING=1")

    def _tell(self, lines: str) -> None:
        """Send it. A manager that does not listen is no reason to stop."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outlet,
        ):
            outlet.setblocking(False)
            outlet.sendto(lines.encode(), self._address)


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """What `WATCHDOG_USEC` says, unless `WATCHDOG_PID` means another process."""
    text = environment.get("WATCHDOG_USEC", "")
    if not text or environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not text.isdecimal() or int(text) == 0:
        raise UsageError(
            f"WATCHDOG_USEC is no number of microseconds: {text}",
            "leave it to systemd to set it, or unset it",
        )
    return int(text) / 1e6
