"""When a server of tools is started, and started again."""

from __future__ import annotations

from collections.abc import Callable

FIRST_SECONDS = 0.5
MOST_SECONDS = 60.0
"""The pause after a failure doubles from the first to the most."""

LASTING_SECONDS = 60.0
"""A server that was up for so long is well: the next failure is a new one."""


class Lifecycle:
    """Told when a server came up and went down; `deadline` says when to start it next.

    The pauses are shortened by up to half at random (`random` gives 0 to 1), so that servers that
    fell together do not all start in the same moment.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0
        self._up_since: float | None = None
        self._start_at: float | None = 0.0

    def deadline(self) -> float | None:
        """When to start the server; None while it starts or is up."""
        return self._start_at

    def starting(self) -> None:
        """A start has begun."""
        self._start_at = None

    def came_up(self, now: float) -> None:
        """Its tools can be called."""
        self._up_since = now

    def went_down(self, now: float) -> None:
        """It could not be started, or is gone."""
        if self._up_since is not None and now >= self._up_since + LASTING_SECONDS:
            self._failures = 0
        self._up_since = None
        pause_seconds = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._failures, 16))
        self._failures += 1
        self._start_at = now + pause_seconds * (1.0 - 0.5 * self._random())
