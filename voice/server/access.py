"""Who is let in. Pure: the head of a request in, None or a refusal out.

Any web page can send requests to a port of the machine it is shown on. What keeps it out:

    Host      must name us. With DNS rebinding a page makes its own name resolve to the loopback,
              and then `Origin` and `Host` agree; only the name in `Host` gives it away. A server
              that listens beyond the loopback is asked by names that it cannot know; it has a
              key, which a page does not have.
    Origin    is what a browser adds; it must be the origin that `Host` names, so a page of another
              host or port is not let in.
    the key   is compared in constant time. Health is told without it.

The fourth guard is in `http`: a body must say that it is JSON, because a page may send other
kinds (such as `text/plain`) without asking first.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from voice.addresses import is_loopback
from voice.server.refusals import Refused, brief

Headers = Iterable[tuple[str, str]]
"""Names (in any case) and values, in the order in which they came."""


@dataclass(frozen=True, slots=True)
class Access:
    """The rule of a server that listens on `host`."""

    host: str
    key: str = field(default="", repr=False)
    """What clients must show; empty: nothing."""
    names: tuple[str, ...] = ()
    """More names that clients may call this server by, such as a reverse proxy's."""

    def refusal(self, headers: Headers, needs_key: bool = True) -> Refused | None:
        """Why a request is not let in; None where it is."""
        given = [(name.lower(), value) for name, value in headers]
        hosts = [value.strip().lower() for name, value in given if name == "host"]
        origins = [value.strip().lower() for name, value in given if name == "origin"]
        keys = [value for name, value in given if name == "authorization"]
        if len(hosts) != 1 or not self._is_us(hosts[0]):
            return Refused(
                f"This server is not called {brief(', '.join(hosts))}; --names adds names to it.",
                "host_not_allowed",
                status=403,
            )
        if origins and (len(origins) > 1 or not _same_origin(origins[0], hosts[0])):
            return Refused(
                f"Pages of {brief(', '.join(origins))} are not let in.",
                "origin_not_allowed",
                status=403,
            )
        if needs_key and self.key and not (len(keys) == 1 and self._fits(keys[0])):
            problem = "The API key is wrong or missing; send it as Authorization: Bearer."
            refusal = Refused(problem, "invalid_api_key", status=401)
            refusal.headers["www-authenticate"] = "Bearer"
            return refusal
        return None

    def _is_us(self, host: str) -> bool:
        name = _name("//" + host)
        if name is None:
            return False
        if self.key and not is_loopback(self.host):
            return True
        return is_loopback(name) or name in (self.host.lower(), *map(str.lower, self.names))

    def _fits(self, authorization: str) -> bool:
        scheme, _, key = authorization.partition(" ")
        same = hmac.compare_digest(key.strip().encode(), self.key.encode())
        return same and scheme.lower() == "bearer"


def _same_origin(origin: str, host: str) -> bool:
    name = _name(origin)
    return name is not None and urlsplit(origin).netloc == host


def _name(url: str) -> str | None:
    """The host that a URL names; None where there is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises where it is no number)
    except ValueError:
        return None
    return None if "@" in parts.netloc else parts.hostname
