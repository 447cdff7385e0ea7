"""What can be chosen on a machine."""

from __future__ import annotations

import pytest

from voice.apps.screen import choices as module
from voice.apps.screen.choices import Choice, choices
from voice.audio.catalogue import Device
from voice.errors import AudioError


def _device(number: int, name: str, inputs: int, *, default: bool = False) -> Device:
    return Device(number, name, "ALSA", inputs, 0, 48_000, default, False)


def test_devices_are_chosen_by_a_name_that_only_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        _device(0, "USB", 1),
        _device(1, "Array", 2, default=True),
        _device(2, "USB", 1),
    ]
    monkeypatch.setattr(module, "list_devices", lambda: found)
    assert choices("input") == [
        Choice("", "the system's default", "Array"),
        Choice("0", "USB", "ALSA"),
        Choice("Array", "Array", "ALSA"),
        Choice("2", "USB", "ALSA"),
    ]
    with pytest.raises(AudioError, match="there is no speaker"):
        choices("output")


def test_voices_and_models_are_those_of_the_manifest() -> None:
    assert "en_US-joe-medium" in [choice.value for choice in choices("voice")]
    models = choices("model")
    assert models[0] == Choice("auto", "auto", "what suits this machine")
    assert all(choice.detail.startswith(("here", "to be fetched")) for choice in models[1:])
    assert not {choice.value for choice in models} & {"tiny.en", "smart-turn-v3"}
