"""Nothing writes into the picture."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from voice.apps.screen.undisturbed import undisturbed


def test_what_others_write_does_not_reach_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    before = sys.__stderr__
    with undisturbed(log):
        os.write(2, b"a library complains\n")
        assert sys.__stderr__
        sys.__stderr__.write("picture")
    os.write(2, b", and words again")
    assert capfd.readouterr().err == "picture, and words again"
    assert log.read_text() == "a library complains\n"
    assert sys.__stderr__ is before


def test_the_terminal_is_given_back_after_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), undisturbed(None):
        os.write(2, b"nowhere")
        raise ZeroDivisionError
    os.write(2, b"here")
    assert capfd.readouterr().err == "here"
