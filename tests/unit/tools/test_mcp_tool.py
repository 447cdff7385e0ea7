"""MCP tools as the model sees and calls them, with a connection that is none."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED, CallToolResult, TextContent, Tool, ToolAnnotations

from voice.errors import ToolError
from voice.tools.mcp_options import McpServerOptions
from voice.tools.mcp_tool import McpTool, mcp_tool
from voice.tools.tool import ToolContext

Progress = Callable[[float, float | None, str | None], Awaitable[None]]


class FakeConnection:
    """Answers every call with the same, after some reports; or raises."""

    def __init__(self, answer: CallToolResult | Exception, *reports: tuple[Any, ...]) -> None:
        self.calls: list[tuple[str, Any]] = []
        self._answer = answer
        self._reports = reports

    async def call(self, tool: str, arguments: Any, progressed: Progress) -> CallToolResult:
        self.calls.append((tool, arguments))
        for report in self._reports:
            await progressed(*report)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def text(said: str, *, is_error: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=said)], is_error=is_error)


def tool(connection: FakeConnection | None = None, name: str = "look.up", **listed: Any) -> McpTool:
    return mcp_tool(
        "notes",
        Tool(name=name, **{"input_schema": {"type": "object"}, **listed}),
        McpServerOptions(command=("x",), allow=("*",)),
        connection or FakeConnection(text("found")),
        lambda said: said.replace("s3cret", "…"),
    )


def test_the_model_sees_a_plain_definition() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
    }
    assert tool(input_schema=schema, description="Look\n\n it up.").definition() == {
        "type": "function",
        "name": "notes_look_up",
        "description": "Look it up.",
        "parameters": {
            "type": "object",
            "properties": {"word": {"type": "string"}},
            "required": ["word"],
        },
        "strict": False,
    }


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"properties": None}])
def test_a_schema_may_lack_everything(schema: dict[str, Any]) -> None:
    parameters = tool(input_schema=schema).definition()["parameters"]
    assert parameters == {"type": "object", "properties": {}}


def test_names_are_what_the_api_takes() -> None:
    name = tool(name="größe/" * 30).name
    assert re.fullmatch(r"notes_[A-Za-z0-9_-]+", name)
    assert len(name) == 64


def test_a_long_description_is_cut_and_a_missing_one_replaced() -> None:
    description = tool(description="word " * 500).definition()["description"]
    assert len(description) <= 600
    assert description.endswith(" wor …")
    assert tool(name="look_up").definition()["description"] == "look_up"
    assert tool(title="Find notes").definition()["description"] == "Find notes"


@pytest.mark.parametrize(
    ("hints", "confirm"),
    [
        (None, False),
        (ToolAnnotations(destructive_hint=True), True),
        (ToolAnnotations(destructive_hint=True, read_only_hint=True), True),
        (ToolAnnotations(destructive_hint=False), False),
    ],
)
def test_what_destroys_by_its_own_word_asks_first(
    hints: ToolAnnotations | None, confirm: bool
) -> None:
    policy = tool(annotations=hints).policy
    assert policy.confirm is confirm
    assert not policy.read_only
    assert policy.limit_seconds == 20.0


def test_the_question_says_what_is_done_with_what() -> None:
    delete = tool(name="delete_note")
    assert delete.question('{"title": "milk"}') == "Shall I delete note, with title milk?"
    assert delete.question("nonsense") == "Shall I delete note?"


async def test_a_call_goes_out_under_the_servers_own_name() -> None:
    connection = FakeConnection(text("found s3cret"))
    assert await tool(connection).call('{"word": "cat"}', ToolContext()) == "found …"
    assert await tool(connection).call(" ", ToolContext()) == "found …"
    assert connection.calls == [("look.up", {"word": "cat"}), ("look.up", {})]


@pytest.mark.parametrize("arguments", ["[]", "3", "null", '"cat"', "{", "cat"])
async def test_arguments_must_be_an_object(arguments: str) -> None:
    connection = FakeConnection(text("found"))
    with pytest.raises(ToolError, match="notes_look_up: the arguments are"):
        await tool(connection).call(arguments, ToolContext())
    assert connection.calls == []


async def test_progress_is_reported_in_words() -> None:
    reports = [(1, 4, None), (2, None, None), (3, 4, "at\n s3cret"), (4, 4, "x" * 500)]
    heard: list[str] = []
    await tool(FakeConnection(text("found"), *reports)).call("", ToolContext(report=heard.append))
    assert heard[:2] == ["25 percent", "at …"]
    assert len(heard) == 3
    assert len(heard[2]) == 200


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (text("the lamp is s3cret", is_error=True), "^the lamp is …$"),
        (MCPError(-32602, "no such lamp s3cret"), "^notes_look_up: no such lamp …$"),
        (MCPError(CONNECTION_CLOSED, "closed"), "server notes is gone, and nobody knows"),
        (OSError("broken pipe"), "server notes is gone, and nobody knows"),
        (ToolError("the server notes is down"), "^the server notes is down$"),
        (ValueError("12 validation errors"), "the server's answer is malformed"),
        (RuntimeError("Invalid structured content"), "the server's answer is malformed"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(
    answer: CallToolResult | Exception, problem: str
) -> None:
    with pytest.raises(ToolError, match=problem):
        await tool(FakeConnection(answer)).call("", ToolContext())
