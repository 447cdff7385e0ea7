"""Which addresses are this machine."""

from __future__ import annotations

import pytest

from voice.addresses import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_what_stays_on_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "localhost.example.org", "127.0.0.1.nip.io", "192.168.1.2", "::2", "0.0.0.0"]
)
def test_what_leaves_it(host: str) -> None:
    assert not is_loopback(host)
