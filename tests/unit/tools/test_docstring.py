from __future__ import annotations

from voice.tools.docstring import Documentation, documentation


def bare() -> None: ...


def one_line() -> None:
    """Say it."""


def complete() -> None:
    """Say it
    in two lines.

    More for people.

    Args:
        first: what it is: a thing
        second (int, optional): goes on
            in the next line

            and after a gap
        *rest: all others

    Returns:
        third: no parameter
    """


def without_summary() -> None:
    """
    Args:
        first: a thing
    """


def no_gap() -> None:
    """Say it.
    Args:
        first: a thing
    Raises:
        ValueError: no parameter
    """


def test_docstrings_are_read() -> None:
    assert documentation(bare) == Documentation("", {})
    assert documentation(one_line) == Documentation("Say it.", {})
    assert documentation(complete) == Documentation(
        "Say it in two lines.",
        {
            "first": "what it is: a thing",
            "second": "goes on in the next line and after a gap",
            "rest": "all others",
        },
    )
    assert documentation(without_summary) == Documentation("", {"first": "a thing"})
    assert documentation(no_gap) == Documentation("Say it.", {"first": "a thing"})
