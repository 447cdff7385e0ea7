"""What the agent asks aloud before it does something.

A model wrote the arguments, perhaps after reading a stranger's text. They are spoken as values in
the middle of one question: they cannot end it, and what is left out of them is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MOST_VALUE_CHARACTERS = 60
"""Of a name or an argument that is spoken, about five seconds."""

MOST_ARGUMENTS = 4
"""That are spoken; nobody keeps more in mind."""

MOST_ELEMENTS = 3
"""Of a list that are spoken."""

_VERBS = (
    "add answer append archive ask book brew buy call cancel change check clear close connect copy "
    "create cut delete disable disconnect dismiss download drop edit empty enable end erase fetch "
    "find forget format get give install invite launch list load lock look make mark move mute "
    "open order pause pay play post print publish put read reboot record remind remove rename "
    "replace reply reset restart resume run save schedule search sell send set share show shut "
    "sleep snooze start stop store submit switch take tell toggle transfer turn uninstall unlock "
    "unmute update upload use wake water wipe write"
)
"""That names of tools begin with; others are spoken as names."""

_SHALL_I = "Shall I "
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SENTENCE_END = re.compile(r"[.!?;:…]+(?=\s|$)")
_UNSPEAKABLE = re.compile(r"[^\w\s.,;:!?'’%&$€£@+/°-]+")


def default_question(name: str, arguments: Mapping[str, Any]) -> str:
    """For example "Shall I cancel timers, with name tea?"; empty arguments are not spoken."""
    words = _words(name)
    deed = words if words.partition(" ")[0] in _VERBS.split() else f"use {words}"
    given = [(_words(key), spoken_value(value)) for key, value in arguments.items()]
    given = [pair for pair in given if pair[1]]
    parts = [f"{key} {value}" for key, value in given[:MOST_ARGUMENTS]]
    if more := len(given) - len(parts):
        parts.append(f"{more} more")
    return f"{_SHALL_I}{deed}{', with ' if parts else ''}{_listed(parts)}?"


def filled_question(template: str, arguments: Mapping[str, Any]) -> str:
    """The template with the arguments in its braces; empty if one of them has no value."""
    spoken = {name: spoken_value(arguments.get(name)) for name in placeholders(template)}
    if not all(spoken.values()):
        return ""
    return _PLACEHOLDER.sub(lambda match: spoken[match[1]], template)


def placeholders(template: str) -> set[str]:
    """The names in the template's braces."""
    return set(_PLACEHOLDER.findall(template))


def one_question(questions: Sequence[str]) -> str:
    """Several questions that one yes answers: "Shall I cancel timers, and stop music?"."""
    if len(questions) < 2 or not all(map(_is_plain, questions)):
        return " ".join(questions)
    deeds = [question.removeprefix(_SHALL_I).removesuffix("?") for question in questions]
    return f"{_SHALL_I}{', '.join(deeds[:-1])}, and {deeds[-1]}?"


def spoken_value(value: Any, levels: int = 2) -> str:
    """An argument as one short piece of text; empty for None and what says nothing.

    Of lists in lists only so many levels are spoken.
    """
    if isinstance(value, Mapping | list | tuple):
        return _spoken_elements(value, levels - 1) if levels else "a list"
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"  # "yes" might come back as an echo, and be a yes
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _shortened(_piece(str(value)))


def _spoken_elements(values: Mapping[str, Any] | Sequence[Any], levels: int) -> str:
    if isinstance(values, Mapping):
        spoken = [f"{_words(key)} {spoken_value(one, levels)}" for key, one in values.items()]
    else:
        spoken = [spoken_value(one, levels) for one in values]
    if len(spoken) > MOST_ELEMENTS + 1:
        spoken = [*spoken[:MOST_ELEMENTS], f"{len(spoken) - MOST_ELEMENTS} more"]
    return _shortened(_listed(spoken))


def _is_plain(question: str) -> bool:
    return question.startswith(_SHALL_I) and question.endswith("?")


def _words(name: str) -> str:
    """A name as it is spoken: "cancel timers" for `cancel_timers` and `cancelTimers`."""
    return _shortened(" ".join(re.split(r"[\W_]+", _HUMP.sub(" ", str(name)))).strip().lower())


def _piece(text: str) -> str:
    """Without what would end a sentence or has no sound."""
    text = _SENTENCE_END.sub(",", _UNSPEAKABLE.sub(" ", text))
    return " ".join(text.replace("_", " ").split()).strip(" ,")


def _shortened(text: str) -> str:
    if len(text) <= MOST_VALUE_CHARACTERS:
        return text
    head = text[:MOST_VALUE_CHARACTERS]
    return f"{head.rpartition(' ')[0] or head}, and so on"


def _listed(parts: Sequence[str]) -> str:
    """For example "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
