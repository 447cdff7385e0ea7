"""The OpenAI Agents SDK in talks over WebSocket; prints as JSON what it saw.

    agents_sdk.py ws://HOST:PORT/v1

It has one request at a time on its connection. Lanes are named through `extra_body`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    ResponsesWebSocketSession,
    function_tool,
    responses_websocket_session,
    set_tracing_disabled,
)

Seen = dict[str, Any]

timers: list[int] = []


@function_tool
def set_timer(minutes: int) -> str:
    """Set a timer."""
    timers.append(minutes)
    return "ok"


def agent(lane: str | None = None) -> Agent[Any]:
    """An agent whose responses run in that lane, and are not stored."""
    settings = ModelSettings(store=False, extra_body={"stream_id": lane} if lane else None)
    return Agent(
        name="Clock",
        instructions="Be brief.",
        model="script",
        tools=[set_timer],
        model_settings=settings,
    )


class Talk:
    """The talks of one session, which keeps its connection."""

    def __init__(self, session: ResponsesWebSocketSession) -> None:
        self._session = session

    async def answer(self, words: str, parent: str | None = None, lane: str | None = None) -> Seen:
        """Run the agent until it has its answer."""
        result = self._session.run_streamed(
            agent(lane), words, previous_response_id=parent, auto_previous_response_id=True
        )
        deltas = [
            event.data.delta
            async for event in result.stream_events()
            if event.type == "raw_response_event"
            and event.data.type == "response.output_text.delta"
        ]
        return {"id": result.last_response_id, "deltas": deltas, "text": result.final_output}

    async def chain(self) -> list[Seen]:
        """Three turns, each sending its own words only."""
        turns: list[Seen] = []
        for _ in range(3):
            turns.append(await self.answer("Count", turns[-1]["id"] if turns else None))
        return turns

    async def lanes(self) -> list[Seen]:
        """A fork to a second lane, after which the first goes on from where it was."""
        first = await self.answer("Count", lane="a")
        fork = await self.answer("Count", first["id"], lane="b")
        again = await self.answer("Count", first["id"], lane="a")
        return [first, fork, again, await self.answer("Count", fork["id"], lane="b")]

    async def unknown_parent(self) -> Seen:
        """An error, after which the session goes on."""
        try:
            await self._session.run(agent(), "Hello", previous_response_id="resp_unknown")
        except Exception as error:
            seen = {"class": type(error).__name__, "code": getattr(error, "code", None)}
            return {"error": seen, "answer": await self.answer("Hello")}
        return {}


async def main(url: str) -> None:
    """Hold every talk in one session."""
    set_tracing_disabled(disabled=True)  # it would be sent to the vendor
    async with responses_websocket_session(api_key="any", websocket_base_url=url) as session:
        talk = Talk(session)
        seen = {
            "turn": await talk.answer("Hello"),
            "chain": await talk.chain(),
            "tool": {**await talk.answer("Set a timer"), "timers": timers},
            "lanes": await talk.lanes(),
            "unknown_parent": await talk.unknown_parent(),
        }
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
