"""Why an MCP server cannot be used, and the cure."""

from __future__ import annotations

import httpx2
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED

from voice.errors import ToolError
from voice.tools.mcp_endpoint import Endpoint

MOST_CHARACTERS = 500
"""Of a problem; a server may send whole pages."""


def failure(error: Exception, to: Endpoint, refused: str = "", last_words: str = "") -> ToolError:
    """What a connection's error means.

    `refused` is the status with which the server refused the last message, `last_words` what its
    program said last.
    """
    while isinstance(error, ExceptionGroup):  # which is how task groups raise
        error = error.exceptions[0]
    if isinstance(error, ToolError):
        return error
    what, cure = _explained(error, to, refused)
    said = f"; its last words: {last_words}" if last_words else ""
    return ToolError(one_line(to.redact(f"the MCP server {to.name} {what}{said}")), cure)


def one_line(text: str) -> str:
    """Fit for a terminal and the trace: a server's words may hold anything, and much of it."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    return plain if len(plain) <= MOST_CHARACTERS else f"{plain[:MOST_CHARACTERS]} …"


def _explained(error: Exception, to: Endpoint, refused: str) -> tuple[str, str]:
    if isinstance(error, TimeoutError):
        seconds = f"{to.options.start_seconds:g} s"
        return f"did not answer within {seconds}", "see whether it hangs, or raise `start_seconds`"
    if refused:
        key = "headers" if refused.startswith(("401", "403")) else "url"
        return f"answers {refused} at {to.place}", f"check its `{key}`"
    if isinstance(error, httpx2.HTTPError):
        said = str(error) or type(error).__name__
        return f"cannot be reached at {to.place}: {said}", "start it, or correct its `url`"
    if isinstance(error, OSError) and to.options.command:
        where = error.filename or to.place
        return f"cannot be started: {where}: {error.strerror}", "install it, or correct `command`"
    if isinstance(error, MCPError) and error.code == CONNECTION_CLOSED:
        return "has ended", ""
    return f"fails: {str(error) or type(error).__name__}", ""
