"""The agent's side of a conversation.

Theory. What was said is a tree (`conversation`), and whatever is under way is a branch of it:

    draft     words of an utterance that goes on, sent ahead to be read
    eager     an answer begun at a likely end; it is adopted or dropped when the user has finished
    answer    the answer that was asked for, over its rounds of tool calls, until it was heard
    parked    an answer that was interrupted before its first word (`steering`)

and what waits for somebody: calls of tools that take long (`calls`), calls that the user has to
allow (`proposal`), and results that nobody has heard of yet.

Facts change what is under way; then `_advance` sends what can be sent. A request is always made
from the tree, for whatever connection there is, and continues from the nearest ancestor that the
server has (`uplink`). So a lost connection, a forgotten response or a rotation needs nothing but
the next request: it just finds fewer ancestors. An abandoned response is told to stop and is not
waited for. No tool runs twice: a call runs when its response is complete, and that happens once.

    answer    waiting ──sent──▶ running ──complete──▶ written ──heard──▶ settled
                 ▲                 │ └──calls──▶ tools ──last output──▶ waiting, or written
                 └────cured────────┘                                    if there is one to allow

The machine has no clock: `now` (seconds) is an argument, and `deadline` tells when `timeout`
wants a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from voice.responses.answer import Answer
from voice.responses.calls import RunningCall, Toolset
from voice.responses.conversation import Conversation, Node, input_items
from voice.responses.draft import Draft
from voice.responses.eager import EagerBudget, same_words
from voice.responses.events import InputItem, InputMessage, OutputTextDelta
from voice.responses.links import Links
from voice.responses.options import AgentOptions
from voice.responses.outcomes import Broke, Ended, Outcome, Read, Steered, Wrote
from voice.responses.proposal import Proposal, Proposals
from voice.responses.recovery import Backoff, Cure
from voice.responses.requests import Features, Requests
from voice.responses.signals import (
    Action,
    Announced,
    AnswerAdopted,
    AnswerBegun,
    AnswerDropped,
    AnswerFailed,
    AnswerWritten,
    Arrived,
    Asked,
    BegunAnew,
    Committed,
    Discarded,
    Fact,
    Forgotten,
    Heard,
    Interrupted,
    Invited,
    ItemsSettled,
    LikelyEnded,
    Lost,
    Noted,
    Opened,
    OpenFailed,
    TextReceived,
    ToolProgressed,
    ToolReturned,
    ToolsCancelled,
    WentOn,
)
from voice.responses.steering import Steering
from voice.responses.uplink import Uplink
from voice.responses.work import Work

MOST_ATTEMPTS = 5
"""Of one request; with the back-off that is about as long as anybody waits for an answer."""


class AgentMachine:
    """Facts in, actions out."""

    def __init__(
        self,
        model: str,
        options: AgentOptions,
        features: Features,
        tools: Toolset,
        random: Callable[[], float],
        items: Sequence[InputItem] = (),
        language: str = "en",
    ) -> None:
        """`items` of an earlier conversation go on; `random` gives numbers from 0 to 1.

        `language` (ISO 639-1) is the one in which the user says yes.
        """
        self._options = options
        self._features = features
        self._conversation = Conversation(items)
        self._shorten()
        requests = Requests(model, options, features, tools.definitions)
        links = Links(Backoff(random), options.rotate_minutes * 60)
        self._uplink = Uplink(options, requests, links)
        self._backoff = Backoff(random)
        self._budget = EagerBudget(options.eager_budget_tokens)
        self._draft: Draft | None = None
        self._answer: Answer | None = None
        self._eager: Answer | None = None
        self._steering = Steering(self._uplink, possible=features.steering)
        self._work = Work(tools, session=str(random()))
        self._proposals = Proposals(language)

    # ── what others ask of it ────────────────────────────────────────────────────────────

    @property
    def items(self) -> list[InputItem]:
        """What was said and heard, so far as it is still remembered."""
        return self._conversation.settled.since(None)

    @property
    def background(self) -> Sequence[RunningCall]:
        """The calls that no answer waits for."""
        return self._work.background

    @property
    def waiting(self) -> bool:
        """Whether something of the server or of a tool is waited for."""
        return any(answer.at_work for answer in self._answers()) or self._uplink.busy

    @property
    def ready(self) -> bool:
        """Whether there is a connection, and its server has read what there was to read."""
        return self._uplink.primed

    @property
    def idle(self) -> bool:
        """Nothing is said, answered or being heard."""
        return not (self._answer or self._eager or self._steering.parked or self._draft)

    # ── the contract ─────────────────────────────────────────────────────────────────────

    def receive(self, fact: Fact, now: float) -> list[Action]:
        """Act on what happened."""
        if isinstance(fact, Arrived):
            actions = self._perform(self._uplink.receive(fact, now), now)
            answer = self._answer
            if isinstance(fact.event, OutputTextDelta) and not (answer and answer.waiting):
                return actions  # comes in thousands, and makes nothing due
        elif isinstance(fact, Opened | OpenFailed | Lost):
            actions = self._perform(self._uplink.receive(fact, now), now)
        else:
            actions = self._act(fact, now)
        return actions + self._advance(now)

    def timeout(self, now: float) -> list[Action]:
        """Act on what is due at `now`."""
        return self._perform(self._uplink.timeout(now), now) + self._advance(now)

    def deadline(self) -> float | None:
        """When `timeout` wants to be called."""
        times = [at for at in (self._uplink.deadline(),) if at is not None]
        times.append(self._work.deadline(self._answer))
        times.append(self._proposals.deadline() if self.idle else inf)
        for answer in self._answers():
            if answer.waiting:
                times.append(self._patience_ends(answer))
                if self._uplink.connected:
                    times.append(max(answer.not_before, self._uplink.not_before))
        return min((at for at in times if at < inf), default=None)

    def _answers(self) -> list[Answer]:
        return [answer for answer in (self._answer, self._eager) if answer is not None]

    # ── the conversation ─────────────────────────────────────────────────────────────────

    def _act(self, fact: Fact, now: float) -> list[Action]:  # noqa: PLR0911
        match fact:
            case Committed(turn, text):
                return self._commit(turn, text)
            case LikelyEnded(turn, text):
                return self._begin_early(turn, text, now)
            case WentOn(turn):
                return self._drop_eager(turn)
            case Discarded(turn):
                if self._draft and self._draft.turn == turn:
                    self._drop_draft()
                return [*self._drop_eager(turn), *self._steering.drop()]
            case Asked(turn, text):
                return self._ask(turn, text, now)
            case Announced(turn, text):
                return self._announce(turn, text, now)
            case Invited(turn):
                return self._tell_results(turn, now)
            case Forgotten(erased):
                return [*self._forget(), BegunAnew(erased)]
            case Heard(turn):
                return self._settle(turn, None, now)
            case Interrupted(turn, text):
                return self._settle(turn, text, now)
            case ToolProgressed() | ToolReturned() | ToolsCancelled():
                return self._work.mind(fact, self._answers(), now)
        return []

    def _commit(self, turn: int, text: str) -> list[Action]:
        settled = self._conversation.settled
        draft = self._draft
        if draft is None or (draft.turn, draft.base) != (turn, settled):
            draft = self._draft = Draft(turn, settled, settled)
        draft.committed = text
        return []

    def _ask(self, turn: int, text: str, now: float) -> list[Action]:
        assert self._answer is None, "the answer before has neither been heard nor interrupted"
        self._uplink.hurry(now)
        if (eager := self._eager) and eager.turn == turn and same_words(eager.said, text):
            self._drop_draft()
            return self._adopt(eager, now)
        actions = self._drop_eager()
        tip = self._asking(turn, text)
        self._drop_draft()
        allowed, notes = self._proposals.take(turn, text)
        actions += notes
        if allowed:
            return actions + self._run_allowed(allowed, turn, text, tip, now)
        if steered := self._steering.begin(turn, text, self._conversation.settled, now):
            self._answer, begun = steered
            return actions + begun
        self._answer = Answer(turn, text, tip, now, asked=True)
        return [*actions, *self._steering.drop(), AnswerBegun(turn, False)]

    def _asking(self, turn: int, text: str) -> Node:
        draft, settled = self._draft, self._conversation.settled
        if draft and (draft.turn, draft.base) == (turn, settled):
            return draft.asking(text)
        return settled.child([InputMessage(role="user", content=text)])

    def _announce(self, turn: int, text: str, now: float) -> list[Action]:
        assert self._answer is None, "the answer before has neither been heard nor interrupted"
        if self._draft and self._draft.turn == turn:
            self._drop_draft()
        actions = self._drop_eager(turn)
        said = InputMessage(role="assistant", content=text)
        tip = self._conversation.settled.child([said])
        self._answer = Answer(turn, "", tip, now, asked=True, waiting=False, written=True)
        begun = [*actions, *self._steering.drop(), AnswerBegun(turn, False)]
        return [*begun, TextReceived(turn, text), AnswerWritten(turn)]

    def _forget(self) -> list[Action]:
        assert self._answer is None, "the answer before has neither been heard nor interrupted"
        self._conversation = Conversation()
        self._proposals.forget()
        self._drop_draft()
        actions = [*self._drop_eager(), *self._steering.drop(), *self._work.forget()]
        self._budget = EagerBudget(self._options.eager_budget_tokens)
        return actions

    def _settle(self, turn: int, heard: str | None, now: float) -> list[Action]:
        """The answer is over: all of it was heard (None), or so much."""
        answer = self._answer
        if answer is None or answer.turn != turn:
            return []
        self._answer = None
        actions = self._work.leave(answer)
        before, said = self._conversation.settled, answer.said_tip()
        tip = said if heard is None else self._conversation.heard(said, heard)
        actions += self._let_go(answer, steerable=tip is said)
        actions += self._proposals.propose(answer, heard, now)
        settled = self._conversation.settle(tip)
        self._uplink.rename(tip, settled)
        actions += [ItemsSettled(turn, settled.since(before)), *self._shorten()]
        if draft := self._draft:  # begun on what was settled then
            base = self._conversation.settled
            self._draft = Draft(draft.turn, base, base, draft.committed)
        return actions

    def _let_go(self, answer: Answer, *, steerable: bool) -> list[Action]:
        """End what the answer still does; what answers just what was heard may be steered yet."""
        if answer.exchange is None or (steerable and self._steering.park(answer)):
            return []
        return self._uplink.abandon(answer.exchange)

    def _shorten(self) -> list[Action]:
        """Begin a new chain with the last turns, where the conversation has grown too long."""
        most_tokens = self._options.context_tokens
        if self._features.compaction:
            most_tokens *= 2  # the server makes it short; this is for one that does not
        if not most_tokens or not self._conversation.shorten(most_tokens):
            return []
        return [Noted("conversation.shortened", 0, {"tokens": self._conversation.settled.tokens})]

    # ── words ahead, and answers ahead ───────────────────────────────────────────────────

    def _begin_early(self, turn: int, text: str, now: float) -> list[Action]:
        actions = self._drop_eager()
        if not self._options.eager or self._budget.spent or not self._uplink.roomy:
            return actions
        if self._answer or self._steering.parked:
            return actions
        if self._proposals.allows(text):
            return actions  # there is nothing to ask the model
        self._budget.begun += 1
        self._eager = Answer(turn, text, self._asking(turn, text), now, asked=False)
        return [*actions, Noted("eager.begun", turn, {"text": text}), AnswerBegun(turn, True)]

    def _adopt(self, eager: Answer, now: float) -> list[Action]:
        self._answer, self._eager = eager, None
        fields = {"tokens": eager.tokens}
        _, notes = self._proposals.take(eager.turn, eager.said)
        eager.asked, eager.since = True, now
        begun = self._work.begin(eager, now) if eager.calls else []
        adopted = Noted("eager.adopted", eager.turn, fields)
        return [adopted, *notes, AnswerAdopted(eager.turn), *begun]

    def _drop_eager(self, turn: int = 0) -> list[Action]:
        """Throw an early answer away: that of `turn`, or any."""
        eager = self._eager
        if eager is None or turn not in (0, eager.turn):
            return []
        self._eager = None
        self._budget.discard(eager.tokens)
        fields = {
            "tokens": eager.tokens,
            "discarded_tokens": self._budget.discarded_tokens,
            "discard_rate": round(self._budget.discard_rate, 3),
        }
        note = Noted("eager.discarded", eager.turn, fields)
        actions = [note, AnswerDropped(eager.turn), *self._work.drop(eager)]
        return actions + (self._uplink.abandon(eager.exchange) if eager.exchange else [])

    def _drop_draft(self) -> None:
        """The words were asked with, or are thrown away; what is being read is not waited for."""
        draft, self._draft = self._draft, None
        if draft and draft.exchange and not draft.exchange.response_id:
            draft.exchange.abandoned = True

    # ── tools ────────────────────────────────────────────────────────────────────────────

    def _run_allowed(
        self, proposal: Proposal, turn: int, text: str, tip: Node, now: float
    ) -> list[Action]:
        """What the user's yes allows, as if it had been called for after it."""
        called = tip.child(input_items(proposal.calls))
        answer = self._answer = Answer(turn, text, called, now, asked=True, waiting=False)
        answer.calls = list(proposal.calls)
        begun = [*self._steering.drop(), AnswerBegun(turn, False)]
        return begun + self._work.begin(answer, now)

    def _tell_results(self, turn: int, now: float) -> list[Action]:
        """Answer to what came late."""
        assert self._answer is None, "the answer before has neither been heard nor interrupted"
        settled = self._conversation.settled
        tip = self._work.with_results(settled)
        none = tip is None
        self._answer = Answer(
            turn, "", tip or settled, now, asked=True, waiting=not none, written=none
        )
        begun = [*self._steering.drop(), AnswerBegun(turn, False)]
        return [*begun, AnswerWritten(turn)] if none else begun

    def _mind_time(self, now: float) -> list[Action]:
        """Act on what tools and users have taken too long for."""
        actions = self._work.timeout(self._answer, self._answers(), now)
        if actions and self._answer and self._answer.waiting:  # it goes on without an output
            actions += self._advance(now)
        return actions + (self._proposals.timeout(now) if self.idle else [])

    # ── what becomes of requests ─────────────────────────────────────────────────────────

    def _perform(self, happened: Sequence[Action | Outcome], now: float) -> list[Action]:
        actions: list[Action] = []
        for one in happened:
            match one:
                case Wrote():
                    actions += self._take_text(one)
                case Read():
                    if self._draft:
                        self._draft.ended(one.exchange, read=True)
                case Ended():
                    actions += self._end(one, now)
                case Broke():
                    actions += self._break(one, now)
                case Steered():
                    answer = self._answer_of(one)
                    actions += self._steering.take(answer, one) if answer else []
                case _:
                    actions.append(one)
        return actions

    def _answer_of(self, outcome: Wrote | Ended | Broke | Steered) -> Answer | None:
        answers = self._answers()
        return next((answer for answer in answers if answer.exchange is outcome.exchange), None)

    def _take_text(self, wrote: Wrote) -> list[Action]:
        answer = self._answer_of(wrote)
        if answer is None:
            return self._steering.notice(wrote)
        if answer.steered is not None:
            return self._steering.overtake(answer)
        received = TextReceived(answer.turn, answer.take(wrote.text))
        if answer.characters <= self._options.longest_answer_characters:
            return [received]
        actions = self._uplink.abandon(wrote.exchange)
        answer.give_up()
        note = Noted("answer.cut", answer.turn, {"characters": answer.characters})
        return [received, *actions, note, AnswerWritten(answer.turn)]

    def _end(self, ended: Ended, now: float) -> list[Action]:
        answer = self._answer_of(ended)
        if answer is None:
            return self._steering.notice(ended)
        if answer.steered is not None:
            return self._steering.end(answer, ended)
        actions: list[Action] = []
        if ended.text and not ended.exchange.text:  # a server without deltas
            actions.append(TextReceived(answer.turn, answer.take(ended.text)))
        answer.reach(ended.node, ended.text, ended.calls, self._work.to_confirm(ended.calls))
        self._backoff.reset()
        if not (answer.calls or answer.to_ask):
            return [*actions, AnswerWritten(answer.turn)]
        if answer.rounds > self._options.most_tool_rounds:
            reason = (
                f"the model called tools {answer.rounds} times and came to no end "
                "(ask differently, or raise agent.most_tool_rounds)"
            )
            return [*actions, *self._fail(answer, reason)]
        return actions + self._work.begin(answer, now)

    def _break(self, broke: Broke, now: float) -> list[Action]:
        """There is no result: what waited for it tries again, or fails."""
        draft = self._draft
        if draft and draft.exchange is broke.exchange:
            draft.refused = broke.cure is not Cure.RECONNECT
            draft.ended(broke.exchange, read=False)
        answer = self._answer_of(broke)
        if answer is None:
            return self._steering.notice(broke)
        if answer is self._eager:
            return self._drop_eager()
        answer.leave_steered()
        return self._try_again(answer, broke, now)

    def _try_again(self, answer: Answer, broke: Broke, now: float) -> list[Action]:
        answer.attempts += 1
        if answer.attempts == 1 and broke.exchange.started:
            answer.since = now  # the server was there until now
        shortened = broke.cure is Cure.SHORTEN and self._halve(answer)
        hopeless = broke.cure is Cure.NONE or (broke.cure is Cure.SHORTEN and not shortened)
        if hopeless or answer.attempts >= MOST_ATTEMPTS:
            return self._fail(
                answer,
                f"the server failed: {broke.reason} "
                "(say it again; if it stays, look at the server's log)",
            )
        at = max(now, self._uplink.not_before)
        if broke.cure is Cure.WAIT and at == now:
            at += self._backoff.next_seconds()
        if at > self._patience_ends(answer):
            reason = f"the server asks to wait {at - now:.0f} s: {broke.reason}"
            return self._fail(answer, f"{reason} (say it again then)")
        answer.retry(at)
        fields = {"reason": broke.reason, "after_seconds": round(at - now, 3)}
        return [Noted("request.retried", answer.turn, fields)]

    def _halve(self, answer: Answer) -> bool:
        """Leave the older half of the conversation out of a request that was too long."""
        before = self._conversation.settled
        branch = answer.tip.since(before)
        if not self._conversation.shorten(max(1, before.tokens - 1)):
            return False
        answer.tip = self._conversation.settled.child(branch)
        return True

    def _fail(self, answer: Answer, reason: str) -> list[Action]:
        abandoned = self._uplink.abandon(answer.exchange) if answer.exchange else []
        answer.give_up()
        return [*abandoned, AnswerFailed(answer.turn, reason)]

    def _patience_ends(self, answer: Answer) -> float:
        """Until when an answer may wait to be sent; for the first connection for ever."""
        if not answer.asked or not (self._uplink.connected or self._uplink.lost_reason):
            return inf
        return max(answer.since, self._uplink.lost_at) + self._options.patience_seconds

    # ── what can be sent ─────────────────────────────────────────────────────────────────

    def _advance(self, now: float) -> list[Action]:
        settled = self._conversation.settled
        actions = self._uplink.turn_over(settled, now, idle=self.idle)
        if self._uplink.connected and now >= self._uplink.not_before:
            for answer in self._answers():
                if answer.waiting and now >= answer.not_before:
                    actions += self._request(answer, now)
            actions += self._feed(now)
        return actions + self._lose_patience(now) + self._mind_time(now)

    def _request(self, answer: Answer, now: float) -> list[Action]:
        node, kept = answer.request_node(), self._kept()
        exchange, actions = self._uplink.send("answer", answer.turn, node, kept, now)
        answer.send(exchange)
        return actions

    def _lose_patience(self, now: float) -> list[Action]:
        """An answer has waited too long for the server, or it is known that it will."""
        answer = self._answer
        if answer is None or not answer.waiting:
            return []
        if max(now, self._uplink.not_before) < self._patience_ends(answer):
            return []
        return self._fail(answer, self._uplink.absence(now))

    def _feed(self, now: float) -> list[Action]:
        """Send words ahead, while nothing else goes on."""
        draft = self._draft
        if draft is None or self._answer or self._eager or self._steering.parked:
            return []
        if not self._uplink.feeds:
            return []
        words = draft.due(self._options.input_words) if self._options.input == "stream" else ""
        if not words:
            return []
        node = draft.node.child([InputMessage(role="user", content=words)])
        exchange, actions = self._uplink.send("draft", draft.turn, node, self._kept(), now)
        draft.sent(exchange, words)
        return actions

    def _kept(self) -> list[Node]:
        """What may still be forked from, and so must stay on the server."""
        settled = self._conversation.settled
        if self._draft is None or self._answer:
            return [settled]
        # While an answer is begun early, the words may go on: the draft is forked from, not lost.
        return [settled, self._draft.node] if self._eager else [settled]
