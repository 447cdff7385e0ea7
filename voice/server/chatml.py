"""A conversation as text for Qwen2.5 instruct models: ChatML, with tools shown by example.

    system: the request's instructions, then the tools and how to call them
    a few exchanges that show when a tool is called and when not
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

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from voice.server.backend import Call, CallOutput, Item, Message, Prompt, Tool

CALL_START: Final = '{"name": "'
ARGUMENTS_START: Final = '", "arguments": '

_RULE: Final = (
    "When the user asks for exactly what a function does, answer with nothing but a call: "
    '{"name": ..., "arguments": {...}}. Everything else you answer in plain words.'
)
_SHOWN_TOOLS: Final = 4
"""Tools shown by example: each costs some 40 tokens of context."""

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
)
"""After an example of a call, two where none is due: a remark, a request, a name, a courtesy."""


def render(prompt: Prompt) -> str:
    """The prompt for an answer: it ends where the assistant's words begin."""
    return _head(prompt) + "".join(_turns(prompt.items)) + "<|im_start|>assistant\n"


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
    if not prompt.tools:
        return _turn("system", system)
    listed = "\n".join(_signature(tool) for tool in prompt.tools)
    system = f"{system}\n\nYou have these functions:\n{listed}\n{_RULE}"
    return _turn("system", system) + "".join(_examples(prompt.tools))


def _signature(tool: Tool) -> str:
    names = ", ".join(_properties(tool))
    return _safe(f"{tool.name}({names}): {' '.join(tool.description.split())}")


def _examples(tools: Sequence[Tool]) -> Iterable[str]:
    yield from _exchanges(_GREETING)
    for n, tool in enumerate(tools[:_SHOWN_TOOLS]):
        arguments = _example_arguments(tool)
        request = _first_sentence(tool.description) or tool.name.replace("_", " ")
        request += "".join(f", {value} {name}" for name, value in arguments.items())
        yield _turn("user", _safe(f"{request}, please."))
        yield _turn("assistant", _safe(call_text(tool.name, json.dumps(arguments))))
        yield from (_output('{"result": "blue"}'), _turn("assistant", "It is blue."))
        yield from _exchanges(_TALK[n % len(_TALK)])


def _exchanges(pairs: Iterable[tuple[str, str]]) -> Iterable[str]:
    for user, assistant in pairs:
        yield _turn("user", user)
        yield _turn("assistant", assistant)


def _properties(tool: Tool) -> dict[str, Any]:
    properties = tool.parameters.get("properties")
    return properties if isinstance(properties, dict) else {}


def _example_arguments(tool: Tool) -> dict[str, Any]:
    """Plausible values of the required arguments."""
    required = tool.parameters.get("required")
    schemas = _properties(tool)
    names = required if isinstance(required, list) else []
    return {
        name: _example_value(schemas[name])
        for name in names
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
    spoken: list[str] = []
    for item in items:
        if isinstance(item, Message) and item.role == "user":
            spoken.append(item.text)
            continue
        if spoken:
            yield _turn("user", _safe(_joined(spoken)))
            spoken = []
        yield _item(item)
    if spoken:
        yield _turn("user", _safe(_joined(spoken)))


def _item(item: Item) -> str:
    if isinstance(item, Call):
        return _turn("assistant", _safe(call_text(item.name, item.arguments)))
    if isinstance(item, CallOutput):
        return _output(_safe(item.output))
    role = "assistant" if item.role == "assistant" else "system"
    return _turn(role, _safe(item.text))


def _joined(texts: Sequence[str]) -> str:
    whole = ""
    for text in texts:
        gap = " " if whole and not whole[-1].isspace() and not text[:1].isspace() else ""
        whole += gap + text
    return whole


def _output(text: str) -> str:
    return _turn("user", f"<tool_response>\n{text}\n</tool_response>")


def _turn(role: str, text: str) -> str:
    return f"<|im_start|>{role}\n{text}<|im_end|>\n"


def _safe(text: str) -> str:
    """Text that cannot end its turn: the control tokens are broken up."""
    return text.replace("<|", "< |")
