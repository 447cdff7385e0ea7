"""Server-sent events: the bytes of a stream, cut into the data of each event."""

from __future__ import annotations

from voice.errors import VoiceError


class EventTooLarge(VoiceError):  # noqa: N818 (says what happened)
    """What arrives is no stream of events, or not one that could be kept."""


class SseParser:
    """Cuts a stream of server-sent events into the data of each, however the bytes arrive.

    By the HTML standard, "Interpreting an event stream": events end at a blank line, lines at LF,
    CR or CRLF, and what a blank line does not end is no event. Names and ids of events are not
    looked at, since the API repeats the name in the data.
    """

    def __init__(self, largest_bytes: int) -> None:
        """What has more than `largest_bytes` is no event."""
        self._largest_bytes = largest_bytes
        self._rest = b""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False
        self._begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that ends in `chunk`, as UTF-8; the mark `[DONE]` is left out.

        Raises `EventTooLarge` where an event is larger than any may be.
        """
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if chunk.endswith(b"\r"):
            self._after_cr = True
        text = (self._rest + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = text.split(b"\n")
        found = [data for line in lines if (data := self._take(line)) is not None]
        self._check(len(self._rest))
        return found

    def _take(self, line: bytes) -> bytes | None:
        """The event that this line ends, if it does."""
        if not self._begun:
            self._begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
                self._data_bytes += len(line)
                self._check(0)
            return None
        data, self._data, self._data_bytes = b"\n".join(self._data), [], 0
        return data if data and data != b"[DONE]" else None

    def _check(self, rest_bytes: int) -> None:
        if self._data_bytes + rest_bytes > self._largest_bytes:
            raise EventTooLarge(
                f"the server sent an event of more than {self._largest_bytes} bytes",
                "check the address of the server",
            )
