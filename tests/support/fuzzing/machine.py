"""The protocol machine under a flood: connections with one store, a backend, and no clock.

An episode is a list of steps: what arrives, what the backend produced, what the store answered.
It follows from its seed alone, and any part of it can be played again by itself, because steps
name responses by request, not by id.
"""

from __future__ import annotations

import gc
import itertools
import random
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tests.support.fuzzing.confession import confession
from tests.support.fuzzing.messages import WORDS, Talk, resolved
from tests.support.fuzzing.oracle import Broken, Ledger, Observer, expect
from voice.responses.events import encode
from voice.server.backend import Finished, Piece, ReasoningDelta, TextDelta, ToolCall
from voice.server.lanes import Settled
from voice.server.protocol import Connection
from voice.server.signals import (
    Action,
    BackendFailed,
    Close,
    Deleted,
    Event,
    Fetch,
    Fetched,
    Keep,
    MessageReceived,
    PieceProduced,
    Send,
    Start,
    Stop,
)

EPISODE_MESSAGES: Final = 400
"""Messages of most episodes, over all of its connections; some have more."""

_CONNECTION_SECONDS: Final = 1000.0
_PIECES: Final = 4
"""Pieces that a response has on average."""


class Step(msgspec.Struct, array_like=True, omit_defaults=True):
    """One thing that happens to connection `client`; `text` is a message or a choice.

    `say` and `say_bytes`: a message arrives (bytes as Latin-1); `produce`, `fail`: the backend
    goes on with the oldest, or the `at`-th, of the responses that it was asked for, even if nobody
    waits for it any more; `answer`: the store answers; `delete`: the `at`-th response of the store
    is deleted; `open`, `close`, `expire`: the connection.
    """

    what: str
    client: int = 0
    at: int = 0
    text: str = ""


@dataclass(eq=False)
class _Side:
    """One connection as its driver and client see it."""

    machine: Connection
    observer: Observer
    backend: list[Start] = field(default_factory=list)
    fetches: deque[str] = field(default_factory=deque)
    over: bool = False


class World:
    """All connections of an episode. Raises `Broken`, or whatever the machine raises."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.sides: dict[int, _Side] = {}
        self.store: dict[str, Settled] = {}
        self._now = 0.0
        self._numbers = itertools.count(1)
        self._machines: list[weakref.ref[Connection]] = []

    def take(self, step: Step) -> None:
        """Let a step happen; one that cannot happen any more does nothing."""
        self._now += 0.001
        if step.what == "open":
            self._open(step.client)
        elif side := self.sides.get(step.client):
            _TAKE[step.what](self, side, step)

    def finish(self) -> None:
        """Let the backend and the store finish, and look whether all is answered; then go."""
        for _ in range(100_000):
            busy = [side for side in self.sides.values() if side.backend or side.fetches]
            if not busy:
                break
            for side in busy:
                if side.fetches:
                    self._answer(side, Step("answer"))
                elif side.backend:
                    self._produce(side, Step("produce", text="end"))
        for side in self.sides.values():
            expect(side.over or side.observer.idle, "unanswered", side.observer.state)
        busy, side = [], None
        self.sides.clear()
        if self._left():
            gc.collect()
        expect(not self._left(), "connections are remembered after their end", self._left())

    def _left(self) -> int:
        return sum(machine() is not None for machine in self._machines)

    def _open(self, client: int) -> None:
        machine = Connection(
            "test-model", self._new_id, 1e9, self._now, connection_seconds=_CONNECTION_SECONDS
        )
        self._machines.append(weakref.ref(machine))
        self.sides[client] = _Side(machine, Observer(client, self.ledger))

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers)}"

    # ── the steps ────────────────────────────────────────────────────────────────────────────

    def _say(self, side: _Side, step: Step) -> None:
        message: str | bytes = step.text
        if step.what == "say_bytes":
            message = step.text.encode("latin-1")
        message = resolved(message, self.ledger.ids)
        if not side.over:
            side.observer.sent(message)
        self._tell(side, MessageReceived(message))

    def _produce(self, side: _Side, step: Step) -> None:
        if side.backend:
            n = step.at % len(side.backend)
            start = side.backend[n]
            piece = _piece(start, step.text)
            if isinstance(piece, Finished):
                del side.backend[n]
            self._tell(side, PieceProduced(start.response_id, piece))

    def _fail(self, side: _Side, step: Step) -> None:
        if side.backend:
            start = side.backend.pop(step.at % len(side.backend))
            self._tell(side, BackendFailed(start.response_id, "server_error", "out of luck"))

    def _answer(self, side: _Side, _: Step) -> None:
        if side.fetches:
            response_id = side.fetches.popleft()
            self._tell(side, Fetched(response_id, self.store.get(response_id)))

    def _delete(self, _: _Side, step: Step) -> None:
        if self.store:
            response_id = list(self.store)[step.at % len(self.store)]
            del self.store[response_id]
            self.ledger.deleted.add(response_id)
            for side in list(self.sides.values()):
                self._tell(side, Deleted(response_id))

    def _expire(self, side: _Side, _: Step) -> None:
        deadline = side.machine.deadline()
        if deadline is not None:
            expect(not side.machine.timeout(deadline - 0.001), "over before its time")
            self._perform(side, side.machine.timeout(deadline))
            expect(side.over, "not over after its time")

    def _close(self, side: _Side, step: Step) -> None:
        del self.sides[step.client]

    # ── what the machine wants ───────────────────────────────────────────────────────────────

    def _tell(self, side: _Side, event: Event) -> None:
        self._perform(side, side.machine.receive(event, self._now))

    def _perform(self, side: _Side, actions: list[Action]) -> None:
        expect(not (side.over and actions), "it goes on after its end", actions)
        for action in actions:
            expect(not side.over, "something after the end", action)
            match action:
                case Send(event):
                    text = encode(event)
                    if side.machine.deadline() is None and '"type":"error"' in text:
                        continue  # the goodbye answers nothing
                    side.observer.got(text)
                case Start():
                    side.backend.append(action)
                case Stop(response_id):
                    expect(response_id in self.ledger.responses, "stops what never began", action)
                case Keep(kept):
                    expect(kept.response.id in self.ledger.responses, "keeps a stranger")
                    self.store[kept.response.id] = kept.settled
                case Fetch(response_id):
                    side.fetches.append(response_id)
                case Close():
                    side.over = True
                case _:
                    raise Broken(f"nobody wanted {action}")


_TAKE: Final[dict[str, Callable[[World, _Side, Step], None]]] = {
    "say": World._say,
    "say_bytes": World._say,
    "produce": World._produce,
    "fail": World._fail,
    "answer": World._answer,
    "delete": World._delete,
    "expire": World._expire,
    "close": World._close,
}


def _piece(start: Start, choice: str) -> Piece:
    """What the backend makes of a prompt; in words it confesses all that it was told."""
    if not start.generate or choice == "end":
        return Finished(5, 2, 3, reached_limit=choice == "limit")
    if choice == "limit":
        return Finished(5, 0, 1, reached_limit=True)
    if choice == "think":
        return ReasoningDelta(" hm")
    if choice == "call":
        return ToolCall("f", '{"seen": ["' + confession(start.prompt) + '"]}')
    return TextDelta(confession(start.prompt) if choice == "confess" else choice)


# ── episodes ─────────────────────────────────────────────────────────────────────────────────


def steps(seed: str, messages: int = EPISODE_MESSAGES) -> Iterator[Step]:
    """The steps of an episode with so many messages, or some times as many."""
    rng = random.Random(seed)
    clients = rng.choice((1, 2, 3, 6, 12))
    talks = [Talk(rng, client, clients) for client in range(clients)]
    for client in range(clients):
        yield Step("open", client)
    left = messages * rng.choice((1, 1, 1, 4))
    haste = rng.choice((0.2, 0.4, 0.6, 0.9, 0.99))
    """How much of what happens are messages: with many of them, they wait."""
    while left:
        client = rng.randrange(clients)
        if rng.random() < haste:
            message = talks[client].message()
            left -= 1
            if isinstance(message, str):
                yield Step("say", client, text=message)
            else:
                yield Step("say_bytes", client, text=message.decode("latin-1"))
        else:
            yield from _what_else(rng, client)


def _what_else(rng: random.Random, client: int) -> Iterator[Step]:
    chance, at = rng.random(), rng.choice((0, 0, rng.randrange(16)))
    if chance < 0.2:
        yield Step("answer", client)
    elif chance < 0.85:
        ends = ("end",) * _PIECES + ("limit",)
        goes_on = ("confess", "confess", "think", "call", "", "🙂", "\x00", rng.choice(WORDS))
        yield Step("produce", client, at, rng.choice(ends + goes_on))
    elif chance < 0.95:
        yield Step("fail", client, at)
    elif chance < 0.995:
        yield Step("delete", client, rng.randrange(1000))
    else:
        yield Step(rng.choice(("expire", "close")), client)
        yield Step("open", client)


def play(episode: Iterable[Step]) -> World:
    """Play an episode to its end. Raises what goes wrong."""
    world = World()
    for step in episode:
        world.take(step)
    world.finish()
    return world


def failure(episode: Iterable[Step]) -> BaseException | None:
    """What goes wrong in an episode."""
    try:
        play(episode)
    except Exception as error:
        return error
    return None


def minimal(episode: list[Step]) -> list[Step]:
    """The part of an episode that it takes for the same kind of failure."""
    wanted = _signature(failure(episode))
    size = len(episode) // 2
    while size:
        at = 0
        while at < len(episode):
            shorter = episode[:at] + episode[at + size :]
            if _signature(failure(shorter)) == wanted:
                episode = shorter
            else:
                at += size
        size //= 2
    return episode


def _signature(error: BaseException | None) -> str:
    if isinstance(error, Broken):
        return str(error).partition(":")[0]
    return type(error).__name__


def written(episode: list[Step]) -> bytes:
    """An episode as lines of JSON, to be read again."""
    return b"\n".join(msgspec.json.encode(step) for step in episode) + b"\n"


def read(lines: bytes) -> list[Step]:
    """An episode that was written."""
    return [msgspec.json.decode(line, type=Step) for line in lines.splitlines() if line]
