"""Tools of the user's own: from a folder, and from packages that are installed.

Both run foreign code when they are asked for, and only then: nothing is loaded that the
configuration does not name.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from voice.errors import ToolError, UsageError, VoiceError
from voice.tools.decorator import is_marked
from voice.tools.function import FunctionTool, function_tool

GROUP = "voice.tools"
"""Of the entry points."""

_PACKAGE = "voice_user_tools"
"""What the folder is called as a package, so that its files can say `from ._shared import …`."""


def folder_tools(folder: Path) -> list[FunctionTool]:
    """The functions that are decorated with `@tool` in the folder's Python files.

    Files in the order of their names, functions as they are written; names that begin with `_` are
    left out. The files are imported, which may block. Raises `UsageError` that names file and line.
    """
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder} with tools", "make it, or correct `folder` in [tools]"
        )
    _name_package(folder)
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    return [tool for path in files for tool in _file_tools(path)]


def plugin_tools(
    allowed: Sequence[str], installed: Callable[..., Iterable[EntryPoint]] = entry_points
) -> list[FunctionTool]:
    """The tools of these entry points, in this order; others are not loaded.

    An entry point is a function with `@tool`, a `FunctionTool`, or a function that returns several
    of them. Raises `UsageError` that names the entry point, and file and line where they are known.
    """
    if not allowed:
        return []
    there: dict[str, list[EntryPoint]] = {}
    for point in installed(group=GROUP):
        there.setdefault(point.name, []).append(point)
    tools: list[FunctionTool] = []
    for name in allowed:
        found = there.get(name, [])
        if len(found) != 1:
            raise _not_one(name, found, there)
        tools += _plugin_tools(found[0])
    return tools


def _name_package(folder: Path) -> None:
    """Make the folder a package, and forget what was imported from it before."""
    for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
        del sys.modules[name]
    package = ModuleType(_PACKAGE)
    package.__path__ = [str(folder)]
    sys.modules[_PACKAGE] = package
    importlib.invalidate_caches()


def _file_tools(path: Path) -> list[FunctionTool]:
    if "." in path.stem:
        raise UsageError(f"{path} cannot be imported", "take the dots out of its name")
    with _explained(str(path)):
        module = importlib.import_module(f"{_PACKAGE}.{path.stem}")
        found = [
            value
            for name, value in vars(module).items()
            if is_marked(value) and not name.startswith("_") and _is_of(value, module)
        ]
    if not found:
        raise UsageError(
            f"{path} has no function that is decorated with `@tool`",
            "decorate one, or begin the file's name with `_`",
        )
    return [_made(value, str(path)) for value in found]


def _is_of(value: Any, module: ModuleType) -> bool:
    """Whether the module defines it; it may have been imported from its neighbour."""
    return getattr(value, "__module__", None) == module.__name__


def _plugin_tools(point: EntryPoint) -> list[FunctionTool]:
    where = f"the plugin `{point.name}` ({point.value})"
    with _explained(where):
        value = point.load()
        if callable(value) and not is_marked(value) and not isinstance(value, FunctionTool):
            value = value()
    values = list(value) if isinstance(value, Iterable) else [value]
    return [_made(one, where) for one in values]


def _made(value: Any, where: str) -> FunctionTool:
    if isinstance(value, FunctionTool):
        return value
    if not (is_marked(value) and callable(value)):
        raise UsageError(
            f"{where} gives something of type {type(value).__name__}, which is no tool",
            "decorate a function with `@tool`, or return a list of such functions",
        )
    try:
        return function_tool(value)
    except ToolError as error:
        raise UsageError(f"{_place(value, where)}: {error.problem}", error.cure) from error


def _place(function: Any, where: str) -> str:
    """File and line of a function, if it has some."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else where


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Map whatever foreign code raises, and its attempts to end the program, to one line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        problem, cure = _told(error)
        raise UsageError(f"{_line(error, where)}: {problem}", cure) from error


def _told(error: BaseException) -> tuple[str, str]:
    if isinstance(error, VoiceError):
        return error.problem, error.cure
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    problem = f"{type(error).__name__}: {said}".partition("\n")[0].removesuffix(": ")
    if isinstance(error, ModuleNotFoundError):
        return problem, "install it where voice is installed"
    return problem, "correct it, or change [tools]"


def _line(error: BaseException, where: str) -> str:
    """File and line: the last that is neither ours nor of the import system, or `where`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    ours = str(Path(__file__).parent)
    places = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(ours) and "importlib" not in frame.filename
    ]
    return places[-1] if places else where


def _not_one(
    name: str, found: Sequence[EntryPoint], there: dict[str, list[EntryPoint]]
) -> UsageError:
    if found:
        places = " and ".join(point.value for point in found)
        return UsageError(f"two plugins are called `{name}`: {places}", "uninstall one of them")
    known = ", ".join(sorted(there)) or "none"
    return UsageError(
        f"there is no plugin `{name}` for tools; installed are: {known}",
        "install its package where voice is, or correct `plugins` in [tools]",
    )
