"""An assistant with a tool of your own: python examples/own_tool.py"""

import asyncio
import sys

from voice import Assistant


async def get_weather(city: str) -> str:
    """Tell the weather in a city.

    Args:
        city: its name
    """
    return f"It is sunny in {city}, 24 degrees."


async def main(*files: str) -> None:
    """Talk; or let a sound file talk: own_tool.py QUESTION.wav ANSWER.wav [SERVER]."""
    source, sink, agent = (*files, None, None, None)[:3]
    async with Assistant(agent=agent, tools=[get_weather], input=source, output=sink) as assistant:
        async for event in assistant.converse():
            match event.event:
                case "transcript.final":
                    print("you:  ", event.fields["text"])
                case "tool.ended":
                    print("tool: ", event.fields["output"])
                case "turn.completed":
                    print("voice:", event.fields["heard_text"])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
