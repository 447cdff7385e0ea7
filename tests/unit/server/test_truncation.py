"""What is left out of a conversation that is too long."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from voice.server.backend import Item, Message
from voice.server.truncation import windows


def conversation(turns: int, chars: int = 10) -> tuple[Item, ...]:
    items: list[Item] = []
    for n in range(turns):
        items += [Message("user", f"{n}".ljust(chars)), Message("assistant", "x" * chars)]
    return tuple(items)


@given(st.integers(0, 40), st.integers(1, 200))
def test_windows_shrink_and_begin_with_the_user(turns: int, step: int) -> None:
    items = conversation(turns)
    found = list(windows(items, step))
    assert found[0] == items
    for longer, shorter in itertools.pairwise(found):
        assert len(shorter) < len(longer)
        assert longer[-len(shorter) :] == shorter
        first = shorter[0]
        assert isinstance(first, Message)
        assert first.role == "user"
    if turns:
        assert len(found[-1]) == 2


def test_the_cut_stays_while_the_conversation_grows() -> None:
    short, longer = conversation(20), conversation(24)
    cut = list(windows(short, 200))[1]
    assert list(windows(longer, 200))[1][: len(cut)] == cut
