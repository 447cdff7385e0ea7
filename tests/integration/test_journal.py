"""The journal in real files: nothing settled is lost, whatever ends the program."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voice.errors import JournalError
from voice.responses import journal as module
from voice.responses.events import (
    Compaction,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputMessage,
)
from voice.responses.journal import Journal, JournalWriter

DAY_SECONDS = 86_400.0

TEXT = st.text(max_size=300)
ITEMS: st.SearchStrategy[list[InputItem]] = st.lists(
    st.one_of(
        st.builds(InputMessage, role=st.sampled_from(["user", "assistant"]), content=TEXT),
        st.builds(FunctionCall, id=st.just("fc_1"), call_id=TEXT, name=TEXT, arguments=TEXT),
        st.builds(FunctionCall, call_id=TEXT),
        st.builds(FunctionCallOutput, call_id=TEXT, output=TEXT),
        st.builds(Compaction, encrypted_content=TEXT),
    ),
    max_size=6,
)


def _said(text: str) -> list[InputItem]:
    return [InputMessage(role="user", content=text)]


def _words(items: list[InputItem]) -> list[str]:
    return [item.content for item in items if isinstance(item, InputMessage)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal.open(path, retention_days=0, now=0)
    yield journal
    journal.close()


def _raw(path: Path) -> bytes:
    """Every byte on the disk: of the database, its log and its index."""
    return b"".join(found.read_bytes() for found in path.parent.glob(f"{path.name}*"))


@contextmanager
def _other_user() -> Iterator[None]:
    """Without the rights of root, who may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


# ── what is kept ─────────────────────────────────────────────────────────────────────────────


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(ITEMS, max_size=4))
def test_what_was_appended_comes_back_in_order(
    journal: Journal, path: Path, turns: list[list[InputItem]]
) -> None:
    conversation = journal.begin(1.0)
    for turn, items in enumerate(turns, start=1):
        journal.append(conversation, turn, 1.0 + turn, items)
    other = Journal.open(path, retention_days=0, now=0)
    assert other.items(conversation) == [item for items in turns for item in items]
    other.close()


def test_a_summary_tells_what_a_conversation_was(journal: Journal) -> None:
    first, second = journal.begin(10.0, "qwen"), journal.begin(20.0)
    nothing_said = journal.begin(30.0)
    journal.append(first, 1, 11.0, [InputMessage(role="assistant", content="Time is up.")])
    journal.append(second, 1, 21.0, _said("Two"))
    journal.append(first, 2, 12.0, _said("One"))
    journal.append(first, 1, 13.0, _said("after a restart"))
    summaries = {summary.number: summary for summary in journal.conversations()}
    assert list(summaries) == [first, second]
    assert nothing_said not in summaries
    told = summaries[first]
    assert (told.began_at, told.last_at, told.model) == (10.0, 13.0, "qwen")
    assert (told.turns, told.first_words) == (2, "One")


def test_the_latest_is_what_was_appended_to_last(journal: Journal) -> None:
    assert journal.latest() is None
    older, newer = journal.begin(10.0), journal.begin(20.0)
    assert journal.latest() is None
    journal.append(newer, 1, 21.0, _said("b"))
    journal.append(older, 1, 5.0, _said("a"))  # the clock was set back
    assert journal.latest() == older


def test_an_append_is_whole_or_not_there(journal: Journal) -> None:
    conversation = journal.begin(1.0)
    journal._database.read(
        "CREATE TRIGGER fail BEFORE INSERT ON items WHEN NEW.item LIKE '%bad%'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(JournalError):
        journal.append(conversation, 1, 2.0, [*_said("good"), *_said("bad")])
    assert journal.items(conversation) == []
    journal.append(conversation, 1, 2.0, _said("good"))
    assert _words(journal.items(conversation)) == ["good"]


def test_an_item_of_an_unknown_type_is_left_out(
    journal: Journal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    conversation = journal.begin(1.0)
    journal.append(conversation, 1, 2.0, _said("before"))
    with sqlite3.connect(path) as database:
        for item in ('{"type":"hologram","x":"secret"}', '{"type":"message","role":"user"}', "]"):
            database.execute(
                "INSERT INTO items (conversation, turn, at, kind, item) VALUES (?, 1, 2, '?', ?)",
                (conversation, item),
            )
    database.close()
    journal.append(conversation, 2, 3.0, _said("after"))
    with caplog.at_level(logging.WARNING):
        assert _words(journal.items(conversation)) == ["before", "after"]
    assert len(caplog.records) == 3
    assert "hologram" in caplog.text
    assert "secret" not in caplog.text


def test_every_commit_waits_for_the_disk(journal: Journal) -> None:
    """A power cut cannot be tried here; SQLite keeps its promise with these two settings."""
    full = 2
    assert journal._database.read("PRAGMA synchronous")[0] == (full,)
    assert journal._database.read("PRAGMA journal_mode")[0] == ("wal",)


# ── what a killed program leaves ─────────────────────────────────────────────────────────────

APPENDING = """
import sys
from pathlib import Path
from voice.responses.events import FunctionCall, FunctionCallOutput, InputMessage
from voice.responses.journal import Journal

journal = Journal.open(Path(sys.argv[1]), 0, 0)
conversation = journal.latest() or journal.begin(0.0)
for turn in range(int(sys.argv[2]), 1_000_000):
    items = [
        InputMessage(role="user", content=str(turn)),
        FunctionCall(call_id=str(turn), name="clock"),
        FunctionCallOutput(call_id=str(turn), output="x" * (turn * 977 % 9000)),
    ]
    journal.append(conversation, turn, float(turn), items)
    print(turn, flush=True)
"""


def test_kill_loses_nothing_that_was_settled(path: Path) -> None:
    chance, told = random.Random(7), []
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", APPENDING, str(path), str(len(told))],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(chance.randint(1, 200)):
            told.append(int(process.stdout.readline()))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.0, 0.02))
        process.kill()
        told += [int(line) for line in process.stdout if line.endswith("\n")]
        process.stdout.close()
        process.wait()

        journal = Journal.open(path, retention_days=0, now=0)
        conversation = journal.latest()
        assert conversation is not None
        items = journal.items(conversation)
        kept = [int(words) for words in _words(items)]
        assert kept == list(range(len(kept)))
        assert len(items) == 3 * len(kept), "a turn is half there"
        assert len(told) <= len(kept) <= len(told) + 1, "one may be settled but not yet told"
        assert journal._database.read("PRAGMA integrity_check") == [("ok",)]
        journal.close()
        told = kept
    assert len(told) > 100


def test_what_was_deleted_when_the_program_was_killed_is_erased_at_the_next_start(
    path: Path,
) -> None:
    deleting = (
        "import os, signal, sys; from pathlib import Path\n"
        "from voice.responses.events import InputMessage\n"
        "from voice.responses.journal import Journal\n"
        "journal = Journal.open(Path(sys.argv[1]), 0, 0)\n"
        "number = journal.begin(0.0)\n"
        "journal.append(number, 1, 0.0, [InputMessage(role='user', content='marzipan')])\n"
        "journal._erase = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        "journal.delete(number)\n"
    )
    killed = subprocess.run([sys.executable, "-c", deleting, str(path)], check=False)
    assert killed.returncode < 0
    assert b"marzipan" in _raw(path)
    journal = Journal.open(path, retention_days=0, now=0)
    assert b"marzipan" not in _raw(path)
    assert journal.conversations() == []
    unerased = journal._database.read("SELECT count(*) FROM unerased")[0]
    assert unerased == (0,), "every start would write the file anew"
    journal.close()


# ── what is deleted ──────────────────────────────────────────────────────────────────────────


def test_deleted_words_are_gone_from_the_files(journal: Journal, path: Path) -> None:
    """Many conversations grow side by side, and what is deleted never turns up again.

    Without writing the file anew, copies stay in pages that SQLite rebalanced.
    """
    chance = random.Random(6)  # with this seed copies would stay
    alive: list[int] = []
    deleted: list[int] = []
    for step in range(200):
        if len(alive) < 3:
            alive.append(journal.begin(0.0))
        if chance.random() < 0.85:
            number = chance.choice(alive)
            words = f"<{number:05}>" * chance.choice([1, 8, 40, 300, 1300])
            journal.append(number, step, float(step), _said(words))
            if chance.random() < 0.3:
                alive.append(journal.begin(0.0))
            continue
        number = alive.pop(chance.randrange(len(alive)))
        journal.delete(number)
        deleted.append(number)
        raw = _raw(path)
        assert [number for number in deleted if b"<%05d>" % number in raw] == []
    assert len(deleted) > 10
    assert any(b"<%05d>" % number in _raw(path) for number in alive), "the test sees nothing"


def test_retention_counts_from_the_last_words(path: Path) -> None:
    journal = Journal.open(path, retention_days=0, now=0)
    old, resumed = journal.begin(0.0), journal.begin(0.0)
    journal.append(old, 1, 1.0, _said("marzipan"))
    journal.append(resumed, 1, 1.0, _said("nougat"))
    journal.append(resumed, 2, 2 * DAY_SECONDS, _said("praline"))
    journal.append(resumed, 3, 1.0, _said("the clock was set back"))
    journal.close()

    kept = Journal.open(path, retention_days=3, now=3 * DAY_SECONDS)
    assert len(kept.conversations()) == 2
    kept.close()
    kept = Journal.open(path, retention_days=3, now=3 * DAY_SECONDS + 2)
    assert [summary.number for summary in kept.conversations()] == [resumed]
    assert b"marzipan" not in _raw(path)
    assert b"nougat" in _raw(path)
    assert kept.forget_before(2 * DAY_SECONDS) == 0
    assert kept.forget_before(2 * DAY_SECONDS + 1) == 1
    kept.close()


def test_without_a_limit_everything_is_kept(path: Path, journal: Journal) -> None:
    journal.append(journal.begin(0.0), 1, 0.0, _said("a"))
    kept = Journal.open(path, retention_days=0, now=1e9)
    assert len(kept.conversations()) == 1
    kept.close()


def test_a_number_is_not_used_again(journal: Journal) -> None:
    first = journal.begin(0.0)
    journal.delete(first)
    assert journal.begin(0.0) == first + 1


def test_nothing_is_deleted_where_one_number_is_unknown(journal: Journal) -> None:
    number = journal.begin(0.0)
    journal.append(number, 1, 0.0, _said("a"))
    with pytest.raises(JournalError, match=r"no conversation 99 .*voice journal list"):
        journal.delete(number, 99)
    assert len(journal.conversations()) == 1


def test_a_conversation_that_is_deleted_while_it_goes_on_begins_again(journal: Journal) -> None:
    number = journal.begin(0.0)
    journal.append(number, 1, 1.0, _said("a"))
    journal.delete(number)
    journal.append(number, 2, 2.0, _said("b"))
    assert _words(journal.items(number)) == ["b"]
    assert journal.latest() == number


def test_a_reader_keeps_deleted_words_alive_and_we_say_so(journal: Journal, path: Path) -> None:
    journal._database.read("PRAGMA busy_timeout = 50")
    number = journal.begin(0.0)
    journal.append(number, 1, 0.0, _said("marzipan"))
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM items").fetchall()
    with pytest.raises(JournalError, match="another program reads"):
        journal.delete(number)
    reader.close()
    assert journal.conversations() == []
    Journal.open(path, retention_days=0, now=0).close()
    assert b"marzipan" not in _raw(path)


# ── two programs ─────────────────────────────────────────────────────────────────────────────


def test_programs_that_begin_and_append_at_once(path: Path) -> None:
    writing = APPENDING.replace("journal.latest() or ", "").replace("1_000_000", "40")
    processes = [
        subprocess.Popen([sys.executable, "-c", writing, str(path), "0"], stdout=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [process.wait(30) for process in processes] == [0] * 4
    journal = Journal.open(path, retention_days=0, now=0)
    numbers = [summary.number for summary in journal.conversations()]
    assert numbers == [1, 2, 3, 4]
    for number in numbers:
        assert _words(journal.items(number)) == [str(turn) for turn in range(40)]
    journal.close()


def test_journals_that_are_created_at_once(path: Path) -> None:
    for _ in range(5):
        together, failures = threading.Barrier(8), list[JournalError]()

        def create(together: threading.Barrier, failures: list[JournalError]) -> None:
            together.wait()
            try:
                Journal.open(path, retention_days=0, now=0).close()
            except JournalError as error:
                failures.append(error)

        threads = [threading.Thread(target=create, args=(together, failures)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        path.unlink()


def test_a_journal_that_somebody_else_is_just_creating(path: Path) -> None:
    """Here SQLite itself would not wait."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.1, lambda: other.execute("COMMIT"))
    done.start()
    Journal.open(path, retention_days=0, now=0).close()
    done.join()
    other.close()


# ── what can be wrong ────────────────────────────────────────────────────────────────────────


def test_only_the_user_can_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        journal = Journal.open(path, retention_days=0, now=0)
        journal.append(journal.begin(0.0), 1, 0.0, _said("a"))
    finally:
        os.umask(before)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(["journal.db", "journal.db-wal", "journal.db-shm"], 0o600)
    journal.close()


@pytest.mark.parametrize(
    "content",
    [b"x", b"a short text", b"text " * 1000, b"SQLite format 3\x00" + b"\x07" * 5000],
    ids=["a byte", "short", "long", "damaged"],
)
def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"journal\.db is no journal .*another file"):
        Journal.open(path, retention_days=1, now=1e9)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["journal.db"]


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (["CREATE TABLE bookmarks (url)"], "another program's"),
        (["PRAGMA user_version = 1"], "another program's"),
        (["PRAGMA application_id = 5"], "another program's"),
        (
            [f"PRAGMA application_id = {module._LAYOUT.application_id}", "PRAGMA user_version = 2"],
            "newer version .*schema 2; this one knows 1.*update voice",
        ),
    ],
)
def test_a_database_that_is_not_for_us_is_left_alone(
    path: Path, statements: list[str], named: str
) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        database.execute(statement)
    database.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=named):
        Journal.open(path, retention_days=1, now=1e9)
    assert path.read_bytes() == before


def test_a_damaged_journal_is_named(path: Path) -> None:
    journal = Journal.open(path, retention_days=0, now=0)
    journal.append(journal.begin(0.0), 1, 0.0, _said("a" * 20_000))
    journal.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"damaged .*move it away"):
        Journal.open(path, retention_days=0, now=0).latest()
    assert path.read_bytes() == content


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"none/journal\.db.*No such file.*make its folder"):
        Journal.open(tmp_path / "none" / "journal.db", retention_days=0, now=0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="is no journal"):
        Journal.open(tmp_path, retention_days=0, now=0)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has no such users")
def test_what_belongs_to_somebody_else() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        theirs = folder / "journal.db"
        Journal.open(theirs, retention_days=0, now=0).close()
        theirs.chmod(0o444)
        folder.chmod(0o555)
        try:
            with _other_user():
                with pytest.raises(JournalError, match="writable"):
                    Journal.open(theirs, retention_days=0, now=0).begin(0.0)
                with pytest.raises(JournalError, match=r"new\.db .*Permission denied.*is yours"):
                    Journal.open(folder / "new.db", retention_days=0, now=0)
        finally:
            folder.chmod(0o755)


def test_a_full_disk(journal: Journal) -> None:
    """SQLite says the same of a database that may not grow."""
    number = journal.begin(0.0)
    journal.append(number, 1, 0.0, _said("kept"))
    pages = journal._database.read("PRAGMA page_count")[0][0]
    journal._database.read(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match=r"does not fit on the disk .*free some space"):
        journal.append(number, 2, 0.0, _said("x" * 100_000))
    assert _words(journal.items(number)) == ["kept"]
    journal._database.read("PRAGMA max_page_count = 1000000")
    journal.append(number, 2, 0.0, _said("there is room again"))
    assert len(journal.items(number)) == 2


def test_a_database_that_somebody_locked(journal: Journal, path: Path) -> None:
    journal._database.read("PRAGMA busy_timeout = 50")
    number = journal.begin(0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match=r"locked by another program .*end that program"):
        journal.append(number, 1, 0.0, _said("a"))
    assert journal.items(number) == []  # reading goes on
    other.close()
    journal.append(number, 1, 0.0, _said("a"))
    assert len(journal.items(number)) == 1


def test_odd_names(tmp_path: Path) -> None:
    for name in ("what? #1 100%.db", ":memory:", "späte Gespräche"):
        Journal.open(tmp_path / name, retention_days=0, now=0).close()
        assert (tmp_path / name).stat().st_size > 0


def test_closing_twice(path: Path) -> None:
    journal = Journal.open(path, retention_days=0, now=0)
    journal.close()
    journal.close()


# ── on a thread ──────────────────────────────────────────────────────────────────────────────


async def test_a_writer_keeps_the_order_and_writes_what_waits(path: Path) -> None:
    journal = Journal.open(path, retention_days=0, now=0)
    number = journal.begin(0.0)
    writer = JournalWriter(journal, number)
    appends = [
        asyncio.create_task(writer.append(turn, float(turn), _said(str(turn))))
        for turn in range(30)
    ]
    await asyncio.sleep(0)  # they are on their way
    for append in appends:
        append.cancel()
    await writer.close()
    await writer.close()
    journal = Journal.open(path, retention_days=0, now=0)
    assert _words(journal.items(number)) == [str(turn) for turn in range(30)]
    journal.close()


async def test_a_writer_says_what_went_wrong(path: Path) -> None:
    journal = Journal.open(path, retention_days=0, now=0)
    journal._database.read("PRAGMA busy_timeout = 50")
    writer = JournalWriter(journal, journal.begin(0.0))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked"):
        await writer.append(1, 0.0, _said("a"))
    other.close()
    await writer.append(2, 0.0, _said("b"))
    assert _words(journal.items(1)) == ["a", "b"], "what could not be written goes with the next"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked"):
        await writer.append(3, 0.0, _said("c"))
    other.close()
    await writer.close()
    journal = Journal.open(path, retention_days=0, now=0)
    assert _words(journal.items(1)) == ["a", "b", "c"], "or with the end"
    journal.close()
