"""A dark and a light theme, and the colours that the screen names beyond Textual's own."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="voice-dark",
    dark=True,
    primary="#8ab4f8",
    secondary="#8fd6b4",
    accent="#8fd6b4",
    warning="#e5c07b",
    error="#f28b82",
    success="#8fd6b4",
    foreground="#d8dce6",
    background="#12141a",
    surface="#171a21",
    panel="#1e222b",
    variables={
        "user": "#8ab4f8",
        "agent": "#8fd6b4",
        "muted": "#a3abbb",
        "faint": "#7d8596",
        "line": "#2c313d",
        "pause": "#6b7a99",
        "words": "#8ab4f8",
        "token": "#d7a8f0",
        "sound": "#8fd6b4",
    },
)

LIGHT = Theme(
    name="voice-light",
    dark=False,
    primary="#1f5fbf",
    secondary="#157a52",
    accent="#157a52",
    warning="#8a5c00",
    error="#b3261e",
    success="#157a52",
    foreground="#23262e",
    background="#fafaf7",
    surface="#f3f3ee",
    panel="#e9e9e3",
    variables={
        "user": "#1f5fbf",
        "agent": "#157a52",
        "muted": "#555b66",
        "faint": "#6f7580",
        "line": "#d5d6d0",
        "pause": "#6b7488",
        "words": "#3b78d8",
        "token": "#9a4fc4",
        "sound": "#1f9d6b",
    },
)

THEMES = {"dark": DARK, "light": LIGHT}
"""By the name that a person chooses."""
