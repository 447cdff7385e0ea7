"""Who is let in."""

from __future__ import annotations

import pytest

from voice.server.access import Access

HOME = "127.0.0.1:8787"
BEARER = ("Authorization", "Bearer secret")


def code(access: Access, *headers: tuple[str, str], needs_key: bool = True) -> str | None:
    """Why these headers are refused; None where they are not."""
    refusal = access.refusal(headers, needs_key)
    return None if refusal is None else str(refusal.body.code)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8787", "127.0.0.1", "LocalHost:8787", "localhost:1", "[::1]:8787", "[::1]"),
        *("127.0.0.5:8787", " 127.0.0.1:8787"),
    ],
)
def test_the_loopback_is_called_by_its_names(host: str) -> None:
    assert code(Access("127.0.0.1"), ("Host", host)) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8787", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("192.168.1.5:8787", "", ":8787", "127.0.0.1:port", "[::1", "me@127.0.0.1", "127.0.0.1@e"),
        *("127.0.0.1, evil.example", "0.0.0.0:8787", "2130706433", "localhost."),
    ],
)
def test_a_name_that_was_rebound_is_refused(host: str) -> None:
    assert code(Access("127.0.0.1"), ("Host", host)) == "host_not_allowed"
    assert code(Access("127.0.0.1", "secret"), ("Host", host), BEARER) == "host_not_allowed"


def test_one_host_is_named_once() -> None:
    assert code(Access("127.0.0.1")) == "host_not_allowed"
    assert code(Access("127.0.0.1"), ("Host", HOME), ("host", HOME)) == "host_not_allowed"


def test_names_can_be_given() -> None:
    access = Access("127.0.0.1", names=("Voice.example",))
    assert code(access, ("Host", "voice.example")) is None
    assert code(access, ("Host", "voice.example"), ("Origin", "https://voice.example")) is None
    assert code(access, ("Host", "www.voice.example")) == "host_not_allowed"


def test_with_a_key_a_server_beyond_the_loopback_has_any_name() -> None:
    access = Access("0.0.0.0", "secret")
    assert code(access, ("Host", "voice.example"), BEARER) is None
    assert code(access, ("Host", "voice.example")) == "invalid_api_key"
    assert code(access, ("Host", "[voice"), BEARER) == "host_not_allowed"


@pytest.mark.parametrize(
    ("origin", "refused"),
    [
        (f"http://{HOME}", False),
        (f"https://{HOME}", False),
        (f"HTTP://{HOME}", False),
        ("http://127.0.0.1:3000", True),
        ("http://localhost:8787", True),
        ("http://127.0.0.1", True),
        ("http://evil.example", True),
        ("http://evil.example:8787", True),
        ("null", True),
        ("", True),
        ("http://[", True),
        (f"{HOME}", True),
        (f"http://{HOME}@evil.example", True),
        (f"http://evil.example@{HOME}", True),
    ],
)
def test_pages_are_let_in_from_this_very_origin(origin: str, refused: bool) -> None:
    expected = "origin_not_allowed" if refused else None
    assert code(Access("127.0.0.1"), ("Host", HOME), ("Origin", origin)) == expected


def test_a_rebound_name_is_no_origin_either() -> None:
    headers = ("Host", "evil.example:8787"), ("Origin", "http://evil.example:8787")
    assert code(Access("127.0.0.1"), *headers) == "host_not_allowed"


def test_one_origin_is_named_once() -> None:
    origin = ("Origin", f"http://{HOME}")
    assert code(Access("127.0.0.1"), ("Host", HOME), origin, origin) == "origin_not_allowed"


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ("Bearer secret", False),
        ("bearer secret", False),
        ("Bearer  secret ", False),
        ("Bearer wrong", True),
        ("Bearer secret2", True),
        ("Bearer", True),
        ("Bearer ", True),
        ("secret", True),
        ("Basic secret", True),
        ("Bearer sécret", True),
        ("", True),
    ],
)
def test_the_key_is_shown_as_a_bearer(given: str, refused: bool) -> None:
    access = Access("127.0.0.1", "secret")
    expected = "invalid_api_key" if refused else None
    assert code(access, ("Host", HOME), ("AUTHORIZATION", given)) == expected


def test_a_key_is_shown_once_and_only_where_it_is_asked_for() -> None:
    access = Access("127.0.0.1", "secret")
    assert code(access, ("Host", HOME)) == "invalid_api_key"
    assert code(access, ("Host", HOME), BEARER, BEARER) == "invalid_api_key"
    assert code(access, ("Host", HOME), needs_key=False) is None
    assert code(Access("127.0.0.1"), ("Host", HOME)) is None


def test_a_wrong_key_is_a_401_and_a_wrong_page_a_403() -> None:
    refusal = Access("127.0.0.1", "secret").refusal([("Host", HOME)])
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (401, {"www-authenticate": "Bearer"})
    refusal = Access("127.0.0.1").refusal([("Host", "evil.example")])
    assert refusal is not None
    assert refusal.status == 403


def test_the_key_is_in_no_message() -> None:
    access = Access("127.0.0.1", "secret")
    assert "secret" not in repr(access)
    refusal = access.refusal([("Host", HOME), ("Authorization", "Bearer my-own")])
    assert "my-own" not in str(refusal)
