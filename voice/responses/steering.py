"""Words that come before the first sound go into the answer that runs, where that is possible.

Theory. An answer that is interrupted before its first word is parked: it runs on for a moment,
until the words that interrupted it are known. If the server can and the response has written
nothing yet, the words are put into it (`response.steer`); it ends early, and the server goes on by
itself with a successor, which is the answer. In all other cases the words are asked with as ever.

A response that has written anything is never steered, and one that writes on although it was
steered is left at once: its words were not heard, but the server would remember them.
"""

from __future__ import annotations

from voice.responses.answer import Answer
from voice.responses.conversation import Node
from voice.responses.events import InputMessage
from voice.responses.outcomes import Broke, Ended, Steered, Wrote
from voice.responses.signals import Action, AnswerBegun, Noted
from voice.responses.uplink import Uplink


class Steering:
    """The parked answer, if there is one, and what becomes of words that steer."""

    def __init__(self, uplink: Uplink, *, possible: bool) -> None:
        """`possible`: the server understands `response.steer`."""
        self._uplink = uplink
        self._possible = possible
        self._parked: Answer | None = None

    @property
    def parked(self) -> bool:
        """Whether an answer runs on that may yet be steered."""
        return self._parked is not None

    def park(self, answer: Answer) -> bool:
        """Let an interrupted answer run on; False if nothing could be put into it."""
        if self._fits(answer):
            self._parked = answer
        return self._parked is answer

    def drop(self) -> list[Action]:
        """Nothing will be put into the parked answer any more."""
        parked, self._parked = self._parked, None
        return self._uplink.abandon(parked.exchange) if parked and parked.exchange else []

    def notice(self, outcome: Wrote | Ended | Broke) -> list[Action]:
        """The parked answer has gone on by itself, if it was its own outcome: it is too late."""
        if self._parked is None or self._parked.exchange is not outcome.exchange:
            return []
        if isinstance(outcome, Wrote):
            return self.drop()
        self._parked = None
        return []

    def begin(
        self, turn: int, text: str, settled: Node, now: float
    ) -> tuple[Answer, list[Action]] | None:
        """Put `text` into the parked answer, which becomes that of `turn`; None if it cannot be.

        `settled` is the conversation without these words, and just what the answer answers to.
        """
        answer = self._parked
        if answer is None or answer.exchange is None or not self._fits(answer):
            return None
        self._parked = None
        words = InputMessage(role="user", content=text)
        answer.turn = answer.exchange.turn = turn
        answer.said, answer.since, answer.steered = text, now, settled.child([words])
        note = Noted("steer.sent", turn, {"lane": answer.exchange.lane})
        sent = self._uplink.steer(answer.exchange, words)
        return answer, [AnswerBegun(turn, False), note, *sent]

    def take(self, answer: Answer, steered: Steered) -> list[Action]:
        """The server took the words or refused them."""
        if answer.steered is None:
            return []
        if steered.accepted:
            return [Noted("steer.accepted", answer.turn)]
        return self._ask_anew(answer, steered.reason)

    def overtake(self, answer: Answer) -> list[Action]:
        """The steered response writes on."""
        return self._ask_anew(answer, "the response had gone on")

    def end(self, answer: Answer, ended: Ended) -> list[Action]:
        """The steered response ended; its successor is the answer, if the words came in time."""
        assert answer.steered is not None
        successor = ended.successor
        if successor is None:
            return self._ask_anew(answer, "the response had ended")
        if ended.text:
            abandoned = self._uplink.abandon(successor)
            return [*abandoned, *self._ask_anew(answer, "the response had gone on")]
        successor.node = answer.tip = answer.steered
        answer.steered, answer.exchange = None, successor
        return []

    def _fits(self, answer: Answer) -> bool:
        exchange = answer.exchange
        if exchange is None or exchange.compacts or not self._possible:
            return False
        silent = not (exchange.text or exchange.output or answer.kept)
        return silent and exchange.started and bool(exchange.response_id) and not answer.steered

    def _ask_anew(self, answer: Answer, reason: str) -> list[Action]:
        """The words could not be put into the response: a request brings them."""
        abandoned = self._uplink.abandon(answer.exchange) if answer.exchange else []
        answer.leave_steered()
        answer.retry(0.0)
        return [Noted("steer.failed", answer.turn, {"reason": reason}), *abandoned]
