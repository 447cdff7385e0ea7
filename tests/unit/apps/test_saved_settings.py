"""One setting is changed in the user's file, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voice.apps.saved_settings import KEYS, save, with_setting
from voice.config import Options, load
from voice.errors import UsageError

FILE = """\
# mine
[audio]
# the good one
input = "USB"  # left of the screen
[speak]
speed = 1.2
"""


def test_a_key_is_replaced_where_it_stands() -> None:
    assert with_setting(FILE, "audio", "input", 'a "b"') == FILE.replace(
        'input = "USB"  # left of the screen', 'input = "a \\"b\\""'
    )


def test_a_key_is_added_to_its_section() -> None:
    assert with_setting(FILE, "speak", "voice", "joe") == FILE.replace(
        "[speak]\n", '[speak]\nvoice = "joe"\n'
    )


def test_a_section_is_added_at_the_end() -> None:
    assert with_setting(FILE, "agent", "model", "big") == f'{FILE}\n[agent]\nmodel = "big"\n'
    assert with_setting("", "agent", "model", "big") == '[agent]\nmodel = "big"\n'


def test_only_line_feeds_end_lines() -> None:
    text = '[audio]\ninput = "a"  # one\u2028line\noutput = "b\u2028"\n'
    assert with_setting(text, "audio", "input", "c") == text.replace(
        'input = "a"  # one\u2028line', 'input = "c"'
    )


@pytest.mark.parametrize(
    "text",
    [
        "audio = { input = 'USB' }\n",  # where a line is no setting
        'audio.input = "USB"\n',
        'text = """\n[audio]\n"""\n',
        "[audio\n",
        "audio = 3\n",
    ],
)
def test_what_cannot_be_changed_by_a_line_is_left_alone(text: str) -> None:
    assert with_setting(text, "audio", "input", "Headset") is None


@pytest.mark.parametrize("value", ["", "Kopfhörer", "a\\b", "\x7f\t\n", '"""'])
def test_any_name_comes_back_as_it_was(tmp_path: Path, value: str) -> None:
    path = tmp_path / "new" / "config.toml"
    save(path, "audio", "output", value)
    assert load(path, {}, {}).audio.output == value


def test_every_choice_of_a_device_voice_or_model_is_a_key_of_the_configuration() -> None:
    for name in ("input", "output", "voice", "model"):
        section, key = KEYS[name]  # type: ignore[index]
        assert hasattr(getattr(Options(), section), key)


def test_a_link_stays_a_link_and_the_file_its_mode(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "config.toml"
    real.write_text(FILE)
    real.chmod(0o600)
    link.symlink_to(real)
    save(link, "audio", "input", "Headset")
    assert link.is_symlink() and "Headset" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "real.toml"]


def test_a_file_that_is_written_otherwise_is_named_with_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("audio = { input = 'USB' }\n")
    with pytest.raises(UsageError, match=r'input = "Headset" in \[audio\]'):
        save(path, "audio", "input", "Headset")
    assert path.read_text() == "audio = { input = 'USB' }\n"


@pytest.mark.skipif(os.name == "nt", reason="folders have no such mode there")
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be kept in"):
        save(tmp_path / "file" / "config.toml", "audio", "input", "Headset")
