"""Whether the model wants to call a tool, read from its own probabilities.

Two signals, each cheap. Where the answer begins, the probability that it begins with a brace; and
after `{"name": "`, the probability that the name is one of the tools that there are. The second
tells far better: asked for a joke, a small model likes to begin a call, but of a function `joke`.

Measured with the 0.5 B model on 26 spoken sentences, a call being due in 10, each asked alone,
after talk, and after a call (which makes the next call likelier): where a call was due the product
of both odds was 130 and more, except for "What's the date?" (4 to 6, but 3,000 after a call). Where
none was due it was at most 20, except for "Get me an iced mocha …" (700 to 1,500). The sentences
were looked at while the threshold was chosen, so expect less of others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Final

from voice.server.backend import Tool

CANDIDATE_PROBABILITY: Final = 0.01
"""Below this an answer that begins with a brace is not looked at again: it costs no time."""

LEAST_ODDS: Final = 32.0
"""The product of both odds from which on a tool is called; see above."""

BRACES: Final = ("{", '{"', ' {"', "{\n")
"""Tokens that a call can begin with."""

_FLOOR: Final = 1e-4


def begins_call(probabilities: Mapping[str, float]) -> float:
    """The probability that the next token begins a call, given those of the likeliest tokens."""
    return sum(p for token, p in probabilities.items() if token.strip().startswith("{"))


def names_tool(probabilities: Mapping[str, float], tools: Iterable[Tool]) -> float:
    """The probability that the next token begins the name of one of the tools."""
    names = [tool.name for tool in tools]
    return sum(
        p
        for token, p in probabilities.items()
        if token and any(name.startswith(token) or token.startswith(f'{name}"') for name in names)
    )


def is_call(call_probability: float, name_probability: float) -> bool:
    """Whether a tool shall be called."""
    return _odds(call_probability) * _odds(name_probability) >= LEAST_ODDS


def name_grammar(tools: Iterable[Tool]) -> str:
    """A grammar (llguidance, Lark form) of the tools' names with the quote that ends them."""
    names = " | ".join(json.dumps(f'{tool.name}"') for tool in tools)
    return f"%llguidance {{}}\nstart: {names}\n"


def arguments_schemas(tool: Tool) -> list[dict[str, object]]:
    """The JSON schema of the tool's arguments, and one of only those that are required.

    The second is for the case that the model does not find an end in an optional text. Blanks are
    fixed to those of the examples: free ones are another thing that does not have to end.
    """
    blanks = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    whole = {**tool.parameters, "type": "object", "x-guidance": blanks}
    properties, required = whole.get("properties"), whole.get("required")
    if not isinstance(properties, dict):
        return [whole]
    names = required if isinstance(required, list) else []
    least = {name: schema for name, schema in properties.items() if name in names}
    return [whole] if least == properties else [whole, {**whole, "properties": least}]


def valid_arguments(text: str) -> str | None:
    """The arguments as compact JSON text, or None where they are not a JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else None


def _odds(probability: float) -> float:
    clipped = min(max(probability, _FLOOR), 1 - _FLOOR)
    return clipped / (1 - clipped)


def probabilities(logprobs: Iterable[Mapping[str, object]]) -> dict[str, float]:
    """Of llama.cpp's `top_logprobs` list: what token has what probability."""
    found: dict[str, float] = {}
    for entry in logprobs:
        token, logprob = entry.get("token"), entry.get("logprob")
        if isinstance(token, str) and isinstance(logprob, int | float):
            found[token] = found.get(token, 0.0) + math.exp(logprob)
    return found
