"""How the voice speaks at the moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class VoiceSettings:
    """Changed while the conversation goes on: factors, 1 is as the voice was made."""

    volume: float = 1.0
    speed: float = 1.0
