"""The Responses API over HTTP: what can be asked for."""

from __future__ import annotations

import functools
import logging
import re
import time
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from voice.errors import VoiceError
from voice.responses.events import Response as WireResponse
from voice.responses.events import Usage
from voice.server.backend import Item, Message
from voice.server.exchange import Exchange
from voice.server.guard import HEALTH, Guard
from voice.server.ids import new_id
from voice.server.items import write_item
from voice.server.metrics import CONTENT_TYPE
from voice.server.refusals import Refused, brief
from voice.server.replies import error_reply, json_reply, unavailable
from voice.server.requests import CreateRequest, parse
from voice.server.service import GOING_DOWN, Service

log = logging.getLogger(__name__)

PATH: Final = "/v1/responses"
"""Where a WebSocket is opened too."""

_PAGE_ITEMS: Final = 20
_MOST_PAGE_ITEMS: Final = 100
"""Items on a page of `input_items`, as the API has it."""

_INPUT: Final = msgspec.json.Decoder(str | list[msgspec.Raw] | None)
_COMPACTION_FIELDS: Final = ("model", "instructions", "previous_response_id", "tools")
"""What of a request for a compaction is that of a response, but for `input`. Tools are not in the
types, but whoever sends them has the same prefix as in its responses."""

_COUNT: Final = re.compile(r"[0-9]{1,3}")

_RAW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CREATE: Final = msgspec.Raw(b'"response.create"')
_FLAGS: Final = {b"true": True, b"false": False, b"null": False}


def make_app(service: Service) -> ASGIApp:
    """The ASGI application; `scope["state"]` has its `transport`, and whether that is too much."""
    api = _Api(service)
    one = f"{PATH}/{{response_id}}"
    app = Starlette(
        routes=[
            Route(PATH, api.create, methods=["POST"]),
            Route(f"{PATH}/compact", api.compact, methods=["POST"]),
            Route(one, api.retrieve),
            Route(one, api.delete, methods=["DELETE"]),
            Route(f"{one}/input_items", api.input_items),
            Route(f"{one}/cancel", api.cancel, methods=["POST"]),
            Route("/v1/models", api.models),
            Route("/v1/models/{model:path}", api.model),
            Route(HEALTH, api.health),
            Route("/metrics", api.metrics),
        ],
        exception_handlers={
            Refused: _refused,
            HTTPException: _unknown,
            ClientDisconnect: _gone,
            VoiceError: _trouble,
            Exception: _failed,
        },
    )
    return Guard(app, service)


class _Api:
    """One method for each thing that can be asked for. They raise `Refused`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._began = int(time.time())

    async def create(self, request: Request) -> Exchange:
        """Ask the model for a response."""
        if self._service.draining:
            raise unavailable(GOING_DOWN)
        fields = await _read_fields(request, self._service.limits.message_bytes)
        streams = _flag(fields.pop("stream", None))
        for only_over_websockets in ("stream_id", "generate"):
            fields.pop(only_over_websockets, None)
        message = msgspec.json.encode({**fields, "type": _CREATE}).decode()
        return Exchange(self._service, request.scope["state"]["transport"], message, streams)

    async def compact(self, request: Request) -> Exchange:
        """Make a conversation short: a response that is nothing but a compaction."""
        if self._service.draining:
            raise unavailable(GOING_DOWN)
        fields = await _read_fields(request, self._service.limits.message_bytes)
        message = _compaction_request(fields)
        wanted = parse(message)
        assert isinstance(wanted, CreateRequest)
        before = await self._service.store.fetch(wanted.parent_id) if wanted.parent_id else None
        items = (before.history if before else ()) + wanted.items
        shape = functools.partial(_compacted, items)
        transport = request.scope["state"]["transport"]
        return Exchange(self._service, transport, message, shape=shape)

    async def retrieve(self, request: Request) -> Response:
        """A response as it was stored."""
        if request.query_params.get("stream", "").lower() not in ("", "false"):
            raise Refused("A stored response cannot be streamed here.", "invalid_value", "stream")
        return json_reply(await self._stored(request))

    async def delete(self, request: Request) -> Response:
        """Delete a stored response; nothing continues from it any more."""
        response_id = request.path_params["response_id"]
        if not await self._service.store.delete(response_id):
            raise _not_found(response_id)
        self._service.forget(response_id)
        return json_reply({"id": response_id, "object": "response", "deleted": True})

    async def input_items(self, request: Request) -> Response:
        """What a stored response was asked, page by page."""
        response_id = request.path_params["response_id"]
        items = await self._service.store.input_items(response_id)
        if items is None:
            raise _not_found(response_id)
        return json_reply(_page(items, request))

    async def cancel(self, request: Request) -> Response:
        """Refused: only responses in the background can be, and there are none here."""
        await self._stored(request)
        raise Refused("Only background responses can be cancelled.", "invalid_value")

    async def models(self, _: Request) -> Response:
        """The one model."""
        return json_reply({"object": "list", "data": [self._model()]})

    async def model(self, request: Request) -> Response:
        """The one model, by name."""
        name = request.path_params["model"]
        if name != self._service.backend.model:
            raise Refused(
                f"The model {brief(name)} does not exist.", "model_not_found", "model", status=404
            )
        return json_reply(self._model())

    async def health(self, _: Request) -> Response:
        """Whether responses are begun; for whoever sends requests here or elsewhere."""
        if self._service.draining:
            raise unavailable(GOING_DOWN)
        return Response("ok\n", media_type="text/plain")

    async def metrics(self, _: Request) -> Response:
        """For Prometheus."""
        return Response(self._service.metrics.text(), headers={"content-type": CONTENT_TYPE})

    def _model(self) -> dict[str, Any]:
        name = self._service.backend.model
        return {"id": name, "object": "model", "created": self._began, "owned_by": "voice"}

    async def _stored(self, request: Request) -> dict[str, Any]:
        response_id = request.path_params["response_id"]
        response = await self._service.store.response(response_id)
        if response is None:
            raise _not_found(response_id)
        return response


def _compaction_request(fields: dict[str, msgspec.Raw]) -> str:
    """The request for a response that compacts what `POST /v1/responses/compact` was sent."""
    try:
        given = _INPUT.decode(fields.get("input", b"null"))
    except msgspec.ValidationError:
        problem = "input must be text or a list of items."
        raise Refused(problem, "invalid_type", "input") from None
    except msgspec.DecodeError as error:
        raise Refused(f"input is not valid JSON: {error}.", "invalid_json", "input") from None
    items: list[Any] = (
        [{"role": "user", "content": given}] if isinstance(given, str) else given or []
    )
    items = [*items, {"type": "compaction_trigger"}]
    asked: dict[str, Any] = {"type": "response.create", "input": items, "store": False}
    asked |= {name: fields[name] for name in _COMPACTION_FIELDS if name in fields}
    return msgspec.json.encode(asked).decode()


def _compacted(items: tuple[Item, ...], response: WireResponse) -> dict[str, Any]:
    """All that the user said, and the compaction: the API's `CompactedResponse`."""
    said = [item for item in items if isinstance(item, Message) and item.role == "user"]
    return {
        "id": response.id,
        "object": "response.compaction",
        "created_at": int(response.created_at),
        "output": [*(write_item(item, new_id) for item in said), *response.output],
        "usage": response.usage or Usage(),  # nothing was summarized, so nothing was computed
    }


def _not_found(response_id: str) -> Refused:
    return Refused(f"Response with id {brief(response_id)} not found.", status=404)


def _page(items: list[dict[str, Any]], request: Request) -> dict[str, Any]:
    """The part of the items that the query asks for; the latest come first, unless `asc`."""
    query = request.query_params
    if query.get("order", "desc") not in ("asc", "desc"):
        raise Refused("order must be asc or desc.", "invalid_value", "order")
    given = query.get("limit", str(_PAGE_ITEMS))
    limit = int(given) if _COUNT.fullmatch(given) else 0
    if not 1 <= limit <= _MOST_PAGE_ITEMS:
        raise Refused(f"limit must be from 1 to {_MOST_PAGE_ITEMS}.", "invalid_value", "limit")
    if query.get("order") != "asc":
        items = items[::-1]
    ids = [item["id"] for item in items]
    after = query.get("after")
    if after is not None and after not in ids:
        raise Refused(f"There is no item {brief(after)}.", "invalid_value", "after")
    begin = 0 if after is None else ids.index(after) + 1
    page = items[begin : begin + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": begin + limit < len(items),
    }


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


async def _refused(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refused)
    return error_reply(refusal)


async def _unknown(request: Request, error: Exception) -> Response:
    """No such path, or not with this method."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    refusal = Refused(
        f"{phrase}: {request.method} {request.url.path}.", "unknown_url", status=error.status_code
    )
    refusal.headers = dict(error.headers or {})
    return error_reply(refusal)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody is there to read it


async def _trouble(_: Request, error: Exception) -> Response:
    """The store cannot be read."""
    log.warning("%s", error)
    return error_reply(Refused(str(error), "server_error", status=500))


async def _failed(_: Request, __: Exception) -> Response:
    """A bug; what it was is in the log."""
    return error_reply(Refused("The server failed.", "server_error", status=500))


# ── bodies ───────────────────────────────────────────────────────────────────────────────────


async def _read_fields(request: Request, limit_bytes: int) -> dict[str, msgspec.Raw]:
    """The fields of a JSON object, each still as text."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (
        kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    ):
        raise Refused(
            f"The body must be JSON and say so: Content-Type: application/json, not {brief(kind)}.",
            "unsupported_media_type",
            status=415,
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("The body must not be compressed.", "unsupported_media_type", status=415)
    try:
        return _RAW.decode((await _read_body(request, limit_bytes)).decode())  # raw is unchecked
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(f"The body is not a JSON object: {error}.", "invalid_json") from None


async def _read_body(request: Request, limit_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    too_large = Refused(f"The body exceeds {limit_bytes} bytes.", "request_too_large", status=413)
    if int(declared) > limit_bytes:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit_bytes:
            raise too_large
    return bytes(body)


def _flag(raw: msgspec.Raw | None) -> bool:
    value = _FLAGS.get(b"null" if raw is None else bytes(raw))
    if value is None:
        raise Refused("stream must be true or false.", "invalid_type", "stream")
    return value
