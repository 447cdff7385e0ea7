"""A real browser without a window, driven over its debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import websockets

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "there is no Chromium here (apt-get install --no-install-recommends chromium)"

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-port=0",
)
_LOOK_SECONDS = 0.02


class Page:
    """One tab."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to a command of its protocol."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        await self._connection.send(json.dumps(message))
        while True:
            answer = json.loads(await self._connection.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = await self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def open(self, url: str) -> None:
        """Show a page; return when it is loaded."""
        await self.command("Page.navigate", url=url)
        await self.until(f"document.readyState === 'complete' && location.href === '{url}'")

    async def until(self, expression: str, seconds: float = 10.0) -> None:
        """Return when the expression is true; it must become so in time."""
        async with asyncio.timeout(seconds):
            while not await self.evaluate(expression):  # noqa: ASYNC110 (it is the browser's)
                await asyncio.sleep(_LOOK_SECONDS)

    async def resize(self, width: int, height: int, scale: float = 1) -> None:
        """As on a screen of that size."""
        await self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )

    async def prefer(self, scheme: str) -> None:
        """`light` or `dark`."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.command("Emulation.setEmulatedMedia", features=[feature])

    async def screenshot(self) -> bytes:
        """A picture of what is seen, as PNG."""
        return base64.b64decode((await self.command("Page.captureScreenshot"))["data"])


@asynccontextmanager
async def browsing(profile: Path) -> AsyncIterator[Page]:
    """An empty tab; `profile` is an empty folder."""
    assert CHROMIUM
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *_FLAGS,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        address = await asyncio.wait_for(_address(process), 60)
        tab = await _tab(urlsplit(address).netloc)
        async with websockets.connect(tab, max_size=None, proxy=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    while line := await process.stderr.readline():
        if found := re.search(r"DevTools listening on (ws://\S+)", line.decode()):
            return found[1]
    raise AssertionError("the browser has ended")


async def _tab(host: str) -> str:
    """The address of the first tab, as soon as there is one."""
    async with httpx.AsyncClient(base_url=f"http://{host}", trust_env=False) as client:
        while True:
            for one in (await client.get("/json/list")).json():
                if one["type"] == "page":
                    return str(one["webSocketDebuggerUrl"])
            await asyncio.sleep(_LOOK_SECONDS)
