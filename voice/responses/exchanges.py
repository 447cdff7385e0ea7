"""A recorded conversation with a server as requests and what each was answered with. Pure.

A request is told from others by the user's words and the tools' outputs in it. Words that were sent
ahead belong to the request that continues from them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from voice.responses.recording import Message

LEAST_LIKENESS = 0.4
"""Of the words of a request and a recorded one that stands for it: from 0 to 1 (the same)."""


@dataclass(slots=True)
class Exchange:
    """A request for an answer, by its words, and the messages that came for it."""

    steers: bool
    words: str
    asked_at: float
    answers: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """Seconds after the request, and the message."""


class Words:
    """What the requests of a conversation say, along their chains."""

    def __init__(self) -> None:
        self._ahead: dict[str, str] = {}

    def of(self, request: dict[str, Any]) -> str:
        """The words of a request, and of those before it that were only to be read."""
        before = self._ahead.get(request.get("previous_response_id") or "", "")
        return f"{before} {_new_words(request.get('input', []))}".strip()

    def read(self, response_id: str, words: str) -> None:
        """The response to a request that was only to be read has this name."""
        self._ahead[response_id] = words


def _new_words(items: list[dict[str, Any]]) -> str:
    """What was said or found out since the assistant's last words."""
    new: list[str] = []
    for item in items:
        if item.get("role") == "assistant":
            new = []
        new.append(str(item.get("output") or item.get("content") or ""))
    if new and items[-1].get("role") == "assistant":
        new = []
    return " ".join(" ".join(new).split())


class Recorded:
    """The exchanges that have not been given back yet."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._left: list[Exchange] = []
        self._words = Words()
        self._open: dict[tuple[int, str], Exchange] = {}
        self._reading: dict[tuple[int, str], str] = {}
        self._lanes: dict[str, str] = {}
        self._latest: dict[int, Exchange] = {}
        for message in messages:
            if message.sent:
                self._send(message, _decoded(message.sent))
            else:
                self._receive(message, _decoded(message.received))

    def take(self, words: str, *, steers: bool = False) -> Exchange | None:
        """The exchange with these words, else the one with the most alike; it is given once."""

        def likeness(exchange: Exchange) -> float:
            if exchange.words == words:
                return 2.0  # the first of the same
            return difflib.SequenceMatcher(None, exchange.words.lower(), words.lower()).ratio()

        able = [exchange for exchange in self._left if exchange.steers == steers]
        found = max(able, key=likeness, default=None)
        if found is None or likeness(found) < LEAST_LIKENESS:
            return None
        self._left.remove(found)
        return found

    def _send(self, message: Message, request: dict[str, Any]) -> None:
        words = self._words.of(request)
        lane = str(request.get("stream_id", ""))
        if request.get("type") == "response.steer":
            lane = self._lanes.get(str(request.get("previous_response_id")), "")
        elif request.get("type") != "response.create":
            return
        if request.get("generate") is False:
            self._open.pop((message.link, lane), None)
            self._reading[message.link, lane] = words
            return
        self._reading.pop((message.link, lane), None)
        exchange = Exchange(request["type"] == "response.steer", words, message.at)
        self._open[message.link, lane] = self._latest[message.link] = exchange
        self._left.append(exchange)

    def _receive(self, message: Message, event: dict[str, Any]) -> None:
        where = message.link, str(event.get("stream_id", ""))
        if name := (event.get("response") or {}).get("id"):
            self._lanes[name] = where[1]
            if where in self._reading:
                self._words.read(name, self._reading[where])
        if where in self._reading or not event:
            return
        exchange = self._open.get(where) or (None if where[1] else self._latest.get(message.link))
        if exchange:
            exchange.answers.append((message.at - exchange.asked_at, event))


def _decoded(text: str) -> dict[str, Any]:
    """A message that is a JSON object; all others are left out."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError):
        return {}
