"""What kind of utterance is this: words for the agent, or one of the sounds around them?

The lists are English, and short on purpose: a wrong "backchannel" swallows what was said.
"""

from __future__ import annotations

import re
from typing import Literal

Label = Literal["words", "backchannel", "hesitation", "non-speech"]

# What Whisper writes for sounds: [Music], (laughs), *coughs*, ♪ la la ♪; the end may be missing.
_SOUND = re.compile(r"\[[^\]]*(\]|$)|\([^)]*(\)|$)|\*[^*]*(\*|$)|♪[^♪]*(♪|$)")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_DRAWN_OUT = re.compile(r"([^\W\d_])\1{2,}")


def word_set(words: str) -> frozenset[str]:
    """The words of a list with blanks between them."""
    return frozenset(words.split())


HESITATIONS = word_set("um umm uh uhh er err erm hm hmm mm ah ahh eh")
_LAUGHS_AND_COUGHS = word_set("ha haha hahaha hah heh hehe ahem achoo")
_BACKCHANNELS = word_set(
    "mm-hm mm-hmm mmhm mhm m-hm hm-hm hmm-hmm mm-mm uh-huh aha oh yeah yep yup yes ya right ok "
    "okay okey-dokey sure alright cool nice exactly wow really"
)
_BACKCHANNEL_PHRASES = (
    "i see", "got it", "all right", "of course", "uh huh", "mm hmm", "mm hm",
    "go on", "keep going", "carry on", "don't stop",
)  # fmt: skip
_MOST_BACKCHANNEL_WORDS = 4

_STOPS = frozenset(
    (
        "stop", "stop it", "stop that", "stop talking", "wait", "wait a minute", "wait a second",
        "wait a moment", "hold on", "hold on a second", "hang on", "one moment", "one second",
        "just a moment", "be quiet", "quiet", "silence", "shut up", "hush", "enough",
        "that's enough", "cancel", "cancel that", "never mind", "nevermind",
    )
)  # fmt: skip
_POLITENESS = word_set("please okay ok oh hey no now just thanks")


def words_of(text: str) -> list[str]:
    """The words, in lower case, without punctuation and without what stands for sounds."""
    plain = _SOUND.sub(" ", text).lower().replace("’", "'")
    return _WORD.findall(_DRAWN_OUT.sub(r"\1\1", plain))


def label(text: str) -> Label:
    """The kind of utterance that `text`, as Whisper wrote it, stands for."""
    words = words_of(text)
    if all(word in _LAUGHS_AND_COUGHS for word in words):
        return "non-speech"
    if all(word in HESITATIONS for word in words):
        return "hesitation"
    if len(words) <= _MOST_BACKCHANNEL_WORDS and not _beyond_backchannels(words):
        return "backchannel"
    return "words"


def may_become_backchannel(text: str) -> bool:
    """Whether `text`, which is none, may be the beginning of one: "go", "all ri", "I"."""
    words = words_of(text)
    rest = _beyond_backchannels(words)
    if not rest or len(words) > _MOST_BACKCHANNEL_WORDS:
        return False
    return any(known.startswith(rest) for known in (*_BACKCHANNELS, *_BACKCHANNEL_PHRASES))


def _beyond_backchannels(words: list[str]) -> str:
    """What is left of the words without backchannels and hesitations."""
    rest = " ".join(words)
    for phrase in _BACKCHANNEL_PHRASES:
        rest = re.sub(rf"\b{phrase}\b", "", rest)
    known = _BACKCHANNELS | HESITATIONS | _LAUGHS_AND_COUGHS
    return " ".join(word for word in rest.split() if word not in known)


def is_stop(text: str) -> bool:
    """Whether the user says nothing but that the agent should fall silent."""
    words = words_of(text)
    said = [word for word in words if word not in _POLITENESS]
    if len(set(said)) == 1:
        said = said[:1]  # "stop, stop!"
    return any(" ".join(choice) in _STOPS for choice in (said, words))
