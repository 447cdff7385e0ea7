"""LaTeX formulas as people say them (English); in other languages their signs alone are kept."""

from __future__ import annotations

import re

_COMMANDS = {
    "times": "times", "cdot": "times", "div": "divided by", "pm": "plus or minus", "le": "≤",
    "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "infty": "infinity",
    "to": "to", "rightarrow": "to", "implies": "implies", "Rightarrow": "implies", "sum": "the sum",
    "int": "the integral", "partial": "partial", "in": "in", "ldots": ",", "dots": ",",
    "cdots": ",", "circ": "degrees", "degree": "degrees", "angle": "angle", "lim": "the limit",
    "log": "log", "ln": "L N", "sin": "sine", "cos": "cosine", "tan": "tangent", "%": "%",
}  # fmt: skip
_GROUP = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_FRACTION = re.compile(rf"\\[dt]?frac\s*{_GROUP}\s*{_GROUP}")
_ROOT = re.compile(rf"\\sqrt\s*{_GROUP}")
_WRAPPED = re.compile(rf"\\(?:text|mathrm|mathbf|boxed|operatorname)\s*{_GROUP}")
_POWER = re.compile(r"\^(?:\{([^{}]*)\}|(\\\w+|\S))")
_INDEX = re.compile(r"_(?:\{([^{}]*)\}|(\w))")
_COMMAND = re.compile(r"\\([A-Za-z]+|%)")
_SIGNS = {"+": "plus", "-": "minus", "−": "minus", "=": "equals", "<": "is less than",
          ">": "is greater than", "*": "times", "/": "over"}  # fmt: skip
_SIGN = re.compile(r"[-+=<>*/−]")
_FACTORS = re.compile(
    r"\\(?:text|mathrm|mathbf|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+"
    r"|(?<![A-Za-z])([A-Za-z]{2,3})(?![A-Za-z])"
)
_LEFT = re.compile(r"[\\${}&~_^]|\s+")
_DEEPEST = 4


def formula(source: str, language: str) -> str:
    """What is said for the source of a formula, without its dollar signs."""
    if language != "en":
        return " ".join(_LEFT.sub(" ", _COMMAND.sub(" ", source)).split())
    source = _FACTORS.sub(lambda factors: " ".join(factors[1] or [factors[0]]), source)
    for _ in range(_DEEPEST):  # from the outside in
        source = _FRACTION.sub(r" \1 over \2 ", _ROOT.sub(r" the square root of \1 ", source))
    source = _POWER.sub(_power, _WRAPPED.sub(r" \1 ", source))
    source = _INDEX.sub(lambda index: f" sub {index[1] or index[2]} ", source)
    source = _COMMAND.sub(lambda name: f" {_COMMANDS.get(name[1], name[1])} ", source)
    source = _SIGN.sub(lambda sign: f" {_SIGNS[sign[0]]} ", source)
    return " ".join(_LEFT.sub(" ", source).split()).replace(" ,", ",")


def _power(found: re.Match[str]) -> str:
    power = (found[1] or found[2]).strip()
    if power in ("\\circ", "\\degree"):
        return " degrees "
    said = {"2": "squared", "3": "cubed"}.get(power)
    return f" {said} " if said else f" to the power of {power} "
