"""Settings that were chosen while the program ran: kept in the user's own configuration file.

The file may be the user's work: one line is changed or added, and all else stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import tomllib
from pathlib import Path

from voice.apps.controls import Setting
from voice.errors import UsageError

KEYS: dict[Setting, tuple[str, str]] = {
    "input": ("audio", "input"),
    "output": ("audio", "output"),
    "voice": ("speak", "voice"),
    "model": ("agent", "model"),
    "theme": ("screen", "theme"),
}
"""Section and key of what can be chosen."""

_SECTION = re.compile(r"\s*\[")


def save(path: Path, section: str, key: str, value: str) -> None:
    """Set one key in the file, which is made where there is none. Raises `UsageError`."""
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        text = with_setting(before, section, key, value)
        if text is None:
            raise UsageError(
                f"{path} is written in a way that cannot be changed here",
                f'set it yourself: {key} = "{value}" in [{section}]',
            )
        _replace(path, text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the settings cannot be kept in {path}: {getattr(error, 'strerror', error)}",
            "see that the file and its folder are yours",
        ) from error


def with_setting(text: str, section: str, key: str, value: str) -> str | None:
    """The TOML `text` with that key set; None where no change of a line brings that about."""
    # A basic string of JSON is one of TOML, but for the delete character.
    line = f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
    lines = text.removesuffix("\n").split("\n") if text else []
    changed = "\n".join(_lines_with(lines, section, key, line)) + "\n"
    try:
        wanted = tomllib.loads(text)
        wanted.setdefault(section, {})[key] = value
        return changed if tomllib.loads(changed) == wanted else None
    except (tomllib.TOMLDecodeError, TypeError, AttributeError):
        return None


def _lines_with(lines: list[str], section: str, key: str, line: str) -> list[str]:
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?$")
    assignment = re.compile(rf"\s*{re.escape(key)}\s*=")
    begin = next((i for i, found in enumerate(lines) if header.match(found)), None)
    if begin is None:
        return [*lines, *([""] if lines else []), f"[{section}]", line]
    end = next((i for i in range(begin + 1, len(lines)) if _SECTION.match(lines[i])), len(lines))
    for index in range(begin + 1, end):
        if assignment.match(lines[index]):
            return [*lines[:index], line, *lines[index + 1 :]]
    return [*lines[: begin + 1], line, *lines[begin + 1 :]]


def _replace(path: Path, text: str) -> None:
    """Write the file whole or not at all; a link to it stays a link. Raises `OSError`."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        if path.exists():
            Path(temporary).chmod(path.stat().st_mode & 0o777)
        Path(temporary).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
