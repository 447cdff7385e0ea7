"""Calls in the words of an answer: small models write them so, and their server does not notice.

    {"name": "set_timer", "arguments": {"minutes": 5}}     alone, in a code fence, in <tool_call>

Qwen2.5-Coder does so behind llama-server and Ollama, even where a call is required. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, Final, Literal

from voice.server.backend import TextDelta, ToolCall

_BEGINNINGS: Final = ("{", "[{", "```", "<tool_call>")
_FENCED: Final = re.compile(r"\s*```\w*\s(.*?)(```|\Z)", re.DOTALL)
_TAG: Final = re.compile(r"</?tool_call>")
_decoder: Final = json.JSONDecoder()


class CallFinder:
    """Holds words back that begin as a call does, until the answer's end tells what they are.

    Only calls of tools of these `names` are meant; without any, all words go through.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._stage: Literal["begin", "held", "words"] = "begin" if names else "words"
        self._held = ""

    def feed(self, text: str) -> list[TextDelta]:
        """The words that are surely none."""
        if self._stage == "words":
            return [TextDelta(text)]
        self._held += text
        begun = self._held.lstrip()
        if self._stage == "begin" and begun:
            if begun.startswith(_BEGINNINGS):
                self._stage = "held"
            elif not any(beginning.startswith(begun) for beginning in _BEGINNINGS):
                self._stage, held, self._held = "words", self._held, ""
                return [TextDelta(held)]
        return []

    def end(self) -> list[TextDelta | ToolCall]:
        """What was held back: calls, or words after all."""
        held, self._held = self._held, ""
        calls: list[TextDelta | ToolCall] = [*written_calls(held, self._names)]
        return calls or ([TextDelta(held)] if held else [])


def written_calls(text: str, names: Collection[str]) -> list[ToolCall]:
    """The calls with which the text begins; words behind them explain them, mostly."""
    fenced = _FENCED.match(text)
    rest = fenced[1] if fenced else _TAG.sub("\n", text)
    calls: list[ToolCall] = []
    while rest := rest.lstrip(", ;\r\n\t"):
        try:
            value, end = _decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            break
        found = [_call(one, names) for one in (value if isinstance(value, list) else [value])]
        if None in found:
            break
        calls += [call for call in found if call]
        rest = rest[end:]
    return calls


def _call(value: Any, names: Collection[str]) -> ToolCall | None:
    if not isinstance(value, dict):
        return None
    value = value.get("function", value)
    if not isinstance(value, dict) or value.get("name") not in names:
        return None
    given = value.get("arguments", value.get("parameters", {}))
    arguments = read_arguments(given if isinstance(given, str) else json.dumps(given))
    return None if arguments is None else ToolCall(value["name"], arguments)


def read_arguments(text: str) -> str | None:
    """The arguments of a call as compact JSON text, or None where they are not a JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else None
