"""What can be chosen about listening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """How speech becomes text."""

    model: str = "tiny.en"
    """A Whisper model's name (`voice models list`) or a folder with a CTranslate2 model."""

    language: str = "en"
    """Spoken language; "auto" lets a multilingual model find out, once."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs; "auto": on a graphics card where CTranslate2 finds one."""

    compute_type: str = "auto"
    """CTranslate2's arithmetic; "auto": int8 on a CPU, float16 on a graphics card."""

    threads: Annotated[int, Meta(ge=0)] = 0
    """Cores for the model; 0: half of them, at most 4. Small models gain nothing from a second."""

    partial_seconds: Annotated[float, Meta(gt=0)] = 0.16
    """New sound after which the words so far are transcribed again while somebody speaks."""

    partial_load: Annotated[float, Meta(gt=0, le=1)] = 0.2
    """The most of the time that partials may take; on a slow machine they come less often."""

    commit_passes: Annotated[int, Meta(ge=1)] = 2
    """So many transcriptions in succession must agree on a word until it is final."""

    commit_seconds: Annotated[float, Meta(ge=0)] = 0.8
    """A word that ended less than this ago may still change: its last sound may be missing."""

    window_seconds: Annotated[float, Meta(ge=4, le=24)] = 8.0
    """Sound that is transcribed at once; in longer utterances the window rolls on."""

    least_probability: Annotated[float, Meta(ge=0, le=1)] = 0.35
    """Words are not believed when the model gave them less than this, on average."""

    prompt: str = ""
    """A text in the style of what will be said."""

    hot_words: str = ""
    """Names and terms that are likely to be said, with commas between them."""
