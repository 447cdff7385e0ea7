"""A function's parameters as a type that checks a model's arguments, and as JSON schema."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from voice.errors import ToolError
from voice.tools.json_schema import JsonObject, flattened


def arguments_type(
    function: Callable[..., Any], descriptions: dict[str, str], without: Collection[str] = ()
) -> type[Struct]:
    """A struct with a field for each parameter of the function but those in `without`.

    Raises `ToolError` for a function whose parameters cannot be given as named JSON values.
    """
    name = function_name(function)
    hints = _hints(function, name)
    fields: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        _check(parameter, hints, name)
        if parameter.name in without:
            continue
        hint = hints[parameter.name]
        if description := descriptions.get(parameter.name):
            hint = Annotated[hint, Meta(description=description)]
        given = () if parameter.default is parameter.empty else (parameter.default,)
        fields.append((parameter.name, hint, *given))
        _check_type(parameter, hint, name)
    try:
        return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
    except TypeError as error:  # a default that all calls would share
        raise ToolError(f"tool `{name}`: {error}", "use None or a constant as default") from error


def parameters_of_type(function: Callable[..., Any], kind: type) -> list[str]:
    """The names of the parameters that are annotated with exactly this type."""
    hints = _hints(function, function_name(function))
    return [name for name, hint in hints.items() if hint is kind and name != "return"]


def function_name(function: Callable[..., Any]) -> str:
    """The function's name, or its type's where it has none."""
    return str(getattr(function, "__name__", type(function).__name__))


def parameters_schema(arguments: type[Struct]) -> JsonObject:
    """The JSON schema of an object with these fields and no others."""
    (root,), definitions = msgspec.json.schema_components(
        [arguments], ref_template="#/$defs/{name}"
    )
    return flattened(root, definitions)


def read_arguments(arguments: type[Struct], json: str) -> JsonObject:
    """The values of a JSON object by parameter name; numbers and booleans may be quoted.

    Raises `ToolError` naming the argument and what was expected.
    """
    name = arguments.__name__
    try:
        values = msgspec.json.decode(_object(json), type=arguments, strict=False)
    except msgspec.ValidationError as error:
        expected, _, path = str(error).partition(" - at `$")
        where = f"argument `{path.rstrip('`').lstrip('.')}`: " if path else ""
        raise ToolError(f"{name}: {where}{expected}", _usage(arguments)) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ToolError(
            f"{name}: the arguments are not JSON: {error}", _usage(arguments)
        ) from error
    return {field: getattr(values, field) for field in arguments.__struct_fields__}


def _object(json: str) -> str:
    """For a tool without arguments models write nothing or `null` as well as `{}`."""
    json = json.strip()
    return "{}" if json in ("", "null") else json


def _usage(arguments: type[Struct]) -> str:
    properties = parameters_schema(arguments)["properties"]
    if not properties:
        return "it takes no arguments: {}"
    kinds = (f"{name}: {_kind(one)}" for name, one in properties.items())
    return "it takes {" + ", ".join(kinds) + "}"


def _kind(schema: JsonObject) -> str:
    if "enum" in schema:
        return " | ".join(msgspec.json.encode(value).decode() for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(map(_kind, schema["anyOf"]))
    return str(schema.get("type", "any"))


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    called = function if inspect.isroutine(function) else type(function).__call__
    try:
        return typing.get_type_hints(called, include_extras=True)
    except (NameError, TypeError) as error:
        raise ToolError(
            f"tool `{name}`: its type hints cannot be read: {error}",
            "use names that are defined where the function is",
        ) from error


def _check(parameter: inspect.Parameter, hints: JsonObject, name: str) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise ToolError(
            f"tool `{name}`: parameter `{parameter}` takes any number of values",
            "name each parameter; a model has to know them",
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise ToolError(
            f"tool `{name}`: parameter `{parameter.name}` cannot be given by name",
            "remove the `/` from the signature",
        )
    if parameter.name not in hints:
        raise ToolError(
            f"tool `{name}`: parameter `{parameter.name}` has no type hint",
            f"write for example `{parameter.name}: str`",
        )


def _check_type(parameter: inspect.Parameter, hint: Any, name: str) -> None:
    try:
        msgspec.json.schema(hint)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ToolError(
            f"tool `{name}`: parameter `{parameter.name}` has a type without a JSON form: {hint}",
            "use types that JSON has: str, int, float, bool, list, dict, Literal, dataclasses",
        ) from error
