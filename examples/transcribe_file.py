"""Words with their times, and nothing else: python examples/transcribe_file.py TALK.wav"""

import asyncio
import sys

from voice import transcribe


async def main(path: str) -> None:
    async for heard in transcribe(path):
        if heard.final:
            print(f"{heard.start_seconds:6.1f} s  {heard.text}")
        elif sys.stderr.isatty():
            print(f"\r{heard.text}", end="", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
