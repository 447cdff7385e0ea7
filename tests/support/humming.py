"""The program under test with a voice that hums: in a steady tone every change of volume shows.

python -m tests.support.humming run …    as    voice run …
"""

from __future__ import annotations

from concurrent.futures import Future

from voice import build
from voice.cli import main
from voice.config import Options
from voice.speak.fake import FakeSynthesizer
from voice.speak.settings import VoiceSettings
from voice.speak.synthesizer import Synthesizer
from voice.speak.worker import SynthesisWorker


def hum() -> None:
    """Give the program that `main` starts this voice."""
    build._load_synthesizer = _humming


def _humming(
    _: Options, rate: int, _settings: VoiceSettings
) -> tuple[SynthesisWorker, Future[Synthesizer]]:
    voice: Future[Synthesizer] = Future()
    voice.set_result(FakeSynthesizer(rate))
    return SynthesisWorker(voice.result()), voice


if __name__ == "__main__":
    hum()
    main()
