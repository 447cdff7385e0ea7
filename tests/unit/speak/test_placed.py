"""Text that knows where it comes from."""

from __future__ import annotations

import re

from voice.speak.placed import Placed


def test_text_that_replaces_something_stands_for_it_as_a_whole() -> None:
    text = Placed.written("a 5 km b", 10).replaced(re.compile("5 km"), "5 kilometers")
    assert text.text == "a 5 kilometers b"
    assert text.starts == [10, 11, *[12] * 12, 16, 17]
    assert text.ends == [11, 12, *[12] * 11, 16, 17, 18]


def test_nothing_remains_of_what_is_left_out() -> None:
    text = Placed.written("a*b", 0).replaced(re.compile(r"\*"), "")
    assert (text.text, text.starts, text.ends) == ("ab", [0, 2], [1, 3])


def test_the_same_text_keeps_its_places() -> None:
    text = Placed.written("abc", 5)
    assert text.replaced(re.compile("abc"), lambda found: found[0]) is text


def test_parts_joined_are_the_whole() -> None:
    text = Placed.joined(
        [Placed.written("ab", 0), Placed.instead("xy", 2, 5), Placed.written("c", 5)]
    )
    assert Placed.joined([text.part(0, 2), text.part(2)]) == text
    assert text.text == "abxyc"
