"""The user's words on their way to the server while they are still being spoken.

Theory. Words that are committed are never taken back, so they can be sent to be read
(`generate: false`), each piece as a message that continues the one before, and each request
chained to the last. One piece is on its way at a time; meanwhile new words gather. The last word
stays back, so that something is left for the request for the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from voice.responses.conversation import Node
from voice.responses.events import InputMessage
from voice.responses.lanes import Exchange


@dataclass(slots=True, eq=False)
class Draft:
    """One utterance. `node` is the conversation with the words that the server has read."""

    turn: int
    base: Node
    node: Node
    committed: str = ""
    read: str = ""
    exchange: Exchange | None = None
    reading: str = ""
    """All words as of the exchange, which is under way."""

    refused: bool = False
    """The server would not read a piece: the question brings what is left."""

    def due(self, least_words: int) -> str:
        """The words that are worth sending now, if any."""
        if self.refused or self.exchange is not None or not self.committed.startswith(self.read):
            return ""
        words = self.committed.rpartition(" ")[0][len(self.read) :]
        return words if len(words.split()) >= least_words else ""

    def sent(self, exchange: Exchange, words: str) -> None:
        """These words are on their way."""
        self.exchange, self.reading = exchange, self.read + words

    def ended(self, exchange: Exchange, *, read: bool) -> None:
        """The server has read what was sent, or has not."""
        if exchange is not self.exchange:
            return
        if read:
            self.node, self.read = exchange.node, self.reading
        self.exchange, self.reading = None, ""

    def asking(self, text: str) -> Node:
        """The conversation when the user has said `text`, as a branch of what was sent of it.

        What is just being read counts as soon as the response has a name to continue from.
        """
        parts = [(self.node, self.read)]
        if self.exchange and self.exchange.response_id:
            parts.insert(0, (self.exchange.node, self.reading))
        for node, sent in parts:
            if sent and text.startswith(f"{sent} "):
                return node.child([InputMessage(role="user", content=text[len(sent) :])])
        return self.base.child([InputMessage(role="user", content=text)])
