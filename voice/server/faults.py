"""How answers go wrong on purpose, where that is more than an event which does not come. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from voice.server.backend import FaultKind
from voice.server.signals import Action, Close, FallSilent, Reset, SendText

GOODBYES: Final[Mapping[FaultKind, Action]] = MappingProxyType(
    {
        "drop": Reset(),
        "close": Close(1011, "the script ends the connection"),
        "half-open": FallSilent(),
    }
)
"""The faults that end the connection, and how."""

MESSAGE: Final = "The script wants this answer to fail."


def garbage(stream_id: str | None) -> list[Action]:
    """Messages that are not JSON, no object, no event, of wrong types, and of an unknown type."""
    lane = {} if stream_id is None else {"stream_id": stream_id}
    wrong = {"type": "response.output_text.delta", "delta": {"text": 5}, "item_id": [], **lane}
    unknown = {"type": "response.unheard_of", "sequence_number": -1, **lane}
    texts = ["", '{"type": "response.output_te', "[1, 2]", '{"type": 7}']
    return [SendText(text) for text in [*texts, json.dumps(wrong), json.dumps(unknown)]]
