"""Model files from the hub over HTTP, resumed with `Range`."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Generator, Sequence
from pathlib import Path

import httpx
import truststore

from voice.models.cache import Cache
from voice.models.manifest import File, Model
from voice.models.sources import Halt, Meter, SourceError, bytes_in

ENDPOINT = "https://huggingface.co"

# A host that does not answer in this time is taken for unreachable: behind many firewalls packets
# to it just vanish, and the other sources should have their turn soon.
CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 30.0

# A cut connection is taken up again so often as long as each try brings bytes.
TRIES_WITHOUT_PROGRESS = 3


class Hub:
    """Files at `<endpoint>/<repository>/resolve/<revision>/<path>`."""

    name = "the hub"

    def __init__(self, endpoint: str, halt: Halt) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._halt = halt
        self._probe = threading.Lock()
        self._reachable = False
        self._unreachable = ""
        self._client = httpx.Client(
            verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            timeout=httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            follow_redirects=True,
            headers={"user-agent": "voice"},
        )

    def offers(self, model: Model) -> bool:
        """Whether the manifest names a repository."""
        return model.hub is not None

    def bring(
        self, model: Model, files: Sequence[File], cache: Cache, meter: Meter
    ) -> Generator[File, None, None]:
        """Download the files one after the other."""
        self._reach()
        for file in files:
            self._download(self._url(model, file), cache.part(model, file), file, meter)
            yield file

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _url(self, model: Model, file: File) -> str:
        assert model.hub is not None
        path = "/".join(filter(None, (model.hub.folder, file.name)))
        return f"{self._endpoint}/{model.hub.repository}/resolve/{model.hub.revision}/{path}"

    def _reach(self) -> None:
        """Ask once whether the host answers at all, so that a dead one is tried only once."""
        with self._probe:
            if not self._reachable and not self._unreachable:
                try:
                    self._client.head(self._endpoint, follow_redirects=False)
                    self._reachable = True
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    self._unreachable = f"{self._endpoint} cannot be reached ({_reason(error)})"
        if self._unreachable:
            raise SourceError(self._unreachable)

    def _download(self, url: str, part: Path, file: File, meter: Meter) -> None:
        """Fill `part`, going on after what is there each time that the connection is cut."""
        tries = 0
        while (present := bytes_in(part, file.size)) < file.size:
            try:
                self._continue(url, part, file, meter)
                failure = "the connection was closed early"
            except httpx.TransportError as error:
                failure = _reason(error)
            if bytes_in(part, file.size) > present:
                tries = 0
                continue
            tries += 1
            if tries >= TRIES_WITHOUT_PROGRESS:
                raise SourceError(f"{url}: {failure}")
        meter(file.name, file.size)

    def _continue(self, url: str, part: Path, file: File, meter: Meter) -> None:
        """One request for the bytes that `part` lacks."""
        start = bytes_in(part, file.size)
        headers = {"range": f"bytes={start}-", "accept-encoding": "identity"}
        with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                raise SourceError(f"{url}: the server says {response.status_code}")
            if response.status_code == httpx.codes.OK:
                start = 0  # the server does not know ranges and sends the whole
            elif not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
                raise SourceError(f"{url}: the server sent another range than asked for")
            with part.open("r+b" if start else "wb") as target:
                target.seek(start)
                for chunk in response.iter_bytes():
                    self._halt.check()
                    target.write(chunk)
                    if target.tell() > file.size:
                        raise SourceError(f"{url}: longer than {file.size:,} bytes")
                    meter(file.name, target.tell())


def endpoint() -> str:
    """The hub's address, or that of a mirror which `HF_ENDPOINT` names."""
    return os.environ.get("HF_ENDPOINT") or ENDPOINT


def _reason(error: Exception) -> str:
    """What an exception says, in a few words."""
    return str(error) or type(error).__name__
