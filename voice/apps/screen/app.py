"""The desktop's screen: shows the trace, and acts through `Controls`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from voice.apps.controls import Controls, Setting, Subject
from voice.apps.screen.choices import Choice, choices
from voice.apps.screen.conversation import Conversation, Entry
from voice.apps.screen.dialogs import Help, choice_picker, settings_picker
from voice.apps.screen.keys import KEYS
from voice.apps.screen.main import MainScreen
from voice.apps.screen.panel import SettingRow
from voice.apps.screen.statusbar import TalkButton
from voice.apps.screen.themes import THEMES
from voice.apps.screen.transcript import transcript
from voice.apps.screen.undisturbed import undisturbed
from voice.errors import VoiceError
from voice.trace import TraceEvent

LEVELS_PER_SECOND = 10
"""Looks at the sound levels; what does not change is not drawn."""

_THEME_CHOICES = [Choice("dark", "dark"), Choice("light", "light")]


class ConversationApp(App[None], inherit_bindings=False):
    """Shows one conversation after another. It is a sink of the trace, in its own event loop."""

    CSS_PATH = Path(__file__).with_name("style.tcss")
    TITLE = "voice"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  # Textual declares it so
        (0, "-narrow"),
        (80, "-normal"),
        (110, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        *[
            Binding(
                key.key,
                key.action,
                key.title,
                key_display=key.name,
                show=key.shown,
                tooltip=key.explained,
            )
            for key in KEYS
        ],
        Binding("ctrl+c", "copy_or_quit", show=False, priority=True),
    ]

    class _Changed(Message):
        """Something of the conversation looks different now."""

    def __init__(
        self,
        controls: Controls,
        settings: Mapping[Setting, str],
        keep: Callable[[Setting, str], None],
        *,
        list_choices: Callable[[Subject], list[Choice]] = choices,
        folder: Path | None = None,
        log: Path | None = None,
    ) -> None:
        """`settings` are what is chosen now; `keep` saves a choice and raises `VoiceError`s.

        `list_choices` blocks, and runs in a thread. Transcripts go to `folder`, by default the
        current one; what the program writes to stderr meanwhile goes to the file `log`, or nowhere.
        """
        self.conversation = Conversation()
        self._settings = dict(settings)
        self._changed: dict[Entry, None] = {}
        self._cleared = False
        self._waiting = True
        self._main = MainScreen()
        super().__init__()
        self._controls = controls
        self._keep = keep
        self._list_choices = list_choices
        self.folder = folder or Path()
        self._log_file = log
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = THEMES[self._settings.setdefault("theme", "dark")].name

    async def converse(self) -> None:
        """Show the conversation until a person leaves. The terminal is the screen's alone."""
        with undisturbed(self._log_file):
            await self.run_async()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The colours that are named in our styles."""
        return THEMES["dark"].variables

    def get_default_screen(self) -> MainScreen:
        """The screen that is always there."""
        return self._main

    def on_main_screen_mounted(self) -> None:
        """Show what has happened so far."""
        self._main.show_settings(self._settings)
        self.set_interval(1 / LEVELS_PER_SECOND, self.refresh_levels)
        self._draw()

    # ── what happens ─────────────────────────────────────────────────────────────────────

    def __call__(self, event: TraceEvent) -> None:
        """Take in an event of the trace; what it changes is drawn soon."""
        entry = self.conversation.receive(event)
        if event.event == "conversation.begun":
            self._cleared = True
            self._changed.clear()
        if entry is not None:
            self._changed[entry] = None
        if not self._waiting:
            self._waiting = True
            self.post_message(self._Changed())

    def on_conversation_app__changed(self) -> None:
        """Draw what has changed."""
        self._draw()

    def _draw(self) -> None:
        self._waiting = False
        if self._cleared:
            self._main.clear()
        self._main.draw(self.conversation, self._changed)
        self._changed.clear()
        self._cleared = False

    def refresh_levels(self) -> None:
        """Look how loud it is."""
        self._main.measure(self._controls.levels(), time.monotonic())

    # ── what a person does ───────────────────────────────────────────────────────────────

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Something was typed."""
        if text := event.value.strip():
            self._controls.type_text(text)
        event.input.clear()

    def on_talk_button_held(self, event: TalkButton.Held) -> None:
        """The button to talk is held, or no longer."""
        if event.held:
            self._controls.press_talk()
        else:
            self._controls.release_talk()

    def action_talk(self) -> None:
        """The key to talk: terminals do not tell when a key is let go, so it is pressed twice."""
        if self.conversation.talking:
            self._controls.release_talk()
        else:
            self._controls.press_talk()

    def action_mute(self) -> None:
        """Switch the microphone."""
        self._controls.mute(not self.conversation.muted)

    def action_interrupt(self) -> None:
        """Silence the assistant."""
        self._controls.interrupt()

    def action_repeat(self) -> None:
        """Have the last answer again."""
        self._controls.repeat()

    def action_new(self) -> None:
        """Begin a new conversation."""
        self._controls.new_conversation()

    # ── settings ─────────────────────────────────────────────────────────────────────────

    def action_settings(self) -> None:
        """Choose what to choose."""
        self.push_screen(settings_picker(self._settings), self._choose_of_all)

    def _choose_of_all(self, setting: Setting | None) -> None:
        if setting:
            self.action_choose(setting)

    def on_setting_row_clicked(self, event: SettingRow.Clicked) -> None:
        """A setting at the side was clicked."""
        self.action_choose(event.setting)

    def action_choose(self, setting: Setting) -> None:
        """Choose a device, a voice, a model or a theme."""
        self.run_worker(self._choose(setting), exclusive=True)

    async def _choose(self, setting: Setting) -> None:
        if setting == "theme":
            found = _THEME_CHOICES
        else:
            try:
                found = await asyncio.to_thread(self._list_choices, setting)
            except VoiceError as error:
                self.notify(str(error), severity="error", markup=False)
                return
        picker = choice_picker(setting, found, self._settings.get(setting, ""))
        self.push_screen(picker, partial(self._chosen, setting))

    def _chosen(self, setting: Setting, value: str | None) -> None:
        if value is None or value == self._settings.get(setting, ""):
            return
        try:
            self._keep(setting, value)
        except VoiceError as error:
            self.notify(str(error), severity="error", markup=False)
        self._settings[setting] = value
        self._main.show_settings(self._settings)
        if setting == "theme":
            self.theme = THEMES[value].name
        else:
            self._controls.choose(setting, value)

    # ── the rest ─────────────────────────────────────────────────────────────────────────

    def action_help(self) -> None:
        """Explain the keys."""
        self.push_screen(Help())

    def action_copy(self) -> None:
        """Copy the conversation to the clipboard, where the terminal allows it."""
        if text := self._transcript():
            self.copy_to_clipboard(text)
            self.notify("copied, if your terminal allows it")

    def action_save(self) -> None:
        """Write the conversation to a file."""
        if not (text := self._transcript()):
            return
        path = self.folder / time.strftime("voice-%Y-%m-%d-%H%M%S.md")
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            problem = f"the conversation cannot be written to {path}: {error.strerror}"
            self.notify(problem, severity="error", markup=False)
        else:
            self.notify(f"saved as {path}", markup=False)

    def _transcript(self) -> str:
        text = transcript(self.conversation.turns)
        if not text:
            self.notify("nothing has been said yet")
        return text

    def action_copy_or_quit(self) -> None:
        """What is selected is copied; without that it is the end, as everywhere."""
        typed = self.focused.selected_text if isinstance(self.focused, Input) else ""
        if selected := typed or self.screen.get_selected_text():
            self.copy_to_clipboard(selected)
        else:
            self.exit()
