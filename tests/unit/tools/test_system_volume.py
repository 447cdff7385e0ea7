from __future__ import annotations

import sys

import pytest

from voice.tools.levels import Level
from voice.tools.runner import Toolbox
from voice.tools.system_volume import Mixer, find_mixer, system_volume_tool


def mixer_named(program: str) -> Mixer:
    found = find_mixer(lambda name: f"/usr/bin/{name}" if name == program else None)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("program", "level", "amount"),
    [
        ("wpctl", Level(0, 50.0), "50%"),
        ("wpctl", Level(1, None), "10%+"),
        ("wpctl", Level(-1, 5.0), "5%-"),
        ("pactl", Level(1, None), "+10%"),
        ("pactl", Level(-1, None), "-10%"),
        ("pactl", Level(0, 1000.0), "100%"),
        ("amixer", Level(1, None), "10%+"),
        ("amixer", Level(0, 0.0), "0%"),
    ],
)
def test_each_program_is_told_in_its_own_way(program: str, level: Level, amount: str) -> None:
    command = mixer_named(program).command(level)
    assert (command[0], command[-1]) == (program, amount)


def test_the_first_program_that_is_there_is_taken() -> None:
    assert find_mixer(lambda _: None) is None
    everything = find_mixer(lambda name: name)
    assert everything is not None
    assert everything.program == "wpctl"


async def set_with(script: str, level: str) -> str:
    """With a program in Python in the place of the mixer."""
    mixer = Mixer(sys.executable, ("-S", "-c", script), "{0}{1}")
    toolbox = Toolbox([system_volume_tool(mixer)])
    return await toolbox.run("set_system_volume", f'{{"level": "{level}"}}')


async def test_the_confirmation_says_what_was_done() -> None:
    succeed = "import sys; sys.exit(sys.argv[1] not in ('30%', '-10%'))"
    assert await set_with(succeed, "3") == "The system volume is now 30 percent"
    assert await set_with(succeed, "quieter") == "The system volume is down"


async def test_a_program_that_fails_is_told_to_the_model() -> None:
    said = await set_with("import sys; sys.exit('Connection refused')", "3")
    assert said.startswith("Error: ")
    assert "failed: Connection refused" in said


async def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice.tools.system_volume._LIMIT_SECONDS", 0.05)
    assert "does not answer" in await set_with("input = __import__('time').sleep(60)", "3")


async def test_a_program_that_is_gone_is_told_to_the_model() -> None:
    toolbox = Toolbox([system_volume_tool(Mixer("/nowhere/wpctl", (), ""))])
    assert "cannot be run" in await toolbox.run("set_system_volume", '{"level": "up"}')
