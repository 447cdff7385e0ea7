"""What clients say to the server, well formed or not: an endless, seeded stream of messages.

A message may refer to what came of an earlier one, by whichever client: `<<2:17>>` is the id of
the response to the 17th request of client 2, `<<call:2:17>>` that of a call in it. So the stream
depends on its seed alone, and can be played again. Every text of a request has a mark, such as
`mark-2-17;`, which shows in all that is made of it; what is not inherited is marked `rule-2-17;`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

MARK: Final = re.compile(r"(?:mark|rule)-\d+-\d+;")
_NESTED: Final = re.compile(r'"<<([\[{])(\d+)>>"')
REFERENCE: Final = re.compile(r"<<(call:)?(\d+):(\d+)>>")

WORDS: Final = ("slow", "slow", "tool", "think", "fail", "long", "hello", "ünïcödé 🙂", "two tools")
"""What the backend of the tests listens for, and others."""

_LANES: Final = (None, None, None, "a", "b", "c", "d", "a.b-c_d", "L" * 256)
_BAD_LANES: Final = ("", " ", "L" * 257, "ä", "a\n", 7, [], {}, True, "\x00")
_RECENT: Final = 8
"""How far back a request refers to earlier ones."""

_ODDITIES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1.5, 1e308, -1e-320, 2**31, 2**63, -(2**63), 2**64, 10**300, "",
    "\x00", "\ufffe", "🙂" * 9, [], {}, [[]], [None], {"": None}, {"type": None}, "auto",
    "response.create", "message", "function_call", "user", [{"type": "function_call"}], "x" * 5000,
)  # fmt: skip
_SPLINTERS: Final = (
    "NaN", "Infinity", "-Infinity", "1e999", "-", "\\ud800", "\\udc00\\ud800", "\\u0000", "\\x",
    "\x00", "\ufeff", '"', "{", "}", "[", "]", ",", ":", "null", "//", "'", "\\", "1" * 5000,
    "\u2028", "<<0:1>>",
)  # fmt: skip
_NOT_UTF_8: Final = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80")


def resolved(message: str | bytes, ids: Mapping[str, str]) -> str | bytes:
    """A message as it is sent: with the ids of what it refers to, as far as there are any."""

    def known(found: re.Match[str]) -> str:
        return ids.get(found[0], f"unknown_{found[2]}_{found[3]}")

    if isinstance(message, str):
        return REFERENCE.sub(known, message)
    return REFERENCE.sub(known, message.decode("latin-1")).encode("latin-1")


def _dumped(body: Any, ascii_only: bool = True) -> str:
    """As JSON, with what is too deep for Python's own writer."""

    def nested(found: re.Match[str]) -> str:
        opening, depth = found[1], int(found[2])
        if opening == "[":
            return "[" * depth + "]" * depth
        return '{"a": ' * depth + "null" + "}" * depth

    return _NESTED.sub(nested, json.dumps(body, ensure_ascii=ascii_only))


class Talk:
    """What client `client` of `clients` says; requests are numbered from 1."""

    def __init__(self, rng: random.Random, client: int, clients: int) -> None:
        self._rng, self._client, self._clients = rng, client, clients
        self._number = 0
        self._mood = rng.choice(("usual", "usual", "wide", "steering"))
        """Wide: in many lanes. Steering: mostly about what is running."""

    def message(self) -> str | bytes:
        """The next message: half of them are as they should be."""
        body = self._body()
        chance = self._rng.random()
        if chance < 0.5:
            return _dumped(body)
        if chance < 0.8:
            for _ in range(self._rng.choice((1, 1, 2, 5))):
                self._distort(body)
            return _dumped(body, self._rng.random() < 0.5)
        # A splinter may put anything into the input, where it is inherited.
        whole = _dumped(body, ascii_only=False).replace("rule-", "mark-")
        if chance < 0.98:
            return self._splintered(whole)
        text = whole.encode()
        at = self._rng.randrange(len(text))
        return text[:at] + self._rng.choice(_NOT_UTF_8) + text[at:]

    def request(self) -> dict[str, Any]:
        """A request for a response that is as it should be."""
        self._number += 1
        mark = f"mark-{self._client}-{self._number};"
        body: dict[str, Any] = {
            "type": "response.create",
            "model": "m",
            "metadata": {"number": str(self._number)},
            "input": self._input(mark),
        }
        rng = self._rng
        if lane := self._lane():
            body["stream_id"] = lane
        if rng.random() < 0.4:
            body["previous_response_id"] = self._parent()
        if rng.random() < 0.7:
            body["store"] = rng.random() < 0.4
        if rng.random() < 0.1:
            body["generate"] = False
        for key, value in self._settings().items():
            if rng.random() < 0.1:
                body[key] = value
        return body

    # ── as it should be ──────────────────────────────────────────────────────────────────────

    def _body(self) -> dict[str, Any]:
        chance = self._rng.random()
        if chance < (0.5 if self._mood == "steering" else 0.7):
            return self.request()
        if chance < 0.85:
            return self._steering()
        response = self._parent()
        return {"type": "response.cancel", "response_id": response}

    def _steering(self) -> dict[str, Any]:
        self._number += 1
        said = f"Wait, {self._rng.choice(WORDS)} mark-{self._client}-{self._number};"
        given: Any = said
        if self._rng.random() < 0.5:
            given = [{"type": "message", "role": "user", "content": said}]
        return {"type": "response.steer", "previous_response_id": self._parent(), "input": given}

    def _lane(self) -> Any:
        chance = self._rng.random()
        if chance < 0.02:
            return self._rng.choice(_BAD_LANES)
        if chance < (0.8 if self._mood == "wide" else 0.06):
            return f"lane{self._rng.randrange(40)}"
        return self._rng.choice(_LANES)

    def _parent(self) -> str:
        """Mostly one's own latest; sometimes another client's, or none that there is."""
        chance, number = self._rng.random(), self._number - 1
        if chance < 0.05:
            return self._rng.choice(("resp_none", "", "\x00", "resp_" + "9" * 3000, "🙂"))
        client = self._client
        if chance < 0.15:
            client = self._rng.randrange(self._clients)
        elif chance < 0.4:
            number -= self._rng.randrange(_RECENT)
        return f"<<{client}:{max(number, 1)}>>"

    def _input(self, mark: str) -> Any:
        rng = self._rng
        said = f"{rng.choice(WORDS)} {mark}"
        chance = rng.random()
        if chance < 0.4:
            return said
        message = {"type": "message", "role": "user", "content": said}
        if chance < 0.55:
            return [{"role": "user", "content": [{"type": "input_text", "text": said}]}]
        if chance < 0.88:
            return [*(self._item() for _ in range(rng.randrange(4))), message]
        if chance < 0.96:
            return [self._output(), message]
        return [self._output()]

    def _item(self) -> dict[str, Any]:
        rng = self._rng
        role = rng.choice(("user", "assistant", "system", "developer"))
        parts = [{"type": "text", "text": " and"}, "so"]
        items: tuple[dict[str, Any], ...] = (
            {"role": role, "content": rng.choice(WORDS)},
            {"type": "message", "role": "user", "content": parts},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"text": "hm"}]},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "id": "call_2", "name": "f", "arguments": self._nested()},
            {"type": "message", "role": "user", "content": [{"type": "input_image", "url": "x"}]},
            {"type": "item_reference", "id": "msg_1"},
            {"type": "compaction", "encrypted_content": "gAAAAA"},
            {"type": "compaction_trigger"},
        )
        return rng.choices(items, (99, 30, 30, 30, 10, 3, 3, 3, 3))[0]

    def _output(self) -> dict[str, Any]:
        number = max(self._number - 1 - self._rng.randrange(2), 1)
        known = f"<<call:{self._client}:{number}>>"
        call_id = self._rng.choice((known, known, known, "call_1", "call_none"))
        return {"type": "function_call_output", "call_id": call_id, "output": "done"}

    def _settings(self) -> dict[str, Any]:
        rng, rule = self._rng, f"rule-{self._client}-{self._number};"
        tool = {"type": "function", "name": "f", "description": rule, "parameters": {}}
        return {
            "instructions": f"Be brief. {rule}",
            "tools": [tool, {"type": "web_search"}],
            "tool_choice": rng.choice(("auto", "auto", "none", "required", "sometimes")),
            "parallel_tool_calls": False,
            "temperature": rng.choice((0, 0.5, 1, 1.5, 2, 3)),
            "top_p": 0.9,
            "max_output_tokens": rng.choice((1, 2, 50, 1000, 0, 1 << 40)),
            "text": {"format": {"type": rng.choice(("text", "text", "json_object", "yaml"))}},
            "truncation": rng.choice(("auto", "disabled")),
            "reasoning": {"effort": "low"},
            "context_management": [
                {"type": "compaction", "compact_threshold": rng.choice((5, 1000, 10**6))}
            ],
            "stop": rng.choice(("\n", ["a", "b"])),
            "stream": True,
            "unheard_of": {"of": [rule]},
            "user": "somebody",
        }

    # ── as it should not be ──────────────────────────────────────────────────────────────────

    def _distort(self, body: dict[str, Any]) -> None:
        """Change one thing, wherever in the body: its type, its name, whether it is there."""
        rng = self._rng
        place: Any = body
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                return
            key = rng.choice(keys)
            if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.7:
                place = place[key]
                continue
            break
        chance = rng.random()
        if chance < 0.15:
            del place[key]
        elif chance < 0.25 and isinstance(place, dict):
            place[rng.choice(("", "type", "id", "x", "\x00"))] = place.pop(key)
        elif chance < 0.32 and body.get("type") != "response.cancel":
            place[key] = self._nested()  # (of a cancel nobody could say whether it was read)
        elif chance < 0.40:
            place[key] = [deepcopy(place[key]) for _ in range(rng.choice((1, 2, 40)))]
        else:
            place[key] = deepcopy(rng.choice(_ODDITIES))

    def _nested(self) -> str:
        """Stands for something nested more or less deeply, up to more than can be read."""
        rng = self._rng
        depth = rng.choice((2, 20, 60, 100, 800, rng.randrange(900, 1000), 5000))
        return f"<<{rng.choice('[{')}{depth}>>"

    def _splintered(self, text: str) -> str:
        """Text that is not the JSON that it was."""
        ways = (_inserted, _cut, _left_out, _replaced, _doubled, _unending, _other)
        return self._rng.choices(ways, (6, 3, 2, 2, 2, 1, 4))[0](text, self._rng)


def _inserted(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(_SPLINTERS) + text[at:]


def _cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text))]


def _left_out(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + text[rng.randrange(at, len(text)) + 1 :]


def _replaced(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + chr(rng.randrange(0x20, 0x3000)) + text[at + 1 :]


def _doubled(text: str, rng: random.Random) -> str:
    """A key twice: the last one counts."""
    key = rng.choice(("type", "stream_id", "previous_response_id", "input", "store", "x"))
    return f'{text[:-1]}, "{key}": {json.dumps(rng.choice(_ODDITIES))}}}'


def _unending(_: str, rng: random.Random) -> str:
    depth = rng.choice((500, 5000, 100_000))
    return '{"type": "response.create", "input": ' + rng.choice(("[", '{"a":')) * depth


def _other(text: str, rng: random.Random) -> str:
    others = ("", " ", "null", "0", "[]", "{}", '"response.create"', '{"type": 7}', "\x00")
    around = (text + text, f"[{text}]", f" \n\t{text}\r\n ", text + "\x00")
    return rng.choice((*others, '{"type": "session.update"}', *around))
