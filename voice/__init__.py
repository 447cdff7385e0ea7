"""A voice agent: sound in, streamed answers over one WebSocket, sound out.

Tools of one's own need `from voice import tool`, and perhaps `ToolContext` and `ToolError`.
`Assistant` is a conversation in a program of one's own, `transcribe` only listens; docs/library.md
tells more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# The matrices here are small. OpenBLAS would wake a thread on every core for them, which waits
# by spinning: 0.1 to 0.2 of a core while somebody speaks. Read when numpy loads, so set first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if TYPE_CHECKING:
    from voice.apps.assistant import Assistant
    from voice.apps.dictation import Transcript, transcribe
    from voice.errors import ToolError
    from voice.tools.decorator import tool
    from voice.tools.tool import ToolContext

__all__ = ["Assistant", "ToolContext", "ToolError", "Transcript", "tool", "transcribe"]

_MODULES = {
    "Assistant": "voice.apps.assistant",
    "ToolContext": "voice.tools.tool",
    "ToolError": "voice.errors",
    "Transcript": "voice.apps.dictation",
    "tool": "voice.tools.decorator",
    "transcribe": "voice.apps.dictation",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: a start of the program must be quick."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_MODULES[name]), name)
