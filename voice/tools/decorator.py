"""`@tool`: marks a function as a tool, and leaves it a function."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar, overload

import msgspec

from voice.errors import ToolError
from voice.tools.policy import Policy

_MARK = "__voice_tool__"

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """What the decorator says of a function."""

    policy: Policy = Policy()  # noqa: RUF009  # it is frozen
    question: str = ""
    """A template such as "Shall I delete {name}?"."""


_PLAIN = ToolSettings()


@overload
def tool(function: _Function, /) -> _Function: ...


@overload
def tool(*, question: str = "", **policy: Any) -> Callable[[_Function], _Function]: ...


def tool(function: Any = None, /, *, question: str = "", **policy: Any) -> Any:
    """Mark a function as a tool: `@tool`, or `@tool(confirm=True, question="Delete {name}?")`.

    `policy` takes the fields of `Policy`; `question` is asked before a call that needs a yes, with
    the arguments in its braces. Raises `ToolError` for an unknown or impossible setting.
    """
    settings = ToolSettings(_policy(policy), question)

    def mark(marked: Any) -> Any:
        setattr(marked, _MARK, settings)
        return marked

    return mark if function is None else mark(function)


def is_marked(value: Any) -> bool:
    """Whether it was decorated with `@tool`."""
    return isinstance(getattr(value, _MARK, None), ToolSettings)


def settings_of(function: Any) -> ToolSettings:
    """What its decorator says; the defaults if it has none."""
    settings = getattr(function, _MARK, _PLAIN)
    return settings if isinstance(settings, ToolSettings) else _PLAIN


def _policy(given: dict[str, Any]) -> Policy:
    known = [field.name for field in fields(Policy)]
    if unknown := set(given) - set(known):
        name = min(unknown)
        near = difflib.get_close_matches(name, known, 1)
        cure = f"did you mean `{near[0]}`?" if near else f"it takes question, {', '.join(known)}"
        raise ToolError(f"@tool has no setting `{name}`", cure)
    try:
        return msgspec.convert(given, Policy)
    except msgspec.ValidationError as error:
        expected, _, path = str(error).partition(" - at `$.")
        raise ToolError(f"@tool: `{path.rstrip('`')}`: {expected}", "correct its value") from error
