"""The page of all figures, and the runs that make them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmarks.all_runs import Outcome, limits, planned, summary
from scripts.benchmarks.book import runs, text, write_book
from scripts.benchmarks.book_sink import BookError, Sink, read
from scripts.benchmarks.figures import Target

MACHINE = {"cpu": "C", "cores": 2, "memory_gb": 8, "system": "S", "python": "3", "packages": {}}


def _run(name: str, **conditions: Any) -> dict[str, Any]:
    row = {"figure": "stop_ms", "unit": "ms", "samples": [200, 340], "median": 340, "p95": 400}
    row["targets"] = [{"of": "median", "limit": "≤ 300", "verdict": "missed"}]
    return {
        "benchmark": name,
        "conditions": {"machine": MACHINE, **conditions},
        "figures": [row],
        "details": {"failures": ["a sound was not heard"]},
    }


def test_what_is_missed_is_said_first_and_plainly() -> None:
    page = text([_run("duplex")])
    assert "0 of 1 targets are met" in page
    assert "- duplex: `stop_ms` is 340 ms, the target is ≤ 300." in page
    assert page.index("Missed:") < page.index("## duplex")


def test_failures_and_unsteady_machines_are_told() -> None:
    page = text([_run("duplex", steady=False, late_ticks=9, latest_tick_ms=80, quick=True)])
    assert "a sound was not heard" in page
    assert "was not steady" in page
    assert "A quick run" in page


def test_the_page_has_its_plots_beside_it(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "duplex.json").write_text(json.dumps(_run("duplex")))
    write_book(tmp_path / "b", tmp_path / "docs" / "page.md")
    page = (tmp_path / "docs" / "page.md").read_text()
    drawn = sorted(path.name for path in (tmp_path / "docs" / "images").iterdir())
    assert drawn == ["bench-duplex.svg", "bench-targets.svg"]
    assert all(f"images/{name}" in page for name in drawn)


def test_the_book_has_an_order_of_its_own(tmp_path: Path) -> None:
    for name in ("tools", "duplex", "unheard-of"):
        (tmp_path / f"{name}.json").write_text(json.dumps(_run(name)))
    assert [run["benchmark"] for run in runs(tmp_path)] == ["duplex", "tools", "unheard-of"]


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "cannot be read"), ("[]", "no figures"), ('{"figures": {}}', "no figures")],
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(BookError, match=f"x.json .*{says}"):
        read(tmp_path / "x.json")


def test_a_folder_without_figures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="holds no figures"):
        runs(tmp_path)


def test_a_sink_writes_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Sink("x", tmp_path / "1.json", None, {"stop_ms_p50": Target(300)})
    first.save({"figures": {"stop_ms_p50": 200}})
    [row] = read(tmp_path / "1.json", "x")["figures"]
    assert row["targets"][0]["verdict"] == "met"
    second = Sink("x", None, tmp_path / "1.json")
    second.save({"figures": {"stop_ms_p50": 400}})
    second.compare()
    assert "2.00" in capsys.readouterr().out
    with pytest.raises(BookError, match="of x, not of y"):
        Sink("y", None, tmp_path / "1.json")


def test_all_runs_share_the_minutes() -> None:
    given = limits(planned(), 20)
    assert sum(given.values()) == pytest.approx(1200)
    assert given["duplex"] > given["tools"]


def test_the_summary_tells_what_failed() -> None:
    said = summary([Outcome("a", 10), Outcome("b", 5, "it ended with 1")])
    assert "FAILED: it ended with 1" in said
    assert said.endswith("15 s")
