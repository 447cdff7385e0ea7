"""Whole conversations in virtual time: real machines and files, no models and no sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from voice.audio.frames import SAMPLE_RATE, Frame, Int16
from voice.audio.onset_listener import OnsetListener
from voice.audio.wav import FileInput, FileOutput
from voice.clock import VirtualClock
from voice.errors import ModelError
from voice.keeper import Keeper
from voice.listen.fake import FakeEndOfTurn, FakeTranscriber, LoudnessVad
from voice.listen.gate import Gate, GateOptions
from voice.listen.judge import EndOfTurnWorker
from voice.listen.options import ListenOptions
from voice.listen.smart_turn import EndOfTurnModel
from voice.listen.worker import TranscriptionWorker
from voice.parts import Parts
from voice.responses.agent import Agent, _Hold
from voice.responses.events import (
    Completed,
    Created,
    ErrorBody,
    ErrorEvent,
    FunctionCall,
    Response,
    ServerEvent,
)
from voice.responses.fake import MemoryTransport, Request, text_events
from voice.responses.journal import Journal, JournalWriter
from voice.responses.machine import AgentMachine
from voice.responses.options import AgentOptions
from voice.responses.requests import Features
from voice.responses.signals import AgentEvent, AnswerBegun
from voice.session import Session
from voice.speak.apology import APOLOGY, fixed_phrases
from voice.speak.clips import Clips, ClipSynthesizer
from voice.speak.cues import THINKING_SECONDS
from voice.speak.earcons import EarconName, earcon
from voice.speak.fake import WORD_SECONDS, FakeSynthesizer
from voice.speak.options import SpeakOptions
from voice.speak.playback import Playback
from voice.speak.settings import VoiceSettings
from voice.speak.synthesizer import Sound, Synthesizer
from voice.speak.worker import SynthesisWorker
from voice.spoken_commands import FORGOTTEN, SpokenCommands
from voice.tools.function import FunctionTool, function_tool
from voice.tools.policy import Policy
from voice.tools.runner import Toolbox
from voice.tools.timers import Timers
from voice.trace import Trace, TraceEvent
from voice.turns.events import Action, Answer, Hold, Resume
from voice.turns.machine import TurnMachine
from voice.turns.options import BargeInOptions, TurnOptions

RATE = 16_000
ANSWER = "One two three four five six seven eight nine ten."

Reply = Callable[[Request, int], Iterable[ServerEvent | str]]


def _say(text: str) -> Reply:
    return lambda request, number: text_events(request["stream_id"], f"r{number}", text)


@dataclass
class Held:
    """A conversation that was held."""

    events: list[TraceEvent] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    said: Any = None

    def named(self, event: str) -> list[TraceEvent]:
        return [traced for traced in self.events if traced.event == event]

    def turns(self) -> list[dict[str, Any]]:
        return [traced.fields for traced in self.named("turn.completed")]


class _LateAgent(Agent):
    """Its answers begin late, for else they take no virtual time."""

    late_seconds = 0.0

    async def events(self) -> AsyncIterator[tuple[float, AgentEvent]]:
        async for at, event in super().events():
            if isinstance(event, AnswerBegun) and self.late_seconds:
                await self._clock.sleep_until(self._clock.now() + self.late_seconds)
            yield at, event


async def _hold(
    folder: Path,
    talk: list[tuple[float, float]],
    words: list[str],
    reply: Reply,
    seconds: float = 12.0,
    judge: EndOfTurnModel | None = None,
    options: TurnOptions = TurnOptions(),  # noqa: B008 - frozen
    barge_in: BargeInOptions = BargeInOptions(),  # noqa: B008 - frozen
    keys: Callable[[Session, float], None] | None = None,
    agent_options: AgentOptions = AgentOptions(),  # noqa: B008 - frozen
    seconds_per_word: float = 0.0,
    voice: Synthesizer | None = None,
    ahead: bool = False,
    machine: TurnMachine | None = None,
    echo: Any = None,
    speak: SpeakOptions = SpeakOptions(),  # noqa: B008 - frozen
    loading: Future[Synthesizer] | None = None,
    late_seconds: float = 0.0,
    tools: Iterable[FunctionTool] = (),
    journal: JournalWriter | None = None,
) -> Held:
    """Speak at the given stretches (seconds), be understood as `words`, and be answered."""
    held = Held()
    sound = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    for start, end in talk:
        sound[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = 8000
        sound[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE) : 2] *= -1
    soundfile.write(folder / "in.wav", sound, SAMPLE_RATE)

    def answer(request: Request) -> Iterable[ServerEvent | str]:
        if request["type"] != "response.create":
            return []
        held.requests.append(request)
        return reply(request, len(held.requests))

    async def connect() -> MemoryTransport:
        return MemoryTransport(answer)

    clock = VirtualClock()
    transcriber = TranscriptionWorker(
        FakeTranscriber(["warm-up", *words], seconds_per_word),
        ListenOptions(partial_seconds=0.5),
        clock.now,
    )
    synthesizer = SynthesisWorker(voice or FakeSynthesizer(RATE), loading)
    hears = EndOfTurnWorker(judge) if judge else None
    timers = Timers(clock.now)
    toolbox = Toolbox([*timers.tools(), *tools])
    agent_machine = AgentMachine("m", agent_options, Features(ahead=ahead), toolbox, lambda: 0.5)
    trace, voice_settings = Trace(held.events.append), VoiceSettings()
    agent = _LateAgent(agent_machine, connect, toolbox, clock)
    if late_seconds:
        agent.late_seconds = late_seconds
        agent._telling = _Hold(VirtualClock().working)  # it does not hold ours
    session = Session(
        Parts(
            input=FileInput(folder / "in.wav", clock),
            output=FileOutput(folder / "out.wav", clock, RATE),
            echo=echo,
            onset=OnsetListener(),
            vad=LoudnessVad(),
            gate=Gate(GateOptions()),
            transcriber=transcriber,
            judge=hears,
            machine=machine or TurnMachine(options, barge_in=barge_in),
            agent=agent,
            commands=SpokenCommands(voice_settings, "en"),
            keeper=Keeper(timers, clock, trace, journal),
            synthesizer=synthesizer,
            speak=speak,
            playback=Playback(RATE),
            timers=timers,
            clock=clock,
            trace=trace,
        )
    )

    async def hold_keys(keys: Callable[[Session, float], None]) -> None:
        for at in (1.0, 3.0, 5.0):
            await clock.sleep_until(at)
            keys(session, at)

    async with agent.running(), asyncio.TaskGroup() as tasks:
        if keys:
            tasks.create_task(hold_keys(keys))
        await session.run()
    await transcriber.close()
    synthesizer.close()
    if hears:
        hears.close()
    held.said, _ = soundfile.read(folder / "out.wav", dtype="int16")
    return held


async def _answer(folder: Path, **settings: Any) -> Held:
    """One question is asked, from 1 s to 2 s, and answered."""
    return await _hold(folder, [(1.0, 2.0)], ["what is it?"], _say(ANSWER), **settings)


async def test_a_question_is_answered(tmp_path: Path) -> None:
    held = await _hold(tmp_path, [(1.0, 2.0)], ["what is it"], _say(ANSWER))
    (turn,) = held.turns()
    assert turn["user_text"] == "what is it"
    assert turn["assistant_text"] == turn["heard_text"] == ANSWER
    assert turn["latency"]["endpoint"] == pytest.approx(0.5, abs=0.03)
    assert turn["latency"]["voice_to_voice"] == pytest.approx(0.5, abs=0.05), "only the pause"
    first = held.named("audio.first")[0].at
    began = np.flatnonzero(held.said)[0] / RATE
    assert began == pytest.approx(first, abs=0.02)
    assert held.named("playback.ended")[0].at == pytest.approx(first + 10 * WORD_SECONDS, abs=0.05)


@pytest.mark.parametrize(("probability", "endpoint"), [(0.99, 0.25), (0.7, 0.5), (0.1, 1.3)])
async def test_the_voice_decides_how_long_to_wait(
    tmp_path: Path, probability: float, endpoint: float
) -> None:
    judge = FakeEndOfTurn(probability)
    held = await _answer(tmp_path, judge=judge)
    assert held.turns()[0]["latency"]["endpoint"] == pytest.approx(endpoint, abs=0.03)
    (ended,) = held.named("turn.ended")
    assert ended.fields["audio_finished"] == probability
    assert ended.fields["silence_seconds"] == pytest.approx(endpoint, abs=0.03)


class _BrokenJudge:
    def probability(self, samples: Int16) -> float:
        raise ModelError("broken", "mend it")


async def test_without_the_judge_the_words_decide(tmp_path: Path) -> None:
    judge = _BrokenJudge()
    held = await _answer(tmp_path, judge=judge)
    assert held.turns()[0]["latency"]["endpoint"] == pytest.approx(0.5, abs=0.03)
    assert held.named("judge.failed")[0].fields["reason"].startswith("broken")


async def test_the_key_to_talk_ends_the_turn(tmp_path: Path) -> None:
    def keys(session: Session, at: float) -> None:
        if at == 1.0:
            session.press_talk()
        elif at == 3.0:
            session.release_talk()

    held = await _hold(
        tmp_path,
        [(1.2, 1.6), (2.5, 3.5)],
        ["one and two"],
        _say(ANSWER),
        options=TurnOptions(mode="push-to-talk"),
        keys=keys,
    )
    (turn,) = held.turns()
    assert turn["user_text"] == "one and two"
    assert held.named("turn.ended")[0].at == pytest.approx(3.0, abs=0.03)


async def test_an_interruption_keeps_what_was_heard(tmp_path: Path) -> None:
    held = await _hold(
        tmp_path, [(1.0, 2.0), (4.0, 5.0)], ["count", "something else"], _say(ANSWER), seconds=14.0
    )
    interrupted, after = held.turns()
    assert interrupted["interrupted"] is True
    stopped = held.named("playback.stopped")[0].at
    assert stopped == pytest.approx(4.2, abs=0.05), "once the speech is confirmed"
    played = stopped - held.named("audio.first")[0].at
    heard = interrupted["heard_text"].split()
    assert len(heard) == pytest.approx(played / WORD_SECONDS, abs=1)
    assert ANSWER.startswith(interrupted["heard_text"])
    quiet = held.said[round((stopped + 0.05) * RATE) : round(5.5 * RATE)]
    assert not quiet.any(), "the speaker is silent while the user speaks"
    assert [item["content"] for item in held.requests[1]["input"]] == [
        "count",
        interrupted["heard_text"],
        "something else",
    ]
    assert held.requests[1]["previous_response_id"] is None
    assert after["user_text"] == "something else"
    assert after["interrupted"] is False


async def test_noise_during_the_answer_does_not_stop_it(tmp_path: Path) -> None:
    held = await _hold(tmp_path, [(1.0, 2.0), (4.0, 4.15)], ["count", ""], _say(ANSWER))
    (turn,) = held.turns()
    assert turn["heard_text"] == ANSWER
    assert len(held.named("turn.discarded")) == 1


LONG_ANSWER = " ".join(f"word{number}" for number in range(1, 25)) + "."


def _level(held: Held, start: float, end: float) -> float:
    """The loudest sample that was said in that time."""
    return float(np.abs(held.said[round(start * RATE) : round(end * RATE)].astype(int)).max())


async def test_a_sound_makes_the_answer_quieter_for_a_moment(tmp_path: Path) -> None:
    held = await _hold(tmp_path, [(1.0, 2.0), (4.0, 4.15)], ["count", ""], _say(LONG_ANSWER))
    (turn,) = held.turns()
    assert turn["heard_text"] == LONG_ANSWER
    loud, (ducked,) = _level(held, 3.0, 4.0), held.named("speech.ducked")
    (resumed,) = held.named("speech.resumed")
    assert 4.0 < ducked.at < resumed.at < 4.6
    assert _level(held, ducked.at + 0.03, resumed.at) == pytest.approx(loud / 10, rel=0.01)
    assert _level(held, resumed.at + 0.03, 8.0) == loud
    played = held.named("playback.ended")[0].at - held.named("audio.first")[0].at
    assert played == pytest.approx(24 * WORD_SECONDS, abs=0.05), "nothing is said twice"


@pytest.mark.parametrize("times", [1, 3])
async def test_after_a_backchannel_the_answer_goes_on_at_the_word_where_it_grew_quieter(
    tmp_path: Path, times: int
) -> None:
    starts = [4.0 + 2.5 * number for number in range(times)]
    held = await _hold(
        tmp_path,
        [(1.0, 2.0), *[(at, at + 0.5) for at in starts]],
        ["count", *["mm-hm"] * times],
        _say(LONG_ANSWER),
        seconds=18.0,
    )
    (turn,) = held.turns()
    assert turn["heard_text"] == LONG_ANSWER
    assert turn["interrupted"] is False
    paused_seconds = 0.0
    for ducked, stopped, resumed in zip(
        held.named("speech.ducked"),
        held.named("speech.held"),
        held.named("speech.resumed"),
        strict=True,
    ):
        assert resumed.fields["reason"] == "backchannel"
        assert not held.said[round((stopped.at + 0.05) * RATE) : round(resumed.at * RATE)].any()
        again_seconds = stopped.at - ducked.at
        paused_seconds += resumed.at - stopped.at + again_seconds
    played = held.named("playback.ended")[0].at - held.named("audio.first")[0].at
    spoken = played - paused_seconds
    assert 0 <= spoken - 24 * WORD_SECONDS < times * (WORD_SECONDS + 0.1), "from that word on"


async def test_what_was_held_and_then_abandoned_is_told_to_the_word(tmp_path: Path) -> None:
    talk = [(1.0, 2.0), (4.0, 5.5)]
    held = await _hold(
        tmp_path,
        talk,
        ["count", "mm hm but what else"],
        _say(LONG_ANSWER),
        seconds=16.0,
        seconds_per_word=0.3,
    )
    interrupted, after = held.turns()
    first = held.named("audio.first")[0].at
    (stopped,) = held.named("speech.held")
    assert stopped.at < held.named("bargein")[0].at
    words = (stopped.at - first) / WORD_SECONDS
    assert len(interrupted["heard_text"].split()) == pytest.approx(words, abs=0.6)
    assert LONG_ANSWER.startswith(interrupted["heard_text"])
    assert not held.said[round((stopped.at + 0.05) * RATE) : round(5.5 * RATE)].any()
    assert after["heard_text"] == LONG_ANSWER
    assert held.said[round(7.0 * RATE) :].any(), "the next answer is not held"


class _Waiting(TurnMachine):
    """Lets nothing be heard of an answer in the first second after the question."""

    _until = inf
    _turn_held = 0

    def deadline(self) -> float | None:
        due = min(super().deadline() or inf, self._until)
        return None if due == inf else due

    def timeout(self, now: float) -> list[Action]:
        if now >= self._until:
            self._until = inf
            return [Resume(self._turn_held)]
        actions = super().timeout(now)
        for answer in [action for action in actions if isinstance(action, Answer)]:
            self._until, self._turn_held = now + 1.0, answer.turn
            actions.append(Hold(answer.turn))
        return actions


@pytest.mark.parametrize("eager", [True, False])
async def test_of_an_answer_that_is_held_from_the_beginning_all_is_heard_later(
    tmp_path: Path, eager: bool
) -> None:
    held = await _answer(
        tmp_path,
        agent_options=AgentOptions(eager=eager),
        machine=_Waiting(TurnOptions()),
    )
    (turn,) = held.turns()
    assert (turn["eager"], turn["heard_text"]) == (eager, ANSWER)
    asked, first = held.named("turn.ended")[0].at, held.named("audio.first")[0].at
    assert first == pytest.approx(asked + 1.0, abs=0.03)
    assert not held.said[: round(first * RATE) - 1].any()
    ended = held.named("playback.ended")[0].at
    assert ended == pytest.approx(first + 10 * WORD_SECONDS, abs=0.05)


async def test_yes_to_a_question_is_an_answer(tmp_path: Path) -> None:
    question = "It is on. Shall I turn it off?"
    held = await _hold(
        tmp_path, [(1.0, 2.0), (4.6, 5.0)], ["the lamp", "yes"], _say(question), seconds=12.0
    )
    assert [turn["user_text"] for turn in held.turns()] == ["the lamp", "yes"]


async def test_at_once_speech_stops_the_answer(tmp_path: Path) -> None:
    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (4.0, 5.0)],
        ["count", "mm-hm"],
        _say(LONG_ANSWER),
        barge_in=BargeInOptions(mode="at-once"),
    )
    assert held.turns()[0]["interrupted"] is True
    assert held.named("playback.stopped")[0].at == pytest.approx(4.2, abs=0.05)


async def test_half_duplex_ignores_what_is_said_over_the_answer_but_not_the_key(
    tmp_path: Path,
) -> None:
    def keys(session: Session, at: float) -> None:
        if at == 5.0:
            session.press_talk()

    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (3.5, 4.5)],
        ["count", "something else"],
        _say(LONG_ANSWER),
        barge_in=BargeInOptions(half_duplex=True),
        keys=keys,
    )
    (turn,) = held.turns()
    assert turn["interrupted"] is True
    assert held.named("bargein")[0].fields["reason"] == "key"
    assert held.named("bargein")[0].at == pytest.approx(5.0, abs=0.03)
    assert held.named("speech.ignored")


@dataclass
class _Echo:
    """A microphone that hears the agent, and from the second question on tells so."""

    residual_dbfs: float = -96.0
    half_duplex: bool = False
    reason: str = "the echo stays"

    @property
    def convergence(self) -> _Echo:
        return self


async def test_where_the_echo_stays_the_agent_listens_only_while_it_is_silent(
    tmp_path: Path,
) -> None:
    echo = _Echo()

    def keys(session: Session, at: float) -> None:
        echo.half_duplex = at >= 3.0

    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (4.0, 5.0)],
        ["count", "something else"],
        _say(LONG_ANSWER),
        keys=keys,
        echo=echo,
    )
    (turn,) = held.turns()
    assert turn["heard_text"] == LONG_ANSWER
    (chosen,) = held.named("duplex.chosen")
    assert chosen.fields == {"half": True, "reason": "the echo stays"}
    assert chosen.at == pytest.approx(3.0, abs=0.03)


async def test_two_questions_are_a_chain(tmp_path: Path) -> None:
    held = await _hold(
        tmp_path, [(1.0, 2.0), (6.0, 7.0)], ["first", "second"], _say(ANSWER), seconds=14.0
    )
    assert [turn["user_text"] for turn in held.turns()] == ["first", "second"]
    assert held.requests[1]["previous_response_id"] == "r1"
    assert [item["content"] for item in held.requests[1]["input"]] == ["second"]


async def test_a_timer_speaks_up_when_it_is_over(tmp_path: Path) -> None:
    def reply(request: Request, number: int) -> Iterable[ServerEvent | str]:
        lane = request["stream_id"]
        if number == 1:
            call = FunctionCall(
                call_id="c", name="set_timer", arguments='{"duration": "5 seconds"}'
            )
            return [Completed(stream_id=lane, response=Response(id="r1", output=[call]))]
        return text_events(lane, f"r{number}", "The timer is set.")

    held = await _hold(tmp_path, [(1.0, 2.0)], ["five seconds please"], reply, seconds=15.0)
    asked, announced = held.turns()
    assert asked["assistant_text"] == "The timer is set."
    assert announced["user_text"] == ""
    assert "timer" in announced["heard_text"].lower()
    set_at = held.named("tool.ended")[0].at
    assert held.events[held.events.index(held.named("answer.written")[1])].at == pytest.approx(
        set_at + 5, abs=0.1
    )


def _calling(name: str, arguments: str, answer: str) -> Reply:
    """Each question is answered with a call, and each output with words."""

    def reply(request: Request, number: int) -> Iterable[ServerEvent | str]:
        lane, last = request["stream_id"], request["input"][-1]
        if last["type"] == "message" and last["role"] == "user":
            call = FunctionCall(call_id=f"c{number}", name=name, arguments=arguments)
            done = Response(id=f"r{number}", output=[call])
            return [Completed(stream_id=lane, response=done)]
        return text_events(lane, f"r{number}", answer)

    return reply


async def test_a_tool_that_needs_a_yes_is_asked_about_and_runs_after_it(tmp_path: Path) -> None:
    erased = []

    async def erase(what: str) -> str:
        """Erase something."""
        erased.append(what)
        return "erased"

    tool = function_tool(erase, policy=Policy(confirm=True), question="Erase the {what}?")
    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (6.0, 7.0)],
        ["erase the list", "yes"],
        _calling("erase", '{"what": "list"}', "It is gone."),
        seconds=14.0,
        tools=[tool],
    )
    asked, confirmed = held.turns()
    assert (asked["heard_text"], confirmed["heard_text"]) == ("Erase the list?", "It is gone.")
    assert erased == ["list"]
    sent = [(item["type"], item.get("role")) for item in held.requests[-1]["input"]]
    assert sent[-2:] == [("function_call", None), ("function_call_output", None)]


async def test_a_slow_tool_is_filled_with_words_that_the_model_never_said(tmp_path: Path) -> None:
    async def look() -> str:
        """Look around."""
        await asyncio.sleep(0.3)
        return "three"

    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (5.2, 6.2)],
        ["look", "go on then please"],
        _calling("look", "{}", LONG_ANSWER),
        seconds=14.0,
        tools=[function_tool(look, policy=Policy(filler_seconds=0.1))],
    )
    interrupted = held.turns()[0]
    assert interrupted["heard_text"].startswith("One moment. word1 word2")
    assert interrupted["interrupted"] is True
    sent = [item for request in held.requests for item in request["input"]]
    said = [item["content"] for item in sent if item.get("role") == "assistant"]
    assert said
    assert all("One moment" not in words for words in said)


async def test_what_was_said_is_repeated_without_asking_anybody(tmp_path: Path) -> None:
    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (8.0, 9.0)],
        ["count to ten", "say that again please"],
        _say(ANSWER),
        seconds=18.0,
    )
    assert [turn["heard_text"] for turn in held.turns()] == [ANSWER, ANSWER]
    assert len([r for r in held.requests if r.get("generate") is not False]) == 1


async def test_a_conversation_is_forgotten_on_demand(tmp_path: Path) -> None:
    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (8.0, 9.0), (14.0, 15.0)],
        ["my name is ann", "forget this conversation", "who am I"],
        _say("Fine."),
        seconds=20.0,
    )
    assert held.turns()[1]["heard_text"] == FORGOTTEN
    last = held.requests[-1]
    assert last.get("previous_response_id") is None
    assert [item["content"] for item in last["input"]] == [FORGOTTEN, "who am I"]


async def test_louder_is_louder(tmp_path: Path) -> None:
    held = await _hold(tmp_path, [(1.0, 2.0)], ["a bit louder please"], _say(ANSWER))
    (turn,) = held.turns()
    assert turn["heard_text"] == "Louder, like this."
    assert not held.requests


async def test_another_conversation_can_begin_while_the_agent_speaks(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "j.db", 0, 0.0)
    writer = JournalWriter(journal, journal.begin(0.0))

    def keys(session: Session, at: float) -> None:
        if at == 5.0:
            session.begin_anew()

    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (7.0, 8.0)],
        ["count", "and now"],
        _say(LONG_ANSWER),
        seconds=12.0,
        keys=keys,
        journal=writer,
    )
    assert held.turns()[0]["interrupted"] is True
    assert [item["content"] for item in held.requests[-1]["input"]] == ["and now"]
    assert held.requests[-1].get("previous_response_id") is None
    names = [one.event for one in held.events]
    assert names.index("turn.completed") < names.index("conversation.begun")
    kept = [journal.items(one.number) for one in journal.conversations()]
    assert [items[0].content for items in kept] == ["count", "and now"]  # type: ignore[union-attr]
    await writer.close()


async def test_nothing_of_a_conversation_that_is_erased_reaches_the_next(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "j.db", 0, 0.0)
    writer = JournalWriter(journal, journal.begin(0.0))

    def keys(session: Session, at: float) -> None:
        if at == 5.0:
            session.begin_anew(erase=True)

    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (10.0, 11.0)],
        ["my name is Ada", "who am I"],
        _say(ANSWER),
        seconds=15.0,
        keys=keys,
        journal=writer,
    )
    assert [item["content"] for item in held.requests[-1]["input"]] == ["who am I"]
    assert held.requests[-1].get("previous_response_id") is None
    kept = [journal.items(one.number) for one in journal.conversations()]
    assert all(item.content != "my name is Ada" for items in kept for item in items)  # type: ignore[union-attr]
    await writer.close()


async def test_the_muted_hear_nothing_though_the_tap_does(tmp_path: Path) -> None:
    loud: list[Frame] = []

    def keys(session: Session, at: float) -> None:
        if session.tap is None:
            session.tap = lambda frame: loud.append(frame) if frame.samples.any() else None
            session.mute(True)
        if at == 5.0:
            session.mute(False)

    held = await _hold(
        tmp_path, [(1.0, 2.0), (7.0, 8.0)], ["now"], _say(ANSWER), keys=keys, seconds=12.0
    )
    assert [turn["user_text"] for turn in held.turns()] == ["now"]
    assert any(frame.end < 3 * SAMPLE_RATE for frame in loud)


async def test_what_was_said_since_the_wake_word_is_heard(tmp_path: Path) -> None:
    """Muted until a second after the user began to speak."""

    def keys(session: Session, at: float) -> None:
        if at == 1.0:
            session.mute(True)
        if at == 3.0:
            session.hear_from(round(2.4 * SAMPLE_RATE))

    held = await _hold(tmp_path, [(2.0, 4.0)], ["now"], _say(ANSWER), keys=keys, seconds=9.0)
    (turn,) = held.turns()
    assert turn["user_text"] == "now"


async def test_what_is_being_said_is_said_again_by_a_key(tmp_path: Path) -> None:
    def keys(session: Session, at: float) -> None:
        if at == 5.0:
            session.repeat()

    held = await _hold(tmp_path, [(1.0, 2.0)], ["count"], _say(ANSWER), keys=keys, seconds=14.0)
    first, again = held.turns()
    assert first["interrupted"] is True
    assert again["heard_text"] == ANSWER


async def test_keys_silence_and_type_and_mute(tmp_path: Path) -> None:
    def keys(session: Session, at: float) -> None:
        match at:
            case 1.0:
                session.mute(True)
            case 3.0:
                session.type_text("typed")
            case 5.0:
                session.interrupt()

    held = await _hold(tmp_path, [(1.5, 2.5)], ["unheard"], _say(LONG_ANSWER), keys=keys)
    (turn,) = held.turns()
    assert (turn["user_text"], turn["interrupted"]) == ("typed", True)
    assert 0 < len(turn["heard_text"]) < len(LONG_ANSWER)


async def test_a_failing_server_is_said_and_the_conversation_goes_on(tmp_path: Path) -> None:
    def reply(request: Request, number: int) -> Iterable[ServerEvent | str]:
        lane = request["stream_id"]
        if request["input"][-1]["content"] == "one":
            error = ErrorBody(code="model_not_found", message="out of order")
            return [ErrorEvent(stream_id=lane, status=400, error=error)]
        return text_events(lane, f"r{number}", "Fine again.")

    held = await _hold(tmp_path, [(1.0, 2.0), (7.0, 8.0)], ["one", "two"], reply, seconds=14.0)
    failed, fine = held.turns()
    assert failed["assistant_text"] == APOLOGY
    assert "out of order" in held.named("answer.failed")[0].fields["reason"]
    assert fine["assistant_text"] == "Fine again."
    assert [item["content"] for item in held.requests[-1]["input"]] == ["one", "two"]


@pytest.mark.parametrize("interruption", [3.2, 4.0])
async def test_an_apology_is_not_remembered_even_where_it_is_interrupted(
    tmp_path: Path, interruption: float
) -> None:
    def reply(request: Request, number: int) -> Iterable[ServerEvent | str]:
        lane = request["stream_id"]
        if request["input"][-1]["content"] == "one":
            error = ErrorBody(code="model_not_found", message="out of order")
            return [ErrorEvent(stream_id=lane, status=400, error=error)]
        return text_events(lane, f"r{number}", "Fine again.")

    talk = [(1.0, 2.0), (interruption, interruption + 1.0)]
    held = await _hold(tmp_path, talk, ["one", "two"], reply, seconds=14.0)
    failed = held.turns()[0]
    assert failed["interrupted"] is True
    assert failed["heard_text"]
    assert APOLOGY.startswith(failed["heard_text"])
    assert [item["content"] for item in held.requests[-1]["input"]] == ["one", "two"]


async def test_an_overloaded_server_is_asked_again(tmp_path: Path) -> None:
    def reply(request: Request, number: int) -> Iterable[ServerEvent | str]:
        lane = request["stream_id"]
        if number <= 2:
            error = ErrorBody(code="server_error", message="out of breath")
            return [ErrorEvent(stream_id=lane, status=500, error=error)]
        return text_events(lane, f"r{number}", ANSWER)

    held = await _hold(tmp_path, [(1.0, 2.0)], ["one"], reply)
    (turn,) = held.turns()
    assert turn["heard_text"] == ANSWER
    assert held.named("request.retried")


async def test_an_early_answer_is_ready_when_the_pause_is_over(tmp_path: Path) -> None:
    held = await _answer(tmp_path)
    (turn,) = held.turns()
    assert turn["eager"] is True
    assert len(held.requests) == 1
    likely, asked = held.named("turn.likely_end")[0].at, held.named("request.sent")[0].at
    assert asked == pytest.approx(likely, abs=0.01)
    assert held.named("turn.ended")[0].at > asked + 0.2
    assert held.named("audio.first")[0].at == pytest.approx(
        held.named("turn.ended")[0].at, abs=0.03
    )
    quiet = held.said[: round(held.named("turn.ended")[0].at * RATE)]
    assert not quiet.any(), "nothing is heard before the user has finished"


async def test_an_early_answer_to_half_a_sentence_is_never_heard(tmp_path: Path) -> None:
    def reply(request: Request, number: int) -> Iterable[ServerEvent | str]:
        said = request["input"][-1]["content"]
        return text_events(request["stream_id"], f"r{number}", f"You said {said}")

    words = "Turn it on. It is dark in here."
    held = await _hold(
        tmp_path, [(1.0, 2.0), (2.4, 4.5)], [words], reply, seconds=14.0, seconds_per_word=0.45
    )
    (turn,) = held.turns()
    assert turn["user_text"] == words
    assert turn["heard_text"] == f"You said {words}"
    assert held.named("turn.likely_end")[0].fields["text"] == "Turn it on."
    dropped = held.named("eager.discarded")[0]
    assert dropped.fields["discarded_tokens"] == 1
    assert held.requests[-1]["previous_response_id"] is None


async def test_words_go_ahead_while_they_are_spoken(tmp_path: Path) -> None:
    def reply(request: Request, number: int) -> Iterable[ServerEvent | str]:
        lane, name = request["stream_id"], f"r{number}"
        if request.get("generate") is False:
            return [
                Created(stream_id=lane, response=Response(id=name)),
                Completed(stream_id=lane, response=Response(id=name)),
            ]
        return text_events(lane, name, ANSWER)

    words = "Turn on all of the lamps in the living room and then in the kitchen."
    held = await _hold(
        tmp_path,
        [(1.0, 6.8)],
        [words],
        reply,
        seconds=16.0,
        seconds_per_word=0.4,
        ahead=True,
    )
    (turn,) = held.turns()
    assert turn["user_text"] == words
    prime, *drafts, asked = held.requests
    assert prime["input"] == []
    assert len(drafts) > 1
    sent = [item["content"] for request in (*drafts, asked) for item in request["input"]]
    assert "".join(sent) == words, "every word is sent once"
    assert len(asked["input"][0]["content"].split()) < 8, "the request brings only the rest"
    assert drafts[0]["previous_response_id"] == "r1"
    spoken = [event.at for event in held.named("input.sent")[1:]]
    assert max(spoken) < held.named("speech.ended")[0].at


class _BrokenVoice:
    """It says the first `clauses` of all that it is to say, and then no more."""

    rate = RATE

    def __init__(self, clauses: int = 0) -> None:
        self._clauses = clauses
        self._voice = FakeSynthesizer(RATE)

    def synthesize(self, text: str) -> Iterator[Sound]:
        self._clauses -= 1
        if self._clauses < 0:
            raise ModelError("the voice is broken", "mend it")
        return self._voice.synthesize(text)


@pytest.mark.parametrize("eager", [True, False])
async def test_a_voice_that_fails_is_said_in_the_trace(tmp_path: Path, eager: bool) -> None:
    held = await _answer(
        tmp_path,
        voice=_BrokenVoice(),
        agent_options=AgentOptions(eager=eager),
    )
    (turn,) = held.turns()
    assert turn["eager"] is eager
    assert turn["heard_text"] == ""
    assert "the voice is broken" in held.named("answer.failed")[0].fields["reason"]


async def test_what_a_voice_that_fails_did_not_say_is_not_remembered(tmp_path: Path) -> None:
    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (8.0, 9.0)],
        ["one", "two"],
        _say("So far so good. Here the voice is lost."),
        voice=_BrokenVoice(clauses=1),
        seconds=14.0,
    )
    failed, _ = held.turns()
    assert len(held.named("answer.failed")) == 2
    said = [item["content"] for item in held.requests[1]["input"]]
    assert said == [text for text in ("one", failed["heard_text"], "two") if text]
    assert "lost" not in failed["heard_text"]


@pytest.mark.parametrize("eager", [True, False])
async def test_a_voice_that_fails_apologizes_with_what_it_said_before(
    tmp_path: Path, eager: bool
) -> None:
    clips = Clips.open(tmp_path, "key")
    clips.add(fixed_phrases(SpeakOptions()), FakeSynthesizer(RATE))
    failed: Future[Synthesizer] = Future()
    failed.set_result(_BrokenVoice(clauses=1))
    first = "So far so good."
    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (9.0, 10.0)],
        ["one", "two"],
        _say(f"{first} Here the voice is lost."),
        voice=ClipSynthesizer(clips, failed, RATE, VoiceSettings()),
        agent_options=AgentOptions(eager=eager),
        seconds=16.0,
    )
    turn, after = held.turns()
    assert "the voice is broken" in held.named("answer.failed")[0].fields["reason"]
    assert (turn["heard_text"], after["heard_text"]) == (first, "")
    said = [item["content"] for item in held.requests[-1]["input"]]
    assert said[-3:] == ["one", first, "two"]
    begins = round(held.named("audio.first")[0].at * RATE)
    words = len(f"{first} {APOLOGY}".split())
    sounding = held.said[begins : begins + round(words * WORD_SECONDS * RATE)]
    assert np.mean(np.abs(sounding) > 0) > 0.95, "the apology follows what was said"
    assert np.abs(held.said[round(9.0 * RATE) :]).any(), "and is all that is said the next time"
    assert not held.named("audio.underrun")


async def test_the_apology_of_a_voice_that_fails_can_be_interrupted(tmp_path: Path) -> None:
    clips = Clips.open(tmp_path, "key")
    clips.add(fixed_phrases(SpeakOptions()), FakeSynthesizer(RATE))
    failed: Future[Synthesizer] = Future()
    failed.set_result(_BrokenVoice())
    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (3.5, 4.5)],
        ["one", "something else"],
        _say(ANSWER),
        voice=ClipSynthesizer(clips, failed, RATE, VoiceSettings()),
        agent_options=AgentOptions(eager=False),
    )
    assert held.turns()[0]["interrupted"] is True
    assert held.turns()[0]["heard_text"] == ""
    assert np.abs(held.said[round(3.0 * RATE) : round(3.4 * RATE)]).any()
    assert not held.said[round(4.2 * RATE) : round(4.5 * RATE)].any()


async def test_a_voice_that_cannot_be_loaded_ends_the_conversation(tmp_path: Path) -> None:
    loading: Future[Synthesizer] = Future()
    loading.set_exception(ModelError("the voice is no voice", "fetch it"))
    with pytest.raises(ExceptionGroup) as failure:
        await _hold(tmp_path, [], [], _say(ANSWER), loading=loading)
    assert failure.group_contains(ModelError, match="no voice")


EARCONS = SpeakOptions(earcons=True)


def _sounds(held: Held, name: EarconName, at: float) -> bool:
    """Whether this earcon begins there, to a block of 20 ms."""
    sound, start = earcon(name, RATE), round((at - 0.02) * RATE)
    stretch = held.said[start : start + len(sound) + round(0.06 * RATE)].astype(float)
    alike = np.correlate(stretch, sound.astype(float))
    return bool(alike.max() > 0.98 * np.square(sound.astype(float)).sum())


@pytest.mark.parametrize("speak", [EARCONS, SpeakOptions()])
async def test_an_answer_that_is_slow_to_come_is_announced_by_an_earcon(
    tmp_path: Path, speak: SpeakOptions
) -> None:
    held = await _answer(
        tmp_path,
        agent_options=AgentOptions(eager=False),
        speak=speak,
        late_seconds=1.5,
    )
    (turn,) = held.turns()
    assert turn["heard_text"] == ANSWER
    asked, first = held.named("turn.ended")[0].at, held.named("audio.first")[0].at
    assert first == pytest.approx(asked + 1.5, abs=0.03)
    listens = _sounds(held, "listening", held.named("listening")[0].at + 0.02)
    thinks = _sounds(held, "thinking", asked + THINKING_SECONDS)
    assert listens == thinks == speak.earcons
    assert not held.named("audio.underrun")
    assert not held.named("bargein")


async def test_an_earcon_makes_no_answer_wait(tmp_path: Path) -> None:
    held = await _answer(
        tmp_path,
        agent_options=AgentOptions(eager=False),
        speak=EARCONS,
        late_seconds=THINKING_SECONDS + 0.1,
    )
    (turn,) = held.turns()
    asked, first = held.named("turn.ended")[0].at, held.named("audio.first")[0].at
    assert first == pytest.approx(asked + THINKING_SECONDS + 0.1, abs=0.03)
    assert held.said[round((first - 0.08) * RATE) : round((first - 0.04) * RATE)].any()
    assert turn["heard_text"] == ANSWER
    assert not held.named("audio.underrun")


async def test_a_quick_answer_has_no_earcon_but_a_failure_has(tmp_path: Path) -> None:
    def reply(request: Request, number: int) -> Iterable[ServerEvent | str]:
        lane = request["stream_id"]
        if number == 1:
            return text_events(lane, "r1", ANSWER)
        error = ErrorBody(code="model_not_found", message="out of order")
        return [ErrorEvent(stream_id=lane, status=400, error=error)]

    held = await _hold(
        tmp_path,
        [(1.0, 2.0), (7.0, 8.0)],
        ["one?", "two?"],
        reply,
        agent_options=AgentOptions(eager=False),
        speak=EARCONS,
        seconds=14.0,
    )
    fine, failed = held.turns()
    assert (fine["heard_text"], failed["heard_text"]) == (ANSWER, APOLOGY)
    asked, first = held.named("turn.ended")[0].at, held.named("audio.first")[0].at
    assert not held.said[round(1.0 * RATE) : round(first * RATE) - 1].any()
    assert first < asked + 0.1
    assert _sounds(held, "error", held.named("answer.failed")[0].at)


async def test_silence_ends_with_the_file(tmp_path: Path) -> None:
    held = await _hold(tmp_path, [], [], _say(ANSWER), seconds=2.0)
    assert held.turns() == []
    assert not held.said.any()
