"""The recordings: what the manifest tells of each, and which ones a figure is taken over."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarks.figures import ROOT

SHARED = ROOT.parent / "shared" / "speech"
REPOSITORY = ROOT / "tests" / "data" / "speech"

COMMANDS = ("commands_ha", "commands_coffee", "commands_misc")
"""Categories of finished commands: what the delay of the endpoint is measured on."""

LANGUAGES = ("de", "fr", "es", "it")
"""Scored beside English for models that know them; of others there are one or two clips."""

SHORTEST_INNER_PAUSE_SECONDS = 0.3
"""Shorter ones are between syllables, and no detector calls them a pause."""

LONGEST_BRIDGED_PAUSE_SECONDS = 1.0
"""The issue's limit: a longer silence may end a turn."""

# The recordings in the repository have neither folders nor measurements.
_REPOSITORY_CATEGORIES = {
    "background_noise": "noise",
    "compassion_and_empathy": "read_commonvoice",
    "iced_mocha_with_a_pause": "constructed_pause",
    "jfk": "long",
}
_REPOSITORY_PAUSES = {"iced_mocha_with_a_pause": 0.565}


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording. Times are seconds from its start; None where nobody knows."""

    path: Path
    category: str
    text: str | None
    language: str | None
    seconds: float
    tags: frozenset[str]
    speech_end: float | None
    """End of the last speech: the constructed truth, else Silero's."""
    inner_pause: float
    """The longest silence inside the speech; 0: none."""

    @property
    def name(self) -> str:
        """Category and file, for reports."""
        return f"{self.category}/{self.path.stem}"

    @property
    def scored(self) -> bool:
        """Whether its words are fit for a word error rate."""
        return bool(self.text) and "no_wer" not in self.tags

    @property
    def one_speaker(self) -> bool:
        """Whether a second turn would be a mistake."""
        return not self.tags & {"multi_speaker", "2spk", "conversation"}


def default_folder() -> Path:
    """The whole set where it lies beside the checkout, else what the repository holds."""
    return SHARED if (SHARED / "manifest.jsonl").is_file() else REPOSITORY


def load_clips(folder: Path) -> list[Clip]:
    """All clips of a folder with a `manifest.jsonl`."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [_clip(folder, json.loads(line)) for line in lines if line.strip()]


def english(clips: Iterable[Clip]) -> list[Clip]:
    """What the word error rate is taken over."""
    return [clip for clip in clips if clip.scored and clip.language == "en"]


def foreign(clips: Iterable[Clip]) -> list[Clip]:
    """Scored clips in the other languages."""
    return [clip for clip in clips if clip.scored and clip.language in LANGUAGES]


def commands(clips: Iterable[Clip]) -> list[Clip]:
    """Finished commands."""
    return [clip for clip in clips if clip.category in COMMANDS]


def noise(clips: Iterable[Clip]) -> list[Clip]:
    """Sound without any speech."""
    return [clip for clip in clips if clip.category == "noise"]


def with_inner_pause(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    """Utterances of one speaker with a silence inside, by where it comes from and its length.

    Not among them: noisy mixtures (Silero loses the speech there) and recordings in other
    languages (the tests of how finished words sound are for English).
    """
    sets: dict[str, list[Clip]] = {"constructed": [], "natural": [], "longer": []}
    for clip in clips:
        if clip.inner_pause < SHORTEST_INNER_PAUSE_SECONDS or clip.language != "en":
            continue
        if clip.category in ("noisy_mix", "vad_ref") or not (clip.one_speaker and clip.text):
            continue
        if clip.inner_pause > LONGEST_BRIDGED_PAUSE_SECONDS:
            sets["longer"].append(clip)
        elif clip.category == "constructed_pause":
            sets["constructed"].append(clip)
        else:
            sets["natural"].append(clip)
    return sets


def thinned(clips: Iterable[Clip], most_of_category: int) -> list[Clip]:
    """At most so many clips of each category, evenly spread; 0: all."""
    by_category: dict[str, list[Clip]] = {}
    for clip in clips:
        by_category.setdefault(clip.category, []).append(clip)
    chosen: list[Clip] = []
    for members in by_category.values():
        step = -(-len(members) // most_of_category) if most_of_category else 1
        chosen += members[::step]
    return chosen


def for_real_time(clips: Iterable[Clip], minutes: float) -> list[Clip]:
    """A mixture of `minutes` of sound: commands for the most part, pauses, reading, one speech.

    The categories take turns until the time is up, so that a short run is a mixture as well.
    """
    shares = {
        "commands_ha": 5,
        "commands_coffee": 1,
        "commands_misc": 2,
        "constructed_pause": 1,
        "read_librispeech": 1,
        "long": 1,
    }
    waiting = {name: [clip for clip in clips if clip.category == name] for name in shares}
    waiting["constructed_pause"] = waiting["constructed_pause"][::4]
    waiting["long"] = sorted(waiting["long"], key=lambda clip: clip.seconds)[:2]
    chosen: list[Clip] = []
    seconds = 0.0
    for name in itertools.cycle(name for name, share in shares.items() for _ in range(share)):
        if seconds >= 60 * minutes or not any(waiting.values()):
            return chosen
        if waiting[name]:
            chosen.append(waiting[name].pop(0))
            seconds += chosen[-1].seconds
    return chosen


def _clip(folder: Path, row: dict[str, Any]) -> Clip:
    path = Path(row["path"])
    category = path.parts[0] if len(path.parts) > 1 else _repository_category(path.stem)
    segments = (row.get("silero") or {}).get("segments") or []
    if reference := row.get("ref_speech"):
        speech_end: float | None = reference[1]
    else:
        speech_end = segments[-1][1] if segments else None
    return Clip(
        path=folder / path,
        category=category,
        text=row.get("text_norm") or row["text"],
        language=row.get("language", "en"),
        seconds=row["seconds"],
        tags=frozenset(row.get("tags", ())),
        speech_end=speech_end,
        inner_pause=_inner_pause(path.stem, row),
    )


def _repository_category(stem: str) -> str:
    return _REPOSITORY_CATEGORIES.get(stem, "commands_misc")


def _inner_pause(stem: str, row: dict[str, Any]) -> float:
    if inserted := row.get("inserted_pause"):
        return float(inserted["len_s"]) + float(inserted.get("existing_gap_s", 0.0))
    measured = (row.get("silero") or {}).get("max_pause_s") or 0.0
    return float(measured) or _REPOSITORY_PAUSES.get(stem, 0.0)
