"""What a request that cannot be served is answered with. Pure."""

from __future__ import annotations

import json
from typing import Any

from voice.responses.events import ErrorBody


class Refused(Exception):  # noqa: N818 (says what happened)
    """The request cannot be served; `body` is the wire's error, `status` its HTTP status."""

    def __init__(
        self, message: str, code: str | None = None, param: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.body = ErrorBody(type=kind, code=code, message=message, param=param)
        self.status = status
        self.stream_id: str | None = None
        self.parent_id: str | None = None
        self.headers: dict[str, str] = {}


def brief(value: Any) -> str:
    """A value of the client's for a message, cut where it is long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"
