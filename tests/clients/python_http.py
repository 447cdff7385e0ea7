"""The official Python SDK in talks over HTTP; prints as JSON what it saw.

python_http.py ws://HOST:PORT/v1
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from contract import complaints
from openai import APIStatusError, AsyncOpenAI
from openai.types.responses import Response

Seen = dict[str, Any]

TIMER: Any = {
    "type": "function",
    "name": "set_timer",
    "description": "Set a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}},
    "strict": False,
}


class Talk:
    """One client; what comes is held against the published types."""

    def __init__(self, url: str) -> None:
        self.client = AsyncOpenAI(
            api_key="any", base_url=url.replace("ws:", "http:"), websocket_base_url=url
        )
        self.wrong: list[str] = []

    async def answer(self, words: Any, parent: str | None = None, **more: Any) -> Response:
        """A response as one JSON object."""
        raw = await self.client.responses.with_raw_response.create(
            model="script", input=words, previous_response_id=parent, **more
        )
        return Response.model_validate_json(raw.text, strict=True)

    async def chain(self) -> Seen:
        """Two turns; then the second is fetched, its input listed, and it is deleted."""
        first = await self.answer("Count")
        second = await self.answer("And count on", first.id)
        fetched = await self.client.responses.retrieve(second.id)
        seen = {
            "texts": [first.output_text, second.output_text],
            "parents": [first.previous_response_id, second.previous_response_id],
            "ids": [first.id, second.id],
            "fetched": [fetched.id, fetched.output_text],
            "newest_first": await self.input_texts(second.id),
            "oldest_first": await self.input_texts(second.id, order="asc", limit=1),
        }
        await self.client.responses.delete(second.id)
        seen["deleted"] = await self.refusal(self.client.responses.retrieve(second.id))
        return seen

    async def input_texts(self, response_id: str, **more: Any) -> list[str]:
        """What was said before a response, page by page."""
        items = self.client.responses.input_items.list(response_id, **more)
        return [item.content[0].text async for item in items if item.type == "message"]

    async def tool(self) -> Seen:
        """A call, and the answer to its output."""
        asked = await self.answer("Set a timer", tools=[TIMER])
        [call] = [item for item in asked.output if item.type == "function_call"]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "ok"}
        answer = await self.answer([output], asked.id, tools=[TIMER])
        return {"name": call.name, "arguments": call.arguments, "text": answer.output_text}

    async def streamed(self) -> Seen:
        """A response as events: as they are on the wire, and as the SDK gathers them."""
        kinds: list[str] = []
        async with self.client.responses.with_streaming_response.create(
            model="script", input="Hello", stream=True, store=False
        ) as raw:
            async for line in raw.iter_lines():
                if line.startswith("data: "):
                    self.wrong += complaints(line.removeprefix("data: ").encode())
                    kinds.append(json.loads(line.removeprefix("data: "))["type"])
        deltas: list[str] = []
        async with self.client.responses.stream(model="script", input="Hello") as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    deltas.append(event.delta)
            final = await stream.get_final_response()
        return {"kinds": kinds, "deltas": deltas, "text": final.output_text}

    async def other_transport(self) -> Seen:
        """A chain that begins over HTTP and goes on over WebSocket."""
        first = await self.answer("Count")
        async with self.client.responses.connect() as connection:
            await connection.response.create(
                model="script", input="Count", previous_response_id=first.id
            )
            async for event in connection:
                if event.type == "response.completed":
                    break
        third = await self.answer("Count", event.response.id)
        return {"texts": [first.output_text, event.response.output_text, third.output_text]}

    async def refusals(self) -> Seen:
        """Requests that cannot be served."""
        unstored = await self.answer("Hello", store=False)
        return {
            "unknown_parent": await self.refusal(self.answer("Hello", "resp_unknown")),
            "not_stored": await self.refusal(self.client.responses.retrieve(unstored.id)),
            "bad_value": await self.refusal(self.answer("Hello", temperature=9)),
        }

    async def refusal(self, asked: Any) -> Seen:
        """The SDK's error."""
        try:
            await asked
        except APIStatusError as error:
            return {"class": type(error).__name__, "code": error.code, "param": error.param}
        return {}


async def main(url: str) -> None:
    """Hold every talk."""
    talk = Talk(url)
    seen = {
        "chain": await talk.chain(),
        "tool": await talk.tool(),
        "streamed": await talk.streamed(),
        "other_transport": await talk.other_transport(),
        "refusals": await talk.refusals(),
        "models": [model.id async for model in talk.client.models.list()],
    }
    await talk.client.close()
    print(json.dumps({**seen, "complaints": sorted(set(talk.wrong))}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
