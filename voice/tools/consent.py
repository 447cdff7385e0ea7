"""Is it a yes? What a user says to "Shall I …?", as a transcriber writes it.

Theory. An answer is cut into known phrases, the longest first. It is a yes if it says yes, and
besides only what goes with it ("please"); a no likewise. Whatever else it says, a question mark,
yes and no together, or a sentence that was broken off make it something other: nothing runs, and
the model has to understand it. Sounds ("mm-hm", "uh-uh") and what declines as often as it agrees
("that's fine", "I'm good") are in no list for the same reason.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass, field


class Consent(enum.Enum):
    """What an answer means for the call that was asked about."""

    YES = "yes"
    NO = "no"
    OTHER = "other"


def consent_of(text: str, language: str = "en", asked: str = "") -> Consent:
    """What the text says to the question `asked`.

    `language` is a code such as "de" or "de-DE"; one without a table is read as English. With the
    question, its own words are understood too: "Yes, cancel the timers" is a yes to "Shall I cancel
    the timers?", and "cancel that" no plain no to it.
    """
    answers = _TABLES.get(language.casefold().partition("-")[0], _ENGLISH)
    if _BROKEN_OFF.search(text.strip()):
        return Consent.OTHER
    said, question = _words(text), _words(asked)
    words = _without_repetition(said, question)
    meanings = _meanings(words, answers) - {None}
    if meanings == {Consent.YES}:
        return Consent.YES
    plainly = len(words) == len(said) and not _STOPPING & {*said} & {*question}
    return Consent.NO if meanings == {Consent.NO} and plainly else Consent.OTHER


_BROKEN_OFF = re.compile(r"(\.\.+|…|[-–—,;:])[\"'”’]*$")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|\?")
_FORMULA = frozenset(["shall", "should", "i", "?"])
_SMALL_WORDS = frozenset(
    ["a", "an", "the", "my", "your", "this", "that", "these", "those", "them", "it", "please"]
)
_STOPPING = frozenset(
    ["stop", "cancel", "stopp", "abbrechen", "arrete", "annule", "para", "cancela"]
)


def _words(text: str) -> list[str]:
    """Without case, accents and punctuation, but with each "?"."""
    letters = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return _WORD.findall("".join(one for one in letters if not unicodedata.combining(one)))


def _without_repetition(said: list[str], question: list[str]) -> list[str]:
    """The words before the question is said again, all of it: a part may be meant to limit it.

    What repeats it and says nothing before may be the agent's own voice, and stays without meaning.
    """
    content = {*question} - _FORMULA - _SMALL_WORDS
    at = len(said)
    while at > 0 and said[at - 1] in content | _SMALL_WORDS:
        at -= 1
    return said[:at] if content and content <= {*said[at:]} else said


def _meanings(words: list[str], answers: _Answers) -> set[Consent | None]:
    """What the phrases mean; None goes with either, and unknown words are something other."""
    meanings: set[Consent | None] = set()
    at = 0
    while at < len(words):
        for length in range(min(answers.longest, len(words) - at), 0, -1):
            phrase = tuple(words[at : at + length])
            if phrase in answers.meanings:
                break
        meanings.add(answers.meanings.get(phrase, Consent.OTHER))
        at += length
    return meanings


@dataclass(frozen=True, slots=True)
class _Answers:
    """A language's phrases, separated by commas; `along` goes with a yes or a no.

    `unclear` holds what is not the sum of its words: "don't stop", "oh, okay".
    """

    yes: str
    no: str
    along: str
    unclear: str = ""
    meanings: dict[tuple[str, ...], Consent | None] = field(init=False)
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        meanings: dict[tuple[str, ...], Consent | None] = {}
        for phrases, meaning in (
            (self.along, None),
            (self.yes, Consent.YES),
            (self.no, Consent.NO),
            (self.unclear, Consent.OTHER),
        ):
            meanings |= {tuple(_words(phrase)): meaning for phrase in phrases.split(",")}
        object.__setattr__(self, "meanings", meanings)
        object.__setattr__(self, "longest", max(map(len, meanings)))


_ENGLISH = _Answers(
    yes="yes, yeah, yep, yup, yea, ya, aye, ok, okay, o k, okey dokey, alright, all right, sure, "
    "sure thing, for sure, of course, certainly, absolutely, definitely, by all means, go ahead, "
    "go for it, do it, do that, do so, do this, please do, yes please, yes i do, yes you may, "
    "yes you can, yes you should, you may, i'm sure, i am sure, correct, that's correct, "
    "that's right, exactly, agreed, affirmative, confirm, confirmed, i confirm, proceed, "
    "sounds good, let's do it, let's do that, be my guest",
    no="no, nope, nah, nay, no thanks, no thank you, thanks but no thanks, don't, do not, "
    "don't do it, don't do that, do not do it, do not do that, don't do this, no way, "
    "absolutely not, certainly not, definitely not, of course not, not now, "
    "not right now, not today, not yet, maybe later, better not, i'd rather not, rather not, "
    "i'd rather you didn't, i don't think so, i do not think so, i don't want that, "
    "i don't want to, i don't want it, i don't want you to, never mind, nevermind, never, "
    "forget it, forget that, forget about it, leave it, leave it alone, stop, stop it, stop that, "
    "cancel, cancel it, cancel that, no need, that's not necessary, not necessary, negative",
    along="please, thanks, thank you, thank you very much, um, uh, er, erm, hm, hmm, oh, ah, then, "
    "now, right now, right away, sir, ma'am, no problem, no worries, fine, good, great, perfect, "
    "right, why not, why not ?, you can do that, both, both of them, all of them",
    unclear="don't stop, don't cancel, don't forget, don't leave, do not stop, do not cancel, "
    "do not forget, do not leave, never stop, never cancel, never forget, never leave, "
    "oh ok, oh okay, ah ok, ah okay",
)

_GERMAN = _Answers(
    yes="ja, jawohl, jo, jep, jup, ok, okay, klar, na klar, ist klar, natürlich, gern, gerne, "
    "sehr gern, sehr gerne, ja bitte, bitte ja, mach das, mach es, mach mal, mach ruhig, tu das, "
    "tu es, machen sie das, tun sie das, in ordnung, einverstanden, genau, richtig, sicher, "
    "auf jeden fall, unbedingt, selbstverständlich, bestätigt, nur zu, los",
    no="nein, nee, nö, ne, nein danke, bitte nicht, bloß nicht, lieber nicht, besser nicht, "
    "nicht jetzt, jetzt nicht, noch nicht, auf keinen fall, auf gar keinen fall, natürlich nicht, "
    "sicher nicht, mach das nicht, mach es nicht, tu das nicht, tu es nicht, "
    "machen sie das nicht, doch nicht, lass es, lass das, lass mal, lass es sein, vergiss es, "
    "vergiss das, stopp, stop, halt, abbrechen, brich ab, nicht nötig, ich glaube nicht, niemals",
    along="bitte, danke, vielen dank, äh, ähm, hm, oh, ach, dann, jetzt, sofort, mal, "
    "kein problem, gut, prima, super, warum nicht, warum nicht ?, beide, alle",
)

_FRENCH = _Answers(
    yes="oui, ouais, ok, okay, d'accord, bien sûr, mais oui, bien sûr que oui, vas-y, allez-y, "
    "fais-le, faites-le, fais ça, faites ça, volontiers, avec plaisir, tout à fait, exactement, "
    "certainement, absolument, je confirme, confirmé, ça marche, entendu",
    no="non, mais non, non merci, pas maintenant, pas encore, pas du tout, surtout pas, "
    "laisse tomber, laissez tomber, laisse, laissez, ne le fais pas, ne le faites pas, "
    "ne fais pas ça, ne faites pas ça, ne fais rien, arrête, arrêtez, stop, annule, annulez, "
    "certainement pas, absolument pas, bien sûr que non, jamais, oublie, oubliez, oublie ça, "
    "vaut mieux pas, plutôt pas, je ne crois pas, je ne pense pas, ce n'est pas la peine",
    along="s'il te plaît, s'il vous plaît, merci, euh, hum, oh, ah, maintenant, tout de suite, "
    "pas de problème, bien, parfait, très bien, pourquoi pas, pourquoi pas ?, les deux, tous",
)

_SPANISH = _Answers(
    yes="sí, ok, okay, claro, claro que sí, por supuesto, vale, de acuerdo, adelante, hazlo, "
    "hágalo, haz eso, desde luego, exacto, exactamente, correcto, confirmado, confirmo, "
    "sí por favor, seguro, con gusto",
    no="no, no gracias, claro que no, por supuesto que no, desde luego que no, ahora no, "
    "todavía no, aún no, no lo hagas, no lo haga, no hagas eso, déjalo, déjelo, olvídalo, "
    "olvídelo, para, basta, detente, cancela, cancélalo, cancélelo, mejor no, "
    "de ninguna manera, nunca, no hace falta, no creo, creo que no, no quiero, stop",
    along="por favor, gracias, muchas gracias, eh, oh, ah, ahora, ahora mismo, ya, entonces, "
    "no hay problema, sin problema, perfecto, muy bien, por qué no, por qué no ?, los dos, "
    "las dos, todos, todas",
)

_TABLES = {"en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH, "es": _SPANISH}
