"""What a screen knows of a conversation from the trace alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.screen_scenes import (
    LATENCY,
    STORY,
    Scene,
    after,
    answered,
    asked,
    completed,
    happened,
    interrupted,
    loading,
    ready,
    speaking,
    talking,
    with_tool,
)
from voice.apps.phase import Phase
from voice.apps.screen.conversation import Conversation, Turn
from voice.apps.screen.notices import Notice
from voice.apps.screen.styled import turn_text
from voice.apps.screen.wording import status

# ── what is said ─────────────────────────────────────────────────────────────────────────────


def test_words_grow_and_only_the_committed_ones_are_certain() -> None:
    [turn] = after(ready(), talking(1)).turns
    assert turn.words == "Wait, how many bridges did she"
    assert turn.words[: turn.committed] == "Wait, how many"


def test_words_that_are_committed_before_they_are_shown_are_shown() -> None:
    [turn] = after([happened("transcript.committed", 1, text="Wait,", added="Wait,")]).turns
    assert (turn.words, turn.committed) == ("Wait,", 5)


def test_a_whole_turn() -> None:
    [turn] = after(ready(), answered(1, "Good morning.", "Good day!")).turns
    assert (turn.words, turn.answer, turn.heard) == ("Good morning.", "Good day!", 9)
    assert turn.completed and not turn.interrupted
    assert turn.latency == LATENCY


def test_the_heart_of_an_interruption_is_what_was_heard() -> None:
    [turn] = after(ready(), interrupted(1, STORY[:15])).turns
    assert turn.interrupted and turn.answer == STORY
    assert turn.heard == 15


def test_heard_words_are_told_while_they_are_heard() -> None:
    [turn] = after(ready(), speaking(1, heard=4)).turns
    assert (turn.answer, turn.heard) == (STORY, 4)


def test_what_was_not_meant_for_the_assistant_disappears() -> None:
    heard = [happened("transcript.partial", 1, text="mm-hm")]
    conversation = after(ready(), heard)
    gone = conversation.receive(happened("turn.discarded", 1, reason="backchannel"))
    assert isinstance(gone, Turn) and gone.empty
    assert conversation.entries == []


def test_an_answer_that_was_begun_too_early_leaves_nothing() -> None:
    early = [
        happened("heard.progress", 1, text="The wea", characters=0),
        happened("tool.started", 1, tool="weather", arguments="{}"),
        happened("eager.discarded", 1),
    ]
    [turn] = after(ready(), asked(1, "What is the time?"), early).turns
    assert (turn.answer, turn.heard, turn.tools) == ("", None, [])


def test_two_calls_of_one_tool_end_in_the_order_of_their_beginnings() -> None:
    calls = [
        happened("tool.started", 1, 1.0, tool="clock", arguments="{}"),
        happened("tool.started", 1, 2.0, tool="clock", arguments="{}"),
        happened("tool.ended", 1, 2.5, tool="clock", output="noon"),
    ]
    [turn] = after(ready(), asked(1, "When?"), calls).turns
    assert [call.seconds for call in turn.tools] == [1.5, None]
    assert turn.tools[0].output == "noon"


def test_a_failure_is_kept_with_its_turn() -> None:
    failed = [happened("answer.failed", 1, reason="overloaded")]
    [turn] = after(ready(), asked(1, "Hello?"), failed).turns
    assert turn.failure == "overloaded"


def test_an_announcement_is_a_turn_without_a_question() -> None:
    said = [happened("audio.first", 3), happened("answer.written", 3, text="The timer rings.")]
    [turn] = after(ready(), said).turns
    assert (turn.words, turn.answer) == ("", "The timer rings.")


def test_what_happens_besides_stands_between_the_turns() -> None:
    lost = [happened("connection.lost", reason="the cable"), happened("connection.recovered")]
    conversation = after(ready(), answered(1, "One", "1"), lost, answered(2, "Two", "2"))
    assert [type(entry) for entry in conversation.entries] == [Turn, Notice, Notice, Turn]
    assert conversation.connected


def test_a_conversation_that_is_opened_anew_counts_from_one_and_keeps_what_was_said() -> None:
    conversation = after(ready(), answered(1, "Old", "a"), loading(), ready())
    conversation.receive(happened("transcript.partial", 1, text="New"))
    assert [turn.words for turn in conversation.turns] == ["Old", "New"]


def test_a_new_conversation_is_empty() -> None:
    conversation = after(ready(), answered(1, "Old", "a"), [happened("conversation.begun")])
    assert conversation.entries == []
    conversation.receive(happened("transcript.partial", 2, text="New"))
    assert [turn.words for turn in conversation.turns] == ["New"]


def test_events_that_mean_nothing_here_change_nothing() -> None:
    conversation = Conversation()
    assert conversation.receive(happened("input.sent", 1, purpose="words")) is None
    assert conversation.receive(happened("bargein", 0, reason="words")) is None
    assert conversation.entries == []


# ── what goes on ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scene", "phase"),
    [
        ([], Phase.LOADING),
        (loading(), Phase.LOADING),
        (ready(), Phase.READY),
        ([*ready(), *talking(1)], Phase.LISTENING),
        ([*ready(), *asked(1, "Hello?")], Phase.THINKING),
        ([*ready(), *speaking(1)], Phase.SPEAKING),
        ([*ready(), *answered(1, "Hello", "Hi")], Phase.READY),
        ([*ready(), happened("conversation.failed", problem="gone", cure="")], Phase.STOPPED),
        ([*ready(), *answered(1, "a", "b"), *loading()], Phase.LOADING),
    ],
)
def test_what_goes_on(scene: Scene, phase: Phase) -> None:
    assert after(scene).phase is phase


def test_the_assistant_gives_way_step_by_step() -> None:
    conversation = after(ready(), speaking(1), [happened("speech.started", 2)])
    phases = []
    for name in ("speech.ducked", "speech.held", "speech.resumed", "speech.held", "bargein"):
        conversation.receive(happened(name, 1, reason="words"))
        phases.append(conversation.phase)
    assert phases == [Phase.DUCKED, Phase.HELD, Phase.SPEAKING, Phase.HELD, Phase.LISTENING]


def test_a_question_that_interrupts_is_thought_about() -> None:
    again = [happened("speech.held", 1), *asked(2, "And then?"), happened("bargein", 1)]
    conversation = after(ready(), speaking(1), again)
    assert conversation.phase is Phase.THINKING
    conversation.receive(completed(1, "Tell me", STORY, "Once", interrupted=True))
    assert conversation.phase is Phase.THINKING


def test_a_cough_that_interrupted_nothing_does_not_end_the_voice() -> None:
    cough = [
        happened("speech.started", 2),
        happened("turn.ended", 2),
        happened("turn.discarded", 2),
    ]
    assert after(ready(), speaking(1), cough).phase is Phase.SPEAKING


def test_an_answer_held_before_its_first_sound_is_not_heard() -> None:
    held = [happened("speech.held", 1, reason="speech"), happened("speech.resumed", 1)]
    assert after(ready(), asked(1, "Hello?"), held).phase is Phase.THINKING


def test_microphone_key_and_echo_are_followed() -> None:
    conversation = after(
        ready(),
        [
            happened("input.muted", on=True),
            happened("talk.pressed"),
            happened("duplex.chosen", half=True, reason="only while I am silent"),
        ],
    )
    assert conversation.muted and conversation.talking and conversation.half_duplex
    for event in (happened("input.muted", on=False), happened("talk.released")):
        conversation.receive(event)
    assert not conversation.muted and not conversation.talking


def test_parts_are_loaded_side_by_side() -> None:
    conversation = after(loading())
    assert conversation.loading["language model"] == (309, 491)
    assert conversation.loading["speech recognition"] == (1, 1)
    conversation = after(loading(), ready())
    again = happened("loading.progress", part="voice", done=0, total=1)
    conversation.receive(again)
    assert conversation.loading == {"voice": (0, 1)}


def test_a_voice_that_is_ready_late_does_not_stop_a_conversation() -> None:
    conversation = after(loading(), ready())
    conversation.receive(happened("loading.progress", part="voice", done=1, total=1, seconds=0.8))
    assert conversation.phase is Phase.READY
    assert conversation.loading_seconds == {"voice": 0.8}


def test_a_tool_is_part_of_its_turn() -> None:
    [turn] = after(ready(), with_tool(1)).turns
    [call] = turn.tools
    assert call.seconds == pytest.approx(0.31)


ALL = [
    *loading(),
    *ready(),
    *with_tool(1),
    *interrupted(2),
    *talking(3),
    happened("turn.discarded", 1, reason="no words"),
    happened("eager.discarded", 2),
    happened("answer.failed", 3, reason="gone"),
    happened("connection.lost", reason="gone"),
    happened("conversation.begun"),
    happened("conversation.failed", problem="gone", cure=""),
]


@given(st.lists(st.sampled_from(ALL), max_size=40))
def test_events_in_any_order_are_shown_somehow(events: Scene) -> None:
    conversation = after(events)
    status(conversation)
    for turn in conversation.turns:
        assert 0 <= turn.committed <= len(turn.words)
        for line in turn_text(turn, 40).plain.splitlines():
            assert len(line) <= 40
    assert all(entry in conversation.entries for entry in conversation.turns)


@pytest.mark.parametrize(
    ("event", "text", "tone"),
    [
        (happened("connection.lost", reason="the cable"), "the cable", "error"),
        (
            happened("connection.fallback", reason="no WebSocket"),
            "no WebSocket: going on over HTTP",
            "warning",
        ),
        (
            happened("journal.opened", resumed=True, items=4),
            "going on where we stopped (4 messages)",
            "plain",
        ),
        (happened("notice", text="no microphone", tone="warning"), "no microphone", "warning"),
        (
            happened("conversation.failed", problem="no microphone", cure="connect one"),
            "no microphone (connect one)",
            "error",
        ),
    ],
)
def test_notices(event: object, text: str, tone: str) -> None:
    notice = Conversation().receive(event)  # type: ignore[arg-type]
    assert isinstance(notice, Notice)
    assert (notice.text, notice.tone) == (text, tone)
