"""A conversation as text for Qwen2.5 instruct models: ChatML, with tools shown by example.

    system: the request's instructions, then the tools and how to call them
    a few exchanges that show when a tool is called, when two are and when none
    the conversation

Small models do what they are shown rather than what they are told. The examples are exchanges in
the chat itself, made from the tools' own schemas, so they work for any tools. With examples inside
the system message, the 0.5 B model called a tool for "good morning" and "I am a bit tired"; with
these it does not. Everything before the conversation stays the same from turn to turn, so its
key-value prefix is computed once.

Consecutive messages of the user are one turn: this is how committed words arrive while the user
still speaks, and the prefix stays valid when more of them come.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from voice.server.backend import Call, CallOutput, Item, Message, Prompt, Tool

TURN_START: Final = "<|im_start|>"
CALL_START: Final = '{"name": "'
ARGUMENTS_START: Final = '", "arguments": '

_RULE: Final = (
    "Whenever a function does or tells what the user asks for, answer with nothing but a call: "
    '{"name": ..., "arguments": {...}}. Two things asked for are two calls, each on a line of its '
    "own. Only what no function can do you answer in plain words."
)
_SHOWN_TOOLS: Final = 8
"""Tools shown by example: each costs some 40 tokens of context. Small models prefer those that
they have seen called."""

_QUOTED: Final = re.compile(r'"([^"]{1,40})"')
"""A description such as `how long, for example "5 minutes"` gives the best example itself."""

_GREETING: Final = (("Hi there!", "Hello! Nice to hear from you."),)
_TALK: Final = (
    (
        ("I had a long day.", "That sounds tiring. I hope you can rest now."),
        (
            "Tell me something about the sea.",
            "The sea covers most of the earth, and most of it has never been seen.",
        ),
    ),
    (("I am Tom.", "Nice to meet you, Tom."), ("Thanks.", "You are welcome.")),
    (
        ("My brother came to see us on Sunday.", "How lovely! Did you have a good time?"),
        ("The book was so good that I read it twice.", "It must be a wonderful book."),
    ),
)
"""After the first examples of a call, two each where none is due: a remark, a request, a name, a
courtesy, news. Without the last two, the 0.5 B model answered statements with calls."""


def render(prompt: Prompt) -> str:
    """The prompt for an answer: it ends where the assistant's words begin."""
    return _head(prompt) + "".join(_turns(prompt.items)) + f"{TURN_START}assistant\n"


def render_open(prompt: Prompt) -> str:
    """The prompt as far as it is certain while more may come: the last turn is not closed."""
    return (_head(prompt) + "".join(_turns(prompt.items))).removesuffix("<|im_end|>\n")


def callable_tools(prompt: Prompt) -> tuple[Tool, ...]:
    """The tools that may be called now.

    Where the choice is the model's, one that has answered since the user spoke is not called
    again: small models go on calling it instead of saying what it returned.
    """
    if prompt.tool_choice == "required":
        return prompt.tools
    if prompt.tool_choice != "auto":
        return tuple(tool for tool in prompt.tools if tool.name == prompt.tool_choice)
    called: set[str] = set()
    for item in prompt.items:
        if isinstance(item, Call):
            called.add(item.name)
        elif isinstance(item, Message) and item.role == "user":
            called.clear()
    return tuple(tool for tool in prompt.tools if tool.name not in called)


def call_text(name: str, arguments: str) -> str:
    """A call as the model writes it."""
    return f"{CALL_START}{name}{ARGUMENTS_START}{arguments}}}"


# ── the head ─────────────────────────────────────────────────────────────────────────────────


def _head(prompt: Prompt) -> str:
    system = _safe(prompt.instructions) or "You are a helpful assistant."
    if prompt.schema is not None:
        system += f"\n\nAnswer with nothing but JSON of this schema: {json.dumps(prompt.schema)}"
    if not prompt.tools:
        return _turn("system", system)
    listed = "\n".join(_signature(tool) for tool in prompt.tools)
    system = f"{system}\n\nYou have these functions:\n{listed}\n{_RULE}"
    return _turn("system", system) + "".join(_examples(prompt.tools))


def _signature(tool: Tool) -> str:
    """For example `dim(lamp, percent?): Dim a lamp. percent: how bright.`"""
    required = _required(tool)
    names = [name if name in required else f"{name}?" for name in _properties(tool)]
    told = [f" {name}: {'; '.join(parts)}." for name, parts in _parameters(tool) if parts]
    description = " ".join(tool.description.split())
    return _safe(f"{tool.name}({', '.join(names)}): {description}{''.join(told)}")


def _parameters(tool: Tool) -> Iterable[tuple[str, list[str]]]:
    for name, schema in _properties(tool).items():
        parts = []
        if isinstance(schema, dict):
            if description := " ".join(str(schema.get("description", "")).split()):
                parts.append(description.rstrip("."))
            if isinstance(choices := schema.get("enum"), list):
                parts.append("one of " + ", ".join(map(str, choices)))
        yield name, parts


def _examples(tools: Sequence[Tool]) -> Iterable[str]:
    """A call of each tool, and early among them a request for two; the last is never that."""
    yield from _exchanges(_GREETING)
    shown = tools[:_SHOWN_TOOLS]
    for n, tool in enumerate(shown):
        yield from _asked(_request(tool), _example_call(tool))
        if n == 0:
            yield from (_outputs('{"result": "blue"}'), _turn("assistant", "It is blue."))
        if n < len(_TALK):
            yield from _exchanges(_TALK[n])
        if n == 1:
            first, other = shown[0], shown[-1]
            both = f"{_request(first)} and {_uncapitalized(_request(other))}"
            yield from _asked(both, f"{_example_call(first)}\n{_example_call(other)}")
            outputs = _outputs('{"result": "blue"}', '{"result": "red"}')
            yield from (outputs, _turn("assistant", "It is blue and red."))


def _asked(request: str, answer: str) -> Iterable[str]:
    yield _turn("user", _safe(f"{request}, please."))
    yield _turn("assistant", _safe(answer))


def _request(tool: Tool) -> str:
    request = _first_sentence(tool.description) or tool.name.replace("_", " ")
    arguments = _example_arguments(tool)
    return request + "".join(f", {value} {name}" for name, value in arguments.items())


def _example_call(tool: Tool) -> str:
    return call_text(tool.name, json.dumps(_example_arguments(tool)))


def _uncapitalized(text: str) -> str:
    return text[:1].lower() + text[1:]


def _exchanges(pairs: Iterable[tuple[str, str]]) -> Iterable[str]:
    for user, assistant in pairs:
        yield _turn("user", user)
        yield _turn("assistant", assistant)


def _properties(tool: Tool) -> dict[str, Any]:
    properties = tool.parameters.get("properties")
    return properties if isinstance(properties, dict) else {}


def _required(tool: Tool) -> list[Any]:
    required = tool.parameters.get("required")
    return required if isinstance(required, list) else []


def _example_arguments(tool: Tool) -> dict[str, Any]:
    """Plausible values of the required arguments."""
    schemas = _properties(tool)
    return {
        name: _example_value(schemas[name])
        for name in _required(tool)
        if isinstance(name, str) and name in schemas
    }


def _example_value(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return "tea"
    choices, kind = schema.get("enum"), schema.get("type")
    if isinstance(choices, list) and choices:
        return choices[0]
    if kind == "string" and (quoted := _QUOTED.search(str(schema.get("description", "")))):
        return quoted[1]
    values = {"integer": 3, "number": 3, "boolean": True, "array": [], "object": {}}
    return values.get(kind, "tea") if isinstance(kind, str) else "tea"


def _first_sentence(description: str) -> str:
    return " ".join(description.split()).split(". ")[0].rstrip(".")


# ── the conversation ─────────────────────────────────────────────────────────────────────────


def _turns(items: Sequence[Item]) -> Iterable[str]:
    """Neighbours of a kind are one turn: messages of the user, calls, outputs."""
    for _, neighbours in itertools.groupby(items, _kind):
        group = list(neighbours)
        calls = [call_text(item.name, item.arguments) for item in group if isinstance(item, Call)]
        outputs = [_safe(item.output) for item in group if isinstance(item, CallOutput)]
        messages = [item for item in group if isinstance(item, Message)]
        if calls:
            yield _turn("assistant", _safe("\n".join(calls)))
        elif outputs:
            yield _outputs(*outputs)
        elif messages and messages[0].role == "user":
            yield _turn("user", _safe(_joined([message.text for message in messages])))
        else:
            for message in messages:  # and another model's thoughts are left out
                role = "assistant" if message.role == "assistant" else "system"
                yield _turn(role, _safe(message.text))


def _kind(item: Item) -> str:
    return item.role if isinstance(item, Message) else type(item).__name__


def _joined(texts: Sequence[str]) -> str:
    whole = ""
    for text in texts:
        gap = " " if whole and not whole[-1].isspace() and not text[:1].isspace() else ""
        whole += gap + text
    return whole


def _outputs(*texts: str) -> str:
    blocks = [f"<tool_response>\n{text}\n</tool_response>" for text in texts]
    return _turn("user", "\n".join(blocks))


def _turn(role: str, text: str) -> str:
    return f"{TURN_START}{role}\n{text}<|im_end|>\n"


def _safe(text: str) -> str:
    """Text that cannot end its turn: the control tokens are broken up."""
    return text.replace("<|", "< |")
