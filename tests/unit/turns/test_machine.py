"""Dialogues in simulated time: what the turn machine hears of, and what it wants done."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.frames import SAMPLE_RATE
from voice.listen.gate import SpeechConfirmed, SpeechPaused, SpeechResumed, SpeechStarted
from voice.turns.events import (
    Action,
    Announce,
    AnnouncementArrived,
    Answer,
    AnswerEnded,
    AnswerHeard,
    BeginAnew,
    CloseGate,
    CloseUtterance,
    Commit,
    CompleteTurn,
    ConversationLeft,
    Discard,
    Duck,
    DuplexChosen,
    EndJudged,
    Event,
    GoOn,
    Hold,
    InputEnded,
    Interrupt,
    JudgeEnd,
    LikelyEnd,
    Mark,
    OnsetHeard,
    OpenUtterance,
    Resume,
    Silenced,
    TalkPressed,
    TalkReleased,
    TextTyped,
    Transcribe,
    TranscriptionLost,
    Unduck,
    WordsTranscribed,
)
from voice.turns.floor import AgentState
from voice.turns.machine import TurnMachine
from voice.turns.options import BargeInOptions, TurnOptions

OPTIONS = TurnOptions(
    judge="", quick_seconds=0.6, single_seconds=0.6, endpoint_seconds=0.6, slow_seconds=0.6
)
"""The same silence ends every turn; how evidence changes that has tests of its own."""

CONFIRM_SECONDS = 0.3


class Dialogue:
    """A machine, a clock, and everything the machine wanted."""

    def __init__(
        self, options: TurnOptions = OPTIONS, barge_in: BargeInOptions | None = None
    ) -> None:
        self.machine = TurnMachine(options, barge_in=barge_in or BargeInOptions(mode="at-once"))
        self.now = 0.0
        self.actions: list[Action] = []

    def happen(self, at: float, event: Event) -> None:
        self.run_until(at)
        self.actions += self.machine.receive(event, at)

    def run_until(self, at: float) -> None:
        while (deadline := self.machine.deadline()) is not None and deadline <= at:
            before = self.machine.deadline()
            self.now = max(self.now, deadline)
            self.actions += self.machine.timeout(self.now)
            assert self.machine.deadline() != before, "a deadline that timeout does not clear"
        self.now = at

    def speak(self, start: float, end: float, text: str, turn: int) -> None:
        """Somebody speaks, and the words are known soon after the pause."""
        self.happen(start, SpeechStarted(start, _sample(start), _sample(start)))
        if end - start >= CONFIRM_SECONDS:
            confirmed = start + CONFIRM_SECONDS
            self.happen(confirmed, SpeechConfirmed(confirmed, _sample(confirmed)))
        self.happen(end + 0.2, SpeechPaused(end, _sample(end)))
        self.happen(end + 0.3, WordsTranscribed(turn, text, _sample(end + 0.2)))

    def wanted(self, *kinds: type) -> list[Action]:
        return [action for action in self.actions if isinstance(action, kinds)]

    def marked(self, event: str) -> list[Mark]:
        return [mark for mark in self.actions if isinstance(mark, Mark) and mark.event == event]

    def marks(self) -> list[tuple[str, int]]:
        return [(mark.event, mark.turn) for mark in self.actions if isinstance(mark, Mark)]


def _sample(at: float) -> int:
    return round(at * SAMPLE_RATE)


@pytest.fixture
def dialogue() -> Iterator[Dialogue]:
    yield Dialogue()


def test_a_turn_from_first_word_to_last_sound(dialogue: Dialogue) -> None:
    dialogue.speak(1.0, 2.0, "what time is it", turn=1)
    dialogue.run_until(2.59)
    assert not dialogue.wanted(Answer), "the endpoint is not reached"
    dialogue.run_until(2.61)
    assert dialogue.wanted(OpenUtterance, Transcribe, CloseUtterance, Answer) == [
        OpenUtterance(1, _sample(1.0)),
        Transcribe(1),
        CloseUtterance(1),
        Answer(1, "what time is it"),
    ]
    dialogue.happen(3.0, AnswerHeard(1, 2.98))
    assert dialogue.machine.agent is AgentState.SPEAKING
    dialogue.happen(5.0, AnswerEnded(1))
    assert dialogue.wanted(CompleteTurn) == [CompleteTurn(1)]
    assert dialogue.machine.idle
    assert [event for event, _ in dialogue.marks()] == [
        "speech.started",
        "transcript.partial",
        "turn.likely_end",
        "speech.ended",
        "turn.ended",
        "transcript.committed",
        "transcript.final",
        "audio.first",
        "playback.ended",
    ]


def test_speech_ended_is_the_last_speech_and_turn_ended_the_decision(dialogue: Dialogue) -> None:
    dialogue.speak(1.0, 2.0, "hello there", turn=1)
    dialogue.run_until(4.0)
    at = {mark.event: mark.at for mark in dialogue.actions if isinstance(mark, Mark)}
    assert at["speech.ended"] == 2.0
    assert at["turn.ended"] == pytest.approx(2.6)


def test_a_pause_within_a_sentence_does_not_end_the_turn(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.happen(2.5, SpeechResumed(2.48, _sample(2.48)))
    dialogue.happen(3.2, SpeechPaused(3.0, _sample(3.0)))
    dialogue.happen(3.4, WordsTranscribed(1, "both halves", _sample(3.2)))
    dialogue.run_until(5.0)
    assert dialogue.wanted(Answer) == [Answer(1, "both halves")]


def test_words_from_before_the_resumption_are_not_the_final_ones(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.happen(2.3, SpeechResumed(2.28, _sample(2.28)))
    dialogue.happen(2.4, WordsTranscribed(1, "the first half", _sample(2.2)))
    dialogue.happen(3.2, SpeechPaused(3.0, _sample(3.0)))
    dialogue.run_until(4.0)
    assert not dialogue.wanted(Answer), "the second half is not transcribed yet"
    dialogue.happen(4.1, WordsTranscribed(1, "the first half and the second", _sample(3.2)))
    assert dialogue.wanted(Answer) == [Answer(1, "the first half and the second")]


def test_noise_without_words_changes_nothing(dialogue: Dialogue) -> None:
    dialogue.speak(1.0, 1.5, "", turn=1)
    dialogue.run_until(3.0)
    assert not dialogue.wanted(Answer)
    assert ("turn.discarded", 1) in dialogue.marks()
    assert dialogue.machine.idle


def _answering(dialogue: Dialogue) -> None:
    dialogue.speak(1.0, 2.0, "tell me a story", turn=1)
    dialogue.happen(3.0, AnswerHeard(1, 3.0))


def test_speech_during_the_answer_interrupts_it(dialogue: Dialogue) -> None:
    _answering(dialogue)
    dialogue.happen(4.0, SpeechStarted(4.0, _sample(4.0), _sample(3.7)))
    dialogue.run_until(4.29)
    assert not dialogue.wanted(Interrupt)
    dialogue.happen(4.3, SpeechConfirmed(4.3, _sample(4.3)))
    assert dialogue.wanted(Interrupt) == [Interrupt(1)]
    assert ("bargein", 1) in dialogue.marks()
    dialogue.happen(5.2, SpeechPaused(5.0, _sample(5.0)))
    dialogue.happen(5.3, WordsTranscribed(2, "no, a joke", _sample(5.2)))
    dialogue.run_until(6.0)
    assert dialogue.wanted(Answer)[-1] == Answer(2, "no, a joke")
    assert len(dialogue.wanted(Interrupt)) == 1


def test_a_short_sound_during_the_answer_does_not_interrupt_it(dialogue: Dialogue) -> None:
    _answering(dialogue)
    dialogue.happen(4.0, SpeechStarted(4.0, _sample(4.0), _sample(3.7)))
    dialogue.happen(4.28, SpeechPaused(4.1, _sample(4.1)))
    dialogue.happen(4.4, WordsTranscribed(2, "", _sample(4.28)))
    dialogue.run_until(6.0)
    assert not dialogue.wanted(Interrupt)
    dialogue.happen(7.0, AnswerEnded(1))
    assert dialogue.wanted(CompleteTurn) == [CompleteTurn(1)]


def test_a_short_word_during_the_answer_takes_the_floor_when_it_is_known(
    dialogue: Dialogue,
) -> None:
    _answering(dialogue)
    dialogue.happen(4.0, SpeechStarted(4.0, _sample(4.0), _sample(3.7)))
    dialogue.happen(4.28, SpeechPaused(4.1, _sample(4.1)))
    dialogue.happen(4.4, WordsTranscribed(2, "stop", _sample(4.28)))
    dialogue.run_until(6.0)
    assert dialogue.wanted(Interrupt, Answer, Discard)[1:] == [Interrupt(1), Discard(2)]


def test_going_on_before_the_first_sound_abandons_the_answer(dialogue: Dialogue) -> None:
    dialogue.speak(1.0, 2.0, "what is the weather", turn=1)
    dialogue.speak(2.7, 3.5, "in New York", turn=2)
    dialogue.run_until(5.0)
    assert dialogue.wanted(Answer, Interrupt) == [
        Answer(1, "what is the weather"),
        Interrupt(1),
        Answer(2, "in New York"),
    ]


def test_an_answer_that_begins_while_the_user_speaks_gives_way(dialogue: Dialogue) -> None:
    """The words of the first utterance come only after the second has begun."""
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.happen(2.8, SpeechStarted(2.8, _sample(2.8), _sample(2.5)))
    dialogue.happen(3.1, SpeechConfirmed(3.1, _sample(3.1)))
    dialogue.happen(3.2, WordsTranscribed(1, "one", _sample(2.2)))
    assert dialogue.wanted(Answer, Interrupt) == [Answer(1, "one"), Interrupt(1)]


def test_two_utterances_whose_words_come_late_keep_their_order(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.happen(3.0, SpeechStarted(3.0, _sample(3.0), _sample(2.7)))
    dialogue.happen(3.2, WordsTranscribed(1, "one", _sample(2.2)))
    assert dialogue.wanted(Answer) == [Answer(1, "one")]
    dialogue.happen(4.2, SpeechPaused(4.0, _sample(4.0)))
    dialogue.happen(5.2, WordsTranscribed(2, "two", _sample(4.2)))
    assert dialogue.wanted(Answer) == [Answer(1, "one"), Answer(2, "two")]


def test_events_of_an_interrupted_answer_are_stale(dialogue: Dialogue) -> None:
    _answering(dialogue)
    dialogue.speak(4.0, 5.0, "stop", turn=2)
    dialogue.run_until(6.0)
    before = len(dialogue.actions)
    dialogue.happen(6.1, AnswerEnded(1))
    dialogue.happen(6.2, AnswerHeard(1, 6.2))
    assert len(dialogue.actions) == before


def test_a_failed_answer_completes_its_turn_and_says_why(dialogue: Dialogue) -> None:
    dialogue.speak(1.0, 2.0, "hello", turn=1)
    dialogue.run_until(3.0)
    dialogue.happen(3.5, AnswerEnded(1, "the server failed"))
    assert dialogue.wanted(CompleteTurn) == [CompleteTurn(1, "the server failed")]
    assert ("playback.ended", 1) not in dialogue.marks()


def test_an_announcement_waits_for_a_free_floor(dialogue: Dialogue) -> None:
    _answering(dialogue)
    dialogue.happen(3.5, AnnouncementArrived("the tea is ready"))
    assert not dialogue.wanted(Announce)
    dialogue.happen(5.0, AnswerEnded(1))
    assert dialogue.wanted(Announce) == [Announce(2, "the tea is ready")]
    dialogue.happen(7.0, AnswerEnded(2))
    assert dialogue.machine.idle


def test_an_announcement_waits_while_words_are_awaited(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(1.5, AnnouncementArrived("time is over"))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.run_until(3.0)
    assert not dialogue.wanted(Announce)
    dialogue.happen(3.1, TranscriptionLost(1, "the model failed"))
    assert dialogue.wanted(Announce) == [Announce(2, "time is over")]


def test_lost_words_leave_a_trace(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.run_until(60.0)
    assert ("turn.discarded", 1) in dialogue.marks()
    assert dialogue.machine.idle


def test_an_endless_utterance_is_ended(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.run_until(1.0 + OPTIONS.longest_utterance_seconds)
    assert dialogue.wanted(CloseUtterance) == [CloseUtterance(1)]
    end = _sample(1.0 + OPTIONS.longest_utterance_seconds)
    dialogue.happen(62.0, WordsTranscribed(1, "on and on", end))
    assert dialogue.wanted(Answer) == [Answer(1, "on and on")]


def test_the_end_of_the_input_ends_the_utterance(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(2.0, InputEnded())
    assert dialogue.wanted(Transcribe) == [Transcribe(1)]
    dialogue.happen(2.3, WordsTranscribed(1, "cut off", _sample(2.0)))
    assert dialogue.wanted(Answer) == [Answer(1, "cut off")]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["speech", "noise", "heard", "ended", "announce"]),
            st.floats(0.05, 2.0),
        ),
        max_size=30,
    )
)
def test_any_dialogue_keeps_its_turns_whole(steps: list[tuple[str, float]]) -> None:
    """Every answer or announcement ends exactly once: completed or interrupted, never both."""
    dialogue = Dialogue()
    utterance = 0
    for kind, seconds in steps:
        start = dialogue.now + seconds
        if kind in ("speech", "noise"):
            dialogue.happen(start, SpeechStarted(start, _sample(start), _sample(start)))
            utterance = dialogue.wanted(OpenUtterance)[-1].turn  # type: ignore[union-attr]
            end = start + seconds
            dialogue.happen(end + 0.2, SpeechPaused(end, _sample(end)))
            text = "words" if kind == "speech" else ""
            dialogue.happen(end + 0.4, WordsTranscribed(utterance, text, _sample(end + 0.2)))
            dialogue.run_until(end + 1.0)
            continue
        current = max((a.turn for a in dialogue.wanted(Answer, Announce)), default=0)  # type: ignore[union-attr]
        event: Event = AnnouncementArrived("over")
        if kind == "heard":
            event = AnswerHeard(current, start)
        elif kind == "ended":
            event = AnswerEnded(current)
        dialogue.happen(start, event)
    while not dialogue.machine.idle:
        current = max(a.turn for a in dialogue.wanted(Answer, Announce))  # type: ignore[union-attr]
        dialogue.happen(dialogue.now + 1, AnswerEnded(current))
    begun = [a.turn for a in dialogue.wanted(Answer, Announce)]  # type: ignore[union-attr]
    over = [a.turn for a in dialogue.wanted(CompleteTurn, Interrupt)]  # type: ignore[union-attr]
    assert sorted(begun) == sorted(over)
    assert len(set(over)) == len(over)


# ── evidence about the end ───────────────────────────────────────────────────────────────────

SHIPPED = TurnOptions()


def _paused(
    text: str | None, probability: float | None, options: TurnOptions = SHIPPED
) -> Dialogue:
    """Speech from 1 to 2 s; words and judgement are known at 2.25 s, if at all."""
    dialogue = Dialogue(options)
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), _sample(1.0)))
    dialogue.happen(2.16, SpeechPaused(2.0, _sample(2.0)))
    if text is not None:
        dialogue.happen(2.25, WordsTranscribed(1, text, _sample(2.16)))
    if probability is not None:
        dialogue.happen(2.25, EndJudged(1, _sample(2.0), probability))
    return dialogue


@pytest.mark.parametrize(
    ("text", "probability", "silence"),
    [
        ("Turn on the lights.", 0.99, SHIPPED.quick_seconds),
        ("Turn on the lights.", None, SHIPPED.single_seconds),
        (None, 0.99, SHIPPED.single_seconds),
        ("Turn on the lights.", 0.7, SHIPPED.single_seconds),
        ("The lights are on.", 0.7, SHIPPED.endpoint_seconds),
        (None, None, SHIPPED.endpoint_seconds),
        ("and then", 0.99, SHIPPED.slow_seconds),
        ("Turn on the lights.", 0.1, SHIPPED.slow_seconds),
        ("Um.", 0.99, SHIPPED.hesitation_seconds),
    ],
)
def test_the_silence_follows_the_evidence(
    text: str | None, probability: float | None, silence: float
) -> None:
    dialogue = _paused(text, probability)
    dialogue.run_until(2.0 + silence + 0.01)
    (ended,) = dialogue.marked("turn.ended")
    assert ended.at == pytest.approx(2.0 + silence)
    assert ended.fields["silence_seconds"] == pytest.approx(silence)
    assert ended.fields["audio_finished"] == probability
    assert (ended.fields["text_finished"] is None) == (text is None)


def test_evidence_that_comes_late_ends_the_turn_at_once() -> None:
    dialogue = _paused("Turn on the lights.", None)
    dialogue.happen(2.4, EndJudged(1, _sample(2.0), 0.99))
    dialogue.run_until(2.41)
    assert dialogue.marked("turn.ended")[0].at == pytest.approx(2.4, abs=0.001)


def test_the_voice_is_asked_at_each_pause_and_old_judgements_do_not_count() -> None:
    dialogue = _paused("Turn on", 0.99)
    dialogue.happen(2.3, SpeechResumed(2.3, _sample(2.3)))
    dialogue.happen(3.16, SpeechPaused(3.0, _sample(3.0)))
    dialogue.happen(3.17, EndJudged(1, _sample(2.0), 0.99))
    assert dialogue.wanted(JudgeEnd) == [JudgeEnd(1, _sample(2.0)), JudgeEnd(1, _sample(3.0))]
    dialogue.run_until(3.0 + SHIPPED.single_seconds + 0.05)
    assert not dialogue.marked("turn.ended")


def test_words_from_before_the_last_speech_are_no_evidence() -> None:
    dialogue = _paused("Turn on the lights.", None)
    dialogue.happen(2.3, SpeechResumed(2.3, _sample(2.3)))
    dialogue.happen(3.16, SpeechPaused(3.0, _sample(3.0)))
    dialogue.run_until(5.0)
    assert dialogue.marked("turn.ended")[0].at == pytest.approx(3.0 + SHIPPED.endpoint_seconds)


def test_a_likely_end_is_told_once_a_pause() -> None:
    dialogue = _paused("Turn on the lights.", 0.7)
    dialogue.happen(2.3, WordsTranscribed(1, "Turn on the lights.", _sample(2.3)))
    assert dialogue.wanted(LikelyEnd) == [LikelyEnd(1, "Turn on the lights.")]
    dialogue.happen(2.4, SpeechResumed(2.4, _sample(2.4)))
    dialogue.happen(3.16, SpeechPaused(3.0, _sample(3.0)))
    dialogue.happen(3.2, WordsTranscribed(1, "Turn on the lights in the hall.", _sample(3.16)))
    assert len(dialogue.wanted(LikelyEnd)) == 2
    assert len(dialogue.marked("turn.likely_end")) == 2
    assert not dialogue.marked("turn.ended")


def test_words_that_came_in_the_lull_are_evidence_and_are_not_asked_for_again() -> None:
    dialogue = Dialogue(SHIPPED)
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), _sample(1.0)))
    dialogue.happen(2.12, WordsTranscribed(1, "Turn on the lights.", _sample(2.08)))
    dialogue.happen(2.14, SpeechPaused(2.0, _sample(2.0)))
    assert not dialogue.wanted(Transcribe)
    assert len(dialogue.wanted(LikelyEnd)) == 1
    dialogue.happen(2.2, EndJudged(1, _sample(2.0), 0.99))
    assert dialogue.machine.deadline() == pytest.approx(2.0 + SHIPPED.quick_seconds)


def test_a_long_pause_is_a_likely_end_whatever_it_sounds_like() -> None:
    dialogue = _paused("and then", 0.1)
    dialogue.run_until(2.0 + SHIPPED.likely_seconds - 0.01)
    assert not dialogue.wanted(LikelyEnd)
    dialogue.run_until(2.0 + SHIPPED.likely_seconds)
    assert dialogue.wanted(LikelyEnd) == [LikelyEnd(1, "and then")]
    dialogue.happen(2.9, SpeechResumed(2.9, _sample(2.9)))
    dialogue.happen(3.66, SpeechPaused(3.5, _sample(3.5)))
    dialogue.happen(3.7, WordsTranscribed(1, "and then I", _sample(3.66)))
    assert dialogue.wanted(LikelyEnd, GoOn) == [LikelyEnd(1, "and then"), GoOn(1)]


def test_words_that_come_late_in_a_long_pause_are_a_likely_end() -> None:
    dialogue = _paused("and", None)
    dialogue.run_until(2.0 + SHIPPED.likely_seconds)
    dialogue.happen(2.8, WordsTranscribed(1, "and then", _sample(2.5)))
    expected = [LikelyEnd(1, "and"), GoOn(1), LikelyEnd(1, "and then")]
    assert dialogue.wanted(LikelyEnd, GoOn) == expected


def test_there_is_no_likely_end_while_it_sounds_unfinished() -> None:
    assert not _paused("and then", 0.99).wanted(LikelyEnd)
    dialogue = Dialogue(SHIPPED)
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), _sample(1.0)))
    dialogue.happen(2.0, WordsTranscribed(1, "Turn on the lights.", _sample(2.0)))
    assert not dialogue.wanted(LikelyEnd), "speech goes on"


# ── what is no turn ──────────────────────────────────────────────────────────────────────────


def _short_sound(dialogue: Dialogue, text: str) -> None:
    dialogue.happen(4.0, SpeechStarted(4.0, _sample(4.0), _sample(3.7)))
    dialogue.happen(4.28, SpeechPaused(4.1, _sample(4.1)))
    dialogue.happen(4.4, WordsTranscribed(2, text, _sample(4.28)))
    dialogue.run_until(8.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("Mm-hm.", "backchannel"), ("(laughs)", "non-speech"), ("Um.", "hesitation")],
)
def test_sounds_around_the_answer_leave_it_alone(
    dialogue: Dialogue, text: str, reason: str
) -> None:
    _answering(dialogue)
    _short_sound(dialogue, text)
    assert len(dialogue.wanted(Answer)) == 1
    assert not dialogue.wanted(Interrupt)
    (discarded,) = dialogue.marked("turn.discarded")
    assert discarded.fields == {"reason": reason}
    assert dialogue.marked("transcript.final")[-1].fields["label"] == reason


def test_yeah_is_an_answer_when_the_agent_is_silent(dialogue: Dialogue) -> None:
    dialogue.speak(1.0, 1.4, "Yeah.", turn=1)
    dialogue.run_until(4.0)
    assert dialogue.wanted(Answer) == [Answer(1, "Yeah.")]


def test_a_lone_um_is_given_up(dialogue: Dialogue) -> None:
    dialogue.speak(1.0, 1.4, "Um.", turn=1)
    dialogue.run_until(1.4 + OPTIONS.hesitation_seconds - 0.01)
    assert not dialogue.marked("turn.ended")
    dialogue.run_until(4.0)
    assert dialogue.marked("turn.discarded")[0].fields == {"reason": "hesitation"}
    assert dialogue.machine.idle


def test_stop_interrupts_as_soon_as_it_is_understood(dialogue: Dialogue) -> None:
    _answering(dialogue)
    dialogue.happen(4.0, SpeechStarted(4.0, _sample(4.0), _sample(3.7)))
    dialogue.happen(4.2, WordsTranscribed(2, "Stop.", _sample(4.2)))
    assert dialogue.wanted(Interrupt) == [Interrupt(1)]


# ── commits ──────────────────────────────────────────────────────────────────────────────────


def test_commits_are_told_as_they_grow_and_the_final_is_all_committed(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), _sample(1.0)))
    for at, text, committed in (
        (1.4, "turn on", ""),
        (1.8, "turn on the", "turn on"),
        (1.9, "turn on a", "turn on"),
    ):
        dialogue.happen(at, WordsTranscribed(1, text, _sample(at), committed))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.happen(2.3, WordsTranscribed(1, "turn on the light", _sample(2.2), "turn on the"))
    dialogue.run_until(4.0)
    assert [mark.fields for mark in dialogue.marked("transcript.committed")] == [
        {"text": "turn on", "added": "turn on"},
        {"text": "turn on the", "added": "the"},
        {"text": "turn on the light", "added": "light"},
    ]
    assert dialogue.marked("transcript.final")[0].fields == {
        "text": "turn on the light",
        "label": "words",
    }


# ── push-to-talk ─────────────────────────────────────────────────────────────────────────────


def test_the_key_opens_and_ends_the_turn() -> None:
    dialogue = Dialogue(TurnOptions(mode="push-to-talk"))
    dialogue.happen(0.5, SpeechStarted(0.5, _sample(0.5), _sample(0.2)))
    assert not dialogue.actions, "nobody holds the key"
    dialogue.happen(1.0, TalkPressed(1.0, _sample(1.0)))
    dialogue.happen(2.16, SpeechPaused(2.0, _sample(2.0)))
    dialogue.happen(2.3, WordsTranscribed(1, "one", _sample(2.16)))
    dialogue.run_until(10.0)
    assert not dialogue.marked("turn.ended"), "a pause ends nothing"
    dialogue.happen(10.0, SpeechResumed(10.0, _sample(10.0)))
    dialogue.happen(11.0, TalkReleased(11.0, _sample(11.0)))
    assert dialogue.wanted(CloseUtterance) == [CloseUtterance(1)]
    assert not dialogue.wanted(Answer), "the words are not known yet"
    dialogue.happen(11.1, WordsTranscribed(1, "one two", _sample(11.0)))
    assert dialogue.wanted(Answer) == [Answer(1, "one two")]
    assert not dialogue.wanted(JudgeEnd, LikelyEnd)


def test_the_key_silences_the_agent() -> None:
    dialogue = Dialogue(TurnOptions(mode="push-to-talk"))
    dialogue.happen(1.0, TalkPressed(1.0, _sample(1.0)))
    dialogue.happen(2.0, TalkReleased(2.0, _sample(2.0)))
    dialogue.happen(2.1, WordsTranscribed(1, "go", _sample(2.0)))
    dialogue.happen(3.0, TalkPressed(3.0, _sample(3.0)))
    assert dialogue.wanted(Answer, Interrupt) == [Answer(1, "go"), Interrupt(1)]


def test_the_key_does_nothing_where_pauses_end_turns(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, TalkPressed(1.0, _sample(1.0)))
    dialogue.happen(2.0, TalkReleased(2.0, _sample(2.0)))
    assert not dialogue.actions


# ── words ahead ──────────────────────────────────────────────────────────────────────────────


def test_final_words_are_told_while_the_user_speaks(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), _sample(1.0)))
    dialogue.happen(1.4, WordsTranscribed(1, "turn on", _sample(1.4)))
    assert not dialogue.wanted(Commit), "no word is final yet"
    dialogue.happen(1.8, WordsTranscribed(1, "turn on the", _sample(1.8), "turn on"))
    dialogue.happen(2.0, WordsTranscribed(1, "turn on the light", _sample(2.0), "turn on the"))
    assert dialogue.wanted(Commit) == [Commit(1, "turn on"), Commit(1, "turn on the")]


def test_words_that_become_final_in_a_pause_wait_for_what_comes_of_it(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), _sample(1.0)))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.happen(2.3, WordsTranscribed(1, "turn on", _sample(2.2), "turn on"))
    assert not dialogue.wanted(Commit)
    dialogue.happen(2.4, SpeechResumed(2.4, _sample(2.4)))
    dialogue.happen(2.9, WordsTranscribed(1, "turn on the light", _sample(2.9), "turn on"))
    assert dialogue.wanted(Commit) == [Commit(1, "turn on")]


def test_words_of_an_utterance_that_is_over_come_with_the_question(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), _sample(1.0)))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.run_until(3.0)
    dialogue.happen(3.1, WordsTranscribed(1, "turn on the light", _sample(2.2), "turn on"))
    assert dialogue.wanted(Commit, Answer) == [Answer(1, "turn on the light")]


# ── a likely end that was none ───────────────────────────────────────────────────────────────


def _likely_ended() -> Dialogue:
    dialogue = _paused("Turn on the lights.", 0.7)
    assert dialogue.wanted(LikelyEnd, GoOn) == [LikelyEnd(1, "Turn on the lights.")]
    dialogue.actions.clear()
    return dialogue


def test_speech_takes_a_likely_end_back() -> None:
    dialogue = _likely_ended()
    dialogue.happen(2.4, SpeechResumed(2.4, _sample(2.4)))
    assert dialogue.wanted(GoOn) == [GoOn(1)]
    dialogue.happen(2.5, WordsTranscribed(1, "Turn on the lights in", _sample(2.5)))
    assert len(dialogue.wanted(GoOn)) == 1, "once is enough"


def test_speech_after_no_likely_end_takes_nothing_back() -> None:
    dialogue = _paused("and then", 0.7)
    dialogue.happen(2.4, SpeechResumed(2.4, _sample(2.4)))
    assert not dialogue.wanted(GoOn)


def test_other_words_take_a_likely_end_back_and_may_be_one_themselves() -> None:
    dialogue = _likely_ended()
    dialogue.happen(2.3, WordsTranscribed(1, "Turn on the light.", _sample(2.3)))
    assert dialogue.wanted(LikelyEnd, GoOn) == [GoOn(1), LikelyEnd(1, "Turn on the light.")]


def test_other_words_that_sound_unfinished_only_take_it_back() -> None:
    dialogue = _likely_ended()
    dialogue.happen(2.3, WordsTranscribed(1, "Turn on the lights and", _sample(2.3)))
    assert dialogue.wanted(LikelyEnd, GoOn) == [GoOn(1)]


@pytest.mark.parametrize("text", ["turn on the lights", "Turn on (sighs) the lights!"])
def test_the_same_words_take_nothing_back(text: str) -> None:
    dialogue = _likely_ended()
    dialogue.happen(2.3, WordsTranscribed(1, text, _sample(2.3)))
    assert not dialogue.wanted(GoOn)


# ── utterances that are none ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["", "Um.", "(laughs)"])
def test_an_utterance_that_is_none_is_thrown_away(dialogue: Dialogue, text: str) -> None:
    dialogue.speak(1.0, 1.5, text, turn=1)
    dialogue.run_until(8.0)
    assert dialogue.wanted(Discard, Answer) == [Discard(1)]


def test_so_is_one_whose_words_are_lost(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.run_until(3.0)
    dialogue.happen(3.1, TranscriptionLost(1, "the model failed"))
    assert dialogue.wanted(Discard) == [Discard(1)]


def test_it_is_thrown_away_before_an_announcement_takes_the_floor(dialogue: Dialogue) -> None:
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(1.2, AnnouncementArrived("the tea is ready"))
    dialogue.happen(1.7, SpeechPaused(1.5, _sample(1.5)))
    dialogue.happen(1.8, WordsTranscribed(1, "", _sample(1.7)))
    dialogue.run_until(5.0)
    assert dialogue.wanted(Discard, Announce) == [Discard(1), Announce(2, "the tea is ready")]


STEPS = st.tuples(st.sampled_from(["speech", "pause", "words"]), st.floats(0.02, 1.5))
TEXTS = ["Turn on the lights.", "Turn on the light.", "Turn on", ""]


@given(st.lists(STEPS, max_size=30), st.lists(st.sampled_from(TEXTS), min_size=1))
def test_every_likely_end_is_taken_back_or_becomes_a_question(
    steps: list[tuple[str, float]], texts: list[str]
) -> None:
    """So an answer that was begun early never stays undecided."""
    dialogue, speaking, words = Dialogue(SHIPPED), False, itertools.cycle(texts)
    for kind, seconds in [*steps, ("pause", 0.1), ("words", 0.1)]:
        dialogue.run_until(dialogue.now + seconds)
        at, sample = dialogue.now, _sample(dialogue.now)
        turns = [action.turn for action in dialogue.wanted(OpenUtterance)]  # type: ignore[union-attr]
        closed = len(turns) == len(dialogue.wanted(CloseUtterance))
        if kind == "speech" and (closed or not speaking):
            starts = SpeechStarted(at, sample, sample) if closed else SpeechResumed(at, sample)
            dialogue.happen(at, starts)
            speaking = True
        elif kind == "pause" and speaking:
            dialogue.happen(at, SpeechPaused(at, sample))
            speaking = False
        elif turns:
            dialogue.happen(at, WordsTranscribed(turns[-1], next(words), sample))
    dialogue.run_until(dialogue.now + 100.0)
    undecided: set[int] = set()  # an utterance may have to wait for the words of the one before
    for action in dialogue.actions:
        match action:
            case LikelyEnd(turn, _):
                assert turn not in undecided
                undecided.add(turn)
            case GoOn(turn) | Discard(turn) | Answer(turn, _) if turn in undecided:
                undecided.remove(turn)
            case GoOn():
                raise AssertionError("there was nothing to take back")
    assert not undecided


# ── giving way in steps; how it sounds is shown by the dialogues ─────────────────────────────


def _two_step(options: TurnOptions = SHIPPED) -> Dialogue:
    """The agent speaks since 3.0 s; the user has asked in turn 1."""
    dialogue = Dialogue(options, BargeInOptions())
    _answering(dialogue)
    dialogue.actions.clear()
    return dialogue


def test_a_lone_onset_runs_out() -> None:
    dialogue = _two_step()
    dialogue.happen(4.0, OnsetHeard(3.95))
    assert dialogue.wanted(Duck) == [Duck(1)]
    assert dialogue.machine.deadline() == pytest.approx(4.0 + BargeInOptions().duck_seconds)
    dialogue.run_until(4.41)
    assert dialogue.wanted(Unduck) == [Unduck(1)]
    assert dialogue.machine.deadline() is None


def test_an_onset_means_nothing_to_an_agent_that_is_silent() -> None:
    dialogue = Dialogue(SHIPPED, BargeInOptions())
    dialogue.happen(1.0, OnsetHeard(0.95))
    assert dialogue.machine.idle
    assert not dialogue.actions


def test_a_sound_that_becomes_neither_speech_nor_a_pause_ducks_for_a_while_only() -> None:
    dialogue = _two_step()
    dialogue.happen(4.0, SpeechStarted(3.9, _sample(3.9), _sample(3.7)))
    dialogue.run_until(4.41)
    assert dialogue.wanted(Duck, Unduck) == [Duck(1), Unduck(1)]


def test_stop_ends_the_turn_quickly_though_the_agent_is_silent_by_then() -> None:
    dialogue = _two_step()
    dialogue.speak(4.0, 4.4, "Stop.", turn=2)
    assert dialogue.wanted(Interrupt) == [Interrupt(1)]
    assert dialogue.machine.deadline() == pytest.approx(4.4 + SHIPPED.quick_seconds)


def test_yeah_while_the_words_before_it_are_not_known_is_said_to_nobody() -> None:
    dialogue = Dialogue(OPTIONS, BargeInOptions())
    dialogue.happen(1.0, SpeechStarted(1.0, _sample(1.0), 0))
    dialogue.happen(2.2, SpeechPaused(2.0, _sample(2.0)))
    dialogue.run_until(2.9)
    dialogue.speak(3.0, 3.2, "Yeah.", turn=2)
    dialogue.happen(3.6, WordsTranscribed(1, "turn on the light", _sample(2.2)))
    dialogue.run_until(5.0)
    assert dialogue.wanted(Answer, Discard) == [Answer(1, "turn on the light"), Discard(2)]


def test_words_that_were_lost_in_a_pause_are_asked_for_again_at_the_end() -> None:
    dialogue = _two_step()
    dialogue.happen(4.0, SpeechStarted(4.0, _sample(4.0), _sample(3.7)))
    dialogue.happen(4.3, SpeechConfirmed(4.3, _sample(4.3)))
    dialogue.happen(4.6, SpeechPaused(4.5, _sample(4.5)))
    dialogue.happen(4.7, TranscriptionLost(2, "the model failed"))
    assert dialogue.wanted(Hold, Resume) == [Hold(1), Resume(1)]
    assert dialogue.wanted(Transcribe) == [Transcribe(2)]
    dialogue.run_until(7.0)
    assert dialogue.wanted(Transcribe) == [Transcribe(2), Transcribe(2)]
    dialogue.happen(7.1, WordsTranscribed(2, "another one", _sample(4.6)))
    assert dialogue.wanted(Interrupt, Answer) == [Interrupt(1), Answer(2, "another one")]


def test_the_answer_fails_while_it_is_held() -> None:
    dialogue = _two_step()
    dialogue.happen(4.0, SpeechStarted(4.0, _sample(4.0), _sample(3.7)))
    dialogue.happen(4.3, SpeechConfirmed(4.3, _sample(4.3)))
    dialogue.happen(4.4, AnswerEnded(1, "the server failed"))
    assert dialogue.wanted(CompleteTurn) == [CompleteTurn(1, "the server failed")]
    dialogue.happen(4.8, SpeechPaused(4.7, _sample(4.7)))
    dialogue.run_until(9.0)
    assert not dialogue.wanted(Resume, Interrupt)


def test_half_duplex_is_said_once_and_closes_what_the_agent_opened() -> None:
    dialogue = _two_step()
    dialogue.happen(4.0, SpeechStarted(4.0, _sample(4.0), _sample(3.7)))
    for at in (4.1, 4.2):
        dialogue.happen(at, DuplexChosen(half=True, reason="the echo stays"))
    (chosen,) = dialogue.marked("duplex.chosen")
    assert chosen == Mark("duplex.chosen", 0, 4.1, {"half": True, "reason": "the echo stays"})
    assert dialogue.wanted(CloseUtterance, Discard) == [CloseUtterance(2), Discard(2)]
    for at in (4.3, 4.6):
        dialogue.happen(at, SpeechStarted(at, _sample(at), _sample(at)))
    assert dialogue.wanted(CloseGate) == [CloseGate(), CloseGate()]
    assert len(dialogue.marked("speech.ignored")) == 1
    dialogue.happen(5.0, AnswerEnded(1))
    dialogue.happen(5.2, SpeechStarted(5.1, _sample(5.1), _sample(5.0)))
    assert len(dialogue.wanted(CloseGate)) == 3, "its last word is still in the room"
    dialogue.happen(5.5, SpeechStarted(5.3, _sample(5.3), _sample(5.2)))
    assert dialogue.wanted(OpenUtterance)[-1] == OpenUtterance(3, _sample(5.2))


def test_a_key_silences_the_agent(dialogue: Dialogue) -> None:
    _answering(dialogue)
    dialogue.happen(4.0, Silenced())
    assert dialogue.wanted(Interrupt) == [Interrupt(1)]
    assert dialogue.machine.idle


def test_another_conversation_begins_when_the_answer_is_silent(dialogue: Dialogue) -> None:
    _answering(dialogue)
    dialogue.happen(4.0, AnnouncementArrived("The tea is ready."))
    dialogue.happen(4.1, ConversationLeft(erased=True))
    wanted = dialogue.wanted(Interrupt, BeginAnew, Announce)
    assert wanted == [Interrupt(1), BeginAnew(True), Announce(2, "The tea is ready.")]


def test_what_is_typed_takes_the_floor_and_is_answered(dialogue: Dialogue) -> None:
    _answering(dialogue)
    dialogue.happen(4.0, TextTyped("and in Rome?"))
    assert dialogue.wanted(Interrupt, Answer)[1:] == [Interrupt(1), Answer(2, "and in Rome?")]
