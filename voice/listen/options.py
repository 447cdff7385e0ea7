"""What can be chosen about listening."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """How speech becomes text."""

    model: str = "tiny.en"
    """A Whisper model's name (`voice models list`) or a folder with a CTranslate2 model."""

    language: str = "en"
    """Spoken language; "auto" lets a multilingual model find out."""

    compute_type: str = "int8"
    """CTranslate2's arithmetic: int8 is fastest on a CPU."""

    threads: int = 0
    """Cores for the model; 0: as many as there are, at most 4."""

    partial_seconds: float = 0.6
    """New sound after which the words so far are transcribed again while somebody speaks."""

    prompt: str = ""
    """Names and terms that are likely to be said."""
