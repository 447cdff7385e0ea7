"""A server in a process of its own that sends text deltas encoded beforehand: its work is not ours.

The user's text says how many deltas come and how fast: "2000 at 4000" a second, or "2000 at 0" for
as fast as the socket takes them. A delta has every field of a real one, with the random padding
that OpenAI adds by default, and 4 to 6 characters of text.
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
import string
import time
from typing import Any

from msgspec import UNSET, structs
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from voice.responses.events import (
    Completed,
    ContentPartAdded,
    ContentPartDone,
    Created,
    InProgress,
    OutputItemAdded,
    OutputItemDone,
    OutputMessage,
    OutputText,
    OutputTextDone,
    Response,
    ServerEvent,
    Usage,
    encode,
)
from voice.server.serve import say_ready

_ITEM_ID = f"msg_{'0a1b2c3d' * 6}"
_CHUNK_FRAMES = 64
"""Written at once, some 15 kB, where the pace is that of the socket."""


async def _answer(socket: ServerConnection) -> None:
    number = 0
    try:
        async for message in socket:
            request = json.loads(message)
            number += 1
            lane = request.get("stream_id")
            count, per_second = _wanted(request)
            before, after = _frames_around(number, lane, count)
            deltas = _delta_frames(lane, count)
            socket.transport.write(before)
            if per_second:
                await _send_paced(socket, deltas, per_second)
            else:
                await _send_fast(socket, deltas)
            socket.transport.write(after)
    except ConnectionClosed:
        return


async def _send_fast(socket: ServerConnection, frames: list[bytes]) -> None:
    for start in range(0, len(frames), _CHUNK_FRAMES):
        socket.transport.write(b"".join(frames[start : start + _CHUNK_FRAMES]))
        await socket.drain()


async def _send_paced(socket: ServerConnection, frames: list[bytes], per_second: int) -> None:
    """Each frame in its own packet at its own time: the reader is woken for every single one."""
    began = time.monotonic()
    for number, frame in enumerate(frames):
        time.sleep(max(0.0, began + number / per_second - time.monotonic()))  # noqa: ASYNC251
        socket.transport.write(frame)
    await socket.drain()


def _wanted(request: dict[str, Any]) -> tuple[int, int]:
    """How many deltas, and how many a second."""
    given = request["input"]
    text = given if isinstance(given, str) else given[-1]["content"]
    count, _, per_second = text.split()
    return int(count), int(per_second)


def _frames_around(number: int, lane: str | None, count: int) -> tuple[bytes, bytes]:
    """What comes before the deltas of a response, and what after them."""
    part = OutputText(text="".join(_texts(count)))
    message = OutputMessage(id=_ITEM_ID, content=[part])
    begun = Response(id=f"resp_{number:048}", status="in_progress", model="sender")
    done = structs.replace(begun, status="completed", output=[message], usage=Usage())
    item = OutputMessage(id=_ITEM_ID, status="in_progress")
    before: list[ServerEvent] = [
        Created(response=begun),
        InProgress(response=begun),
        OutputItemAdded(item=item),
        ContentPartAdded(item_id=_ITEM_ID, part=OutputText()),
    ]
    after: list[ServerEvent] = [
        OutputTextDone(item_id=_ITEM_ID, text=part.text),
        ContentPartDone(item_id=_ITEM_ID, part=part),
        OutputItemDone(item=message),
        Completed(response=done),
    ]
    for at, event in [*enumerate(before), *enumerate(after, len(before) + count)]:
        event.sequence_number = at
        event.stream_id = UNSET if lane is None else lane
    return (
        b"".join(_frame(encode(event)) for event in before),
        b"".join(_frame(encode(event)) for event in after),
    )


@functools.cache
def _delta_frames(lane: str | None, count: int) -> list[bytes]:
    """The deltas of a response, of which each is a message by itself."""
    letters = random.Random(1)
    named = {} if lane is None else {"stream_id": lane}
    return [
        _frame(
            json.dumps(
                {
                    "type": "response.output_text.delta",
                    "sequence_number": at,
                    "item_id": _ITEM_ID,
                    "output_index": 0,
                    "content_index": 0,
                    "delta": text,
                    "logprobs": [],
                    "obfuscation": "".join(letters.choices(string.ascii_letters, k=16 - len(text))),
                    **named,
                },
                separators=(",", ":"),
            )
        )
        for at, text in enumerate(_texts(count), 4)
    ]


@functools.cache
def _texts(count: int) -> list[str]:
    letters = random.Random(2)
    return [
        " " + "".join(letters.choices(string.ascii_lowercase, k=letters.randint(3, 5)))
        for _ in range(count)
    ]


def _frame(text: str) -> bytes:
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


async def _main() -> None:
    async with serve(_answer, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        say_ready("127.0.0.1", server.sockets[0].getsockname()[1])
        await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(_main())
