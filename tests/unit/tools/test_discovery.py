from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from voice.errors import UsageError
from voice.tools.decorator import tool
from voice.tools.discovery import GROUP, folder_tools, plugin_tools
from voice.tools.function import FunctionTool, function_tool
from voice.tools.runner import Toolbox

LIGHTS = '''
from voice.tools.decorator import tool

@tool(confirm=True)
def switch(room: str) -> str:
    """Switch the lights in a room."""
    return f"{room} is lit"

@tool
async def dim() -> str:
    """Dim all lights."""
    return "dim"

def not_a_tool() -> None: ...

@tool
def _hidden() -> None:
    """Hidden."""
'''


def names(tools: list[FunctionTool]) -> list[str]:
    return [tool.name for tool in tools]


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


# ── a folder ─────────────────────────────────────────────────────────────────────────────


async def test_decorated_functions_in_a_folder_are_tools(tmp_path: Path) -> None:
    write(tmp_path, lights=LIGHTS, coffee=LIGHTS.replace("switch", "brew").replace("dim", "grind"))
    (tmp_path / "notes.txt").write_text("no Python")
    tools = folder_tools(tmp_path)
    assert names(tools) == ["brew", "grind", "switch", "dim"]
    assert [tool.policy.confirm for tool in tools] == [True, False, True, False]
    assert await Toolbox(tools).run("switch", '{"room": "attic"}') == "attic is lit"


def test_files_share_what_an_underscore_hides(tmp_path: Path) -> None:
    imported = "from ._shared import switch\nfrom .lights import dim\n"
    own = LIGHTS.replace("switch", "own").replace("dim", "other")
    write(tmp_path, _shared=LIGHTS, lights=LIGHTS, zebra=imported + own)
    assert names(folder_tools(tmp_path)) == ["switch", "dim", "own", "other"]


def test_a_folder_is_read_anew(tmp_path: Path) -> None:
    (first := tmp_path / "first").mkdir()
    (second := tmp_path / "second").mkdir()
    assert names(folder_tools(write(first, lights=LIGHTS))) == ["switch", "dim"]
    other = LIGHTS.replace("switch", "other")
    assert names(folder_tools(write(second, lights=other))) == ["other", "dim"]


def test_an_empty_folder_has_no_tools(tmp_path: Path) -> None:
    assert folder_tools(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nothing_like_this", r"bad\.py:1: ModuleNotFoundError: .*install it where voice"),
        ("\n\nx = 1 / 0", r"bad\.py:3: ZeroDivisionError: division by zero \(correct it"),
        ("def f(:\n", r"bad\.py:1: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit('bye')", r"bad\.py:2: SystemExit: bye"),
        ("raise ValueError('two\\nlines')", r"bad\.py:1: ValueError: two \("),
        ("x = 1", r"bad\.py has no function that is decorated with `@tool`"),
        (
            "from voice.tools.decorator import tool\n@tool(confrim=True)\ndef f(): ...",
            r"bad\.py:2: @tool has no setting `confrim` \(did you mean `confirm`",
        ),
        (
            "from voice.tools.decorator import tool\n\n@tool\ndef f(): ...",
            r"bad\.py:3: tool `f` has no docstring",
        ),
    ],
)
def test_a_mistake_in_a_file_is_one_line_with_its_place(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        folder_tools(write(tmp_path, bad=text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_module_is_named(tmp_path: Path) -> None:
    (tmp_path / "lights.v2.py").write_text(LIGHTS)
    with pytest.raises(UsageError, match="take the dots out"):
        folder_tools(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no folder .*nowhere.*correct `folder` in \[tools\]"):
        folder_tools(tmp_path / "nowhere")


# ── plug-ins ─────────────────────────────────────────────────────────────────────────────


@tool(once=True)
def brew() -> str:
    """Brew coffee."""
    return "brewed"


def grind() -> str:
    """Grind beans."""
    return "ground"


ground = function_tool(grind)


def several() -> list[object]:
    return [brew, ground]


def broken() -> list[object]:
    raise RuntimeError("no beans")


nothing = 3


def installed(**named: str) -> Callable[..., list[EntryPoint]]:
    points = [EntryPoint(name, f"{__name__}:{value}", GROUP) for name, value in named.items()]
    return lambda group: [point for point in points if point.group == group]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("brew", ["brew"]), ("ground", ["grind"]), ("several", ["brew", "grind"])],
)
def test_an_entry_point_gives_one_tool_or_several(value: str, expected: list[str]) -> None:
    assert names(plugin_tools(["coffee"], installed(coffee=value))) == expected


def test_only_what_is_allowed_is_loaded_and_in_that_order() -> None:
    there = installed(grinder="ground", trouble="broken", machine="brew")
    assert names(plugin_tools(["machine", "grinder"], there)) == ["brew", "grind"]
    assert plugin_tools([], there) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("broken", r"test_discovery\.py:\d+: RuntimeError: no beans"),
        ("missing", r"plugin `coffee` \(.*:missing\): AttributeError"),
        ("nothing", r"plugin `coffee` .* gives something of type int, which is no tool \(decorate"),
        ("grind", r"plugin `coffee` .* gives something of type str, which is no tool \(decorate"),
    ],
)
def test_a_plugin_that_fails_is_named(value: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plugin_tools(["coffee"], installed(coffee=value))


def test_an_unknown_plugin_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no plugin `tea` .*installed are: coffee, milk"):
        plugin_tools(["tea"], installed(milk="brew", coffee="brew"))


def test_two_plugins_of_one_name_are_not_guessed_at() -> None:
    twice = [*installed(coffee="brew")(group=GROUP), *installed(coffee="ground")(group=GROUP)]
    with pytest.raises(UsageError, match=r"two plugins are called `coffee`: .*uninstall"):
        plugin_tools(["coffee"], lambda group: twice)
