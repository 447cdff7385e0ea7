"""Why a server of tools cannot be used, in one line with its cure."""

from __future__ import annotations

import httpx2
import pytest
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED

from voice.errors import ToolError
from voice.tools.mcp_endpoint import endpoint
from voice.tools.mcp_failure import failure
from voice.tools.mcp_options import McpServerOptions

PROGRAM = endpoint("notes", McpServerOptions(command=("notes-server",)), {})
ADDRESS = endpoint(
    "notes", McpServerOptions(url="http://a/mcp", headers={"Authorization": "Bearer s3cret"}), {}
)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "notes-server"),
            "cannot be started: notes-server: No such file or directory"
            " (install it, or correct `command`)",
        ),
        (TimeoutError(), "did not answer within 30 s (see whether it hangs, or raise"),
        (MCPError(CONNECTION_CLOSED, "closed"), "has ended"),
        (MCPError(-32602, "bad version"), "fails: bad version"),
        (KeyError(), "fails: KeyError"),
        (ExceptionGroup("a", [ExceptionGroup("b", [ValueError("odd")])]), "fails: odd"),
    ],
)
def test_of_a_program(error: Exception, said: str) -> None:
    assert str(failure(error, PROGRAM)).startswith(f"the MCP server notes {said}")


def test_a_program_s_last_words_are_added() -> None:
    ended = failure(MCPError(CONNECTION_CLOSED, "closed"), PROGRAM, last_words="no key")
    assert str(ended) == "the MCP server notes has ended; its last words: no key"


@pytest.mark.parametrize(
    ("refused", "cure"),
    [
        ("401 Unauthorized", "check its `headers`"),
        ("403 Forbidden", "check its `headers`"),
        ("404 Not Found", "check its `url`"),
    ],
)
def test_a_refusal_names_status_and_cure(refused: str, cure: str) -> None:
    told = failure(MCPError(-32603, "Server returned an error response"), ADDRESS, refused)
    assert str(told) == f"the MCP server notes answers {refused} at http://a/mcp ({cure})"


def test_an_address_where_nobody_answers() -> None:
    told = failure(httpx2.ConnectError("refused s3cret"), ADDRESS)
    assert told.problem == "the MCP server notes cannot be reached at http://a/mcp: refused …"


def test_a_servers_words_cannot_spoil_the_terminal() -> None:
    told = failure(MCPError(-32602, "\x1b[31mred\nline " + "x" * 10_000), PROGRAM)
    assert told.problem.startswith("the MCP server notes fails:  [31mred line xxx")
    assert len(told.problem) < 600


def test_what_is_explained_already_stays() -> None:
    error = ToolError("known")
    assert failure(error, PROGRAM) is error
