"""A small part of what `scripts/fuzz.py server` does: the real server under a flood."""

from __future__ import annotations

from tests.support.fuzzing import server as fuzzing


async def test_the_server_survives_a_flood_and_ends_when_told() -> None:
    async with fuzzing.running() as server:
        counts = await fuzzing.batch(server, "tests", 500)
        before = await fuzzing.calm(server)
        counts += await fuzzing.batch(server, "tests again", 200)
        after = await fuzzing.calm(server)
        assert after.open_files <= before.open_files
        await fuzzing.ended(server)
    for happened in (
        "response.completed",
        "response.failed",
        "http responses",
        "http streams",
        "error invalid_json",
        "http 400 invalid_json",
        "closed 1007",
        "strangers",
    ):
        assert counts[happened] > 0, happened
