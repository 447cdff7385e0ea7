"""What all ways ask for: one chain of tool calls, the same items in the same order. Pure.

Every step forces its tool by `tool_choice`, and the tool's one argument has one value, so that a
real model makes exactly this call too: in a few tokens, and after it has read all before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SUBJECTS = (
    "orders", "parcels", "invoices", "returns", "stock", "suppliers", "customers", "complaints",
    "contracts", "payments", "warehouses", "holidays",
)  # fmt: skip

_PREAMBLE = (
    "You help the staff of a mail-order company to find out what happened. Look things up, never "
    "guess, and go on until you know. Names and amounts are copied exactly as they are found."
)
_RULES = (
    "For {0}, call read_{0} and read what it returns page by page, since it returns only a few "
    "records at once. Compare each record's date with the one before: where two of them contradict "
    "each other, the later one counts, unless its state is 'draft'. Amounts in {0} are in cents "
    "and without tax. Never tell a customer's address, and where a record of {0} is marked as "
    "confidential, say only that there is one. When nothing is found, look at {1} before you "
    "give up."
)
_RECORD = '{{"number": {0}, "of": "{1}", "state": "{2}", "amount": {3}, "note": "{4}"}}'
_STATES = ("open", "sent", "paid", "held", "draft", "closed")
_NOTES = (
    "waits for a signature since the second of the month",
    "was counted again by hand, and the first count was right",
    "belongs to the parcel that came back without its label",
    "is handled by the team in the north, who answer by noon",
)
_TOKEN_CHARACTERS = 4
"""Of English text and JSON, roughly."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A chain of `steps` tool calls."""

    steps: int
    tool_count: int
    rules: int
    """Paragraphs of instructions, some 80 tokens each."""
    records: int
    """In a tool's output, some 33 tokens each."""

    def instructions(self, label: str) -> str:
        """Begins with a label: a model that has read them under another has to read them again."""
        pairs = zip(_SUBJECTS, (*_SUBJECTS[1:], _SUBJECTS[0]), strict=True)
        rules = [_RULES.format(*pair) for pair in pairs][: self.rules]
        return "\n\n".join([f"{label}. {_PREAMBLE}", *rules])

    def tools(self) -> list[dict[str, Any]]:
        """As a request offers them."""
        return [_tool(subject) for subject in _SUBJECTS[: self.tool_count]]

    def question(self) -> dict[str, Any]:
        """The chain's first item."""
        return {"role": "user", "content": "Why did customer 4711 not get what was paid for?"}

    def tool_name(self, step: int) -> str:
        """Which tool is called at this step; steps count from 0."""
        return f"read_{_SUBJECTS[step % self.tool_count]}"

    def output(self, step: int) -> str:
        """What that returns: JSON text."""
        records = [_record(step, n) for n in range(self.records)]
        return f'{{"records": [{", ".join(records)}], "more": true}}'

    def script(self) -> str:
        """The script backend's replies, as its file has them."""
        arguments = "arguments = { page = 'next' }"
        return "\n".join(
            f"[[reply]]\ncall = {json.dumps(self.tool_name(step))}\n{arguments}"
            for step in range(self.steps)
        )

    def describe(self) -> Mapping[str, int]:
        """Its size; tokens are estimates from characters."""
        return {
            "steps": self.steps,
            "tools": self.tool_count,
            "instruction_tokens": _tokens(self.instructions("Run 1")),
            "tool_tokens": _tokens(json.dumps(self.tools())),
            "output_tokens": _tokens(self.output(0)),
        }


FULL = Workload(steps=24, tool_count=12, rules=9, records=6)
"""What agents carry along: a thousand tokens of instructions, a dozen tools, outputs of 200."""

SMALL = Workload(steps=24, tool_count=2, rules=1, records=1)
"""For a model that reads a hundred tokens a second: `FULL` would take it hours."""

TINY = Workload(steps=2, tool_count=1, rules=0, records=1)
"""For the same within a minute."""


def request(
    workload: Workload, model: str, label: str, step: int, new_items: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The fields of a request that are the same in all ways."""
    return {
        "model": model,
        "instructions": workload.instructions(label),
        "tools": workload.tools(),
        "tool_choice": {"type": "function", "name": workload.tool_name(step)},
        "input": list(new_items),
        "store": False,
    }


def call_output(call: Mapping[str, Any], output: str) -> dict[str, Any]:
    """The item that answers a call."""
    return {"type": "function_call_output", "call_id": call["call_id"], "output": output}


def _tool(subject: str) -> dict[str, Any]:
    return {
        "type": "function",
        "name": f"read_{subject}",
        "description": f"Read the next page of {subject} that have to do with this customer.",
        "parameters": {
            "type": "object",
            "properties": {"page": {"type": "string", "enum": ["next"]}},
            "required": ["page"],
            "additionalProperties": False,
        },
        "strict": True,
    }


def _record(step: int, n: int) -> str:
    number = step * 7 + n
    subject, state = _SUBJECTS[step % len(_SUBJECTS)], _STATES[number % len(_STATES)]
    note = _NOTES[number % len(_NOTES)]
    return _RECORD.format(10_000 + number, subject, state, 1995 + 13 * number, note)


def _tokens(text: str) -> int:
    return round(len(text) / _TOKEN_CHARACTERS)
