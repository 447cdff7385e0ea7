"""Words of the user that are put into a response while it runs: what is said about them.

    accepted    they are ours; that they count is told by the successor's `response.created`
    pending     the response ended with function calls: they wait for the outputs
    failed      they are the client's again

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from voice.responses.events import ErrorBody, Steer, SteerAccepted, SteerFailed, SteerPending
from voice.server.lanes import Lane, Running, Steering, Waiting
from voice.server.requests import SteerRequest
from voice.server.writer import ResponseWriter

STEER_LIMIT: Final = 16
"""Submissions that wait for the successor of one response; ours, the guide names no number."""


def steer_accepted(steering: Steering) -> SteerAccepted:
    """The words are ours."""
    return SteerAccepted(steer=_named(steering))


def steers_pending(writer: ResponseWriter, steerings: Iterable[Steering]) -> list[SteerPending]:
    """The words wait, and the outputs of the response's calls are required: stubs to fill."""
    stubs = [
        {"type": "function_call_output", "call_id": call.call_id, "name": call.name}
        for call in writer.calls
    ]
    return [
        writer.number(SteerPending(steer=_named(one), required_input=stubs)) for one in steerings
    ]


def steers_given_back(steerings: Iterable[Steering], lane: Lane, code: str) -> list[SteerFailed]:
    """The words were accepted, but no successor can come any more."""
    events = []
    for lost in steerings:
        steer = _named(lost)
        steer.input = lost.given
        error = _error(code, f"No response continues {lost.response_id}.")
        events.append(_in_lane(SteerFailed(steer=steer, error=error), lane))
    return events


def steer_refusal(
    request: SteerRequest, lane: Lane | None, target: Running | Waiting | None
) -> SteerFailed | None:
    """Why words cannot be taken; `lane` is the response's, `target` it, if it can be steered."""
    if (problem := _problem(request, lane, target)) is None:
        return None
    steer = Steer(previous_response_id=request.response_id, input=request.given)
    return _in_lane(SteerFailed(steer=steer, error=_error(*problem)), lane)


def _problem(
    request: SteerRequest, lane: Lane | None, target: Running | Waiting | None
) -> tuple[str, str] | None:
    """The code and the message."""
    if request.problem:
        return "invalid_input", request.problem
    if lane is None:
        message = f"Response '{request.response_id}' is not available on this connection."
        return "response_not_found", message
    if target is None:
        return "response_already_completed", f"Response '{request.response_id}' has completed."
    if not target.writer.request.steerable:
        message = "A response that only prepares, or may compact, cannot be steered."
        return "steering_not_supported", message
    if len(target.steerings) >= STEER_LIMIT:
        message = f"{STEER_LIMIT} submissions wait for this response already."
        return "too_many_pending_steers", message
    return None


def _named(steering: Steering) -> Steer:
    return Steer(id=steering.id, previous_response_id=steering.response_id)


def _in_lane(event: SteerFailed, lane: Lane | None) -> SteerFailed:
    if lane and lane.name is not None:
        event.stream_id = lane.name
    return event


def _error(code: str, message: str) -> ErrorBody:
    return ErrorBody(type="invalid_request_error", code=code, message=message)
