"""How long the kiosk takes to be back after each fault, and whether it outlives many of them.

Each fault is put into a kiosk that talks through the rig, lasts some seconds, and is taken away
again. `recovery_s` is the time from then until the kiosk tells that the fault has ended. The clock
is not changed: nothing but alarms asks what time it is.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks.apps_scene import Scene, scene
from scripts.benchmarks.figures import ROOT, code_version, load, machine, rounded
from tests.support.programs import speech_samples

_COMMANDS = ROOT.parent / "shared" / "speech" / "commands_ha"
_OWN = ROOT / "tests" / "data" / "speech"

_LASTS_SECONDS = 4.0
"""A fault lasts so long after it was noticed: longer than the first, quick tries."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How it comes and goes."""

    begin: Callable[[Scene], None]
    end: Callable[[Scene], None]


def _refuse(here: Scene) -> None:
    here.stop_server()
    here.start_server("somebody else's")


def _let_in(here: Scene) -> None:
    here.stop_server()
    here.start_server()


def _damage(here: Scene) -> None:
    here.damage_model(True)
    here.reload()


def _fill_disk(here: Scene) -> None:
    here.fill_disk(True)
    here.ask(_question())


def _freeze(here: Scene) -> None:
    here.freeze_server(True)
    here.rig.say(_question())


FAULTS = {
    "microphone": Fault(lambda here: here.rig.unplug(), lambda here: here.rig.plug_in()),
    "speaker": Fault(
        lambda here: here.rig.unplug("speaker"), lambda here: here.rig.plug_in("speaker")
    ),
    "sound-server": Fault(lambda here: here.rig.stop(), lambda here: here.rig.restart()),
    "network": Fault(lambda here: here.stop_server(), lambda here: here.start_server()),
    "refused": Fault(_refuse, _let_in),
    "stalled": Fault(_freeze, lambda here: here.freeze_server(False)),
    "model": Fault(_damage, lambda here: here.damage_model(False)),
    "disk": Fault(_fill_disk, lambda here: here.fill_disk(False)),
}


def measure_faults(names: Sequence[str] = ()) -> dict[str, Any]:
    """`recovery_s` of each fault (all if none is named), in seconds, and the conditions."""
    before = load()
    recovery: dict[str, float | None] = {}
    said: dict[str, bool] = {}
    with scene() as here:
        for name in names or FAULTS:
            recovery[name], said[name] = _recovery(here, FAULTS[name])
    conditions = {
        "machine": machine(), "code": code_version(), "load_before": before, "load_after": load(),
    }  # fmt: skip
    return {"recovery_s": recovery, "told_aloud": said, "conditions": conditions}


def soak(minutes: float, rounds: int) -> dict[str, Any]:
    """Talk for so long, with every fault so many times in between, evenly spread."""
    clips = sorted(_COMMANDS.glob("*.flac")) or sorted(_OWN.glob("*_*_*.flac"))
    faults = [name for _ in range(rounds) for name in FAULTS]
    figures: dict[str, Any] = {"minutes": minutes, "rounds": rounds, "recovery_s": {}}
    asked = answered = 0
    unanswered: Counter[str] = Counter()
    with scene() as here:
        here.ask(_question())
        figures["rss_start_mb"] = rounded(here.rss_mb, 1)
        began = time.monotonic()
        for number, name in enumerate(faults):
            seconds, _ = _recovery(here, FAULTS[name])
            figures["recovery_s"].setdefault(name, []).append(seconds)
            print(
                f"[{number + 1}/{len(faults)}] {name}: back after {seconds} s;"
                f" {answered} of {asked} answered, {here.rss_mb:.0f} MB",
                file=sys.stderr,
                flush=True,
            )
            until = began + 60 * minutes * (number + 1) / len(faults)
            while True:
                asked += 1
                clip = clips[asked % len(clips)]
                if here.ask(speech_samples(clip)):
                    answered += 1
                else:
                    unanswered[clip.stem] += 1
                if time.monotonic() >= until:
                    break
        figures["rss_end_mb"] = rounded(here.rss_mb, 1)
        last = here.ask(_question())
        figures["open_faults"] = here.open_faults
        figures["healthy"] = last and not here.open_faults
        figures["end_s"] = rounded(here.end())
    counts = {"asked": asked, "answered": answered, "unanswered": dict(unanswered)}
    return figures | counts | {"load_after": load()}


def _recovery(here: Scene, fault: Fault) -> tuple[float | None, bool]:
    """Seconds until it is back (0: before the cause was gone, None: not within a minute).

    And whether something was said.
    """
    began = time.monotonic()
    fault.begin(here)
    here.wait_for(["fault.began"], began)
    time.sleep(_LASTS_SECONDS)
    said = bool(here.rig.speaker.sounds(began))
    fault.end(here)
    gone = time.monotonic()
    try:
        return rounded(max(0.0, here.wait_until_well() - gone)), said
    except TimeoutError:
        return None, said


def _question() -> Any:
    return speech_samples(_OWN / "what_time_is_it.flac")
