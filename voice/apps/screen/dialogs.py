"""What opens over the conversation: a list to choose from, and the keys explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from voice.apps.controls import Setting
from voice.apps.screen.choices import Choice
from voice.apps.screen.keys import KEYS
from voice.apps.screen.panel import TITLES, setting_line

Value = TypeVar("Value", bound=str)


class Picker(ModalScreen[Value | None], Generic[Value]):
    """A list to choose one from; None: nothing was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Back")]

    def __init__(self, title: str, rows: Sequence[tuple[Value, Content]], chosen: Value) -> None:
        """`rows` are values and what is read; `chosen` is the value to begin with."""
        super().__init__()
        self._title = title
        self._rows = rows
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        """Title, list, and how to use it."""
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="title")
            yield OptionList(*[Option(text) for _, text in self._rows])
            yield Static("↑ ↓ and enter, or a click · esc goes back", classes="hint")

    def on_mount(self) -> None:
        """Begin at what is chosen now."""
        values = [value for value, _ in self._rows]
        index = values.index(self._chosen) if self._chosen in values else 0
        self.query_one(OptionList).highlighted = index

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """It is chosen."""
        self.dismiss(self._rows[event.option_index][0])


def choice_picker(setting: Setting, choices: Sequence[Choice], chosen: str) -> Picker[str]:
    """The list of what a setting can be; what it is now has a mark."""
    rows = [
        (
            choice.value,
            Content.assemble(
                (choice.name, "$foreground"),
                (" ●" if choice.value == chosen else "", "$agent"),
                (f"\n{choice.detail}" if choice.detail else "", "$faint"),
            ),
        )
        for choice in choices
    ]
    return Picker(TITLES[setting], rows, chosen)


def settings_picker(settings: Mapping[Setting, str]) -> Picker[Setting]:
    """The list of all settings, with what they are now."""
    rows = [(name, setting_line(name, settings.get(name, ""))) for name in TITLES]
    return Picker("Settings", rows, "input")


class Help(ModalScreen[None]):
    """The keys, and how to talk."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1", "dismiss", "Back")]

    def compose(self) -> ComposeResult:
        """Two short texts, and the keys."""
        with VerticalScroll(classes="dialog", can_focus=True):
            yield Static("Talking", classes="title")
            yield Static(_TALKING)
            yield Static("Keys", classes="title later")
            for key in KEYS:
                line = Content.assemble((f"{key.name:<8}", "$user bold"), key.explained)
                yield Static(line, classes="key")
            yield Static("esc goes back", classes="hint")


_TALKING = Content.assemble(
    "Just talk. A pause ends your turn. Talk again to interrupt: the voice grows quiet at a ",
    "sound, waits while you speak, and goes on if it was only a cough or an “mm-hm”.\n",
    "Your words are ",
    ("grey until they are certain", "$faint italic"),
    ". Of an answer the word you hear is ",
    ("marked", "$agent underline"),
    ", and what you cut off is ",
    ("struck out", "$faint strike"),
    ". Only what you heard is remembered. A click on a turn shows where its time went.",
)
