from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from voice.audio.catalogue import Device, choose_from
from voice.audio.portaudio import portaudio
from voice.errors import AudioError

BUILT_IN = Device(0, "Built-in Audio", "ALSA", 2, 2, 48_000, False, True)
HEADSET = Device(1, "USB Headset: Mic", "ALSA", 1, 0, 16_000, True, False)
CAMERA = Device(2, "USB Camera: Mic", "ALSA", 1, 0, 44_100, False, False)
DEVICES = [BUILT_IN, HEADSET, CAMERA]


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [(None, HEADSET), ("", HEADSET), ("0", BUILT_IN), (2, CAMERA), ("USB Camera: Mic", CAMERA)],
)
def test_by_default_by_number_and_by_name(wanted: str | int | None, meant: Device) -> None:
    assert choose_from(DEVICES, wanted, "input") == meant


def test_by_a_part_of_the_name_whatever_its_case() -> None:
    assert choose_from(DEVICES, "headset", "input") == HEADSET


def test_the_exact_name_wins_over_a_longer_one() -> None:
    longer = replace(CAMERA, number=3, name="USB Camera: Mic (2)")
    assert choose_from([*DEVICES, longer], "USB Camera: Mic", "input") == CAMERA


@pytest.mark.parametrize("wanted", ["usb", "gramophone", "7"])
def test_who_is_not_understood_is_shown_the_candidates(wanted: str) -> None:
    with pytest.raises(AudioError) as caught:
        choose_from(DEVICES, wanted, "input")
    assert repr(wanted) in caught.value.problem
    assert "1: USB Headset: Mic" in caught.value.cure
    assert ("0: Built-in Audio" in caught.value.cure) == (wanted != "usb")


def test_a_microphone_is_no_speaker() -> None:
    with pytest.raises(AudioError, match="no speaker is called 'headset'"):
        choose_from(DEVICES, "headset", "output")


def test_without_any_a_file_is_offered() -> None:
    with pytest.raises(AudioError, match="there is no speaker") as caught:
        choose_from([HEADSET], None, "output")
    assert "--output FILE.wav" in caught.value.cure


def test_the_first_one_where_the_system_prefers_none() -> None:
    assert choose_from([CAMERA, BUILT_IN], None, "input") == CAMERA


class TestWithoutPortAudio:
    @pytest.fixture(autouse=True)
    def _afresh(self) -> Iterator[None]:
        portaudio.cache_clear()
        yield
        portaudio.cache_clear()

    def test_a_missing_package_has_a_cure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sounddevice", None)
        with pytest.raises(AudioError) as caught:
            portaudio()
        assert "make setup" in caught.value.cure

    def test_a_missing_library_has_a_cure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class NoLibrary:
            def find_spec(self, name: str, *_: object) -> None:
                if name == "sounddevice":
                    raise OSError("PortAudio library not found")

        monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
        monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
        with pytest.raises(AudioError, match="PortAudio library is missing") as caught:
            portaudio()
        assert "install" in caught.value.cure
