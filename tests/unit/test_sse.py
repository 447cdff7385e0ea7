"""Bytes to events, however they are cut."""

from __future__ import annotations

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.sse import EventTooLarge, SseParser

LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
NOISE = st.sampled_from([": comment", "event: x", "id: 1", "retry: 5", "nonsense", "dataset: 1"])
EVENTS = st.lists(st.tuples(NOISE, st.lists(LINES, max_size=3)), max_size=5)
ENDS = st.sampled_from(["\n", "\r", "\r\n"])
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(EVENTS, ENDS, st.sampled_from(["", "\ufeff"]), SIZES)
def test_events_are_the_same_however_the_bytes_are_cut(
    events: list[tuple[str, list[str]]], end: str, mark: str, sizes: list[int]
) -> None:
    lines = []
    for noise, data in events:
        lines += [noise, *(f"data: {line}" for line in data), ""]
    stream = (mark + end.join([*lines, "data: without an end"])).encode()
    parser = SseParser(10_000)
    found, bytes_left = [], io.BytesIO(stream)
    for size in itertools.cycle(sizes):
        if not (chunk := bytes_left.read(size)):
            break
        found += parser.feed(chunk)
    whole = ["\n".join(data).encode() for _, data in events]
    assert found == [data for data in whole if data not in (b"", b"[DONE]")]


def test_a_byte_order_mark_and_the_mark_of_the_end_are_no_data() -> None:
    stream = b"\xef\xbb\xbfdata: {}\n\ndata:[DONE]\n\ndata:{}\n\n"
    assert SseParser(100).feed(stream) == [b"{}", b"{}"]


@pytest.mark.parametrize("chunk", [b"x" * 100, b"data: " + b"x" * 94 + b"\n"])
def test_an_event_without_end_is_refused(chunk: bytes) -> None:
    parser = SseParser(1000)
    with pytest.raises(EventTooLarge, match="1000 bytes"):
        for _ in range(20):
            parser.feed(chunk)


def test_many_events_are_not_one_large_one() -> None:
    parser = SseParser(1000)
    for _ in range(20):
        assert parser.feed(b"data: " + b"x" * 94 + b"\n\n") == [b"x" * 94]


def test_a_large_event_may_come_with_the_beginning_of_the_next() -> None:
    assert SseParser(100).feed(b"data: " + b"x" * 80 + b"\n\ndata: {") == [b"x" * 80]
