"""Items on the wire: read leniently, written with every field that the published types ask for.

Real clients leave out the `type` of items, send content as a string or as parts, and calls without
id or status. All that is accepted. What is refused is what would change the meaning silently: an
image, an unknown role, a reference to what only another server has. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from voice.server.backend import Call, CallOutput, Compacted, Item, Message, Reasoning
from voice.server.compaction import sealed, unsealed
from voice.server.refusals import Refused, brief

_ROLES: Final = ("user", "assistant", "system", "developer")
_TEXT_PARTS: Final = ("input_text", "output_text", "text")


def read_items(value: str | list[Any] | None, name: str = "input") -> tuple[Item, ...]:
    """The items of a request's field; text alone is a message of the user. Raises `Refused`."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (Message("user", value),)
    return tuple(read_item(item, f"{name}[{n}]") for n, item in enumerate(value))


def read_item(raw: Any, where: str) -> Item:
    """One item; `where` it is goes into a refusal. Raises `Refused`."""
    if not isinstance(raw, dict):
        raise Refused(f"{where} is not an object.", "invalid_type", where)
    kind = raw.get("type") or ("message" if "role" in raw else None)
    if kind == "message":
        return _message(raw, where)
    if kind == "function_call":
        arguments = raw.get("arguments")
        return Call(
            _required(raw, "call_id", where, "id"),
            _required(raw, "name", where),
            arguments if isinstance(arguments, str) else json.dumps(arguments or {}),
        )
    if kind == "function_call_output":
        return CallOutput(
            _required(raw, "call_id", where), _text(raw.get("output"), f"{where}.output")
        )
    if kind == "reasoning":
        return Reasoning(raw)
    if kind == "compaction":
        at = f"{where}.encrypted_content"
        return unsealed(_required(raw, "encrypted_content", where), at)
    if kind == "compaction_trigger":
        raise Refused(f"{where} must be the last item of input.", "invalid_value", where)
    if kind == "item_reference" or (kind is None and isinstance(raw.get("id"), str)):
        raise Refused(
            f"{where} only names an item by its id. That is not served here: send the item itself.",
            "unsupported_value",
            where,
        )
    raise Refused(f"{where} is of an unknown type: {brief(kind)}.", "invalid_value", where)


def write_item(item: Item, new_id: Callable[[str], str]) -> dict[str, Any]:
    """An item as `GET /v1/responses/{id}/input_items` lists it, with an id of its own."""
    match item:
        case Message("assistant", text):
            part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            return _written("message", new_id("msg"), role="assistant", content=[part])
        case Message(role, text):
            part = {"type": "input_text", "text": text}
            return _written("message", new_id("msg"), role=role, content=[part])
        case Call(call_id, name, arguments):
            return _written(
                "function_call", new_id("fc"), call_id=call_id, name=name, arguments=arguments
            )
        case CallOutput(call_id, output):
            return _written("function_call_output", new_id("fco"), call_id=call_id, output=output)
        case Reasoning(raw):
            known = {key: value for key, value in raw.items() if value is not None}
            return {"id": new_id("rs"), "summary": [], **known}
        case Compacted():
            item_id, content = new_id("cmp"), sealed(item)
            return {"type": "compaction", "id": item_id, "encrypted_content": content}


def _written(kind: str, item_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": item_id, "status": "completed", **fields}


def _message(raw: dict[str, Any], where: str) -> Message:
    role = raw.get("role")
    if role not in _ROLES:
        raise Refused(
            f"{where}.role must be one of {', '.join(_ROLES)}.", "invalid_value", f"{where}.role"
        )
    return Message(role, _text(raw.get("content"), f"{where}.content"))


def _required(raw: dict[str, Any], key: str, where: str, instead: str = "") -> str:
    value = raw.get(key) or raw.get(instead)
    if not isinstance(value, str):
        raise Refused(f"{where} has no {key}.", "missing_required_parameter", f"{where}.{key}")
    return value


def _text(content: Any, where: str) -> str:
    """The text of a string or of a list of text parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Refused(f"{where} is neither text nor a list of parts.", "invalid_type", where)
    return "".join(_part(part, f"{where}[{n}]") for n, part in enumerate(content))


def _part(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        kind = part.get("type", "text")
        text = part.get("refusal" if kind == "refusal" else "text")
        if (kind in _TEXT_PARTS or kind == "refusal") and isinstance(text, str):
            return text
        raise Refused(
            f"{where}: only text is served here, not {brief(kind)}.", "invalid_value", where
        )
    raise Refused(f"{where} is not a part.", "invalid_type", where)
