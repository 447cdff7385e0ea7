"""Recorded requests, and which of them a request of today stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from voice.responses.exchanges import Recorded
from voice.responses.recording import Message

Entry = tuple[float, str, dict[str, Any]]


def user(text: str) -> dict[str, str]:
    return {"type": "message", "role": "user", "content": text}


def create(lane: str, text: str, **more: Any) -> dict[str, Any]:
    return {"type": "response.create", "stream_id": lane, "input": [user(text)], **more}


def created(lane: str, name: str) -> dict[str, Any]:
    return {"type": "response.created", "stream_id": lane, "response": {"id": name}}


def delta(lane: str, text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "stream_id": lane, "delta": text}


def recorded(*entries: Entry) -> Recorded:
    def message(at: float, way: str, event: dict[str, Any]) -> Message:
        text = msgspec.json.encode(event).decode()
        return Message(at, 1, text, "") if way == "sent" else Message(at, 1, "", text)

    return Recorded([message(*entry) for entry in entries])


def texts(answers: Sequence[tuple[float, dict[str, Any]]]) -> list[tuple[float, str]]:
    return [(at, event["delta"]) for at, event in answers if "delta" in event]


def test_an_answer_comes_as_long_after_its_request_as_it_did() -> None:
    found = recorded(
        (10.0, "sent", create("a", "What time is it?")),
        (10.25, "received", delta("a", "Three")),
        (10.5, "received", delta("a", " o'clock.")),
    ).take("What time is it?")
    assert found
    assert texts(found.answers) == [(0.25, "Three"), (0.5, " o'clock.")]


def test_lanes_are_kept_apart() -> None:
    both = recorded(
        (1.0, "sent", create("a", "One?")),
        (1.0, "sent", create("b", "Two?")),
        (2.0, "received", delta("b", "two")),
        (3.0, "received", delta("a", "one")),
    )
    one, two = both.take("One?"), both.take("Two?")
    assert one and two
    assert (texts(one.answers), texts(two.answers)) == ([(2.0, "one")], [(1.0, "two")])


def test_each_is_given_once_and_in_order() -> None:
    twice = recorded(
        (1.0, "sent", create("a", "And?")),
        (1.5, "received", delta("a", "first")),
        (2.0, "sent", create("a", "And?")),
        (2.5, "received", delta("a", "second")),
    )
    found = [twice.take("And?") for _ in range(3)]
    assert [texts(one.answers)[0][1] for one in found if one] == ["first", "second"]
    assert found[2] is None


def test_words_that_were_sent_ahead_belong_to_the_request_after_them() -> None:
    ahead = create("a", "Turn on", generate=False)
    rest = create("b", "the lamp.", previous_response_id="r1")
    found = recorded(
        (1.0, "sent", ahead),
        (1.1, "received", created("a", "r1")),
        (2.0, "sent", rest),
        (2.1, "received", delta("b", "On.")),
    ).take("Turn on the lamp.")
    assert found
    assert texts(found.answers)[0][1] == "On."


def test_words_that_are_understood_a_little_otherwise_still_find_theirs() -> None:
    two = recorded(
        (1.0, "sent", create("a", "What time is it?")),
        (2.0, "sent", create("a", "Turn on the lamp.")),
    )
    found = two.take("turn on the lamb")
    assert found
    assert found.words == "Turn on the lamp."
    assert two.take("Sing me a song about ducks") is None


def test_a_steered_response_goes_on_for_the_words_that_steered_it() -> None:
    steer = {"type": "response.steer", "previous_response_id": "r1", "input": [user("And you?")]}
    both = recorded(
        (1.0, "sent", create("a", "Hello")),
        (1.1, "received", created("a", "r1")),
        (2.0, "sent", steer),
        (2.5, "received", delta("a", "I am well.")),
    )
    found = both.take("And you?", steers=True)
    assert found
    assert texts(found.answers) == [(0.5, "I am well.")]


def test_what_is_no_json_is_left_out() -> None:
    broken = Message(1.0, 1, "", "{nonsense")
    assert Recorded([broken]).take("") is None
