"""The store of responses, in real files: restarts, time, deleting, and what goes wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai.types.responses import Response, ResponseItem
from pydantic import TypeAdapter

from tests.unit.server.protocol_client import DONE, TOOL, Client
from voice.errors import ServerError, UsageError
from voice.server.backend import Item, Message, ReasoningDelta, ToolCall
from voice.server.lanes import Kept
from voice.server.store import PURGE_SECONDS, ResponseStore

DAY_SECONDS = 86_400.0
MONTH_SECONDS = 30 * DAY_SECONDS


class Clock:
    """Unix time, as the test says."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


def chain(*words: str, store: bool = True, client: Client | None = None) -> list[Kept]:
    """A conversation of so many turns, as a connection has it stored."""
    client = client or Client()
    parent = None
    for word in words:
        parent = client.turn(f"Q {word}", f"A {word}", previous_response_id=parent, store=store)
    return client.kept


def said(*words: str) -> tuple[Item, ...]:
    items: list[Item] = []
    for word in words:
        items += [Message("user", f"Q {word}"), Message("assistant", f"A {word}")]
    return tuple(items)


async def history(store: ResponseStore, response: str) -> tuple[Item, ...] | None:
    settled = await store.fetch(response)
    assert settled is None or settled.id == response
    return settled.history if settled else None


def on_disk(path: Path, word: str) -> bool:
    """Whether the word is anywhere in the files."""
    return any(word.encode() in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


# ── keeping ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("where", ["memory", "file"])
async def test_what_is_kept_is_there_at_once_and_whole(where: str, tmp_path: Path) -> None:
    store = await ResponseStore.open(tmp_path / "a" / "b.db" if where == "file" else None)
    client = Client()
    client.create("Q", tools=[TOOL], store=True, instructions="Be kind.")
    client.produce(ReasoningDelta("Hm."), ToolCall("get_time", "{}"), DONE)
    first = client.events[-1]["response"]
    output = {"type": "function_call_output", "call_id": first["output"][1]["call_id"]}
    client.turn([{**output, "output": "noon"}], previous_response_id=first["id"], store=True)
    last = client.events[-1]["response"]
    for kept in client.kept:
        store.keep(kept)

    assert await store.fetch(last["id"]) == client.store[last["id"]]
    assert await store.response(first["id"]) == first
    assert await store.response(last["id"]) == last
    Response.model_validate(last)
    items = await store.input_items(last["id"])
    assert items is not None
    TypeAdapter(list[ResponseItem]).validate_python(items)
    kinds = [item["type"] for item in items]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]
    assert items[1:3] == first["output"]
    assert await store.input_items(last["id"]) == items
    assert len({item["id"] for item in items}) == 4
    for ask in (store.fetch, store.response, store.input_items):
        assert await ask("resp_unknown") is None
    await store.close()


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await ResponseStore.open(path)
    for kept in chain("one", "two", "three"):
        store.keep(kept)
    await store.close()
    store = await ResponseStore.open(path)
    last = chain("one", "two", "three")[-1]
    assert await history(store, last.response.id) == said("one", "two", "three")
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    await store.close()


def test_what_is_not_to_be_stored_leaves_no_file(tmp_path: Path) -> None:
    async def use() -> None:
        store = await ResponseStore.open(tmp_path / "deep" / "responses.db")
        assert chain("one", store=False) == []
        assert await store.fetch("resp_1") is None
        assert not await store.delete("resp_1")
        await store.close()

    asyncio.run(use())
    assert list(tmp_path.iterdir()) == []


async def test_a_chain_takes_no_more_disk_than_its_turns(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await ResponseStore.open(path)
    words = [f"{n} " + "x" * 1000 for n in range(100)]
    for kept in chain(*words):
        store.keep(kept)
    last = await store.input_items(chain(*words)[-1].response.id)
    assert last is not None
    assert len(last) == 199
    await store.close()
    assert path.stat().st_size < 100 * 6000


async def test_what_continues_a_response_that_is_not_stored_is_stored_whole(
    tmp_path: Path,
) -> None:
    store = await ResponseStore.open(tmp_path / "responses.db")
    client = Client()
    parent = client.turn("Q one", "A one", store=False)
    child = client.turn("Q two", "A two", previous_response_id=parent, store=True)
    store.keep(client.kept[0])
    assert await history(store, child) == said("one", "two")
    assert await store.fetch(parent) is None
    await store.close()


async def test_two_servers_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    one, two = [await ResponseStore.open(path) for _ in range(2)]
    first = chain("one")[0]
    one.keep(first)
    assert await history(one, first.response.id) == said("one")  # so it is in the file
    client = Client({first.response.id: first.settled})
    client.turn("Q two", "A two", previous_response_id=first.response.id, store=True)
    two.keep(client.kept[0])
    assert await history(two, client.kept[0].response.id) == said("one", "two")
    assert await history(one, client.kept[0].response.id) == said("one", "two")
    await asyncio.gather(one.close(), two.close())


# ── time ─────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_too_old_is_gone_and_leaves_what_a_younger_one_needs(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "responses.db", Clock()
    store = await ResponseStore.open(path, MONTH_SECONDS, clock)
    client = Client()
    kept = chain("old", "young", client=client)
    chain("alone", client=client)
    alone = client.kept[2]
    store.keep(kept[0])
    store.keep(alone)
    await store.fetch(alone.response.id)
    clock.now += MONTH_SECONDS - 1
    assert await history(store, alone.response.id) == said("alone")
    store.keep(kept[1])
    await store.fetch(alone.response.id)
    clock.now += 2
    for response in (kept[0].response.id, alone.response.id):
        assert await store.fetch(response) is None
        assert await store.response(response) is None
        assert await store.input_items(response) is None
        assert not await store.delete(response)
    assert await history(store, kept[1].response.id) == said("old", "young")
    await store.close()
    assert on_disk(path, "Q alone")

    store = await ResponseStore.open(path, MONTH_SECONDS, clock)
    assert await history(store, kept[1].response.id) == said("old", "young")
    await store.close()
    assert not on_disk(path, "Q alone")
    assert on_disk(path, "Q old")

    clock.now += MONTH_SECONDS
    await (await ResponseStore.open(path, MONTH_SECONDS, clock)).close()
    assert not on_disk(path, "Q old")
    assert not on_disk(path, "A young")


async def test_a_server_that_goes_on_deletes_what_is_too_old(tmp_path: Path) -> None:
    path, clock = tmp_path / "responses.db", Clock()
    store = await ResponseStore.open(path, DAY_SECONDS, clock)
    client = Client()
    chain("one", client=client)
    chain("two", client=client)
    store.keep(client.kept[0])
    assert await store.fetch(client.kept[0].response.id)
    clock.now += DAY_SECONDS + PURGE_SECONDS
    store.keep(client.kept[1])
    assert await store.fetch(client.kept[1].response.id)
    assert not on_disk(path, "Q one")
    await store.close()


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
async def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(UsageError, match="cannot be stored for"):
        await ResponseStore.open(None, seconds)


# ── deleting ─────────────────────────────────────────────────────────────────────────────────


async def test_what_is_deleted_is_gone_from_the_disk_unless_a_descendant_needs_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "responses.db"
    store = await ResponseStore.open(path)
    kept = chain("one", "two", "three")
    for one in kept:
        store.keep(one)
    first, second, third = [one.response.id for one in kept]
    assert await store.delete(second)
    assert not await store.delete(second)
    for ask in (store.fetch, store.response, store.input_items):
        assert await ask(second) is None
    assert await history(store, third) == said("one", "two", "three")
    assert await store.delete(third)
    assert await history(store, first) == said("one")
    await store.close()
    for word in ("two", "three"):
        assert not on_disk(path, f"Q {word}")
        assert not on_disk(path, f"A {word}")
    assert on_disk(path, "Q one")


async def test_a_child_of_a_deleted_response_may_still_come(tmp_path: Path) -> None:
    for fork in (False, True):  # whether another descendant keeps the parent's items
        store = await ResponseStore.open(tmp_path / f"{fork}.db")
        client = Client()
        parent = client.turn("Q one", "A one", store=True)
        for word in ("two", "three"):
            client.turn(f"Q {word}", f"A {word}", previous_response_id=parent, stream_id=word,
                        store=True)  # fmt: skip
        one, two, three = client.kept
        store.keep(one)
        if fork:
            store.keep(two)
        assert await store.delete(parent)
        store.keep(three)
        assert await history(store, three.response.id) == said("one", "three")
        await store.close()


async def test_what_sqlite_alone_would_leave_behind_is_gone_as_well(tmp_path: Path) -> None:
    """Of these deletions, in this order, its `secure_delete` leaves a copy in a page."""
    path = tmp_path / "responses.db"
    store = await ResponseStore.open(path)
    client = Client()
    client.official = False  # which takes its time
    for n in range(300):
        parent = client.starts[-1].response_id if n % 20 else None
        words = f"secret {n} end" + "y" * (n * 124 % 30)
        client.turn(words, "Yes.", previous_response_id=parent, store=True)
    for kept in client.kept:
        store.keep(kept)
    deleted = random.Random(3).sample(range(300), 280)
    for n in deleted:
        assert await store.delete(client.kept[n].response.id)
    await store.close()
    alive = set(range(300)) - set(deleted)
    needed = [n for n in range(300) if alive & set(range(n, (n // 20 + 1) * 20))]
    assert [n for n in range(300) if on_disk(path, f"secret {n} end")] == needed


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()


def _newer(path: Path) -> None:
    _ours(path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def _damaged(path: Path) -> None:
    _ours(path)
    with path.open("r+b") as file:
        file.seek(100)  # behind SQLite's header
        file.write(b"\xff" * (path.stat().st_size - 100))


def _ours(path: Path) -> None:
    async def make() -> None:
        store = await ResponseStore.open(path)
        store.keep(chain("one")[0])
        await store.close()

    asyncio.run(make())


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.write_bytes(b"no database " * 100), "is no response store"),
        (lambda path: path.write_bytes(b"x"), "is no response store"),
        (lambda path: path.mkdir(), "is no response store"),
        (_foreign, "is another program's database"),
        (_newer, "was written by a newer version"),
        (_damaged, "is damaged|is none"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_cure(
    spoil: Callable[[Path], Any], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "responses.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(ServerError, match=problem) as raised:
        asyncio.run(ResponseStore.open(path))
    assert str(path) in raised.value.problem
    assert "--store" in raised.value.cure
    assert before == (path.read_bytes() if path.is_file() else b"")


async def test_a_folder_that_is_none_is_named_before_anything_is_to_be_kept(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ServerError, match="file is no folder to write in"):
        await ResponseStore.open(tmp_path / "file" / "a" / "responses.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_must_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ServerError, match="is no folder to write in"):
        asyncio.run(ResponseStore.open(tmp_path / "responses.db"))


async def test_a_store_that_fails_later_says_so_once_and_loses_only_what_it_was_to_keep(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "responses.db"
    store = await ResponseStore.open(path)
    first, *others = chain("one", "two" * 10_000, "three" * 10_000, "four")
    store.keep(first)
    assert await store.fetch(first.response.id)
    connection = store._responses._database._connection  # type: ignore[union-attr]
    connection.execute("PRAGMA max_page_count = 1")  # the disk is full
    for kept in others[:2]:
        store.keep(kept)
    assert await store.fetch(others[0].response.id) is None
    assert await history(store, first.response.id) == said("one")
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert f"responses are not stored: the response store {path} does not fit" in errors[0].message
    assert "free some space" in errors[0].message
    connection.execute("PRAGMA max_page_count = 100000")
    store.keep(others[2])  # its parents were lost: it has all of them itself
    assert await history(store, others[2].response.id) == others[2].settled.history
    await store.close()


async def test_whoever_waits_may_go_away(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await ResponseStore.open(path)
    kept = chain("one")[0]
    store.keep(kept)
    waiting = asyncio.create_task(store.delete(kept.response.id))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await store.fetch(kept.response.id) is None  # it was deleted nevertheless
    await store.close()
    await (await ResponseStore.open(path)).close()
    assert not on_disk(path, "Q one")
