"""The official Python SDK in talks over WebSocket; prints as JSON what it saw.

python_sdk.py ws://HOST:PORT/v1
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from contract import complaints
from openai import AsyncOpenAI, OpenAI, OpenAIError
from openai.resources.responses.responses import AsyncResponsesConnection

Seen = dict[str, Any]

TIMER: Any = {
    "type": "function",
    "name": "set_timer",
    "description": "Set a timer.",
    "parameters": {
        "type": "object",
        "properties": {"minutes": {"type": "integer"}},
        "required": ["minutes"],
        "additionalProperties": False,
    },
    "strict": True,
}

ENDS = ("response.completed", "response.incomplete", "response.failed")


class Talk:
    """One connection; everything that comes is held against the published types."""

    def __init__(self, connection: AsyncResponsesConnection, wrong: list[str]) -> None:
        self._connection = connection
        self._wrong = wrong
        self.kinds: list[str] = []

    async def ask(self, words: Any, parent: str | None = None, **more: Any) -> None:
        """Ask for a response that the server does not store."""
        if parent is not None:
            more["previous_response_id"] = parent
        await self._connection.response.create(model="script", input=words, store=False, **more)

    async def steer(self, words: str, response_id: str) -> None:
        """Say something for a response that still runs."""
        message: Any = [{"type": "message", "role": "user", "content": words}]
        await self._connection.response.steer(input=message, previous_response_id=response_id)

    async def hear(self) -> Any:
        """The next event."""
        message = await self._connection.recv_bytes()
        self._wrong += complaints(message)
        event = self._connection.parse_event(message)
        self.kinds.append(event.type)
        return event

    async def until(self, kind: str) -> Any:
        """The next event of this type."""
        while (event := await self.hear()).type != kind:
            pass
        return event

    async def answer(self, words: Any, parent: str | None = None, **more: Any) -> Seen:
        """Ask, and hear the answer to its end."""
        await self.ask(words, parent, **more)
        return await self.rest()

    async def rest(self) -> Seen:
        """What is still to come of a response."""
        deltas: list[str] = []
        while (event := await self.hear()).type not in ENDS:
            if event.type == "response.output_text.delta":
                deltas.append(event.delta)
        return {
            "id": event.response.id,
            "parent": event.response.previous_response_id,
            "status": event.response.status,
            "deltas": deltas,
            "text": event.response.output_text,
            "calls": [
                {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
                for item in event.response.output
                if item.type == "function_call"
            ],
        }


async def turn(talk: Talk) -> Seen:
    """One question, one answer."""
    return {**await talk.answer("Hello"), "kinds": talk.kinds}


async def chain(talk: Talk) -> list[Seen]:
    """Three turns, each sending its own words only."""
    turns: list[Seen] = []
    for _ in range(3):
        turns.append(await talk.answer("Count", turns[-1]["id"] if turns else None))
    return turns


async def tool(talk: Talk) -> list[Seen]:
    """A call, and the answer to its output."""
    asked = await talk.answer("Set a timer", tools=[TIMER])
    call_id = asked["calls"][0]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "ok"}
    return [asked, await talk.answer([output], asked["id"], tools=[TIMER])]


async def lanes(talk: Talk) -> Seen:
    """A fork to a second lane; the first goes on while the second still speaks."""
    first = await talk.answer("Count", stream_id="a")
    await talk.ask("Something slow", first["id"], stream_id="b")
    await talk.until("response.in_progress")
    await talk.ask("Count", first["id"], stream_id="a")
    ended: list[str] = []
    texts: Seen = {"a": "", "b": ""}
    ids: Seen = {}
    while len(ended) < 2:
        event = await talk.hear()
        if event.type == "response.output_text.delta":
            texts[event.stream_id] += event.delta
        elif event.type == "response.completed":
            ended.append(event.stream_id)
            ids[event.stream_id] = event.response.id
    after = [await talk.answer("Count", ids[lane], stream_id=lane) for lane in ("a", "b")]
    return {"first": first, "ended": ended, "texts": texts, "after": after}


async def prepared(talk: Talk) -> list[Seen]:
    """Nothing but the preparation of a turn, and the turn."""
    ready = await talk.answer("Count", generate=False)
    return [ready, await talk.answer([], ready["id"])]


async def steered(talk: Talk) -> Seen:
    """Words for a response that runs."""
    await talk.ask("Something slow")
    created = await talk.until("response.created")
    await talk.until("response.output_text.delta")
    await talk.steer("Hello", created.response.id)
    end = await talk.until("response.incomplete")
    answer = await talk.rest()
    reason = end.response.incomplete_details.reason
    return {"kinds": talk.kinds, "id": created.response.id, "reason": reason, "answer": answer}


async def steered_late(talk: Talk) -> Seen:
    """Words for a response that waits for its tool's output, and for one that is over."""
    asked = await talk.answer("Set a timer", tools=[TIMER])
    await talk.steer("And hello", asked["id"])
    pending = (await talk.until("response.steer.pending")).to_dict()
    outputs = [{**stub, "output": "ok"} for stub in pending["required_input"]]
    answer = await talk.answer(outputs, asked["id"], tools=[TIMER])
    await talk.steer("Too late", answer["id"])
    failed = await talk.until("response.steer.failed")
    return {"outputs": outputs, "answer": answer, "code": failed.error.code}


async def broken(talk: Talk) -> list[Seen]:
    """A response that the server cannot finish, and one that works."""
    return [await talk.answer("A breakdown, please"), await talk.answer("Hello")]


async def unknown_parent(talk: Talk) -> Seen:
    """An error, after which the connection goes on."""
    await talk.ask("Hello", "resp_unknown")
    event = await talk.hear()
    error = {"class": type(event).__name__, "status": event.status, **event.error.to_dict()}
    return {"error": error, "answer": await talk.answer("Hello")}


TALKS: list[Callable[[Talk], Awaitable[Any]]] = [
    turn,
    chain,
    tool,
    lanes,
    prepared,
    steered,
    steered_late,
    broken,
    unknown_parent,
]


def unhandled_error(url: str) -> str:
    """What the SDK's own event loop makes of an error that nobody handles."""
    with (
        OpenAI(api_key="any", base_url=url.replace("ws:", "http:")) as client,
        client.responses.connect() as connection,
    ):
        connection.response.create(model="script", input="Hi", previous_response_id="resp_unknown")
        try:
            connection.dispatch_events()
        except OpenAIError as error:
            return str(error)
    return ""


async def main(url: str) -> None:
    """Hold every talk on a connection of its own."""
    seen: Seen = {}
    wrong: list[str] = []
    client = AsyncOpenAI(api_key="any", websocket_base_url=url)
    for hold in TALKS:
        async with client.responses.connect() as connection:
            seen[hold.__name__] = await hold(Talk(connection, wrong))
    await client.close()
    seen["unhandled_error"] = await asyncio.to_thread(unhandled_error, url)
    print(json.dumps({**seen, "complaints": sorted(set(wrong))}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
