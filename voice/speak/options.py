"""What can be chosen about speaking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakOptions:
    """Whose voice the answers have, and how it speaks."""

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
