"""What a docstring says about a function and its parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SECTION = re.compile(r"(?:Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?):\s*$")
_PARAMETER = re.compile(r"\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Documentation:
    """The first paragraph, and a description of each parameter that the section `Args:` names."""

    summary: str
    parameters: dict[str, str]


def documentation(function: Callable[..., Any]) -> Documentation:
    """Read a docstring in Google's style."""
    lines = (inspect.getdoc(function) or "").splitlines()
    return Documentation(_summary(lines), _parameters(lines))


def _summary(lines: list[str]) -> str:
    paragraph: list[str] = []
    for line in lines:
        if _SECTION.match(line) or not line.strip():
            break
        paragraph.append(line.strip())
    return " ".join(paragraph)


def _parameters(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    inside, indent, current = False, None, ""
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if line.strip() and depth == 0:
            inside = bool(re.match(r"(?:Args|Arguments|Parameters):\s*$", line))
            indent = None
        elif inside and line.strip():
            indent = depth if indent is None else indent
            if depth <= indent and (match := _PARAMETER.match(line.strip())):
                current = match[1]
                found[current] = [match[2]]
            elif current:
                found[current].append(line.strip())
    return {name: " ".join(parts).strip() for name, parts in found.items()}
