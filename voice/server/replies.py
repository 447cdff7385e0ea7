"""Answers over HTTP: JSON, and errors in the API's own shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from voice.server.refusals import Refused

_encoder = msgspec.json.Encoder()


def json_reply(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer of JSON."""
    return Response(_encoder.encode(content), status, headers, "application/json")


def error_reply(refusal: Refused) -> Response:
    """Why a request is not served."""
    return json_reply(error_body(refusal), refusal.status, refusal.headers)


def error_body(refusal: Refused) -> dict[str, Any]:
    """The API's shape of an error."""
    error = refusal.body
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "param": error.param,
            "code": error.code,
        }
    }


def unavailable(message: str) -> Refused:
    """For those who may come back later."""
    refusal = Refused(message, "service_unavailable", status=503)
    refusal.headers["retry-after"] = "1"
    return refusal
