"""How long the first words of an answer take while a conversation grows, by the way of asking.

One conversation is held over a WebSocket, turn by turn; the model itself writes its answers. Before
some of its turns the next question is asked in every way, with the very same conversation before
it: only the question differs from one measurement to the next, for a second time the same one
would be found in the model's cache to its end.

    websocket     on a lane of its own, continuing the last response; `store: false`
    previous_id   over HTTP, continuing the same response, which the server has stored
    warm          over HTTP with the whole conversation, and the model's cache holds all but the
                  question: the best that HTTP can do
    cold          the same with instructions that begin with another word, so that the cache holds
                  nothing of it: what a server sees that a load balancer chose

Tools are in all requests but none may be called: whether one is due is decided alike in all ways.
"""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from scripts.benchmarks.figures import kept, rounded
from scripts.benchmarks.responses_caller import toolbox
from scripts.benchmarks.server_figures import first_token_ratios, ratios_to_warm
from scripts.benchmarks.server_ways import Answered, HttpWay, WebSocketWay, http_way, websocket_way

_INSTRUCTIONS = (
    "You are the voice of a friendly household assistant. What you write is spoken aloud by a "
    "machine, so answer in two or three whole sentences of plain words, without lists, markup, "
    "headings or emoji. Be warm but brief, say only what you know, and admit it when you do not "
    "know something. Speak as people do in a kitchen, not as books do. When somebody only chats, "
    "chat along and do not offer services that nobody asked for. Use a function only where the "
    "user clearly asks for what it does. Units are metric, and times are given as people say them. "
    "Never read out addresses, codes or long numbers."
)
"""A hundred words."""

_COLD_INSTRUCTIONS = _INSTRUCTIONS.removesuffix("Never read out addresses, codes or long numbers.")
"""Ten tokens less: of two strangers the shorter loses its slot, and that shall be the cold one
before, not the conversation, which would have to be read anew."""

_NAMES = (
    "Anna", "Bruno", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida", "Jonas", "Karla",
    "Leo", "Mia", "Noah", "Olga", "Paul", "Rosa", "Simon", "Tina", "Uwe", "Vera", "Willi", "Zoe",
)  # fmt: skip
_SUBJECTS = (
    "the old stone bridge by the river", "my grandmother's apple tree", "the long winter up north",
    "a quiet night beside the sea", "the first train in the morning", "bread from a wood oven",
    "the small town where I grew up", "a dog that is afraid of rain", "the smell of a wet garden",
    "letters written by hand", "the stars above the mountains", "a market on a summer morning",
    "learning to ride a bicycle", "the sound of an empty church", "tea with too much sugar",
    "the last day of a holiday", "swimming in a cold lake", "a cat that sleeps all day",
    "the colours of an autumn forest", "music from the neighbour's window",
)  # fmt: skip

_ANSWER_TOKENS = 32
"""About 25 words."""

_FIRST_TOKENS = 4
"""Of an answer of which only the beginning counts."""

_COLD_WORDS = ("Today", "Now", "Here", "Again", "Always", "Often", "Perhaps", "Well")


def question(number: int) -> str:
    """Some fifteen words for which no tool is due, the first already other than the last time."""
    name, subject = _NAMES[number % len(_NAMES)], _SUBJECTS[number % len(_SUBJECTS)]
    return f"{name} asked about {subject}; what do you say, in three sentences?"


@dataclass(frozen=True, slots=True)
class Plan:
    """At which turns the ways are compared, and how often.

    In each round the ways with a warm cache are taken `warm_repeats` times, in turn, and the cold
    one once.
    """

    turns: Sequence[int] = (1, 10, 50)
    rounds: int = 5
    warm_repeats: int = 3


@dataclass(slots=True)
class _Talk:
    """The conversation so far: its items, and the response that it can be continued from."""

    items: list[dict[str, Any]] = field(default_factory=list)
    last_id: str | None = None


def measure_talk(url: str, key: str, plan: Plan) -> dict[str, Any]:
    """The figures of one conversation with the server at `url`."""
    with websocket_way(url, key) as socket:
        ways = _Ways(socket, partial(http_way, url, key))
        ways.begin()
        by_turn: list[Answered] = []
        compared: dict[int, dict[str, list[Answered]]] = {}
        for turn in range(1, max(plan.turns) + 1):
            if turn in plan.turns:
                compared[turn] = ways.compare(plan)
            by_turn.append(ways.go_on(question(turn)))
    return _figures(compared, by_turn)


class _Ways:
    """One conversation, and every way to ask for its next turn."""

    def __init__(
        self, socket: WebSocketWay, open_http: Callable[[], AbstractContextManager[HttpWay]]
    ) -> None:
        self._socket, self._open_http = socket, open_http
        self._talk = _Talk()
        self._tools = toolbox().definitions()
        self._numbers = itertools.count(100)
        self._cold_words = itertools.cycle(_COLD_WORDS)

    def begin(self) -> None:
        """Let instructions and tools be read, as the program does when it has connected."""
        fields = self._fields([], previous_response_id=None)
        self._talk.last_id = self._socket.ask({**fields, "generate": False, "store": True}).id

    def go_on(self, text: str) -> Answered:
        """The conversation's next turn; stored, so that HTTP can continue from it, too."""
        said = _said("user", text)
        fields = self._continuing([said], max_output_tokens=_ANSWER_TOKENS)
        answered = self._socket.ask({**fields, "store": True, "stream_id": "talk"})
        self._talk.items += [said, _said("assistant", answered.text)]
        self._talk.last_id = answered.id
        return answered

    def compare(self, plan: Plan) -> dict[str, list[Answered]]:
        """Ask for the next turn in every way, and do not go on from there."""
        answers: dict[str, list[Answered]] = defaultdict(list)
        ways = [
            ("websocket", self._over_websocket),
            ("previous_id", self._over_http_by_id),
            ("warm", self._over_http_whole),
        ]
        for _ in range(plan.rounds):
            self._warm()
            with self._open_http() as http:
                for _ in range(plan.warm_repeats):
                    for name, ask in ways:
                        self._warm()
                        answers[name].append(ask(http))
                    ways.append(ways.pop(0))
                answers["cold"].append(self._over_http_cold(http))
        self._warm()
        assert all(one.text for way in answers.values() for one in way), "an answer has no words"
        return answers

    # ── the ways ─────────────────────────────────────────────────────────────────────────────

    def _warm(self) -> None:
        """Let the model have in its cache all of the conversation, and nothing but that."""
        self._socket.ask({**self._continuing([]), "generate": False, "stream_id": "warm"})

    def _over_websocket(self, _: HttpWay) -> Answered:
        return self._socket.ask({**self._continuing([self._asked()]), "stream_id": "asked"})

    def _over_http_by_id(self, http: HttpWay) -> Answered:
        return http.ask({**self._continuing([self._asked()]), "store": True})

    def _over_http_whole(self, http: HttpWay) -> Answered:
        return http.ask(self._fields([*self._talk.items, self._asked()]))

    def _over_http_cold(self, http: HttpWay) -> Answered:
        fields = self._fields([*self._talk.items, self._asked()])
        word = next(self._cold_words)
        return http.ask({**fields, "instructions": f"{word}: {_COLD_INSTRUCTIONS}"})

    def _asked(self) -> dict[str, Any]:
        return _said("user", question(next(self._numbers)))

    def _continuing(self, new: Sequence[Mapping[str, Any]], **given: Any) -> dict[str, Any]:
        return self._fields(new, previous_response_id=self._talk.last_id, **given)

    def _fields(self, new: Sequence[Mapping[str, Any]], **given: Any) -> dict[str, Any]:
        return {
            "model": "local",
            "input": list(new),
            "instructions": _INSTRUCTIONS,
            "tools": self._tools,
            "tool_choice": "none",
            "store": False,
            "temperature": 0,
            "max_output_tokens": _FIRST_TOKENS,
            **given,
        }


def _said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


# ── figures ──────────────────────────────────────────────────────────────────────────────────


def _figures(
    compared: Mapping[int, Mapping[str, Sequence[Answered]]], by_turn: Sequence[Answered]
) -> dict[str, Any]:
    seconds = {
        way: {turn: [one.first_seconds for one in of[way]] for turn, of in compared.items()}
        for way in compared[min(compared)]
    }
    figures = first_token_ratios(seconds)
    for way, of_way in seconds.items():
        for turn, times in of_way.items():
            figures[f"first_token_ms_{way}_turn_{turn}"] = _ms(statistics.median(times))
    for way in ("websocket", "warm"):
        answers = compared[max(compared)][way]
        figures[f"bytes_sent_{way}_turn_{max(compared)}"] = _median(answers, "sent_bytes")
    figures["first_token_by_way"] = {
        way: {turn: _detail(answers[way]) for turn, answers in compared.items()} for way in seconds
    }
    figures["first_token_ms_of_each_turn"] = [_ms(one.first_seconds) for one in by_turn]
    figures["tokens_computed_of_each_turn"] = [
        one.input_tokens - one.cached_tokens for one in by_turn
    ]
    return figures | {"samples": _samples(seconds)}


def _samples(seconds: Mapping[str, Mapping[int, Sequence[float]]]) -> dict[str, list[float]]:
    """What lies behind the figures, by way and turn: in ms, and ratios."""
    last = max(seconds["websocket"])
    to_warm = ratios_to_warm(seconds["websocket"][last], seconds["warm"][last])
    samples = {
        f"first_token_ms_{way}_turn_{turn}": kept(times, 1e3)
        for way, of_way in seconds.items()
        for turn, times in of_way.items()
    }
    return samples | {"first_token_websocket_to_warm": kept(to_warm)}


def _detail(answers: Sequence[Answered]) -> dict[str, Any]:
    """What proves what happened: tokens as the server counted them, bytes, and every time."""
    return {
        "input_tokens": _median(answers, "input_tokens"),
        "cached_tokens": _median(answers, "cached_tokens"),
        "least_cached_tokens": min(one.cached_tokens for one in answers),
        "most_cached_tokens": max(one.cached_tokens for one in answers),
        "sent_bytes": _median(answers, "sent_bytes"),
        "ms": [_ms(one.first_seconds) for one in answers],
    }


def _median(answers: Sequence[Answered], name: str) -> float:
    return float(statistics.median(getattr(one, name) for one in answers))


def _ms(seconds: float) -> float | None:
    return rounded(seconds * 1e3, 1)
