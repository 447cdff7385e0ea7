"""The screen in a terminal that is only thought: what is shown, and what a hand does."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Footer

from tests.support.screen_scenes import (
    STORY,
    Hand,
    Scene,
    answered,
    asked,
    happened,
    interrupted,
    loading,
    ready,
    speaking,
    talking,
    with_tool,
)
from voice.apps.controls import Levels, Subject
from voice.apps.screen.app import ConversationApp
from voice.apps.screen.choices import Choice
from voice.apps.screen.log import MOST_SHOWN, EntryView, Log
from voice.apps.screen.statusbar import TalkButton
from voice.errors import AudioError, UsageError

SETTINGS = {"input": "USB Headset", "voice": "en_US-joe-medium", "model": "auto"}
DEVICES = [
    Choice("", "the system's default", "Built-in Audio"),
    Choice("USB Headset", "USB Headset", "ALSA"),
]

SLOW = {
    "endpoint": 0.55,
    "transcribe": 0.05,
    "first_token": 0.34,
    "first_audio": 0.2,
    "voice_to_voice": 1.14,
}
FAST = {
    "endpoint": 0.26,
    "transcribe": 0.02,
    "first_token": 0.0,
    "first_audio": 0.05,
    "voice_to_voice": 0.33,
}
TALK = [
    *ready(),
    happened("duplex.chosen", half=False, reason="the echo is gone: interrupt at any time"),
    *answered(1, "Good morning.", "Good morning! What can I do for you?", SLOW),
    *with_tool(2),
    *answered(3, "Thanks, that was quick.", "You are welcome.", FAST),
]
WHOLE = [*TALK, *interrupted(4), *talking(5)]


class Stage:
    """An app that runs, its hand, and what was kept."""

    def __init__(self, theme: str, list_choices: Callable[[Subject], list[Choice]]) -> None:
        self.hand = Hand()
        self.kept: list[tuple[str, str]] = []
        self.app = ConversationApp(
            self.hand,
            {**SETTINGS, "theme": theme},  # type: ignore[arg-type]
            lambda setting, value: self.kept.append((setting, value)),
            list_choices=list_choices,
        )
        self.pilot: Pilot[None]

    async def play(self, scene: Scene) -> None:
        """Let a scene happen and be drawn."""
        for event in scene:
            self.app(event)
        await self.pilot.pause()

    def svg(self) -> str:
        """What is shown, as a picture without fonts from elsewhere."""
        picture = self.app.export_screenshot(title="voice")
        return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)

    def text(self) -> str:
        """What can be read, row by row."""
        rows: dict[str, str] = {}
        for y, words in re.findall(r'<text [^>]*\by="([\d.]+)"[^>]*>(.*?)</text>', self.svg()):
            rows[y] = rows.get(y, "") + html.unescape(words).replace("\xa0", " ")
        return "\n".join(rows[y] for y in sorted(rows, key=float))


@asynccontextmanager
async def on_stage(
    *scene: Scene,
    size: tuple[int, int] = (100, 34),
    theme: str = "dark",
    list_choices: Callable[[Subject], list[Choice]] = lambda _: DEVICES,
) -> AsyncIterator[Stage]:
    stage = Stage(theme, list_choices)
    async with stage.app.run_test(size=size, notifications=True) as stage.pilot:
        for part in scene:
            await stage.play(part)
        yield stage


# ── every screen, looked at ──────────────────────────────────────────────────────────────────

SCREENS: dict[str, tuple[Scene, tuple[int, int], str, str, list[str]]] = {
    # scene, size, theme, key, and what has to be read
    "loading": (loading(), (80, 24), "dark", "", ["getting ready", "language model", "62 %"]),
    "welcome": (
        ready(),
        (80, 24),
        "dark",
        "",
        ["ready", "Say something", "^space Talk", "^q Quit"],
    ),
    "speaking": ([*TALK, *speaking(4)], (100, 34), "dark", "", ["● speaking", "forty of them"]),
    "dark": (WHOLE, (130, 30), "dark", "", ["listening", "— She had", "median", "en_US-joe"]),
    "light": (WHOLE, (100, 32), "light", "", ["bridges did she", "pause 0.42", "0.31 s"]),
    "narrow": (WHOLE, (60, 34), "dark", "", ["● listening", "● talk", "mic", "esc Stop"]),
    "wide": (WHOLE, (160, 40), "light", "", ["Last word to first sound", "Settings"]),
    "failed": (
        [*ready(), *asked(1, "Hello?"), happened("answer.failed", 1, reason="overloaded")],
        (80, 24),
        "light",
        "",
        ["✗ overloaded"],
    ),
    "settings": (WHOLE, (100, 30), "dark", "ctrl+o", ["Settings", "Speaker     default"]),
    "picker": (WHOLE, (60, 30), "light", "f2", ["USB Headset ●", "the system's default"]),
    "help": (
        WHOLE,
        (100, 40),
        "dark",
        "f1",
        ["Talking", "the last answer once more", "^space  talk, and again"],
    ),
}


@pytest.mark.parametrize("name", SCREENS)
async def test_every_screen(name: str, tmp_path: Path) -> None:
    """VOICE_SCREENSHOTS names a folder that keeps the pictures."""
    scene, size, theme, key, readable = SCREENS[name]
    async with on_stage(scene, size=size, theme=theme) as stage:
        stage.hand.level = Levels(-60.0, -22.0) if name == "speaking" else Levels(-30.0, -60.0)
        stage.app.refresh_levels()
        if key:
            await stage.pilot.press(key)
            await stage.app.workers.wait_for_complete()
        await stage.pilot.pause()
        for words in readable:
            assert words in stage.text()
        folder = Path(os.environ.get("VOICE_SCREENSHOTS", tmp_path))
        (folder / f"desktop-{name}.svg").write_text(stage.svg(), encoding="utf-8")


async def test_without_colours_all_of_it_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with on_stage(WHOLE) as stage:
        shown = stage.svg()
        colours = {found.lower() for found in re.findall(r"fill: (#[0-9a-fA-F]{6})", shown)}
        assert all(c[1:3] == c[3:5] == c[5:7] for c in colours if c not in WINDOW)
        assert "line-through" in shown and "italic" in shown


WINDOW = {"#c5c8c6"}  # of the title of the picture


# ── what happens ─────────────────────────────────────────────────────────────────────────────


async def test_words_change_in_place() -> None:
    async with on_stage(ready(), talking(1)) as stage:
        await stage.play(asked(1, "Wait, how many bridges?"))
        assert stage.text().count("Wait, how many") == 1
        assert "thinking" in stage.text()


async def test_what_happened_before_the_first_frame_is_shown() -> None:
    stage = Stage("dark", lambda _: DEVICES)
    for event in [*ready(), *answered(1, "Good morning.", "Good day!")]:
        stage.app(event)
    async with stage.app.run_test(size=(80, 24)) as stage.pilot:
        await stage.pilot.pause()
        assert "Good day!" in stage.text()


async def test_a_discarded_sound_leaves_no_trace() -> None:
    async with on_stage(ready(), talking(1)) as stage:
        await stage.play([happened("turn.discarded", 1, reason="backchannel")])
        await stage.pilot.pause()
        assert "Wait" not in stage.text()
        assert "Say something" in stage.text()


async def test_a_new_conversation_clears_the_screen() -> None:
    async with on_stage(WHOLE, size=(130, 30)) as stage:
        await stage.play([happened("conversation.begun")])
        await stage.pilot.pause()
        assert "queen" not in stage.text() and "no answer yet" in stage.text()


async def test_a_click_opens_the_waterfall() -> None:
    async with on_stage(ready(), answered(1, "Hello", "Hi"), size=(60, 24)) as stage:
        assert "first token" not in stage.text()
        await stage.pilot.click(EntryView)
        assert "first token" in stage.text()
        await stage.pilot.click(EntryView)
        assert "first token" not in stage.text()


async def test_it_stays_where_a_person_scrolled_and_follows_otherwise() -> None:
    many = [event for n in range(1, 30) for event in answered(n, f"Question {n}", f"Answer {n}")]
    async with on_stage(ready(), many, size=(80, 24)) as stage:
        assert "Answer 29" in stage.text()
        await stage.pilot.press("pageup", "pageup")
        await stage.pilot.pause()
        assert "Answer 29" not in stage.text()
        await stage.play(answered(30, "Question 30", "Answer 30"))
        assert "Answer 30" not in stage.text()


async def test_very_long_conversations_are_cut_on_the_screen_only() -> None:
    many = [event for n in range(1, MOST_SHOWN + 9) for event in answered(n, f"Q{n}", f"A{n}")]
    async with on_stage(ready(), many, size=(80, 24)) as stage:
        await stage.pilot.pause()
        assert len(stage.app.screen.query(EntryView)) == MOST_SHOWN
        assert len(stage.app.conversation.turns) == MOST_SHOWN + 8


async def test_square_brackets_are_words() -> None:
    async with on_stage(ready(), answered(1, "[bold]loud[/bold]", "[$error]no[/]")) as stage:
        assert "[bold]loud[/bold]" in stage.text() and "[$error]no[/]" in stage.text()


# ── what a person does ───────────────────────────────────────────────────────────────────────


async def test_keys() -> None:
    async with on_stage(ready()) as stage:
        await stage.pilot.press("escape", "ctrl+t", "ctrl+@", "f8", "ctrl+r", "ctrl+n")
        talk = [("press",), ("press",)]
        done = [("interrupt",), ("mute", True), *talk, ("repeat",), ("new",)]
        assert stage.hand.done == done


async def test_the_keys_below_can_be_clicked() -> None:
    async with on_stage(ready(), size=(80, 24)) as stage:
        await stage.pilot.click(Footer, offset=(11, 0))
        await stage.pilot.click(Footer, offset=(33, 0))
        await stage.pilot.pause()
        assert stage.hand.done == [("interrupt",), ("press",)]


async def test_keys_switch_back_what_the_trace_says_is_on() -> None:
    on = [happened("input.muted", on=True), happened("talk.pressed")]
    async with on_stage(ready(), on) as stage:
        await stage.pilot.press("ctrl+t", "ctrl+@")
        assert stage.hand.done == [("mute", False), ("release",)]


async def test_text_is_typed() -> None:
    async with on_stage(ready()) as stage:
        await stage.pilot.press(*"hi", "enter", "space", "enter")
        assert stage.hand.done == [("type", "hi")]


async def test_the_button_is_held() -> None:
    async with on_stage(ready()) as stage:
        await stage.pilot.mouse_down(TalkButton)
        assert stage.hand.done == [("press",)]
        await stage.pilot.mouse_up(Log)  # wherever the mouse is
        assert stage.hand.done == [("press",), ("release",)]


async def test_a_device_is_chosen_and_kept() -> None:
    async with on_stage(ready(), size=(130, 30)) as stage:
        await stage.pilot.press("f2")
        await stage.app.workers.wait_for_complete()
        await stage.pilot.press("up", "enter")
        assert stage.kept == [("input", "")]
        assert stage.hand.done == [("choose", "input", "")]
        assert "Microphone  default" in stage.text()


async def test_all_settings_lead_to_their_lists_and_escape_leads_back() -> None:
    async with on_stage(ready()) as stage:
        await stage.pilot.press("ctrl+o", "down", "enter")
        await stage.app.workers.wait_for_complete()
        await stage.pilot.pause()
        assert "Speaker" in stage.text() and "Built-in Audio" in stage.text()
        await stage.pilot.press("escape")
        assert stage.kept == stage.hand.done == []


async def test_the_mouse_chooses_at_the_side() -> None:
    async with on_stage(ready(), size=(130, 30)) as stage:
        await stage.pilot.click(".setting", offset=(2, 0))
        await stage.app.workers.wait_for_complete()
        await stage.pilot.pause()
        assert "Built-in Audio" in stage.text()


async def test_colours_change_at_once_and_are_kept() -> None:
    async with on_stage(ready()) as stage:
        await stage.pilot.press("f6")
        await stage.app.workers.wait_for_complete()
        await stage.pilot.press("down", "enter")
        assert stage.app.theme == "voice-light"
        assert stage.kept == [("theme", "light")] and stage.hand.done == []


async def test_a_list_that_cannot_be_made_tells_why() -> None:
    def broken(_: Subject) -> list[Choice]:
        raise AudioError("the sound devices cannot be listed", "run: voice doctor")

    async with on_stage(ready(), list_choices=broken) as stage:
        await stage.pilot.press("f2")
        await stage.app.workers.wait_for_complete()
        await stage.pilot.pause()
        assert "doctor)" in stage.text()


async def test_a_setting_that_cannot_be_kept_is_used_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: str) -> None:
        raise UsageError("the settings cannot be kept", "make room")

    async with on_stage(ready()) as stage:
        monkeypatch.setattr(stage.app, "_keep", full)
        await stage.pilot.press("f2")
        await stage.app.workers.wait_for_complete()
        await stage.pilot.press("up", "enter")
        await stage.pilot.pause()
        assert "make room" in stage.text()
        assert stage.hand.done == [("choose", "input", "")]


async def test_a_transcript_is_saved_and_copied(tmp_path: Path) -> None:
    async with on_stage(ready(), interrupted(1)) as stage:
        stage.app.folder = tmp_path
        await stage.pilot.press("ctrl+s", "ctrl+y")
        [saved] = _files(tmp_path)
        assert STORY[:57] in saved
        assert stage.app.clipboard == saved


async def test_there_is_nothing_to_save_yet(tmp_path: Path) -> None:
    async with on_stage(ready()) as stage:
        stage.app.folder = tmp_path
        await stage.pilot.press("ctrl+s")
        await stage.pilot.pause()
        assert "nothing has been said yet" in stage.text()
        assert _files(tmp_path) == []


def _files(folder: Path) -> list[str]:
    """What the files there hold."""
    return [path.read_text(encoding="utf-8") for path in folder.iterdir()]


async def test_ctrl_c_copies_what_is_selected_and_else_ends_it() -> None:
    async with on_stage(ready()) as stage:
        await stage.pilot.press(*"words", "shift+home", "ctrl+c")
        assert stage.app.clipboard == "words"
        assert stage.app.return_code is None
        await stage.pilot.press("end", "ctrl+c")
        assert stage.app.return_code == 0


def test_nothing_slow_is_imported_before_the_first_frame() -> None:
    heavy = {"numpy", "ctranslate2", "onnxruntime", "sounddevice", "httpx", "xllamacpp"}
    check = f"import sys, voice.apps.screen.app; print({heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
