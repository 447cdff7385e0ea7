"""Random identifiers of responses, items and whatever else clients get to name."""

from __future__ import annotations

import secrets


def new_id(prefix: str) -> str:
    """A random identifier, such as `resp_…`."""
    return f"{prefix}_{secrets.token_hex(16)}"
