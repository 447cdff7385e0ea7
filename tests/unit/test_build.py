"""What the server of our own is told to do, and how the voice is loaded."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from voice.build import _load_synthesizer
from voice.build_agent import serving as _serving
from voice.config import load as load_options
from voice.errors import ModelError, UsageError
from voice.models import resolve
from voice.models.cache import default_cache
from voice.server.serve import ServeOptions
from voice.speak.apology import fixed_phrases
from voice.speak.fake import FakeSynthesizer
from voice.speak.piper import PiperSynthesizer
from voice.speak.settings import VoiceSettings

KEPT = default_cache().instructions


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is there, and this machine's is `small`."""
    monkeypatch.setattr(resolve, "weights", lambda name, suffix: Path(f"/models/{name}{suffix}"))
    monkeypatch.setattr(resolve, "this_machines_llm", lambda: "small")


@pytest.mark.parametrize(
    ("server", "agent", "serving"),
    [
        ({}, {}, ServeOptions(model=Path("/models/small.gguf"), heads=KEPT)),
        ({"keep_instructions": False}, {}, ServeOptions(model=Path("/models/small.gguf"))),
        (
            {"model": "big", "threads": 3, "context_tokens": 8192},
            {},
            ServeOptions(
                model=Path("/models/big.gguf"), threads=3, context_tokens=8192, heads=KEPT
            ),
        ),
        (
            {"model": "big"},
            {"model": "mine"},
            ServeOptions(model=Path("/models/mine.gguf"), heads=KEPT),
        ),
        (
            {"backend": "upstream", "upstream": "http://there/v1", "threads": 3, "key": "k"},
            {},
            ServeOptions(backend="upstream", upstream="http://there/v1"),
        ),
        (
            {"backend": "upstream", "upstream": "u", "model": "big", "warm": False},
            {},
            ServeOptions(backend="upstream", upstream="u", upstream_model="big", warm=False),
        ),
        (
            {"backend": "upstream", "upstream": "u", "model": "big"},
            {"model": "mine"},
            ServeOptions(backend="upstream", upstream="u", upstream_model="mine"),
        ),
        ({"backend": "script"}, {}, ServeOptions(backend="script")),
        (
            {"backend": "script", "script": "s.toml", "ttft": 0.5, "tokens_per_second": 20.0},
            {},
            ServeOptions(
                backend="script",
                script=Path("s.toml"),
                ttft_seconds=0.5,
                tokens_per_second=20.0,
            ),
        ),
    ],
)
def test_the_backend_gets_what_belongs_to_it(
    server: dict[str, Any], agent: dict[str, Any], serving: ServeOptions
) -> None:
    assert _serving(load_options(None, {}, {"server": server, "agent": agent})) == serving


def test_an_upstream_server_has_to_be_named() -> None:
    with pytest.raises(UsageError, match="`upstream` in"):
        _serving(load_options(None, {}, {"server": {"backend": "upstream"}}))


async def test_our_own_words_are_kept_and_said_while_the_voice_is_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v.onnx").touch()
    monkeypatch.setenv("VOICE_CACHE", str(tmp_path))
    monkeypatch.setattr(resolve, "weights", lambda name, suffix: tmp_path / f"{name}{suffix}")
    allowed = threading.Event()

    def load(model: Path, rate: int, options: object, settings: object) -> FakeSynthesizer:
        assert allowed.wait(10)
        return FakeSynthesizer(rate)

    monkeypatch.setattr(PiperSynthesizer, "load", load)
    options = load_options(None, {}, {"speak": {"voice": "v"}})
    allowed.set()
    first, _ = _load_synthesizer(options, 8000, VoiceSettings())
    await first.prepare()
    first.close()
    allowed.clear()
    second, _ = _load_synthesizer(options, 8000, VoiceSettings())
    for phrase in fixed_phrases(options.speak):
        (sound,) = [sound async for sound in second.synthesize(phrase)]
        assert len(sound.words) == len(phrase.split())
    allowed.set()
    await second.prepare()
    assert [sound async for sound in second.synthesize("Something else.")]
    second.close()


async def test_a_voice_that_cannot_be_loaded_is_told_later_and_a_missing_one_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICE_CACHE", str(tmp_path))
    monkeypatch.setattr(resolve, "weights", lambda name, suffix: tmp_path / f"{name}{suffix}")
    options = load_options(None, {}, {"speak": {"voice": "v"}})
    with pytest.raises(ModelError, match="missing"):
        _load_synthesizer(options, 8000, VoiceSettings())
    (tmp_path / "v.onnx").touch()
    voice, _ = _load_synthesizer(options, 8000, VoiceSettings())
    with pytest.raises(ModelError, match=r"v\.onnx"):
        await voice.prepare()
    voice.close()
