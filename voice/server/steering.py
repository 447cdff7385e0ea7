"""Words of the user that are put into a response while it runs: what is kept, and what is said.

    accepted    they are ours; that they count is told by the successor's `response.created`
    pending     the response ended with function calls: they wait for the outputs
    failed      they are the client's again

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from voice.responses.events import ErrorBody, Steer, SteerAccepted, SteerFailed, SteerPending
from voice.server.backend import Call, Item
from voice.server.requests import SteerRequest

STEER_LIMIT: Final = 16
"""Submissions that wait for the successor of one response; ours, the guide names no number."""


@dataclass(frozen=True, slots=True)
class Steering:
    """Accepted words that wait for a successor of the response; `given` is how they came."""

    id: str
    response_id: str
    given: Any
    items: tuple[Item, ...]


def items_of(steerings: Iterable[Steering]) -> tuple[Item, ...]:
    """Their words, in the order in which they came."""
    return tuple(item for steering in steerings for item in steering.items)


def steer_accepted(steering: Steering) -> SteerAccepted:
    """The words are ours."""
    return SteerAccepted(steer=_named(steering))


def steer_pending(steering: Steering, calls: Iterable[Call]) -> SteerPending:
    """The words wait, and these calls' outputs are required: stubs for the client to fill."""
    stubs = [
        {"type": "function_call_output", "call_id": call.call_id, "name": call.name}
        for call in calls
    ]
    return SteerPending(steer=_named(steering), required_input=stubs)


def steer_refused(request: SteerRequest, code: str, message: str) -> SteerFailed:
    """The words were never accepted."""
    steer = Steer(previous_response_id=request.response_id, input=request.given)
    return SteerFailed(steer=steer, error=_error(code, message))


def steer_failed(steering: Steering, code: str, message: str) -> SteerFailed:
    """The words were accepted, but no successor can come any more."""
    steer = _named(steering)
    steer.input = steering.given
    return SteerFailed(steer=steer, error=_error(code, message))


def _named(steering: Steering) -> Steer:
    return Steer(id=steering.id, previous_response_id=steering.response_id)


def _error(code: str, message: str) -> ErrorBody:
    return ErrorBody(type="invalid_request_error", code=code, message=message)
