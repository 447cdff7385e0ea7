"""Thoughts in the words of an answer: what a model writes in `<think>` before it answers.

Servers with a parser for the model send thoughts in a field of their own (Ollama, vLLM's
`--reasoning-parser`, llama-server's `--reasoning-format`). Others leave them in the text. Pure.
"""

from __future__ import annotations

import logging
from typing import Final, Literal

from voice.server.backend import ReasoningDelta, TextDelta

log = logging.getLogger(__name__)

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"


class ThoughtSplitter:
    """Tells thoughts from words while they come, however they are cut.

    Only a block with which the answer begins is thought: a model may well write of tags later.
    """

    def __init__(self) -> None:
        self._stage: Literal["begin", "thoughts", "between", "words"] = "begin"
        self._held = ""
        self._has_thought = False

    def feed(self, text: str) -> list[TextDelta | ReasoningDelta]:
        """What is sure of the text so far and was not told yet."""
        if self._stage == "words":
            if _CLOSE in text:
                log.warning("the model's thoughts come as words: let its server tell them apart")
            return [TextDelta(text)] if text else []
        self._held += text
        if self._stage == "begin":
            self._begin()
        pieces: list[TextDelta | ReasoningDelta] = []
        if self._stage == "thoughts" and (thought := self._thought()):
            self._has_thought = True
            pieces.append(ReasoningDelta(thought))
        if self._stage == "between" and (words := self._held.lstrip()):
            self._stage, self._held = "words", words
        if self._stage == "words":
            pieces.append(TextDelta(self._held))
            self._held = ""
        return pieces

    def end(self) -> list[TextDelta | ReasoningDelta]:
        """What was held back in case that more comes."""
        held, self._held = self._held, ""
        if not held or self._stage == "between":
            return []
        return [ReasoningDelta(held) if self._stage == "thoughts" else TextDelta(held)]

    def _begin(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(_OPEN):
            self._stage, self._held = "thoughts", begun.removeprefix(_OPEN)
        elif not _OPEN.startswith(begun):
            self._stage = "words"

    def _thought(self) -> str:
        """Take what is surely thought; blanks alone, as models with thinking off write, are not."""
        if not self._has_thought:
            self._held = self._held.lstrip()
        thought, closed, rest = self._held.partition(_CLOSE)
        if closed:
            self._stage, self._held = "between", rest
            return thought.rstrip()
        kept = next(n for n in range(len(_CLOSE), -1, -1) if thought.endswith(_CLOSE[:n]))
        self._held = thought[len(thought) - kept :]
        return thought[: len(thought) - kept]
