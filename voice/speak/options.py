"""What can be chosen about speaking."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Literal

from msgspec import Meta

_VOICE_LANGUAGE = re.compile(r"[a-z]{2,3}(?=_[A-Z]{2}-)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakOptions:
    """Whose voice the answers have, how it speaks, and what it leaves out."""

    voice: str = "en_US-joe-medium"
    """A Piper voice's name (`voice models list`) or the path of its .onnx file."""

    speaker: Annotated[int, Meta(ge=0)] = 0
    """Which speaker of a voice that has several."""

    speed: Annotated[float, Meta(ge=0.5, le=2.0)] = 1.0
    """Factor. Piper rounds every phoneme up, so 1.5 is heard as 1.3 and 2 as 1.6 (measured)."""

    volume: Annotated[float, Meta(ge=0.0, le=4.0)] = 1.0
    """Factor on the sound; from about 1.4 peaks are limited audibly."""

    threads: Annotated[int, Meta(ge=0)] = 0
    """Cores for the voice; 0: as many as there are, at most 2."""

    code: Literal["skip", "say"] = "skip"
    """Blocks of code in an answer. Code within a sentence is always said."""

    tables: Literal["skip", "say"] = "say"
    """Tables, row by row."""

    links: Literal["skip", "site", "say"] = "site"
    """Addresses on the web: left out, the site's name, or all of it. A link's text is said."""

    emoji: Literal["skip", "say"] = "skip"
    """`say`: their names, in English."""

    earcons: bool = False
    """Short sounds that tell when it listens, thinks, or could not answer."""

    @property
    def language(self) -> str:
        """The voice's language ("en"), by the name that Piper's voices have; "" if unknown."""
        found = _VOICE_LANGUAGE.match(PurePath(self.voice).name)
        return found[0] if found else ""
