"""Whether the model wants to call a tool, read from its own probabilities; and its grammars.

Two signals, each cheap. Where the answer begins, the probability that it begins with a brace; and
after `{"name": "`, the probability that what follows is the whole name of a tool that there is.
The second tells far better: asked for a joke, a small model likes to begin a call, but of a
function `joke`.

After a call the same two tell whether another one follows. Small models nearly always want to end
there, so what counts is how much less sure of it they are: the probability of another brace was
0.000007 and more where two things had been asked for, at most 0.00004 where it was one (median:
none at all), and the name of the second tool was then 0.99 sure against mostly less than 0.9.

All measured with the 0.5 B and the 1.5 B model on `tests/data/commands.json`, its sets `tuning` and
`talk`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from voice.server.backend import Tool

CANDIDATE_PROBABILITY: Final = 0.002
"""Below this an answer that begins with a brace is not looked at again: it costs no time."""

LEAST_ODDS: Final = 1.0
"""The product of both odds from which on a tool is called. For 52 sentences of talk the 1.5 B model
had at most 0.4 ("Could you repeat that?"), for a command 4 and more."""

LEAST_ODDS_OF_SMALL: Final = 3.2
"""The same for small models, which are less clear: the 0.5 B model had up to 5 for talk ("My name
is Tom and I live in Boston") and down to 0.2 for a command ("Will it rain in London tomorrow?")."""

SMALL_MODEL_BYTES: Final = 800_000_000
"""Weights below this are those of a small model."""

ANOTHER_CANDIDATE_PROBABILITY: Final = 5e-6
"""As `CANDIDATE_PROBABILITY`, after a call."""

LEAST_ODDS_OF_ANOTHER: Final = 1e-3
"""As `LEAST_ODDS`, after a call."""

BRACES: Final = ("{", '{"', ' {"', "{\n")
"""Tokens that a call can begin with."""

PROOF: Final = "@"
"""What a text begins with under `proof_grammar`; no answer does by itself."""

_FLOOR: Final = 1e-4
_FLOOR_OF_ANOTHER: Final = 1e-7

_BLANKS: Final = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""Those of the examples: free ones are a thing that does not have to end."""

# ── what the model wants ─────────────────────────────────────────────────────────────────────


def begins_call(probabilities: Mapping[str, float]) -> float:
    """The probability that the next token begins a call, given those of the likeliest tokens."""
    return sum(p for token, p in probabilities.items() if token.strip().startswith("{"))


def names_tool(probabilities: Mapping[str, float], tools: Iterable[Tool], begun: str = "") -> float:
    """The probability that the next token goes on with the name of a tool, `begun` being there."""
    quoted = [f'{tool.name}"' for tool in tools]
    rests = [name[len(begun) :] for name in quoted if name.startswith(begun)]
    return sum(
        p
        for token, p in probabilities.items()
        if token and any(rest.startswith(token) or token.startswith(rest) for rest in rests)
    )


def is_call(call_probability: float, name_probability: float, least_odds: float) -> bool:
    """Whether a tool shall be called."""
    return _odds(call_probability, _FLOOR) * _odds(name_probability, _FLOOR) >= least_odds


def least_odds(weights_bytes: int) -> float:
    """From which on a model of this size calls a tool."""
    return LEAST_ODDS_OF_SMALL if weights_bytes < SMALL_MODEL_BYTES else LEAST_ODDS


def is_another(call_probability: float, name_probability: float) -> bool:
    """Whether after a call a tool shall be called once more."""
    odds = _odds(call_probability, _FLOOR_OF_ANOTHER) * _odds(name_probability, _FLOOR)
    return odds >= LEAST_ODDS_OF_ANOTHER


def _odds(probability: float, floor: float) -> float:
    clipped = min(max(probability, floor), 1 - _FLOOR)
    return clipped / (1 - clipped)


def probabilities(logprobs: Iterable[Mapping[str, object]]) -> dict[str, float]:
    """Of llama.cpp's `top_logprobs` list: what token has what probability."""
    found: dict[str, float] = {}
    for entry in logprobs:
        token, logprob = entry.get("token"), entry.get("logprob")
        if isinstance(token, str) and isinstance(logprob, int | float):
            found[token] = found.get(token, 0.0) + math.exp(logprob)
    return found


# ── grammars (llguidance, Lark form) ─────────────────────────────────────────────────────────


def name_grammar(tools: Iterable[Tool]) -> str:
    """The tools' names with the quote that ends them."""
    return _grammar(" | ".join(json.dumps(f'{tool.name}"') for tool in tools))


def arguments_grammars(tool: Tool) -> list[str]:
    """The arguments and the brace that ends the call, the most exact grammar first.

    The second has only the arguments that are required, for the case that the model does not find
    an end in an optional text. The last takes any object: a grammar that llama.cpp cannot read is
    none at all. The brace belongs to it because models write it in one token with what is before.
    """
    whole = {"additionalProperties": False, **tool.parameters, "type": "object"}
    properties, required = whole.setdefault("properties", {}), whole.get("required")
    schemas = [whole]
    if isinstance(properties, dict):
        names = required if isinstance(required, list) else []
        least = {name: schema for name, schema in properties.items() if name in names}
        if least != properties:
            schemas.append({**whole, "properties": least})
    return [_grammar(f'{_json(schema)} "}}"') for schema in [*schemas, {"type": "object"}]]


def text_grammar(schema: Mapping[str, Any]) -> str:
    """JSON that follows a schema."""
    return _grammar(_json(schema))


def proof_grammar(schema: Mapping[str, Any]) -> str:
    """The same after `PROOF`: where that is not written, llama.cpp could not read the schema.

    It says so nowhere else, but goes on without a grammar.
    """
    return _grammar(f"{json.dumps(PROOF)} {_json(schema)}")


def _grammar(start: str) -> str:
    return f"%llguidance {{}}\nstart: {start}\n"


def _json(schema: Mapping[str, Any]) -> str:
    return "%json " + json.dumps({**schema, "x-guidance": _BLANKS})


# ── arguments ────────────────────────────────────────────────────────────────────────────────

NO_ARGUMENTS: Final = "{}"

_EMPTY: Final = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def takes_nothing(tool: Tool) -> bool:
    """Whether `NO_ARGUMENTS` is all that it can be called with: nobody need ask the model."""
    return all(_EMPTY.get(key) == value for key, value in tool.parameters.items())


def valid_arguments(text: str, tool: Tool) -> str | None:
    """The arguments as compact JSON text, or None where they are not a JSON object.

    An optional text that only repeats the name of its parameter ("your_label_here") is left out,
    and numbers are whole where only rounding made them something else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    required = tool.parameters.get("required")
    names = required if isinstance(required, list) else []
    kept = {
        name: _whole(argument)
        for name, argument in value.items()
        if name in names or not _repeats(argument, name)
    }
    return json.dumps(kept, ensure_ascii=False)


_PLACEHOLDER: Final = re.compile(r"[a-z]+(_[a-z]+)+")


def _repeats(value: object, name: str) -> bool:
    return isinstance(value, str) and bool(_PLACEHOLDER.fullmatch(value)) and name in value


def _whole(value: object) -> object:
    if isinstance(value, float) and math.isfinite(value) and abs(value - round(value)) < 1e-9:
        return round(value)
    return value
