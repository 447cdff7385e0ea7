"""Results of MCP tools as text."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from voice.tools.mcp_content import result_text

DATA = base64.b64encode(bytes(12_345)).decode()
FILE = TextResourceContents(uri="file:///a.txt", text="its text")
BLOB = BlobResourceContents(uri="file:///a.bin", blob=DATA)


@pytest.mark.parametrize(
    ("content", "structured", "text"),
    [
        ([], None, "done"),
        ([TextContent(text="one"), TextContent(text="two")], None, "one\ntwo"),
        ([TextContent(text="sunny")], {"sky": "sunny"}, "sunny"),
        ([], {"sky": "sunny"}, '{"sky":"sunny"}'),
        ([TextContent(text="")], {"sky": "sunny"}, '{"sky":"sunny"}'),
        ([], 0, "0"),
        ([ImageContent(data=DATA, mime_type="image/png")], None, "an image (image/png, 12 kB)"),
        ([AudioContent(data="AAAA", mime_type="audio/wav")], None, "a recording (audio/wav, 1 kB)"),
        ([EmbeddedResource(resource=FILE)], None, "its text"),
        ([EmbeddedResource(resource=BLOB)], None, "a file (of unknown kind, 12 kB)"),
        ([ResourceLink(name="log", uri="file:///log")], None, "log: file:///log"),
        (
            [ImageContent(data=DATA, mime_type="image/png")],
            {"width": 3},
            '{"width":3}\nan image (image/png, 12 kB)',
        ),
    ],
)
def test_every_part_is_told(content: list[Any], structured: Any, text: str) -> None:
    assert result_text(CallToolResult(content=content, structured_content=structured)) == text
