"""`import voice` is light, and names what users import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import voice


@pytest.mark.parametrize("name", voice.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(voice, name)


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = voice.nothing


def test_the_import_loads_none_of_it() -> None:
    program = "import sys, voice; print([m for m in sys.modules if m.startswith('voice.')])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
