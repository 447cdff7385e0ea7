"""The conversation as it is shown: a widget an entry, drawn anew when the entry changes."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from voice.apps.screen.conversation import Entry, Turn
from voice.apps.screen.notices import Notice
from voice.apps.screen.styled import notice_text, turn_text

MOST_SHOWN = 200
"""Entries that can be scrolled back to; a saved transcript has them all."""


class EntryView(Widget):
    """One turn or notice. A click shows a turn's latency as a waterfall, another hides it."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.entry = entry
        self._opened = False
        self._explained = False

    def render(self) -> Content:
        """The entry as it is now."""
        return self._text(self.size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The lines it takes, which it breaks itself."""
        return self._text(width).plain.count("\n") + 1

    def explain(self, explained: bool) -> None:
        """Name the parts of the turn's latency, or do not."""
        self._explained = explained
        self.refresh(layout=True)

    def on_click(self) -> None:
        """Show or hide the waterfall; words that were only selected stay as they are."""
        if not self.text_selection:
            self._opened = not self._opened
            self.refresh(layout=True)

    def _text(self, width: int) -> Content:
        if isinstance(self.entry, Notice):
            return notice_text(self.entry, width)
        return turn_text(self.entry, width, opened=self._opened, explained=self._explained)


class Log(VerticalScroll):
    """All entries; it stays at the end unless a person has scrolled back."""

    can_focus = False

    def __init__(self) -> None:
        super().__init__(id="log")
        self._views: dict[Entry, EntryView] = {}
        self._explained: EntryView | None = None

    def on_mount(self) -> None:
        """Stay at the end."""
        self.anchor()

    def show(self, entry: Entry) -> None:
        """Draw an entry as it is now, the first time or again."""
        gone = isinstance(entry, Turn) and entry.empty
        view = self._views.get(entry)
        if view and gone:
            del self._views[entry]
            view.remove()
        elif view:
            view.refresh(layout=True)
        elif not gone:
            view = self._views[entry] = EntryView(entry)
            self.mount(view)
            self._forget_oldest()
        if view and isinstance(entry, Turn) and entry.completed:
            self._explain(view)

    def clear(self) -> None:
        """Begin anew."""
        for view in self._views.values():
            view.remove()
        self._views.clear()
        self._explained = None

    def _explain(self, view: EntryView) -> None:
        """Of all bars of latencies only the newest one's parts are named."""
        if self._explained:
            self._explained.explain(False)
        self._explained = view
        view.explain(True)

    def _forget_oldest(self) -> None:
        if len(self._views) > MOST_SHOWN:
            self._views.pop(next(iter(self._views))).remove()
