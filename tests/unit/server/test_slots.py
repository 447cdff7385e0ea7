"""Slots go to the prompts that find most of themselves there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice.server.slots import SlotTable

SYSTEM = "instructions " * 10


def test_the_next_turn_goes_where_its_conversation_is() -> None:
    table = SlotTable(2)
    first = table.take(SYSTEM + "hello")
    assert first is not None
    table.add(first, "hi there")
    table.give_back(first)
    assert table.take(SYSTEM + "hello" + "hi there" + "and you") == first


def test_two_conversations_keep_their_slots() -> None:
    table = SlotTable(2)
    one, two = SYSTEM + "one " * 100, SYSTEM + "two " * 100
    slots = {}
    for text in (one, two):
        slots[text] = table.take(text)
        table.give_back(slots[text] or 0)
    assert slots[one] != slots[two]
    assert table.take(one + "more") == slots[one]
    assert table.take(two + "more") == slots[two]


def test_what_follows_a_summary_goes_where_the_conversation_was() -> None:
    """Its instructions are there already, and the conversation is of no more use."""
    table = SlotTable(2)
    older = SYSTEM + "what was said " * 100
    slots = []
    newer = SYSTEM + "the summary " * 100
    for text, ends in ((older + "kept", False), (older + "sum up", True), (newer, False)):
        slot = table.take(text, ends)
        assert slot is not None
        slots.append(slot)
        table.give_back(slot)
    assert slots == [slots[0]] * 3
    assert table.take(SYSTEM + "another") != slots[0], "a conversation again, not to be lost"


def test_a_fork_of_what_is_running_goes_elsewhere() -> None:
    table = SlotTable(2)
    first = table.take(SYSTEM)
    assert table.take(SYSTEM + "more") not in (first, None)
    assert table.take(SYSTEM) is None


@given(st.lists(st.tuples(st.text("ab", max_size=5), st.booleans()), max_size=30))
def test_a_slot_is_never_given_twice(steps: list[tuple[str, bool]]) -> None:
    table, busy = SlotTable(3), set()
    for text, give_back in steps:
        if give_back and busy:
            table.give_back(busy.pop())
        else:
            slot = table.take(text)
            assert (slot is None) == (len(busy) == 3)
            assert slot not in busy
            busy |= {slot} - {None}
