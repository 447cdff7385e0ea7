"""JSON schemas as models and servers like them: flat, closed, and honestly called strict or not."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]

_REFERENCE = "#/$defs/"

_STRICT_KEYWORDS = frozenset(
    [
        *("type", "description", "enum", "anyOf", "$ref", "$defs"),
        *("properties", "required", "additionalProperties"),
        *("items", "minItems", "maxItems", "pattern", "format"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    ]
)
"""What the Responses API knows in strict schemas. It refuses all others, `default` among them."""

_STRICT_FORMATS = frozenset(
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]
)

_TYPES = {str: "string", int: "integer", type(None): "null"}
"""Of what an enumeration can hold."""


def flattened(schema: JsonObject, definitions: JsonObject) -> JsonObject:
    """The schema with its definitions written where they are referred to.

    A description beside a `$ref` is refused by strict servers and overlooked by small models. Only
    a type that contains itself keeps its `$ref`, and the schema then has `$defs`.
    """
    kept: set[str] = set()

    def expand(node: Any, within: tuple[str, ...]) -> Any:
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            name = node["$ref"].removeprefix(_REFERENCE)
            if name in within:
                kept.add(name)
                return {"$ref": node["$ref"]}
            beside = {key: value for key, value in node.items() if key != "$ref"}
            return expand({**definitions[name], **beside}, (*within, name))
        expanded = {key: _each(key, value, expand, within) for key, value in node.items()}
        return _completed(expanded)

    root: JsonObject = expand(schema, ())
    written: JsonObject = {}
    while missing := sorted(kept - written.keys()):
        written |= {name: expand(definitions[name], (name,)) for name in missing}
    return {**root, "$defs": written} if written else root


def is_strict(schema: Any) -> bool:
    """Whether the Responses API takes it with `strict: true`.

    There every property is required and every object closed; a value has a type, and few other
    keywords are known.
    """
    if not isinstance(schema, dict):
        return isinstance(schema, bool)
    properties = schema.get("properties", {})
    return (
        schema.keys() <= _STRICT_KEYWORDS
        and not schema.keys().isdisjoint(("type", "anyOf", "$ref"))
        and schema.get("format", "date") in _STRICT_FORMATS
        and (
            schema.get("type") != "object"
            or (schema.get("additionalProperties") is False and "properties" in schema)
        )
        and set(properties) == set(schema.get("required", ()))
        and all(map(is_strict, _inside(schema)))
    )


def _each(key: str, value: Any, expand: Any, within: tuple[str, ...]) -> Any:
    """The value of a keyword with the schemas in it expanded."""
    if key == "properties":
        return {name: expand(one, within) for name, one in value.items()}
    if key in ("anyOf", "prefixItems"):
        return [expand(one, within) for one in value]
    if key in ("items", "additionalProperties"):
        return expand(value, within)
    return value


def _completed(schema: JsonObject) -> JsonObject:
    """Without the title, which repeats a name; closed; and with the type of an enumeration."""
    schema.pop("title", None)
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)
    if "enum" in schema and "type" not in schema:
        types = sorted({_TYPES[type(value)] for value in schema["enum"]})
        schema = {"type": types[0] if len(types) == 1 else types, **schema}
    return schema


def _inside(schema: JsonObject) -> list[Any]:
    """The schemas that a schema directly holds."""
    held: list[Any] = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    held += schema.get("anyOf", [])
    return [*held, schema["items"]] if "items" in schema else held
