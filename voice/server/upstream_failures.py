"""What goes wrong with another server, in words: connections that break, streams that just end."""

from __future__ import annotations

import contextlib
import math
import ssl
from typing import Final

import httpx
import msgspec

from voice.errors import ServerError
from voice.server.upstream_errors import ADDRESS, given_up, reason_in, refusal

CONNECT_SECONDS: Final = 10.0
"""How long connecting may take, with name, proxy and TLS."""


def failure(url: str, error: httpx.HTTPError | TimeoutError) -> ServerError:
    """A connection that was not made, or broke."""
    match error:
        case httpx.ConnectTimeout():
            problem = f"{url} did not answer within {CONNECT_SECONDS:.0f} s"
            return ServerError(problem, "check --upstream, the network and the server")
        case httpx.ConnectError() if isinstance(_root(error), ssl.SSLError):
            problem = f"no secure connection to {url}: {error}"
            return ServerError(problem, "check --upstream and the certificates; plain is http://")
        case httpx.ConnectError():
            return ServerError(f"no server answers at {url}", "start it, or check --upstream")
        case httpx.ProxyError():
            problem = f"the proxy does not let us through to {url}: {error}"
            return ServerError(problem, "check HTTPS_PROXY, or name the host in NO_PROXY")
        case httpx.TimeoutException() | TimeoutError():
            return ServerError(f"{url} fell silent", "look whether it is overloaded, and its log")
        case _:
            problem = f"the connection to {url} broke: {error or type(error).__name__}"
            return ServerError(problem, "look whether the server still runs, and into its log")


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def ended(url: str, response: httpx.Response, tail: bytes) -> ServerError:
    """A stream without an answer; `tail` is its end.

    Servers of llama.cpp before 2026 say why in a field of their own, `error: {…}`, and some send
    an error with status 200.
    """
    for told in (tail.rpartition(b"error: ")[2].partition(b"\n")[0], tail):
        if reason_in(told):
            return given_up(url, msgspec.json.decode(told))
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if kind in ("", "text/event-stream"):
        problem = f"{url} ended the stream before the answer"
        return ServerError(problem, "look whether the server still runs, and into its log")
    return ServerError(f"{url} sent {kind} instead of a stream", ADDRESS)


def refused(url: str, model: str, response: httpx.Response, told: bytes) -> ServerError:
    """A status that is none of success; `told` is the body's beginning."""
    return refusal(url, model, response.status_code, told, _retry_after_seconds(response))


def _retry_after_seconds(response: httpx.Response) -> float | None:
    """How long the server asks us to wait (`retry-after-ms`, and `retry-after` in seconds)."""
    for name, unit_seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            seconds = float(response.headers[name]) * unit_seconds
            if math.isfinite(seconds):
                return max(0.0, seconds)
    return None
