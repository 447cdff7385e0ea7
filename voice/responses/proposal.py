"""Calls that wait for the user's yes.

Theory. A model that wants such a call gets no say in when it runs. The call is taken out of the
answer, and a question is said instead. A yes puts the call behind the user's words, as if it had
been made then, and runs it; anything else is an ordinary question, to which the call never was.
So the chain is valid whatever happens, and the model cannot confirm anything by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from voice.responses.answer import Answer
from voice.responses.events import FunctionCall
from voice.responses.signals import Action, Noted, TellLater
from voice.tools.consent import Consent, consent_of

CONSENT_SECONDS = 15.0
"""So long after the question a yes is an answer to it. Chosen."""

EXPIRED = "I have left it as it is."


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was asked for, and until when it can be allowed."""

    calls: tuple[FunctionCall, ...]
    question: str
    until: float

    @property
    def tools(self) -> list[str]:
        """Their names."""
        return [call.name for call in self.calls]


class Proposals:
    """The proposal that is open, if there is one."""

    def __init__(self, language: str) -> None:
        """`language` (ISO 639-1) is the one in which the user says yes."""
        self._language = language
        self._open: Proposal | None = None

    def allows(self, text: str) -> bool:
        """Whether these words of the user's are a yes to it."""
        proposal = self._open
        if proposal is None:
            return False
        return consent_of(text, self._language, proposal.question) is Consent.YES

    def propose(self, answer: Answer, heard: str | None, now: float) -> list[Action]:
        """The user has heard the answer, or so much of it: perhaps a question at its end."""
        question = answer.question
        if not question:
            return []
        if heard is not None and not was_asked(question, answer.characters, heard):
            return []
        self._open = Proposal(tuple(answer.to_confirm), question, now + CONSENT_SECONDS)
        fields = {"tools": self._open.tools, "question": question}
        return [Noted("tool.proposed", answer.turn, fields)]

    def take(self, turn: int, text: str) -> tuple[Proposal | None, list[Action]]:
        """The user has said this: the proposal if that allows it; it is open no longer."""
        proposal, allowed = self._open, self.allows(text)
        self._open = None
        if proposal is None:
            return None, []
        event = "tool.confirmed" if allowed else "tool.declined"
        note = Noted(event, turn, {"tools": proposal.tools, "text": text})
        return proposal if allowed else None, [note]

    def forget(self) -> None:
        """It was never made."""
        self._open = None

    def deadline(self) -> float:
        """When it has waited long enough."""
        return self._open.until if self._open else inf

    def timeout(self, now: float) -> list[Action]:
        """Nobody said yes in time: tell the user."""
        if self._open is None or now < self._open.until:
            return []
        note = Noted("tool.expired", 0, {"tools": self._open.tools})
        self._open = None
        return [note, TellLater(EXPIRED)]


def was_asked(question: str, characters: int, heard: str) -> bool:
    """Whether the question, at the end of what was said, was heard but for its last word.

    `characters` is the length of all that was said.
    """
    last_word = question.rsplit(maxsplit=1)[-1]
    return len(heard.rstrip()) >= characters - len(f" {last_word}")
