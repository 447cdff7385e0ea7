"""File, environment and flags; and the configurations that are shipped."""

from __future__ import annotations

import itertools
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from voice.config import Options, load
from voice.errors import UsageError

CONFIGS = Path(__file__).parents[2] / "configs"


def _file(folder: Path, text: str) -> Path:
    path = folder / "c.toml"
    path.write_text(text)
    return path


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = _file(tmp_path, '[agent]\nmodel = "file"\nurl = "file"\n[speak]\nvoice = "file"\n')
    environment = {"VOICE_AGENT_MODEL": "environment", "VOICE_AGENT_URL": "environment"}
    options = load(path, environment, {"agent": {"url": "flag", "model": None}})
    assert options.speak.voice == "file"
    assert options.agent.model == "environment"
    assert options.agent.url == "flag"


def test_the_environment_is_text_and_becomes_numbers() -> None:
    options = load(None, {"VOICE_TURNS_ENDPOINT_SECONDS": "0.75"}, {})
    assert options.turns.endpoint_seconds == 0.75


def test_a_section_of_two_words_is_known_in_the_environment() -> None:
    assert load(None, {"VOICE_BARGE_IN_MODE": "at-once"}, {}).barge_in.mode == "at-once"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[listen]\nmodle = 'x'", "listen.model?"),
        ("[lisen]\nmodel = 'x'", "did you mean listen"),
        ("[listen]\nthreads = 'two'", "listen.threads"),
        ("listen = 3", "[listen]"),
        ("[listen", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(_file(tmp_path, text), {}, {})
    assert named.rstrip("?").split(".")[-1] in str(caught.value)
    assert "c.toml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_mistake_in_the_environment_is_named() -> None:
    with pytest.raises(UsageError, match=r"listen\.modle.*did you mean model"):
        load(None, {"VOICE_LISTEN_MODLE": "x"}, {})


def test_other_variables_of_ours_are_left_alone() -> None:
    assert load(None, {"VOICE_CACHE": "x", "VOICE_MODELS": "y"}, {}) == Options()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        load(tmp_path / "none.toml", {}, {})


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_shipped_configurations_load(path: Path) -> None:
    load(path, {}, {})


def test_the_desktop_configuration_holds_every_key_with_its_default() -> None:
    path = CONFIGS / "desktop.toml"
    assert load(path, {}, {}) == Options()
    settings = tomllib.loads(path.read_text())
    for section in fields(Options):
        keys = {key.name for key in fields(getattr(Options(), section.name))}
        assert set(settings[section.name]) == keys


def test_every_key_of_the_shipped_configurations_is_commented() -> None:
    for path in CONFIGS.glob("*.toml"):
        lines = path.read_text().splitlines()
        for before, line in itertools.pairwise(lines):
            key, equals, _ = line.partition(" = ")
            if equals and key.isidentifier():
                assert before.startswith("#") or " = " in before, f"{path.name}: {key}"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("VOICE_LISTEN_PARTIAL_LOAD", "0", "> 0"),
        ("VOICE_LISTEN_COMMIT_PASSES", "0", ">= 1"),
        ("VOICE_LISTEN_WINDOW_SECONDS", "60", "<= 24"),
        ("VOICE_GATE_AGGRESSIVENESS", "7", "<= 3"),
        ("VOICE_TURNS_QUICK_SECONDS", "-1", "> 0"),
        ("VOICE_BARGE_IN_MODE", "never", "two-step|Invalid enum"),
    ],
)
def test_a_value_that_listening_cannot_work_with_is_told(
    name: str, value: str, expected: str
) -> None:
    with pytest.raises(UsageError, match=expected):
        load(None, {name: value}, {})
