"""What can be chosen on this machine: devices, voices, models."""

from __future__ import annotations

from typing import NamedTuple

from voice.apps.controls import Subject
from voice.audio.catalogue import Kind, choose_from, list_devices
from voice.models import manifest
from voice.models.resolve import State, states

_MODELS: dict[Subject, manifest.Kind] = {"voice": "tts", "model": "llm"}


class Choice(NamedTuple):
    """One of several: what is configured, what a person reads, and what helps to decide."""

    value: str
    name: str
    detail: str = ""


def choices(subject: Subject) -> list[Choice]:
    """All that may be chosen, the default first. Blocks. Raises `VoiceError`."""
    if subject == "input" or subject == "output":  # noqa: PLR1714  # mypy tells them apart
        return _devices(subject)
    return _models(_MODELS[subject])


def _devices(kind: Kind) -> list[Choice]:
    found = list_devices()
    default = choose_from(found, None, kind)
    able = [device for device in found if device.channels(kind)]
    names = [device.name for device in able]
    return [
        Choice("", "the system's default", default.name),
        *[
            # A name outlives its number, which changes with what is plugged in.
            Choice(d.name if names.count(d.name) == 1 else str(d.number), d.name, d.host_api)
            for d in able
        ],
    ]


def _models(kind: manifest.Kind) -> list[Choice]:
    first = [Choice("auto", "auto", "what suits this machine")] if kind == "llm" else []
    return first + [
        Choice(state.model.name, state.model.name, f"{_where(state)} · {state.model.description}")
        for state in states()
        if state.model.kind == kind
    ]


def _where(state: State) -> str:
    return "here" if state.status in ("ready", "unverified") else "to be fetched"
