"""Formulas as people say them."""

from __future__ import annotations

import pytest

from voice.speak.formula import formula


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x^2+y^2=z^2", "x squared plus y squared equals z squared"),
        (r"\frac{a+b}{2}", "a plus b over 2"),
        ("E=mc^2", "E equals m c squared"),
        (r"\sqrt{\frac{1}{2}}", "the square root of 1 over 2"),
        (r"\alpha \times 3", "alpha times 3"),
        ("x^{n+1}", "x to the power of n plus 1"),
        (r"20^\circ", "20 degrees"),
        (r"-b \pm c_1", "minus b plus or minus c sub 1"),
        (r"\text{if } x \leq 5", "if x ≤ 5"),
    ],
)
def test_a_formula_in_english(source: str, said: str) -> None:
    assert formula(source, "en") == said


def test_a_formula_in_another_language_keeps_its_signs() -> None:
    assert formula(r"\frac{a}{b} = 2", "de") == "a b = 2"
