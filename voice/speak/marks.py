"""Marks within a line that only the eye needs: Markdown, HTML, LaTeX, JSON, addresses."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from voice.speak.abbreviations import words
from voice.speak.ahead import Ahead, Found, MoreNeeded
from voice.speak.formula import formula
from voice.speak.options import SpeakOptions

Rule = Callable[[Ahead, SpeakOptions], Found | None]

_LINE = 300
"""Longest link text, code or formula (in characters) that is looked for within a line."""
_BLOCK = 1000
"""Longest formula of several lines."""
_ADDRESS = 2000
_INFO = re.compile(r"[^\s`]*(?:[ \t]+[^\n`]*[={][^\n`]*)?[ \t]*")
"""What follows the fence of a block of code in its line: the language, at most with settings."""
_BRACKETS = re.compile(r"\[((?:[^\[\]\n]|\[[^\[\]\n]*\])*)\]")
_CITATION = re.compile(
    r"\^[\w-]+|[1-9]\d{0,2}(?:\s*[,–-]\s*\d{1,3})*|citation needed", re.IGNORECASE
)
_TARGET = re.compile(
    r"""\((?:<[^<>\n]*>|(?:[^()\s]|\([^()\s]*\))*)(?:[ \t]+(?:"[^"\n]*"|'[^'\n]*'))?[ \t]*\)"""
)
_REFERENCE = re.compile(r"\[[^\[\]\n]*\]")
_DEFINITION = re.compile(r":[ \t]{0,9}<?(?:https?://|www\.)[^\n]{0,900}(?=\n)")
_DEFINITION_BEGUN = re.compile(
    r":[ \t]{0,9}<?(?:h?|htt?|https?:?|https?:/|ww?|www|(?:https?://|www\.)[^\n]{0,900})"
)
_JSON = re.compile(r"""\{\s{0,40}["'][\w $.-]{1,80}["']\s{0,40}:""")
_JSON_BEGUN = re.compile(r"""\{\s{0,40}(?:["'](?:[\w $.-]{1,80}(?:["']\s{0,40})?)?)?""")
_JSON_LIST = re.compile(r"\[\s{0,40}" + _JSON.pattern)
_JSON_LIST_BEGUN = re.compile(rf"\[\s{{0,40}}(?:{_JSON_BEGUN.pattern})?")
_SOURCE = re.compile(r"【[^】\n]*】")
_COMMENT = re.compile("<!--")
_COMMENT_BEGUN = re.compile("<!-?")
_TAG = re.compile(
    r"<(?:/?(?P<name>[A-Za-z][A-Za-z0-9_]*)(?:[ \t=/][^<>\n]*)?|(?P<site>[^\s<>|]+[@:/.][^\s<>]*)"
    r"|\|[^<>\n]*\|)>"
)
_HTML = words(
    """
    a abbr address article aside audio b blockquote body br button caption center cite code col
    del details dd dfn div dl dt em figure font footer form h1 h2 h3 h4 h5 h6 head header hr html
    i iframe img input ins kbd label li link main mark meta nav ol option p picture pre q s samp
    section select small source span strike strong sub summary sup svg table tbody td textarea
    tfoot th thead time title tr tt u ul var video
    """
)
_BREAKS = words("br p li div hr h1 h2 h3 h4 h5 h6 tr td th ul ol table")
_HIDDEN = words(
    """
    think thinking scratchpad tool_call tool_calls tool_response tool_result tool_use tool_code
    function_call function_calls
    """
)
"""Elements whose content is not for the user."""
_HIDDEN_LINES = words("thought reasoning tools function invoke parameter script style")
"""Likewise, but only at the beginning of a line: one can also speak of the <script> element."""
_INLINE_MATH = re.compile(r"\$(?=[^\s$\d])([^$\n]*?)(?<=[^\s\\])\$(?=[^\w$])")
_DISPLAY_MATH = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
_LIKE_MATH = re.compile(r"[\\^=+<>{}]|\w_\w|^[A-Za-z]'?$|^[a-z]\([a-z]\)$")
_ROUND_MATH = re.compile(r"\\\(([^\n]+?)\\\)")
_SQUARE_MATH = re.compile(r"\\\[(.+?)\\\]", re.DOTALL)
_COMMAND = re.compile(
    r"\\(?:[dt]?frac|sqrt|boxed|text)(?:\{(?:[^{}\n]|\{[^{}\n]*\})*\}){1,2}(?=[^{])"
)
_COMMAND_NAME = re.compile(r"\\(?:[dt]?frac|sqrt|boxed|text)\{")
_COMMAND_BEGUN = re.compile(r"\\[a-z]{1,5}")
_ESCAPED = frozenset("\\`*_{}[]()#+-.!|~>$&<\"'")
_ENTITY = re.compile(r"&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8}\d?);")
_ENTITY_BEGUN = re.compile(r"&(?:\#?[A-Za-z0-9]{0,8})?")
_ROW_END = re.compile(r"\|[ \t]{0,40}(?=\n)")
_ROW_END_BEGUN = re.compile(r"\|[ \t]{0,40}")
_URL = re.compile(r"""(?:https?://|www\.)[^\s<>"`|\\^{}\[\]“”「」【】，。、！？]*""", re.IGNORECASE)
_BARE = re.compile(r"(?:https?://)?(?:www\.)?", re.IGNORECASE)


def mark(ahead: Ahead, options: SpeakOptions) -> Found | None:
    """The mark that stands here; None where it stands for itself. Raises `MoreNeeded`."""
    return _RULES.get(ahead.text[ahead.at], _address)(ahead, options)


def _code(ahead: Ahead, options: SpeakOptions) -> Found | None:
    start, end = ahead.at, ahead.run()
    ticks = ahead.text[start:end]
    block = len(ticks) >= 3
    most = _ADDRESS if block else _LINE
    line_end = ahead.text.find("\n", end, end + most)
    close = ahead.text.find(ticks, end, line_end if line_end >= 0 else end + most)
    if close >= 0:
        return Found(close + len(ticks), inner=(end, close))
    if line_end < 0 and not ahead.whole and len(ahead.text) < end + most:
        raise MoreNeeded
    if block and line_end >= 0 and _INFO.fullmatch(ahead.text, end, line_end):
        return Found(line_end, until=ticks, aloud=options.code == "say")
    return Found(end)


def _emphasis(ahead: Ahead, _: SpeakOptions) -> Found | None:
    end = ahead.run()
    before, after = ahead.before, ahead.after(end)
    attached = not (before.isspace() and after.isspace())
    if ahead.text[ahead.at] == "*":
        marks = attached and not (before.isdigit() and after.isdigit())
    else:
        inside = (before.isalnum(), after.isalnum())
        marks = (not inside[0] and not after.isspace()) or (not before.isspace() and not inside[1])
    return Found(end) if marks else Found(end, None)


def _strike(ahead: Ahead, _: SpeakOptions) -> Found | None:
    end = ahead.run()
    return Found(end) if end - ahead.at >= 2 else None


def _image(ahead: Ahead, _: SpeakOptions) -> Found | None:
    return Found(ahead.at + 1)


def _bracket(ahead: Ahead, _: SpeakOptions) -> Found | None:
    if ahead.match(_JSON_LIST, _JSON_LIST_BEGUN):
        return Found(ahead.at + 1, depth=1)
    brackets = ahead.bounded(_BRACKETS, _LINE)
    if not brackets:
        return None
    end = brackets.end()
    follows = ahead.after(end)
    target = None
    if follows == "(":
        target = ahead.bounded(_TARGET, _ADDRESS, start=end)
    elif follows == "[":
        target = ahead.bounded(_REFERENCE, _LINE, start=end)
    elif follows == ":" and ahead.before.isspace():
        line = Ahead(ahead.text, end, ahead.whole)
        if definition := line.match(_DEFINITION, _DEFINITION_BEGUN):
            return Found(definition.end())
    if _CITATION.fullmatch(brackets[1]):
        return Found(target.end() if target and follows == "(" else end)
    if not target:
        return None
    return Found(ahead.at + 1, tail=(end - 1, target.end()))


def _source(ahead: Ahead, _: SpeakOptions) -> Found | None:
    source = ahead.bounded(_SOURCE, _LINE)
    return Found(source.end()) if source else None


def _tag(ahead: Ahead, options: SpeakOptions) -> Found | None:
    if comment := ahead.match(_COMMENT, _COMMENT_BEGUN):
        return Found(comment.end(), until="-->")
    follows = ahead.after(ahead.at + 1)
    if not (follows.isalpha() or follows in "/|"):
        return None
    tag = ahead.bounded(_TAG, _LINE)
    if not tag:
        return None
    if tag["site"]:
        return Found(tag.end(), site(tag["site"], options))
    return _element(tag, begins=ahead.at == 0 or ahead.before in "\n>")


def _element(tag: re.Match[str], *, begins: bool) -> Found | None:
    end, name = tag.end(), (tag["name"] or "").lower()
    opens = not (tag[0].startswith("</") or tag[0].endswith("/>"))
    if name in _HIDDEN or (name in _HIDDEN_LINES and (begins or not opens)):
        return Found(end, until=f"</{tag['name']}>" if opens else "")
    if name and name not in _HTML:
        return None
    return Found(end, "\n", line=True) if name in _BREAKS else Found(end)


def _dollar(ahead: Ahead, options: SpeakOptions) -> Found | None:
    follows = ahead.after(ahead.at + 1)
    if follows == "$":
        shown = ahead.bounded(_DISPLAY_MATH, _BLOCK, lines=True)
        return Found(shown.end(), _spoken(shown[1], options)) if shown else Found(ahead.at + 2)
    if follows.isspace() or follows.isdigit():
        return None
    inline = ahead.bounded(_INLINE_MATH, _LINE)
    if not inline or not _LIKE_MATH.search(inline[1]):
        return None
    return Found(inline.end(), _spoken(inline[1], options))


def _backslash(ahead: Ahead, options: SpeakOptions) -> Found | None:
    follows = ahead.after(ahead.at + 1)
    if follows in "([":
        pattern, most = (_ROUND_MATH, _LINE) if follows == "(" else (_SQUARE_MATH, _BLOCK)
        if shown := ahead.bounded(pattern, most, lines=follows == "["):
            return Found(shown.end(), _spoken(shown[1], options))
    name = ahead.match(_COMMAND_NAME, _COMMAND_BEGUN)
    if name and (command := ahead.bounded(_COMMAND, _LINE)):
        return Found(command.end(), _spoken(command[0], options))
    if follows == "\n":
        return Found(ahead.at + 1)
    if follows in _ESCAPED:
        return Found(ahead.at + 2, inner=(ahead.at + 1, ahead.at + 2))
    return None


def _brace(ahead: Ahead, _: SpeakOptions) -> Found | None:
    return Found(ahead.at + 1, depth=1) if ahead.match(_JSON, _JSON_BEGUN) else None


def _entity(ahead: Ahead, _: SpeakOptions) -> Found | None:
    entity = ahead.match(_ENTITY, _ENTITY_BEGUN)
    if not entity or (text := html.unescape(entity[0])) == entity[0]:
        return None
    return Found(entity.end(), " " if text.isspace() else text)


def _pipe(ahead: Ahead, _: SpeakOptions) -> Found | None:
    if ahead.in_row:
        ends = ahead.match(_ROW_END, _ROW_END_BEGUN)
        return Found(ends.end()) if ends else Found(ahead.at + 1, ",")
    spaced = ahead.before.isspace() and ahead.after(ahead.at + 1).isspace()
    return Found(ahead.at + 1, ",") if spaced else None


def _address(ahead: Ahead, options: SpeakOptions) -> Found | None:
    url = _URL.match(ahead.text, ahead.at, ahead.at + _ADDRESS)
    assert url, "no other mark begins so"
    if url.end() - ahead.at < _ADDRESS:
        ahead.after(url.end())
    address = url[0]
    while address[-1] in ".,;:!?'*_~’" or address.count(")") > address.count("("):
        address = address[:-1]
    end = ahead.at + len(address)
    if not _BARE.sub("", address, count=1):
        return Found(url.end(), None)
    return Found(end, site(address, options))


def site(address: str, options: SpeakOptions) -> str:
    """What is said for an address on the web or of e-mail."""
    if "://" not in address and "@" in address:
        return address.removeprefix("mailto:")
    if options.links == "skip":
        return ""
    bare = _BARE.sub("", address, count=1)
    host = re.split(r"[/?\#]", bare, maxsplit=1)[0]
    return bare.rstrip("/") if options.links == "say" else host


def _spoken(source: str, options: SpeakOptions) -> str:
    return formula(source, options.language)


_RULES: dict[str, Rule] = {
    "`": _code,
    "*": _emphasis,
    "_": _emphasis,
    "~": _strike,
    "!": _image,
    "[": _bracket,
    "【": _source,
    "<": _tag,
    "$": _dollar,
    "\\": _backslash,
    "{": _brace,
    "&": _entity,
    "|": _pipe,
}
