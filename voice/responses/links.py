"""Which connection is used, and when another one is opened.

Theory. There is one connection that requests go to, the active one. When it is lost, another is
opened at once, and then less and less often, until the server has answered something or one has
lasted: a server that lets us in and throws us out is no better than one that is not there. When
it grows old, another is opened beside it and let read the conversation; it takes over at a moment
at which nobody speaks, so no turn is late.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from voice.responses.lanes import Lanes
from voice.responses.recovery import Backoff
from voice.responses.signals import CloseLink, OpenLink

LASTING_SECONDS = 10.0
"""A connection that lasted so long was one, even if nobody asked anything."""


@dataclass(slots=True, eq=False)
class Link:
    """One open connection."""

    number: int
    opened_at: float
    chains: bool
    """Its server keeps the latest response of each lane."""

    feeds: bool
    """It takes input that is to be read only (`generate: false`)."""

    cancels: bool
    """It takes `response.cancel`."""

    primed: bool = False
    """The server has read what there was when the connection was opened, or will not."""

    worn: bool = False
    """It is to be replaced before its time."""

    lanes: Lanes = field(default_factory=Lanes)


class Links:
    """Opens, loses and replaces connections."""

    def __init__(self, backoff: Backoff, rotate_seconds: float) -> None:
        self.active: Link | None = None
        self.successor: Link | None = None
        self.lost_at: float | None = 0.0
        """Since when there is no connection; None: there is one."""

        self._backoff = backoff
        self._rotate_seconds = rotate_seconds
        self._opening = 0
        self._open_at: float | None = 0.0
        self._count = 0
        self._losses = 0

    def get(self, number: int) -> Link | None:
        """The connection of that number, if it is in use."""
        links = (self.active, self.successor)
        return next((link for link in links if link and link.number == number), None)

    def opened(self, link: Link) -> Link | None:
        """A connection is there; None if nobody waits for it."""
        if link.number != self._opening:
            return None
        self._opening = 0
        link.primed = not link.feeds
        if self.active is None:
            self.active, self.lost_at = link, None
        else:
            self.successor = link
        return link

    def failed(self, number: int, now: float) -> None:
        """A connection could not be opened."""
        if number == self._opening:
            self._opening = 0
            self._open_at = now + self._backoff.next_seconds()

    def proved(self) -> None:
        """The server has answered: the next loss is a new one."""
        self._backoff.reset()
        self._losses = 0

    def hurry(self, now: float) -> None:
        """Where there is no connection, try again at once."""
        if self.active is None and not self._opening:
            self._open_at = now

    def lost(self, link: Link, now: float) -> None:
        """A connection is over; its successor takes its place at once."""
        if now >= link.opened_at + LASTING_SECONDS:
            self.proved()
        self._losses += 1
        pause_seconds = self._backoff.next_seconds() if self._losses > 1 else 0.0
        if link is self.successor:
            self.successor = None
            self._open_at = now + pause_seconds
        elif link is self.active:
            self.active, self.successor = self.successor, None
        if self.active is None:
            self.lost_at = now
            if not self._opening:
                self._open_at = now + pause_seconds

    def turn_over(self, now: float, *, idle: bool) -> list[OpenLink | CloseLink]:
        """Open what is due, and where nobody speaks let the successor take over."""
        actions: list[OpenLink | CloseLink] = []
        if idle and self.active and self.successor and self.successor.primed:
            actions.append(CloseLink(self.active.number))
            self.active, self.successor = self.successor, None
        active = self.active
        due = self._open_at is not None and now >= self._open_at
        old = active and (active.worn or now >= active.opened_at + self._rotate_seconds)
        if self._opening or self.successor or not (due or (old and self._open_at is None)):
            return actions
        self._open_at = None
        self._count += 1
        self._opening = self._count
        return [*actions, OpenLink(self._count)]

    def deadline(self) -> float | None:
        """When `turn_over` wants to be called."""
        if self._opening or self.successor:
            return None
        if self._open_at is not None:
            return self._open_at
        return self.active.opened_at + self._rotate_seconds if self.active else None
