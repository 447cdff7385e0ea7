"""A tool for the volume of the whole machine, where a program is installed that can set it."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from voice.errors import ToolError
from voice.tools.function import FunctionTool, function_tool
from voice.tools.levels import Level, parse_level
from voice.tools.policy import Policy

_LIMIT_SECONDS = 2.0
"""They answer in milliseconds; one that waits for its sound server would wait for ever."""

_STEP_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Mixer:
    """A program that sets the volume of the default output."""

    program: str
    before: tuple[str, ...]
    """Its arguments before the amount."""

    signed: str
    """How it wants a change: a format for the sign and the percentage."""

    def command(self, level: Level) -> list[str]:
        """What to run. A share of more than 100 % is 100 %, since beyond it sound is distorted."""
        percent = level.percent if level.percent is not None else _STEP_PERCENT
        amount = f"{min(100, max(0, round(percent)))}%"
        if level.step:
            amount = self.signed.format("+" if level.step > 0 else "-", amount)
        return [self.program, *self.before, amount]


_MIXERS = (
    Mixer("wpctl", ("set-volume", "--limit", "1.0", "@DEFAULT_AUDIO_SINK@"), "{1}{0}"),
    Mixer("pactl", ("set-sink-volume", "@DEFAULT_SINK@"), "{0}{1}"),
    Mixer("amixer", ("--quiet", "sset", "Master"), "{1}{0}"),
)
"""PipeWire's, PulseAudio's and ALSA's own, in this order: the first is a layer above the last."""


def find_mixer(which: Callable[[str], str | None] = shutil.which) -> Mixer | None:
    """The first program that is installed; None where there is none."""
    return next((mixer for mixer in _MIXERS if which(mixer.program)), None)


def system_volume_tool(mixer: Mixer) -> FunctionTool:
    """`set_system_volume`, with this program."""

    async def set_system_volume(level: str | int) -> str:
        """Change how loud the whole computer is, music and all; not your own voice alone.

        Args:
            level: "louder", "quieter", or a percentage such as "50 percent"
        """
        wanted = parse_level(str(level), whole=10, most=10)
        await _run(mixer.command(wanted))
        if wanted.step:
            return f"The system volume is {'up' if wanted.step > 0 else 'down'}"
        return f"The system volume is now {mixer.command(wanted)[-1].removesuffix('%')} percent"

    return function_tool(set_system_volume, policy=Policy(once=True))


async def _run(command: list[str]) -> None:
    """Run a program to its end; raises `ToolError` with what it complained of."""
    program = command[0]
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
        )
    except OSError as error:
        raise ToolError(f"{program} cannot be run: {error.strerror}", "tell the user") from error
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            _, complaint = await process.communicate()
    except TimeoutError as error:
        raise ToolError(f"{program} does not answer", "tell the user") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        first = complaint.decode(errors="replace").strip().partition("\n")[0]
        raise ToolError(f"{program} failed: {first or process.returncode}", "tell the user")
