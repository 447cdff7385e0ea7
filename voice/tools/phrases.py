"""What is said to the assistant about the conversation itself, and needs no model.

Only an utterance that is nothing else counts: "repeat that number to my wife" is for the model. The
lists are short on purpose, above all that of what is forgotten, since it does not come back.
"Turn it down" is not in them: it may be the music.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum


class SpokenCommand(Enum):
    """What is wanted."""

    REPEAT = "repeat"
    """The last answer once more."""

    FORGET = "forget"
    """The conversation is over; a new one begins."""

    LOUDER = "louder"
    QUIETER = "quieter"
    SLOWER = "slower"
    FASTER = "faster"


_REPEAT = """
    repeat | repeat that | repeat it | repeat this | repeat yourself | repeat what you said
    repeat your answer | repeat your last answer
    repeat your last sentence | repeat the last sentence | repeat the answer
    say that again | say it again | say again | say that once more | say it once more
    say that one more time | say it one more time | repeat that once more | repeat it once more
    repeat that one more time | repeat it one more time | repeat that again | come again
    sorry what | what did you say | what was that | what was that again
    what did you say again | pardon | pardon me | beg your pardon | i beg your pardon
    i did not catch that | i did not get that | i did not hear that | i did not hear you
    i could not hear that | i missed that | tell me again
"""
_FORGET = """
    forget this conversation | forget our conversation | forget the conversation
    forget the whole conversation | forget this whole conversation | forget everything
    forget everything i said | forget everything we said | forget everything we talked about
    forget everything i told you | start over | let us start over | start all over
    start fresh | let us start fresh | new conversation | start a new conversation
    begin a new conversation | let us start a new conversation | start a fresh conversation
    clear this conversation | clear the conversation | clear our conversation
    delete this conversation | delete the conversation | delete our conversation
    erase this conversation | erase the conversation | reset this conversation
    reset the conversation | clear your memory | erase your memory
"""
_LOUDER = """
    louder | be louder | more loudly | speak up | raise your voice
    turn your voice up | turn up your voice | turn yourself up | make your voice louder
    turn your volume up | turn up your volume | raise your volume | increase your volume
    you are too quiet | you are very quiet | your voice is too quiet
    i can not hear you | i can hardly hear you | i can barely hear you
"""
_QUIETER = """
    quieter | be quieter | more quietly | softer | more softly | not so loud | less loud
    lower your voice | keep your voice down | turn your voice down | turn down your voice
    turn yourself down | make your voice quieter | turn your volume down
    turn down your volume | lower your volume | decrease your volume | reduce your volume
    you are too loud | you are very loud | your voice is too loud
"""
_SLOWER = """
    slower | more slowly | slow down | slow down your voice | slow your voice down
    not so fast | less fast | too fast | you are too fast | make your voice slower
    you are talking too fast | you are speaking too fast | you talk too fast
    you speak too fast | that is too fast | that was too fast
"""
_FASTER = """
    faster | more quickly | quicker | speed up | speed up your voice | speed your voice up
    not so slow | too slow | you are too slow | make your voice faster
    you are talking too slow | you are speaking too slow | you talk too slow
    you speak too slow | you are talking too slowly | you are speaking too slowly
"""


def _phrases() -> Iterator[tuple[str, SpokenCommand]]:
    for command, phrases in (
        (SpokenCommand.REPEAT, _REPEAT),
        (SpokenCommand.FORGET, _FORGET),
        (SpokenCommand.LOUDER, _LOUDER),
        (SpokenCommand.QUIETER, _QUIETER),
        (SpokenCommand.SLOWER, _SLOWER),
        (SpokenCommand.FASTER, _FASTER),
    ):
        for phrase in re.split(r"\s*[|\n]\s*", phrases.strip()):
            yield phrase, command


_ENGLISH = dict(_phrases())

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SPELLED_OUT = {
    "can't": "can not", "cannot": "can not", "couldn't": "could not", "didn't": "did not",
    "let's": "let us", "you're": "you are", "that's": "that is", "i'd": "i would",
}  # fmt: skip

_PADDING = re.compile(
    r"\b(?:please|um+|uh+|er+|hm+|okay|ok|thanks|thank you|just|hey|hi|hello|oh"
    r"|assistant|computer)\b"
)
_ASKED_BEFORE = re.compile(
    r"^(?:(?:so|well|no|yes|now|and|but|sorry(?! what$)|excuse me|wait|i am sorry"
    r"|(?:can|could|would|will) you|(?:can|could|shall) we|i (?:want|need|would like) you to)\s)+"
)
_ASKED_AFTER = re.compile(
    r"(?:\s(?:now|then|sorry|for me|to me|(?:can|could|would|will) you|if you can|if you could))+$"
)
_A_BIT = re.compile(
    r"\b(?:an? (?:little bit|little|bit|tad)|slightly|somewhat|much|even|way|lot)\b"
)
_SPEAK = re.compile(
    r"^(?:speak|talk)(?: to me)? (?=louder|quieter|softer|slower|faster|quicker|more )"
)


def spoken_command(text: str, language: str = "en") -> SpokenCommand | None:
    """The command that `text`, as Whisper wrote it, is; None if it is or may be anything else.

    Known in English alone; `language` is a code such as "en" or "en-US".
    """
    if language.partition("-")[0] != "en":
        return None
    words = [word.replace("’", "'") for word in _WORD.findall(text.lower())]
    plain = " ".join(_SPELLED_OUT.get(word, word) for word in words)
    for pattern in (_PADDING, _A_BIT, _ASKED_BEFORE, _ASKED_AFTER, _SPEAK):
        plain = pattern.sub("", " ".join(plain.split()))
    said = plain.split()
    if len(said) > 1 and len(set(said)) == 1:
        said = said[:1]  # "louder, louder!"
    return _ENGLISH.get(" ".join(said))
