"""What the program is given for a spoken command, and what it is found to have done."""

from __future__ import annotations

import tomllib
from pathlib import Path

from scripts.benchmarks.commands import load_commands
from scripts.benchmarks.tools_spoken import SET, configure, first_calls
from voice.responses.journal import Journal
from voice.server.backend import ToolCall

COMMANDS = load_commands(SET)


def test_the_first_calls_are_those_that_begin_before_one_ends() -> None:
    events = [
        {"event": "turn.ended"},
        {"event": "tool.started", "tool": "set_light", "arguments": '{"on": true}'},
        {"event": "tool.started", "tool": "get_time", "arguments": "{}"},
        {"event": "tool.ended", "tool": "set_light"},
        {"event": "tool.started", "tool": "set_timer", "arguments": "{}"},
    ]
    assert first_calls(events) == (
        ToolCall("set_light", '{"on": true}'),
        ToolCall("get_time", "{}"),
    )
    assert first_calls([{"event": "turn.completed"}]) == ()


def test_the_options_name_a_folder_with_the_tools(tmp_path: Path) -> None:
    alone = next(command for command in COMMANDS if not command.before)
    options = tomllib.loads(configure(tmp_path, alone).read_text())
    source = (Path(options["tools"]["folder"]) / "commands.py").read_text()
    assert all(f"async def {tool.name}(" in source for tool in alone.tools)
    assert "journal" not in options


def test_what_was_said_before_is_in_the_journal(tmp_path: Path) -> None:
    after = next(command for command in COMMANDS if command.said == "And in Madrid?")
    options = tomllib.loads(configure(tmp_path, after).read_text())
    journal = Journal.open(Path(options["journal"]["path"]), 0.0, 0.0)
    latest = journal.latest()
    assert latest is not None
    assert [type(item).__name__ for item in journal.items(latest)] == [
        "InputMessage",
        "FunctionCall",
        "FunctionCallOutput",
        "InputMessage",
    ]
    journal.close()
