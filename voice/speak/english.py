"""Abbreviations, signs and Roman numerals, as English has them said."""

from __future__ import annotations

import re

from voice.speak.abbreviations import BEFORE_NAME, BEFORE_NUMBER, NEVER_LAST, SOMETIMES_LAST, words
from voice.speak.english_dates import MONTH, MONTHS
from voice.speak.english_numbers import RULES
from voice.speak.placed import Placed, Rule

_FULL = {
    "prof": "Professor", "gen": "General", "col": "Colonel", "rev": "Reverend", "capt": "Captain",
    "lt": "Lieutenant", "sgt": "Sergeant", "gov": "Governor", "sen": "Senator",
    "rep": "Representative", "mt": "Mount", "approx": "approximately", "fig": "figure",
    "vol": "volume", "ch": "chapter", "sec": "section", "pp": "pages", "p": "page",
    "dept": "department", "est": "established", "ext": "extension", "tel": "telephone",
}  # fmt: skip
_ABBREVIATION = re.compile(rf"(?<![\w.])(?<!\d )({'|'.join(_FULL)})\.(?=\s+\S)", re.IGNORECASE)
_NUMBER_FOLLOWS = words("fig vol ch sec pp p est ext")
_LATIN = re.compile(r"(?<![\w.])(e\.g|i\.e)\.", re.IGNORECASE)
_VERSUS = re.compile(r"(?<![\w.])vs\b\.?(?=\s)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?<![\w.])([Nn]os?\.|Nº)\s?(?=\d)|#\s?(?=\d)")
_MONTH = re.compile(
    rf"(?<![\w.])({MONTH})(?:\.(?=\s+\S)|(?=\s\d{{1,2}}\b|\s\d{{4}}\b|\s?[-–]\s?{MONTH}\b))"
    rf"|(?<=\d\s)({MONTH})(?!\w)(?:\.(?=\s+\S))?|(?<=[a-z][-–])({MONTH})(?![\w-])"
)
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_DAY_NAME = r"(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)"
_DAY = re.compile(
    rf"(?<![\w.])({_DAY_NAME})(?:\.(?=\s+\S)|(?=\s?[-–]\s?{_DAY_NAME}\b|,?\s(?:\d{{1,2}}\s)?{MONTH}\b))"
    rf"|(?<=[a-z][-–])({_DAY_NAME})(?![\w-])"
)
_DAY_RANGE = re.compile(
    rf"(?<=day)\s?[-–]\s?(?=(?:{'|'.join(_DAYS)})\b)"
    rf"|(?<=[a-z])\s?[-–]\s?(?=(?:{'|'.join(MONTHS)})\b)"
)
_SHORT = "|".join(map(re.escape, sorted(BEFORE_NAME | BEFORE_NUMBER | NEVER_LAST | SOMETIMES_LAST)))
_PERIOD = re.compile(
    rf"(?<![\w.])(?:(?i:{_SHORT})|(?:[A-Z]\.)*[A-Z]|(?:[a-z]\.)+[a-z])\.(?=\s+(?![a-z])[\w\"“(])"
)
"""A period after which espeak would begin a new sentence, where none begins."""
_DOCTORATE = re.compile(r"\bPh\.D\b\.?(?=\s|$)")

_SLASHED = {
    "w/o": "without", "and/or": "and or", "a/c": "A C", "i/o": "I O", "n/a": "not applicable",
    "b/c": "because", "c/o": "care of", "he/she": "he or she", "she/he": "she or he",
    "his/her": "his or her", "him/her": "him or her", "s/he": "he or she", "yes/no": "yes or no",
    "input/output": "input output", "client/server": "client server",
}  # fmt: skip
_SLASH = re.compile(r"(?<![\w./:@\\-])(?<!\d\s)([A-Za-z]+)/([A-Za-z]+)(?![\w/@:-]|\.\w)")
_WITH = re.compile(r"(?<![\w/])w/\s?(?=\w)")

_CARDINAL_BEFORE = words(
    """
    war chapter part section volume act scene type phase grade level title bowl book article class
    stage tier series mark episode appendix unit version
    """
)
_RULERS = words(
    """
    louis henry charles george edward richard james william elizabeth mary john paul pius benedict
    gregory leo napoleon philip frederick wilhelm alexander nicholas catherine peter ivan francis
    felipe juan carlos harald ramses cleopatra innocent urban clement constantine
    """
)
_ARTICLES = words("a an the this that my your by on in via")
_ROMAN = re.compile(r"(?<=([A-Za-z]) )(?=[IVX])(X{0,3})(IX|IV|V?I{0,3})(?![\w'’])")
_ONES = {"": 0, "I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9}
_ORDINAL_ENDS = {1: "st", 2: "nd", 3: "rd"}

_ARROW = re.compile(r"\s?(?:[→⇒➔➜]|(?<=\s)[-=]+>)\s?")
_ABOUT = re.compile(r"(?<![\w/])~\s?(?=[\d$€£])")
_LESS = re.compile(r"(?<!\S)<\s?(?=\w)(?![\w-]+>)")
_GREATER = re.compile(r"(?<=\w )>\s?(?=\w)")
_MORE = re.compile(r"(?<!\S)>\s?(?=\w)")
_AT_MOST = re.compile(r"(?<!\S)<=\s?(?=\w)")
_AT_LEAST = re.compile(r"(?<!\S)>=\s?(?=\w)")
_EQUALS = re.compile(r"\s?={2,3}\s?(?=\S)")
_STAR = re.compile(r"(?<=[\w)])\s\*\s(?=[\w(])")
_SHARP = re.compile(r"(?<=\b[CFG])#(?!\w)")
_HASHTAG = re.compile(r"(?<![\w#])#(?=[A-Za-z])")
_SMILEY = re.compile(r"(?<![\w)])\s?[:;=]['’]?-?[)(DPpO/](?![\w/])")
_DIOXIDE = re.compile(r"\bCO[2₂](?!\w)")

_NUMBERS = re.compile(r"[\d½¼¾⅓⅔⅛²³^]")
_SIGNS = re.compile(r"[-–~<>=*#→⇒➔➜/:;]|\.[\w\s,]|\bvs\b|\bCO", re.IGNORECASE)


def rewritten(text: Placed) -> Placed:
    """The text with what espeak would say badly in words."""
    if _SIGNS.search(text.text) or _NUMBERS.search(text.text):
        text = _with(text, _SIGN_RULES)
    if _NUMBERS.search(text.text):
        text = _with(text, RULES)
    return text.replaced(_ROMAN, _roman)


def _with(text: Placed, rules: tuple[Rule, ...]) -> Placed:
    for pattern, new in rules:
        text = text.replaced(pattern, new)
    return text


def _full(found: re.Match[str]) -> str:
    short = found[1].lower()
    if short in _NUMBER_FOLLOWS and not found.string[found.end() :].lstrip()[:1].isdigit():
        return found[0]
    full = _FULL[short]
    return full.capitalize() if found[1][0].isupper() else full


def _latin(found: re.Match[str]) -> str:
    said = "for example" if found[1].lower() == "e.g" else "that is"
    return said.capitalize() if found[1][0].isupper() else said


def _numbered(found: re.Match[str]) -> str:
    return "numbers " if (found[1] or "").endswith("s.") else "number "


def _month(found: re.Match[str]) -> str:
    short = next(filter(None, found.groups()))
    return next(month for month in MONTHS if month.startswith(short[:3]))


def _day(found: re.Match[str]) -> str:
    short = next(filter(None, found.groups()))
    return next(day for day in _DAYS if day.startswith(short[:3]))


def _slash(found: re.Match[str]) -> str:
    if said := _SLASHED.get(found[0].lower()):
        return said
    lower = found[0].islower() and len(found[1]) > 1 and len(found[2]) > 1
    return f"{found[1]} {'or ' if lower else ''}{found[2]}"


def _roman(found: re.Match[str]) -> str:
    numeral = found[2] + found[3]
    value = 10 * len(found[2]) + _ONES[found[3]]
    word = found.string[: found.start()].split()[-1].strip("\"'“”(")
    before = word.lower()
    titled = before in _CARDINAL_BEFORE | _RULERS
    drip = numeral == "IV" and found.start() <= len(word) + 1
    if before in _ARTICLES or not (titled or word[:1].isupper()) or (drip and not titled):
        return " ".join(numeral)
    if before in _RULERS and numeral != "I":
        end = "th" if value in (11, 12, 13) else _ORDINAL_ENDS.get(value % 10, "th")
        return f"the {value}{end}"
    if len(numeral) == 1 and not (word[:1].isupper() and before in _CARDINAL_BEFORE):
        return numeral
    return str(value)


_SIGN_RULES: tuple[Rule, ...] = (
    (_DOCTORATE, "PhD"),
    (_DIOXIDE, "C O 2"),
    (_NUMBERED, _numbered),
    (_DAY, _day),
    (_MONTH, _month),
    (_DAY_RANGE, " to "),
    (_ABBREVIATION, _full),
    (_LATIN, _latin),
    (_VERSUS, "versus"),
    (_SMILEY, ""),
    (_SLASH, _slash),
    (_WITH, "with "),
    (_ARROW, ", "),
    (_ABOUT, "about "),
    (_LESS, "less than "),
    (_GREATER, "greater than "),
    (_MORE, "more than "),
    (_AT_MOST, "at most "),
    (_AT_LEAST, "at least "),
    (_EQUALS, " equals "),
    (_STAR, " times "),
    (_SHARP, " sharp"),
    (_HASHTAG, "hashtag "),
    (_PERIOD, lambda found: found[0][:-1]),
)
