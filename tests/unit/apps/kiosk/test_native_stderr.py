"""What libraries print becomes lines of the log."""

from __future__ import annotations

import logging
import os

import pytest

from voice.apps.kiosk.native_stderr import kept_for_the_log


def test_what_is_written_to_the_descriptor_is_logged_and_stderr_is_given_back(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, "stderr"), kept_for_the_log() as stderr:
        os.write(2, b"PortAudio is unhappy\n")
        print("the log", file=stderr, flush=True)
    os.write(2, b"as before\n")
    assert [record.getMessage() for record in caplog.records] == ["PortAudio is unhappy"]
    assert capfd.readouterr().err == "the log\nas before\n"
