from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from voice.tools.runner import Toolbox
from voice.tools.volume import new_speed, new_volume, voice_tools


@dataclass
class Voice:
    volume: float = 1.0
    speed: float = 1.0


async def call(voice: Voice, name: str, level: str | int) -> str:
    return await Toolbox(voice_tools(voice)).run(name, json.dumps({"level": level}))


async def test_the_voice_becomes_louder_and_says_so() -> None:
    voice = Voice()
    said = await call(voice, "set_volume", "louder")
    assert said == "The volume of the voice is now 140 percent"
    assert voice == Voice(volume=1.4)
    assert await call(voice, "set_volume", 50) == "The volume of the voice is now 50 percent"
    assert voice == Voice(volume=0.5)


async def test_the_voice_becomes_slower_and_says_so() -> None:
    voice = Voice()
    assert await call(voice, "set_speed", "slower") == "The speed of the voice is now 87 percent"
    assert await call(voice, "set_speed", "normal") == "The speed of the voice is now 100 percent"
    assert voice == Voice()


async def test_nonsense_changes_nothing() -> None:
    voice = Voice()
    assert "is no level" in await call(voice, "set_volume", "blue")
    assert voice == Voice()


@pytest.mark.parametrize(
    ("level", "volume"), [("0", 0.1), ("mute", 0.1), ("maximum", 2.0), ("500%", 2.0), ("3", 0.3)]
)
def test_the_voice_stays_audible(level: str, volume: float) -> None:
    assert new_volume(level, 1.0) == pytest.approx(volume)


@pytest.mark.parametrize(
    ("level", "speed"), [("1.5", 1.5), ("2", 2.0), ("120", 1.2), ("10 percent", 0.5), ("double", 2)]
)
def test_the_speed_is_a_factor_or_a_percentage(level: str, speed: float) -> None:
    assert new_speed(level, 1.0) == pytest.approx(speed)


def test_steps_up_and_down_come_back() -> None:
    assert new_volume("quieter", new_volume("louder", 1.0)) == pytest.approx(1.0)
    assert new_speed("slower", new_speed("faster", 1.0)) == pytest.approx(1.0)


def test_both_tools_need_their_one_argument() -> None:
    for definition in Toolbox(voice_tools(Voice())).definitions():
        assert definition["parameters"]["required"] == ["level"]
