"""What an MCP server's tool returns, as text for the model."""

from __future__ import annotations

import msgspec
from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)


def result_text(result: CallToolResult) -> str:
    """The text of all parts, with images and the like named.

    The structured result only where there is no text: servers say the same in both.
    """
    parts = [_text(block) for block in result.content]
    has_text = any(isinstance(block, TextContent) and block.text for block in result.content)
    if result.structured_content is not None and not has_text:
        parts.insert(0, msgspec.json.encode(result.structured_content).decode())
    return "\n".join(part for part in parts if part) or "done"


def _text(block: ContentBlock) -> str:
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, ImageContent):
        return _named("an image", block.mime_type, block.data)
    if isinstance(block, AudioContent):
        return _named("a recording", block.mime_type, block.data)
    if isinstance(block, EmbeddedResource):
        resource = block.resource
        if isinstance(resource, TextResourceContents):
            return resource.text
        return _named("a file", resource.mime_type or "of unknown kind", resource.blob)
    return f"{block.title or block.name}: {block.uri}"


def _named(what: str, mime_type: str, base64: str) -> str:
    kilobytes = max(1, round(len(base64) * 3 / 4 / 1000))
    return f"{what} ({mime_type}, {kilobytes} kB)"
