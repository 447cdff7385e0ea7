"""How finished do these words sound? From 0 (surely not) to 1 (surely), by the text alone.

Theory. Whisper puts a full stop after nearly everything that is followed by silence, so its full
stop says little, and the lack of one says more. What counts is the last words: English cannot
end a sentence with "the", "and" or "my number is", whatever stands behind them. The rules look
for such endings and only then at the punctuation. Other languages have the punctuation alone.

The values order the endings; they are no measured probabilities.
"""

from __future__ import annotations

import re

from voice.listen.labels import HESITATIONS, label, word_set, words_of

UNKNOWN = 0.5
"""No words to judge by."""

NEVER = 0.05
"""No sentence ends like this: "the", "um", a dash."""

HARDLY = 0.2
"""Rarely the end: "my number is", "milk, eggs"."""

OPEN = 0.6
"""Nothing speaks against an end, and no punctuation for it."""

ENDED = 0.85
"""A full stop, and nothing that speaks against it."""

ASKED = 0.95
"""A question, a request or an exclamation that is whole."""

_TRAILING_OFF = re.compile(r"(\.\.+|…|[-–—,;:])[\"'”’]*$")
_STOPPED = re.compile(r"[.。]+[\"'”’]*$")
_CALLED = re.compile(r"[?!？！]+[.\"'”’]*$")
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")


_DETERMINERS = word_set("a an the my your our their its every")
_CONJUNCTIONS = word_set("and or but because if when while although unless until than nor plus")
_SUBJECTS = word_set(
    "i we he she they i'm i'll i'd i've you're we're they're he's she's it's let's there's that's "
    "you'll we'll they'll you'd"
)
_AUXILIARIES = word_set(
    "is are was were am be been will would can could shall should may might must do does did have "
    "has had isn't aren't wasn't don't doesn't didn't can't won't couldn't wouldn't shouldn't"
)
_PREPOSITIONS = word_set("of with for to at from into by about between without during under near "
                     "than via per onto towards against among")  # fmt: skip
_PARTICLE_OR_PREPOSITION = word_set("in on off up down out over through around after before")
_SELDOM_PARTICLE = word_set("in through around after before")
_QUESTION_WORDS = word_set("what who whom whose which where when why how what's who's where's")
_PRONOUNS = word_set("i you he she it we they this that there")
_QUANTITIES = word_set("small medium large big little double triple single new good bit lot few")
_NEEDS_OBJECT = word_set(
    "set put give tell make add remind send turn get bring take show play call"
)
_NUMBER_WORDS = word_set("zero oh one two three four five six seven eight nine")
_WHOLE_DIGITS = frozenset({7, 10, 11, 12, 13})
"""How many digits a telephone number has, with and without area and country."""

_OPENINGS = re.compile(
    r"""(^|\b(and|so|but|then|please|okay|well|hey)\ )(
        (my|your|the|her|his)(\ \w+){0,3}\ (number|name|address|code|pin|password|email)
            (\ (is|was|are))?
      | (i|we)(\ really|\ just)?\ (want|need|would\ like|wish|think|mean|guess|was|have\ to)
      | (i'd|we'd|i\ would)\ (like|love|want|prefer)
      | (can|could|would|will|do|did|may|should|are|is|have)\ (you|i|we|he|she|it|they|there)
      | (can|could|would)\ (you|i)\ (please|get|have|tell\ me|give\ me|help\ me)
      | (what|how)\ about | how\ (do|can|many|much|long|old|far)(\ (i|you|we))?
      | what(\ \w+)?\ (is|are|was|time|kind|color|colour) | (is|are)\ there(\ (any|a))?
      | (tell|give|show|get|make|bring|remind|play|read|send)\ me
      | (turn|switch|put)\ (on|off|up|down) | let\ me(\ (see|think))? | let's\ see
      | there\ (is|are) | and\ then | then | so | well | okay\ so | you\ know | i\ think\ that
      | a | hey | that | also | first | maybe
    )$""",
    re.VERBOSE,
)
"""Sentences that are only begun."""

_REQUEST = re.compile(
    r"""^((please|okay|ok|hey|now|then|and|so|just|also)\ )*(
        (add|book|brew|bring|buy|call|cancel|change|check|clear|close|copy|count|create|decrease|delete
        |describe|dim|explain|fetch|find|get|give|go|increase|launch|list|lock|lower|make|move|mute|open
        |order|pause|pick|play|put|raise|read|remind|remove|repeat|run|say|search|send|set|show|shut
        |skip|spell|start|stop|switch|take|tell|translate|turn|unlock|unmute|wake|write)\ \w
      | (can|could|may|will|would)\ (i|you|we)\ \w+\ \w
      | (i'd\ like|i(\ really|\ just)?\ (want|wanted|need|would\ like))\ \w
    )""",
    re.VERBOSE,
)
"""Sentences that want something done. Who is asked or told something is spoken to until it is out;
who tells a story pauses after whole sentences."""

_ADDRESSED = re.compile(r"^\w+( \w+)?, ")
"""A name before it: "computer, …"."""

_WHOLE_ANYWAY = re.compile(
    r"\b((think|hope|guess|say|said|or|not|if) so|(yes|no|so|neither|nor|of course)( \w+)? \w+"
    r"|as well|let's (go|do) (it|that))$"
)
"""Ends in words that elsewhere would leave a sentence open: "I think so", "yes I am"."""

_NUMBER_ASKED = re.compile(r"\b(number|phone|code|pin|zip|dial|digits)\b|\bcall [\d-]+$")
_BARE_AMOUNT = re.compile(r"\btimer (for|of|to) (\d+|\w+)$")
_UNITS = re.compile(r"(second|minute|hour|day)s?$")


def finished(text: str, language: str = "en") -> float:
    """How finished `text` sounds, as Whisper wrote it; `language` is its ISO 639-1 code."""
    text = text.strip()
    if language != "en":
        return _by_punctuation(text)
    sentence = _SENTENCE_END.split(text)[-1]
    words = words_of(sentence)
    if not words:
        return UNKNOWN if not text or label(text) == "non-speech" else _by_punctuation(text)
    if _TRAILING_OFF.search(text) or words[-1] in HESITATIONS:
        return NEVER
    return min(_by_form(text, sentence), _by_ending(words, text))


def _by_form(text: str, sentence: str) -> float:
    """A request is as good as a question, with its full stop or without."""
    asked = " ".join(words_of(_ADDRESSED.sub("", sentence)))
    found = _by_punctuation(text)
    return ASKED if found in (ENDED, OPEN) and _REQUEST.search(asked) else found


def _by_punctuation(text: str) -> float:
    if not text:
        return UNKNOWN
    if _TRAILING_OFF.search(text):
        return NEVER
    if _CALLED.search(text):
        return ASKED
    return ENDED if _STOPPED.search(text) else OPEN


def _by_ending(words: list[str], text: str) -> float:
    """The most that the last sentence's last words allow."""
    said = " ".join(words)
    if _dictating(words, said):
        return HARDLY
    if _listing(text):
        return 2 * HARDLY
    if _OPENINGS.search(said) and len(words) <= 7:
        return HARDLY
    if _WHOLE_ANYWAY.search(said):
        return ASKED
    return _by_last_word(words)


def _by_last_word(words: list[str]) -> float:  # noqa: PLR0911 - a table
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    asks = any(word in _QUESTION_WORDS for word in words[:-2])
    if last in _PRONOUNS and before in _AUXILIARIES and words[0] in _QUESTION_WORDS:
        return ASKED  # "where are they"
    if last in _DETERMINERS or last in _CONJUNCTIONS or last in _SUBJECTS:
        return NEVER
    if last in _AUXILIARIES:
        return ENDED if asks and before in _PRONOUNS else NEVER  # "tell me what it is"
    if last in _PREPOSITIONS:
        return ENDED if asks or words[0] in _QUESTION_WORDS else NEVER  # "who are you talking to"
    if last in _PARTICLE_OR_PREPOSITION and len(words) == 1:
        return HARDLY
    if last in _SELDOM_PARTICLE and words[0] in _QUESTION_WORDS:
        return 2 * HARDLY
    if last in _QUANTITIES and before in _DETERMINERS:
        return HARDLY
    if last in _NEEDS_OBJECT and len(words) <= 3 and before not in _PRONOUNS:
        return 2 * HARDLY
    return 1.0


def _listing(text: str) -> bool:
    """Whether things are listed, and no "and" has announced the last."""
    parts = [part.split() for part in _SENTENCE_END.split(text)[-1].split(",")]
    return (
        len(parts) >= 3
        and all(len(part) <= 2 for part in parts[1:])
        and not any(part[0].lower() in {"and", "or", "please"} for part in parts[1:] if part)
    )


def _dictating(words: list[str], said: str) -> bool:
    """Whether a number is being dictated whose digits are not all there, or an amount of what."""
    if (amount := _BARE_AMOUNT.search(said)) and not _UNITS.search(amount[2]):
        return True
    digits = tokens = 0
    for word in reversed(words):
        plain = word.replace("-", "")
        if not (plain.isdigit() or word in _NUMBER_WORDS):
            break
        digits += len(plain) if plain.isdigit() else 1
        tokens += 1
    context = bool(_NUMBER_ASKED.search(said))
    if not (context and digits >= 1) and not (tokens >= 3 and digits <= 2 * tokens):
        return False
    short = digits == 4 and re.search(r"\b(code|pin)\b", said)
    return digits not in _WHOLE_DIGITS and not short
