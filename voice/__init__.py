"""A voice agent: sound in, streamed answers over one WebSocket, sound out.

Tools of one's own need `from voice import tool`, and perhaps `ToolContext` and `ToolError`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# The matrices here are small. OpenBLAS would wake a thread on every core for them, which waits
# by spinning: 0.1 to 0.2 of a core while somebody speaks. Read when numpy loads, so set first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if TYPE_CHECKING:
    from voice.errors import ToolError
    from voice.tools.decorator import tool
    from voice.tools.tool import ToolContext

__all__ = ["ToolContext", "ToolError", "tool"]

_MODULES = {
    "ToolContext": "voice.tools.tool",
    "ToolError": "voice.errors",
    "tool": "voice.tools.decorator",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: a start of the program must be quick."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_MODULES[name]), name)
