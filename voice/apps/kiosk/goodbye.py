"""Whether somebody says goodbye. Pure."""

from __future__ import annotations

import re
from typing import Final

_GOODBYES: Final = frozenset(
    {"goodbye", "good bye", "bye", "bye bye", "see you", "see you later", "thats all"}
)

_AROUND: Final = re.compile(
    r"^(?:(?:ok|okay|alright|all right|well|and|thanks|thank you|great|no) )+"
    r"|(?: (?:thanks|thank you|then|now|for now|very much|so much))+$"
)
"""What may be said around it."""


def is_goodbye(text: str) -> bool:
    """Whether all that `text` says is that its speaker leaves (English)."""
    words = re.sub(r"[^a-z]+", " ", text.lower().replace("'", "").replace("’", "")).strip()
    before = ""
    while words not in _GOODBYES and words != before:
        before, words = words, _AROUND.sub("", words)
    if words in _GOODBYES:
        return True
    halves = words.split(" ")
    return any(
        " ".join(halves[:at]) in _GOODBYES and is_goodbye(" ".join(halves[at:]))
        for at in range(1, len(halves))
    )
