"""The kiosk's status server over real sockets, and its page in a real Chromium."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.browser import CHROMIUM, MISSING, Page, browsing
from voice.apps.kiosk.health import Health
from voice.apps.kiosk.status.server import serve_status
from voice.config import KioskOptions
from voice.trace import TraceEvent

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason=MISSING)


class Kiosk:
    """What a kiosk tells of itself."""

    def __init__(self, keep_words: bool = False) -> None:
        self.now = 1000.0
        self.health = Health(lambda: self.now, keep_words)

    def does(self, event: str, turn: int = 0, **fields: Any) -> None:
        self.now += 1
        self.health(TraceEvent(self.now, turn, event, fields))

    def begins(self) -> None:
        url = "ws://me:secret@127.0.0.1:8080/v1"
        self.does("connection.opened", url=url, transport="websocket")
        self.does("devices.opened", input="USB microphone", output="Built-in speakers")
        self.does("listening")
        self.does("kiosk.ready")

    def visited(self, turns: int = 12) -> None:
        self.does("visit.began", by="speech")
        for turn in range(1, turns + 1):
            self.does("speech.started", turn)
            self.does("audio.first", turn)
            self.answers(turn)

    def answers(self, turn: int) -> None:
        parts = {
            "endpoint": 0.3 + 0.15 * (turn % 3),
            "transcribe": 0.06,
            "first_token": 0.2 + 0.04 * (turn % 5),
            "first_audio": 0.15,
        }
        latency = {**parts, "voice_to_voice": sum(parts.values())}
        said = {"user_text": "What is the time?", "heard_text": "It is noon."}
        self.does("turn.completed", turn, latency=latency, interrupted=turn % 7 == 4, **said)

    def breaks(self, fault: str, problem: str, cure: str) -> None:
        self.does("fault.began", fault=fault, problem=problem, cure=cure)


@asynccontextmanager
async def asking(kiosk: Kiosk) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who asks the server of that kiosk."""
    async with (
        serve_status(kiosk.health, KioskOptions(status_port=0)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield client


# ── for monitors ──────────────────────────────────────────────────────────────────────────


async def test_monitors_are_told_with_reasons() -> None:
    kiosk = Kiosk()
    async with asking(kiosk) as client:
        assert (await client.get("healthz")).status_code == 200
        loading = await client.get("readyz")
        assert loading.status_code == 503
        assert loading.json()["reasons"][0]["fault"] == "loading"
        kiosk.begins()
        ready = await client.get("readyz")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        kiosk.breaks("microphone", "it is gone", "plug it in again")
        broken = await client.get("healthz")
        assert broken.status_code == 503
        assert broken.json()["status"] == "faulty"
        assert broken.json()["reasons"][0]["cure"] == "plug it in again"
        metrics = await client.get("metrics")
        assert metrics.headers["content-type"].startswith("text/plain")
        assert 'voice_faults_total{fault="microphone"} 1.0' in metrics.text


async def test_nobody_is_let_in_by_another_name() -> None:
    async with asking(Kiosk()) as client:
        for path in ("", "report", "events", "metrics", "healthz"):
            foreign = await client.get(path, headers={"host": "evil.example"})
            assert foreign.status_code == 403
            assert "127.0.0.1" in foreign.text
        assert (await client.get("report", headers={"origin": "http://evil.example"})).is_error
        assert (await client.get("report", headers={"host": "localhost:1"})).is_success


async def test_the_page_loads_nothing_from_elsewhere() -> None:
    async with asking(Kiosk()) as client:
        page = await client.get("")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for name in ("", "page.css", "page.js"):
            text = (await client.get(name)).text.replace("http://www.w3.org/2000/svg", "")
            assert "//" not in text.replace("// ", "")


async def test_a_report_holds_no_words_and_no_secrets() -> None:
    kiosk = Kiosk(keep_words=True)  # as before the configuration was read anew
    kiosk.begins()
    kiosk.visited()
    async with asking(kiosk) as client:
        text = (await client.get("report")).text
        assert "noon" not in text
        assert "secret" not in text
        assert "ws://127.0.0.1:8080/v1" in text


async def test_a_port_that_is_taken_is_told_and_the_kiosk_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as other, caplog.at_level(logging.WARNING):
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with serve_status(Kiosk().health, KioskOptions(status_port=port)) as url:
            assert url == ""
    assert f"port {port} of this machine cannot be used" in caplog.text
    assert "status_port" in caplog.text


async def test_without_a_port_nothing_is_served() -> None:
    async with serve_status(Kiosk().health, KioskOptions(status_port=-1)) as url:
        assert url == ""


async def test_it_ends_at_once_though_somebody_listens() -> None:
    kiosk = Kiosk()
    async with asyncio.timeout(2):
        async with (
            serve_status(kiosk.health, KioskOptions(status_port=0)) as url,
            httpx.AsyncClient(trust_env=False) as client,
            client.stream("GET", f"{url}events") as events,
        ):
            lines = events.aiter_lines()
            while not (await anext(lines)).startswith("data: {"):
                pass


# ── in a browser ──────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def shown(kiosk: Kiosk, profile: Path, words: bool = False) -> AsyncIterator[Page]:
    """The status page of that kiosk, as soon as it shows a state."""
    options = KioskOptions(status_port=0, show_transcript=words)
    async with browsing(profile) as page, serve_status(kiosk.health, options) as url:
        await page.open(url)
        await page.until("document.body.dataset.state !== 'unknown'")
        yield page


async def text(page: Page, selector: str) -> str:
    return str(await page.evaluate(f"document.querySelector('{selector}').innerText"))


@needs_chromium
async def test_the_page_shows_the_kiosk_and_follows_it(tmp_path: Path) -> None:
    kiosk = Kiosk()
    kiosk.begins()
    kiosk.visited(turns=12)
    async with shown(kiosk, tmp_path) as page:
        assert await text(page, "#state") == "ready"
        assert await text(page, "#verdict") == "healthy"
        assert await page.evaluate("document.querySelectorAll('#plot .turn').length") == 12
        assert await page.evaluate("document.querySelectorAll('#plot .turn rect').length") == 48
        assert "median 0.90 s, 95 % within 1.13 s" in str(
            await page.evaluate("document.querySelector('#plot svg').getAttribute('aria-label')")
        )
        assert "USB microphone" in await text(page, "#devices")
        assert "ws://127.0.0.1:8080/v1" in await text(page, "#connection")
        assert await page.evaluate("document.querySelector('#words').hidden")

        began = time.monotonic()
        kiosk.does("speech.started", 13)
        await page.until("document.querySelector('#state').innerText === 'listening'")
        assert time.monotonic() - began < 1
        kiosk.answers(13)
        await page.until("document.querySelectorAll('#plot .turn').length === 13")


@needs_chromium
async def test_the_page_tells_what_is_out_of_order_and_that_it_is_over(tmp_path: Path) -> None:
    kiosk = Kiosk()
    kiosk.begins()
    async with shown(kiosk, tmp_path) as page:
        kiosk.breaks("microphone", "the <b>microphone</b> is gone", "plug it in again")
        await page.until("document.body.dataset.state === 'fault'")
        told = await text(page, "#reasons")
        assert "the <b>microphone</b> is gone" in told
        assert "plug it in again" in told
        assert await text(page, "#verdict") == "needs attention"
        kiosk.does("fault.ended", fault="microphone", seconds=1.0)
        kiosk.begins()
        await page.until("document.body.dataset.state === 'asleep'")
        assert await text(page, "#reasons") == ""


@needs_chromium
async def test_words_are_shown_where_they_may_be(tmp_path: Path) -> None:
    kiosk = Kiosk(keep_words=True)
    kiosk.begins()
    kiosk.visited(turns=2)
    async with shown(kiosk, tmp_path, words=True) as page:
        assert "It is noon." in await text(page, "#transcript")
        kiosk.does("visit.ended", reason="goodbye")
        await page.until("document.querySelector('#words').hidden")
        assert await text(page, "#transcript") == ""


@needs_chromium
async def test_a_page_that_has_lost_the_kiosk_says_so_and_finds_it_again(tmp_path: Path) -> None:
    kiosk = Kiosk()
    async with browsing(tmp_path) as page:
        async with serve_status(kiosk.health, KioskOptions(status_port=0)) as url:
            await page.open(url)
            await page.until("document.body.dataset.state === 'loading'")
        await page.until("document.body.dataset.state === 'unreachable'")
        assert await text(page, "#verdict") == "no contact"
        kiosk.begins()
        again = KioskOptions(status_port=int(url.split(":")[2].strip("/")))
        async with serve_status(kiosk.health, again):
            await page.until("document.body.dataset.state === 'asleep'")


@needs_chromium
async def test_it_fits_a_desk_and_a_phone(tmp_path: Path) -> None:
    kiosk = Kiosk()
    kiosk.begins()
    kiosk.visited(turns=60)
    async with shown(kiosk, tmp_path) as page:
        for width, height in ((1180, 960), (360, 740)):
            await page.resize(width, height)
            await page.until(f"innerWidth === {width}")
            await page.until("document.documentElement.scrollWidth <= innerWidth")
            size = await page.evaluate("parseFloat(getComputedStyle(by('state')).fontSize)")
            assert size >= 48  # pixels: 13 mm on an ordinary screen
        light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.prefer("dark")
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != light
