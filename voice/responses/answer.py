"""One answer under way: from the words it answers to the words it says, over all its rounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from voice.responses.conversation import Node, input_items
from voice.responses.events import FunctionCall, FunctionCallOutput, InputItem, InputMessage
from voice.responses.lanes import Exchange

GO_ON = (
    "The connection broke while you spoke. Your last message was said as far as it stands here: "
    "go on exactly where it ends, and repeat nothing."
)
"""Said to the model, and never kept, when words of its answer were already passed on."""


@dataclass(slots=True, eq=False)
class Answer:
    """A round is one response; tool calls lead to another."""

    turn: int
    said: str
    """The user's words that it answers."""

    tip: Node
    """The conversation up to the last thing that is certain."""

    since: float
    """Since when it has waited for the server (seconds); patience is counted from here."""

    asked: bool
    """False: it was begun early, and nobody has asked for it yet."""

    exchange: Exchange | None = None
    waiting: bool = True
    """The next request is still to be sent, at `not_before` or later."""

    not_before: float = 0.0
    attempts: int = 0
    rounds: int = 0
    kept: str = ""
    """Words of this round that were passed on before the connection was lost."""

    spoke: bool = False
    apart: bool = False
    """The next words are a sentence of their own: they follow a tool, or a break."""

    blank: bool = False
    """A blank was passed on last. What is kept has one between two pieces; so must what is passed
    on, because what was heard of it is looked up there."""

    written: bool = False
    characters: int = 0
    tokens: int = 0
    calls: list[FunctionCall] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    to_confirm: list[FunctionCall] = field(default_factory=list)
    """Calls that the user has to allow; they are no part of the tip."""

    question: str = ""
    """What the user was asked about them, at the end of the answer."""

    filled: bool = False
    """Something was said instead of an answer, while a tool was at work."""

    steered: Node | None = None
    """The conversation with words that were put into the running response, until they count."""

    @property
    def at_work(self) -> bool:
        """Whether the server or a tool is to do something for it."""
        return not self.written and (self.asked or not self.calls)

    @property
    def to_ask(self) -> bool:
        """Whether nothing is left to do but to ask whether something may be done."""
        return bool(self.to_confirm) and not (self.calls or self.question)

    @property
    def to_call(self) -> tuple[int, list[FunctionCall]]:
        """The turn, and those of its calls that have no output yet."""
        return self.turn, [call for call in self.calls if call.call_id not in self.outputs]

    def take(self, text: str) -> str:
        """More text came; returns it as it is passed on."""
        self.tokens += 1
        if self.apart and not (text := text.lstrip()):
            return ""
        passed = f" {text}" if self.apart and not self.blank else text
        self.spoke, self.apart, self.blank = True, False, passed[-1:].isspace()
        self.characters += len(passed)
        return passed

    def request_node(self) -> Node:
        """What the next request is about: the tip, and what brings a broken answer to go on."""
        if not self.kept:
            return self.tip
        words = InputMessage(role="assistant", content=self.kept)
        return self.tip.child([words, InputMessage(role="developer", content=GO_ON)])

    def send(self, exchange: Exchange) -> None:
        """The request went out."""
        self.exchange, self.waiting = exchange, False

    def retry(self, not_before: float) -> None:
        """The request is to be sent again; words that were passed on are kept."""
        self.keep_words()
        self.waiting, self.not_before, self.apart = True, not_before, self.spoke

    def leave_steered(self) -> None:
        """The words that steered it count now; nothing of the response before was passed on."""
        if self.steered is not None:
            self.tip, self.steered, self.exchange = self.steered, None, None

    def keep_words(self) -> None:
        """The response is given up, and not the words of it that were passed on."""
        if self.exchange is not None:
            self.kept = f"{self.kept} {self.exchange.text.strip()}".strip()
        self.exchange = None

    def reach(
        self, node: Node, text: str, calls: list[FunctionCall], to_confirm: list[FunctionCall]
    ) -> None:
        """A round is complete: it said `text`, and ends with these calls, some to be confirmed."""
        calls = [call for call in calls if call not in to_confirm]
        if self.kept or to_confirm:
            # The server has it in two pieces and a remark of ours between, or knows of calls that
            # were not made; here it is as it was.
            said = f"{self.kept} {text.strip()}".strip()
            words = [InputMessage(role="assistant", content=said)] if said else []
            node = self.tip.child([*words, *input_items(calls)])
        self.tip, self.calls, self.outputs = node, calls, {}
        self.to_confirm += to_confirm
        self.exchange, self.kept, self.attempts = None, "", 0
        self.written = not (calls or self.to_confirm)
        self.rounds += bool(calls)

    def give_up(self) -> None:
        """There will be no more; the words that were passed on are the answer."""
        self.keep_words()
        if self.kept:
            self.tip = self.tip.child([InputMessage(role="assistant", content=self.kept)])
        self.waiting, self.written, self.kept = False, True, ""

    def return_output(self, call_id: str, output: str) -> None:
        """A tool returned; with the last output the next round is due."""
        called = {call.call_id for call in self.calls}
        if call_id not in called:
            return
        self.outputs[call_id] = output
        if len(self.outputs) == len(called):
            self.tip = self.said_tip()
            self.calls, self.outputs = [], {}
            self.waiting, self.apart = True, self.spoke

    def ask(self, question: str) -> str:
        """End with a question; returns it as it is passed on."""
        self.apart, self.question = self.spoke, question
        self.tip = self.tip.child([InputMessage(role="assistant", content=question)])
        self.waiting, self.written = False, True
        return self.take(question)

    def said_tip(self) -> Node:
        """The tip with all that is certain: words of the user's, outputs of some tools."""
        if self.steered is not None:
            return self.steered
        outputs: list[InputItem] = [
            FunctionCallOutput(call_id=call.call_id, output=self.outputs[call.call_id])
            for call in self.calls
            if call.call_id in self.outputs
        ]
        return self.tip.child(outputs) if outputs else self.tip
