from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.errors import ModelError, UsageError
from voice.models import manifest
from voice.models.manifest import File, Manifest, Model, Wheels, find, parse, wheels_of

DIGEST = "0" * 64
GOOD = f"""
[models.tiny]
kind = "stt"
licence = "MIT"
description = "small"
hub = {{ repository = "a/b", revision = "main" }}
wheels = {{ package = "tiny-part{{n}}", version = "1.0", folder = "tiny_part{{n}}/data" }}
files = [
  {{ name = "big", size = 25, sha256 = "{DIGEST}", part = "big.{{n:02}}", part_size = 10 }},
  {{ name = "little", size = 3, sha256 = "{DIGEST}" }},
]
"""


def test_a_manifest_is_read() -> None:
    model = parse(GOOD, "here")["tiny"]
    assert (model.name, model.kind, model.size, model.weights.name) == ("tiny", "stt", 28, "big")


def test_wheels_hold_the_pieces_in_order_and_whole_files_in_the_first() -> None:
    model = parse(GOOD, "here")["tiny"]
    wheels = wheels_of(model, model.files)
    assert [wheel.requirement for wheel in wheels] == [f"tiny-part{n}==1.0" for n in (1, 2, 3)]
    assert [[piece.member for piece in wheel.pieces] for wheel in wheels] == [
        ["tiny_part1/data/big.01", "tiny_part1/data/little"],
        ["tiny_part2/data/big.02"],
        ["tiny_part3/data/big.03"],
    ]


@given(size=st.integers(1, 10_000), part_size=st.integers(1, 10_000))
def test_pieces_cover_the_file_without_gap_or_overlap(size: int, part_size: int) -> None:
    file = File("f", size, DIGEST, part="f.{n}", part_size=part_size)
    wheels = Wheels("p{n}", "1", "d")
    model = Model("llm", "MIT", "d", (file,), wheels=wheels)
    pieces = [piece for wheel in wheels_of(model, [file]) for piece in wheel.pieces]
    ends = [0, *(piece.end for piece in pieces)]
    assert [piece.offset for piece in pieces] == ends[:-1]
    assert ends[-1] == size


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('kind = "stt"', 'kind = "cat"', "cat"),
        ("licence", "license", "license"),
        (DIGEST, "abc", "sha256"),
        ("size = 25", "size = 0", "size"),
        ('name = "little"', 'name = "../little"', "name"),
        ('name = "little"', 'name = "big"', "same name"),
        (", part_size = 10", "", "part_size"),
        ("big.{n:02}", "big.{m}", "'m'"),
        ("[models.tiny]", '[models."../x"]', "models"),
        ("[models.tiny]", "[models.tiny", "line 2"),
        ("revision", "branch", "branch"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(old: str, new: str, named: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse(GOOD.replace(old, new), "models/manifest.toml")
    assert caught.value.problem.startswith("models/manifest.toml: ")
    assert named in caught.value.problem
    assert caught.value.cure


@pytest.fixture
def shipped() -> Manifest:
    return manifest.load()


def test_the_shipped_manifest_serves_a_first_conversation(shipped: Manifest) -> None:
    defaults = {model.kind for model in shipped.values() if model.default}
    assert defaults == {"stt", "turn", "tts"}
    assert all(model.hub for model in shipped.values())


def test_an_unknown_name_is_a_usage_error_with_the_nearest(shipped: Manifest) -> None:
    with pytest.raises(UsageError, match=r"tiny\.em.*tiny\.en"):
        find(shipped, "tiny.em")


def test_a_name_like_no_other_gets_them_all(shipped: Manifest) -> None:
    with pytest.raises(UsageError) as caught:
        find(shipped, "§§§")
    assert all(name in caught.value.cure for name in shipped)
